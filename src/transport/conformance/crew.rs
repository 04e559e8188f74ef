//! Several subscribers at work at once, and what they have seen.
//!
//! `Subscriber, Subscriber, … → Ledger → everything wanted is there → they stop`

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{self, Either};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::lab::{PATIENCE, Subscriber, name};
use super::verdict::{Fault, failed, text};
use crate::transport::{Delivery, ErrorKind, TransportError};

/// What has come, by name, and how often.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    seen: Mutex<BTreeMap<String, usize>>,
    news: Notify,
}

impl Ledger {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Notes that this has come, and says how often it had before.
    pub(crate) fn note(&self, delivery: &Delivery) -> usize {
        let name = name(delivery.packet());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(name).or_default();
        let before = *count;
        *count += 1;
        drop(seen);
        if before == 0 {
            self.news.notify_waiters();
        }
        before
    }

    pub(crate) fn note_all(&self, deliveries: &[Delivery]) {
        for delivery in deliveries {
            self.note(delivery);
        }
    }

    fn with<T>(&self, look: impl FnOnce(&BTreeMap<String, usize>) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many different ones have come.
    pub(crate) fn len(&self) -> usize {
        self.with(BTreeMap::len)
    }

    /// How many have come that were there before.
    pub(crate) fn repeats(&self) -> usize {
        self.with(|seen| seen.values().map(|count| count - 1).sum())
    }

    /// What a case remarks of it.
    pub(crate) fn remark(&self) -> String {
        match self.repeats() {
            0 => String::new(),
            1 => "1 delivery came again".to_owned(),
            repeats => format!("{repeats} deliveries came again"),
        }
    }

    /// Waits until so many different ones have come. It may take as long as it will, while there is news.
    pub(crate) async fn reach(&self, count: usize) -> Result<(), Fault> {
        loop {
            // Before we look, so that no news is missed.
            let news = self.news.notified();
            let there = self.len();
            if there >= count {
                return Ok(());
            }
            if timeout(PATIENCE, news).await.is_err() && self.len() == there {
                return failed(format!("{there} of {count} have come, and nothing new in {PATIENCE:?}"));
            }
        }
    }

    /// Waits until all of these have come, and looks that nothing else has.
    pub(crate) async fn complete(&self, wanted: &[String]) -> Result<(), Fault> {
        let reached = self.reach(wanted.len()).await;
        let missing = self.with(|seen| {
            let missing = wanted.iter().filter(|name| !seen.contains_key(*name)).take(3);
            missing.cloned().collect::<Vec<_>>()
        });
        match reached {
            Err(Fault::Failed(why)) => failed(format!("{why}; missing are {} and others", missing.join(", "))),
            Err(fault) => Err(fault),
            Ok(()) => self.ensure_only(wanted),
        }
    }

    /// Waits until all of these have come, and maybe others.
    pub(crate) async fn includes(&self, wanted: &[String]) -> Result<(), Fault> {
        loop {
            let news = self.news.notified();
            let there = self.len();
            let missing = self.with(|seen| wanted.iter().find(|name| !seen.contains_key(*name)).cloned());
            let Some(missing) = missing else { return Ok(()) };
            if timeout(PATIENCE, news).await.is_err() && self.len() == there {
                return failed(format!("{missing} has not come, and nothing new in {PATIENCE:?}"));
            }
        }
    }

    fn ensure_only(&self, wanted: &[String]) -> Result<(), Fault> {
        let wanted: std::collections::BTreeSet<&String> = wanted.iter().collect();
        let stranger = self.with(|seen| seen.keys().find(|name| !wanted.contains(name)).cloned());
        match stranger {
            Some(stranger) => failed(format!("{stranger:?} has come, and nobody had published that here")),
            None => Ok(()),
        }
    }
}

/// How subscribers take errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nerves {
    /// Each ends the case.
    Thin,
    /// Those that may pass are waited for, and the source is opened again.
    Thick,
}

