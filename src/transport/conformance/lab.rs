//! What every case works with: channels, subscribers, packets by name.
//!
//! `Case → Lab → Fixture → Channel → Subscriber → Delivery`

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{self, Either};
use tokio::time::{Instant, timeout, timeout_at};

use super::fixture::{Channel, Fixture, Server, Wants};
use super::scale::Scale;
use super::verdict::{Fault, failed};
use crate::transport::{Abilities, Delivery, ErrorKind, Packet, Publisher, Source, TransportError};

/// For how long nothing may happen where something has to: far longer than any server takes, and a lease of 30 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How many packets are handed over in one call.
const BATCH: usize = 100;

pub(crate) struct Lab<'a> {
    fixture: &'a dyn Fixture,
    scale: Scale,
    case: &'static str,
    channels: AtomicUsize,
    doing: Mutex<String>,
    is_down: AtomicBool,
}

impl<'a> Lab<'a> {
    pub(crate) fn new(fixture: &'a dyn Fixture, scale: Scale, case: &'static str) -> Self {
        let doing = Mutex::new("it was about to begin".to_owned());
        Self { fixture, scale, case, channels: AtomicUsize::new(0), doing, is_down: AtomicBool::new(false) }
    }

    /// So many on the full scale, and a tenth on the small one, but no fewer than a hundred.
    pub(crate) fn count(&self, full: usize) -> usize {
        match self.scale {
            Scale::Full => full,
            Scale::Small => full.min(100.max(full / 10)),
        }
    }

    /// Notes what is being waited for, for the case that it never ends.
    pub(crate) fn note(&self, doing: impl Into<String>) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing.into();
    }

    pub(crate) fn doing(&self) -> String {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn server(&self) -> Result<&dyn Server, Fault> {
        self.fixture.server().ok_or_else(|| Fault::Missing("server that the suite may kill".to_owned()))
    }

    pub(crate) async fn delete_all(&self, name: &str) -> Result<(), Fault> {
        match self.fixture.delete_all(name) {
            Some(deleting) => {
                deleting.await;
                Ok(())
            }
            None => Err(Fault::Missing("way to delete what is lent".to_owned())),
        }
    }

    pub(crate) async fn kill(&self) -> Result<(), Fault> {
        let server = self.server()?;
        self.is_down.store(true, Ordering::Relaxed);
        server.kill().await;
        Ok(())
    }

    pub(crate) async fn start(&self) -> Result<(), Fault> {
        self.server()?.start().await;
        self.is_down.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// However the case ended, the next one has a server.
    pub(crate) async fn tidy(&self) {
        if self.is_down.load(Ordering::Relaxed) {
            // There is one, for it was killed.
            let _ = self.start().await;
        }
    }

    pub(crate) async fn channel(&self) -> Result<Channel, Fault> {
        self.channel_with(|_| ()).await
    }

    /// Makes a channel that is like no other; one that cannot be had as wanted makes the case not applicable.
    pub(crate) async fn channel_with(&self, want: impl FnOnce(&mut Wants) + Send) -> Result<Channel, Fault> {
        let number = self.channels.fetch_add(1, Ordering::Relaxed);
        self.note(format!("channel {number} was being made"));
        let case: String = self.case.chars().take(20).map(|c| if c == '_' { '-' } else { c }).collect();
        let mut wants = Wants::new(format!("{case}-{number}-{:08x}", fastrand::u32(..)));
        want(&mut wants);
        let channel = self.fixture.channel(wants).await.map_err(|error| match error.kind() {
            ErrorKind::Unsupported => Fault::Missing(format!("such channel: {error}")),
            _ => Fault::Failed(format!("no channel could be made: {error}")),
        });
        self.note("it was at work");
        channel
    }
}

impl Channel {
    /// What its publisher can do.
    pub(crate) fn sends(&self) -> Abilities {
        self.publisher.abilities()
    }

    /// What its subscribers can do.
    pub(crate) fn lends(&self) -> Abilities {
        (self.subscribe)("").abilities()
    }

    /// Makes one more subscriber, and opens it.
    pub(crate) async fn subscriber(&self) -> Result<Subscriber, Fault> {
        Subscriber::open((self.subscribe)(""), BATCH).await
    }

    pub(crate) async fn subscribers(&self, count: usize) -> Result<Vec<Subscriber>, Fault> {
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(self.subscriber().await?);
        }
        Ok(all)
    }

    pub(crate) async fn of_group(&self, group: &str) -> Result<Subscriber, Fault> {
        Subscriber::open((self.subscribe)(group), BATCH).await
    }

    /// Makes a subscriber to its dead letters, and opens it.
    pub(crate) async fn undertaker(&self) -> Result<Subscriber, Fault> {
        let Some(dead) = self.dead.as_ref().filter(|_| self.lends().dead_letters) else {
            return Err(Fault::Missing("dead letters".to_owned()));
        };
        Subscriber::open(dead(), BATCH).await
    }

    /// Publishes all of them; each has to be taken.
    pub(crate) async fn send(&self, packets: &[Packet]) -> Result<(), Fault> {
        send(&*self.publisher, packets).await
    }
}

pub(crate) async fn send(publisher: &dyn Publisher, packets: &[Packet]) -> Result<(), Fault> {
    for batch in packets.chunks(BATCH) {
        for (packet, taken) in batch.iter().zip(publish(publisher, batch).await?) {
            if let Err(error) = taken {
                return failed(format!("{} was not taken: {error}", name(packet)));
            }
        }
    }
    Ok(())
}

/// Publishes, and looks whether there is an answer for each, in time.
pub(crate) async fn publish(
    publisher: &dyn Publisher,
    packets: &[Packet],
) -> Result<Vec<Result<(), TransportError>>, Fault> {
    let Ok(results) = timeout(PATIENCE, publisher.publish(packets)).await else {
        return failed(format!("a publish has not returned in {PATIENCE:?}: it needs a deadline"));
    };
    if results.len() != packets.len() {
        return failed(format!("{} packets were published, and there are {} results", packets.len(), results.len()));
    }
    Ok(results)
}

/// An open source, of whose calls each has to end in time.
pub(crate) struct Subscriber {
    pub(crate) source: Box<dyn Source>,
}

impl Subscriber {
    pub(crate) async fn open(source: Box<dyn Source>, prefetch: usize) -> Result<Self, Fault> {
        let mut subscriber = Self { source };
        subscriber.reopen(prefetch).await??;
        Ok(subscriber)
    }

    pub(crate) async fn reopen(&mut self, prefetch: usize) -> Result<Result<(), TransportError>, Fault> {
        in_time("an `open`", self.source.open(prefetch)).await
    }

    /// One call.
    pub(crate) async fn receive(&mut self, most: usize) -> Result<Result<Vec<Delivery>, TransportError>, Fault> {
        let received = in_time("a `receive`", self.source.receive(most)).await?;
        match &received {
            Ok(deliveries) if deliveries.len() > most => {
                failed(format!("{} deliveries came, of which {most} were wanted", deliveries.len()))
            }
            _ => Ok(received),
        }
    }

    /// One call, which is dropped if it is not ready by then; `None` then.
    pub(crate) async fn glance(&mut self, until: impl Future<Output = ()>) -> Result<Option<Vec<Delivery>>, Fault> {
        match or_drop(self.source.receive(BATCH), until).await {
            Some(received) => Ok(Some(received?)),
            None => Ok(None),
        }
    }

    /// Some deliveries, which have to come.
    pub(crate) async fn some(&mut self, most: usize) -> Result<Vec<Delivery>, Fault> {
        let end = Instant::now() + PATIENCE;
        loop {
            let deliveries = self.receive(most).await??;
            if !deliveries.is_empty() {
                return Ok(deliveries);
            }
            if Instant::now() > end {
                return failed(format!("nothing has come in {PATIENCE:?}"));
            }
        }
    }

    /// One delivery, which has to come.
    pub(crate) async fn next(&mut self) -> Result<Delivery, Fault> {
        match self.some(1).await?.pop() {
            Some(delivery) => Ok(delivery),
            None => failed("nothing came"),
        }
    }

    /// The next delivery, which has to be this one.
    pub(crate) async fn expect(&mut self, wanted: &str) -> Result<Delivery, Fault> {
        let delivery = self.next().await?;
        let came = name(delivery.packet());
        if came == wanted { Ok(delivery) } else { failed(format!("{came} came, and {wanted} was to be next")) }
    }

    /// Waits so long for something that must not come.
    pub(crate) async fn expect_nothing(&mut self, wait: Duration) -> Result<(), Fault> {
        let end = Instant::now() + wait;
        while let Ok(received) = timeout_at(end, self.source.receive(1)).await {
            if let Some(delivery) = received?.pop() {
                return failed(format!("{} came, and nothing was to come", name(delivery.packet())));
            }
        }
        Ok(())
    }

    pub(crate) async fn backlog(&mut self) -> Result<Option<u64>, Fault> {
        Ok(in_time("a `backlog`", self.source.backlog()).await??)
    }

    pub(crate) async fn close(&mut self) -> Result<(), Fault> {
        Ok(in_time("a `close`", self.source.close()).await??)
    }
}

/// Awaits the first, or drops it when the second is ready.
pub(crate) async fn or_drop<T>(what: impl Future<Output = T>, until: impl Future<Output = ()>) -> Option<T> {
    match future::select(std::pin::pin!(what), std::pin::pin!(until)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// A moment: now, after some turns of the others, or after some milliseconds.
pub(crate) async fn moment() {
    match fastrand::u8(0..3) {
        0 => {}
        1 => {
            for _ in 0..fastrand::u8(1..10) {
                tokio::task::yield_now().await;
            }
        }
        _ => tokio::time::sleep(Duration::from_millis(fastrand::u64(1..5))).await,
    }
}

/// Waits for what has to have a deadline of its own.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Fault> {
    match timeout(PATIENCE, future).await {
        Ok(result) => Ok(result),
        Err(_) => failed(format!("{what} has not returned in {PATIENCE:?}: it needs a deadline")),
    }
}

/// A packet of this name, which is its id and its body: not every server has a place for ids.
pub(crate) fn packet(name: &str) -> Packet {
    Packet::new(name, name)
}

pub(crate) fn keyed(name: &str, key: &str) -> Packet {
    let mut packet = packet(name);
    packet.key = Some(key.to_owned());
    packet
}

/// So many packets, `m-0` and on.
pub(crate) fn numbered(count: usize) -> Vec<Packet> {
    (0..count).map(|number| packet(&format!("m-{number}"))).collect()
}

pub(crate) fn name(packet: &Packet) -> String {
    String::from_utf8_lossy(&packet.body).into_owned()
}

pub(crate) fn names(packets: &[Packet]) -> Vec<String> {
    packets.iter().map(name).collect()
}

/// That these are the same, or which they are.
pub(crate) fn ensure_eq<T: PartialEq + Debug>(left: &T, right: &T, what: &str) -> Result<(), Fault> {
    if left == right { Ok(()) } else { failed(format!("{what}: {left:?}, and should have been {right:?}")) }
}