/// Several subscribers, each a task of its own.
pub(crate) struct Crew {
    tasks: JoinSet<Result<Subscriber, Fault>>,
    stop: watch::Sender<bool>,
}

impl Crew {
    /// Sets these to work: what they receive they note, and acknowledge.
    pub(crate) fn new(subscribers: Vec<Subscriber>, ledger: &Arc<Ledger>, nerves: Nerves) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for subscriber in subscribers {
            tasks.spawn(work(subscriber, ledger.clone(), nerves, stopped.clone()));
        }
        Self { tasks, stop }
    }

    /// Waits for this to come true, unless one of them fails before that.
    pub(crate) async fn until<T>(&mut self, done: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let done = std::pin::pin!(done);
        match future::select(done, std::pin::pin!(self.tasks.join_next())).await {
            Either::Left((result, _)) => result,
            Either::Right((ended, _)) => match ended {
                Some(Ok(Err(fault))) => Err(fault),
                Some(Err(error)) => failed(join_error(error)),
                _ => failed("a subscriber ended by itself"),
            },
        }
    }

    /// Ends the work, and closes all of them.
    pub(crate) async fn stop(mut self) -> Result<(), Fault> {
        let _ = self.stop.send(true);
        while let Some(ended) = self.tasks.join_next().await {
            match ended {
                Ok(subscriber) => subscriber?.close().await?,
                Err(error) => return failed(join_error(error)),
            }
        }
        Ok(())
    }
}

pub(crate) fn join_error(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => format!("a task panicked: {}", text(&*panic)),
        Err(error) => format!("a task was gone: {error}"),
    }
}

async fn work(
    mut subscriber: Subscriber,
    ledger: Arc<Ledger>,
    nerves: Nerves,
    mut stopped: watch::Receiver<bool>,
) -> Result<Subscriber, Fault> {
    loop {
        let deliveries = {
            let stop = std::pin::pin!(stopped.wait_for(|stop| *stop));
            let receive = std::pin::pin!(receive(&mut subscriber, nerves));
            match future::select(stop, receive).await {
                Either::Left(_) => break,
                Either::Right((deliveries, _)) => deliveries?,
            }
        };
        ledger.note_all(&deliveries);
        // At once, so that they can go as one request.
        for settled in future::join_all(deliveries.into_iter().map(Delivery::ack)).await {
            tolerate(settled, nerves)?;
        }
    }
    Ok(subscriber)
}

async fn receive(subscriber: &mut Subscriber, nerves: Nerves) -> Result<Vec<Delivery>, Fault> {
    match subscriber.receive(100).await? {
        Err(error) if nerves == Nerves::Thick && may_pass(&error) => {
            sleep(Duration::from_millis(100)).await;
            if let Err(error) = subscriber.reopen(100).await?
                && !may_pass(&error)
            {
                return Err(error.into());
            }
            Ok(Vec::new())
        }
        received => Ok(received?),
    }
}

/// An acknowledgement that was too late makes a duplicate, which is no fault.
fn tolerate(settled: Result<(), TransportError>, nerves: Nerves) -> Result<(), Fault> {
    match settled {
        Err(error) if error.kind() == ErrorKind::Lost => Ok(()),
        Err(error) if nerves == Nerves::Thick && may_pass(&error) => Ok(()),
        settled => Ok(settled?),
    }
}

/// Whether it may be otherwise after a while: a server that is just starting may not know its queues yet.
pub(crate) fn may_pass(error: &TransportError) -> bool {
    error.is_temporary() || matches!(error.kind(), ErrorKind::Closed | ErrorKind::Missing)
}

/// Has these subscribers acknowledge everything until all of that is there, and closes them.
pub(crate) async fn drain(subscribers: Vec<Subscriber>, ledger: &Arc<Ledger>, wanted: &[String]) -> Result<(), Fault> {
    let mut crew = Crew::new(subscribers, ledger, Nerves::Thin);
    crew.until(ledger.complete(wanted)).await?;
    crew.stop().await
}
