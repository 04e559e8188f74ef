//! The reading half: a consumer of the group, with a connection of its own that blocks, and regular looks for what is due.
//!
//! `XREADGROUP (blocks) + lua/look.lua (due, delayed, left by the dead) → ready → Delivery`
//!
//! Both go on where they were if the caller stops waiting for them, so that nothing they bring is lost.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Value, cmd};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::core::{Core, millis};
use super::entry;
use super::fault::Fault;
use super::link::Patience;
use super::receipt::{EntryReceipt, Lender, Lent, entries};
use super::script::{LEAVE, LOOK, TRIM};
use crate::transport::{BoxFuture, Delivery, Packet, TransportError};

/// How long one wait for deliveries lasts at most.
const WAIT: Duration = Duration::from_secs(5);

/// How often it looks for what others have put off, and how often it trims. What this process has put off it knows of.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// How many are read at once at most.
const MOST: usize = 1000;

/// An entry that was read and not yet handed out.
struct Waiting {
    lent: Lent,
    packet: Packet,
    /// When it came at the earliest.
    since: Instant,
}

/// What a look has found: how long until there is something else, and what is ours now.
type Found = (Option<Duration>, Vec<(Lent, Packet)>);

struct Reader {
    connection: MultiplexedConnection,
    /// The number by which the server knows it, to unblock it by.
    client: Option<i64>,
}

pub(super) struct Subscriber {
    core: Arc<Core>,
    consumer: Arc<str>,
    lender: Arc<Lender>,
    woken: watch::Receiver<()>,
    reader: Option<Reader>,
    reading: Option<BoxFuture<'static, Result<Value, Fault>>>,
    looking: Option<BoxFuture<'static, Result<Found, Fault>>>,
    ready: VecDeque<Waiting>,
    /// When nobody waited any more for what is read or looked for, and when the last of it came at the earliest.
    left: Instant,
    since: Instant,
    look_at: Instant,
    sweep_at: Instant,
    trim_at: Instant,
}

/// What happened first.
enum Event {
    Read(Result<Value, Fault>),
    Looked(Result<Found, Fault>),
    LookNow,
    Over,
}

impl Subscriber {
    pub(super) fn new(core: Arc<Core>) -> Self {
        // Unlike any other, in this process and elsewhere.
        let consumer: Arc<str> = format!("convoke-{}-{:032x}", std::process::id(), fastrand::u128(..)).into();
        let now = Instant::now();
        Self {
            lender: Arc::new(Lender::new(core.clone(), consumer.clone())),
            woken: core.woken.subscribe(),
            consumer,
            core,
            reader: None,
            reading: None,
            looking: None,
            ready: VecDeque::new(),
            left: now,
            since: now,
            look_at: now,
            sweep_at: now,
            trim_at: now + TRIM_EVERY,
        }
    }

    /// How long a read blocks: not so long that a consumer who waits is taken for dead, and never zero, which is for ever.
    fn block(&self) -> Duration {
        WAIT.min(self.core.lease / 2).max(Duration::from_millis(10))
    }

    pub(super) async fn receive(&mut self, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let most = most.clamp(1, MOST);
        let until = Instant::now() + WAIT;
        let mut patience = None;
        loop {
            let lent = self.lend(most).await?;
            if !lent.is_empty() {
                return Ok(lent);
            }
            let fault = match self.next(most, until).await {
                Ok(Event::Read(Ok(value))) => {
                    self.read(value);
                    continue;
                }
                Ok(Event::Looked(Ok(found))) => {
                    self.looked(found, most);
                    continue;
                }
                Ok(Event::LookNow) => {
                    self.look(most);
                    continue;
                }
                Ok(Event::Over) => return Ok(Vec::new()),
                Ok(Event::Read(Err(fault)) | Event::Looked(Err(fault))) | Err(fault) => fault,
            };
            log::debug!(target: "convoke::transport", "{}: nothing could be read: {}", self.core.name, crate::__private::Shown::text(&fault.text()));
            if fault.broken {
                self.reader = None;
                self.reading = None;
            }
            if fault.no_group && self.core.create {
                log::warn!(target: "convoke::transport", "{}: the stream or the group is gone, and is created again", self.core.name);
                self.core.ensure_group().await?;
            } else if !fault.is_temporary() {
                return Err(self.core.link.error(fault));
            }
            let patience = patience.get_or_insert_with(|| Patience::new(self.core.link.end()));
            if !patience.pause().await {
                return Err(self.core.link.error(fault));
            }
        }
    }

    /// Waits for the first thing that happens.
    async fn next(&mut self, most: usize, until: Instant) -> Result<Event, Fault> {
        if self.reading.is_none() {
            self.reading = Some(self.start_reading(most).await?);
        }
        let Self { reading, looking, woken, left, since, look_at, .. } = self;
        let may_look = looking.is_none();
        let was = Left(left);
        let arrival = was.arrival();
        // In this order: what is due has waited longest.
        let event = tokio::select! {
            biased;
            (found, at) = pending(looking, arrival) => {
                *since = at;
                Event::Looked(found)
            }
            (value, at) = pending(reading, arrival) => {
                *since = at;
                Event::Read(value)
            }
            Ok(()) = woken.changed(), if may_look => Event::LookNow,
            () = sleep_until(*look_at), if may_look => Event::LookNow,
            () = sleep_until(until) => Event::Over,
        };
        Ok(event)
    }

    async fn start_reading(&mut self, most: usize) -> Result<BoxFuture<'static, Result<Value, Fault>>, Fault> {
        let block = self.block();
        if self.reader.is_none() {
            let end = self.core.link.end();
            let mut connection = self.core.link.connect(end).await?;
            // Only to be let go sooner when it closes: a user may not be allowed to ask.
            let client =
                match timeout(self.core.deadline, connection.send_packed_command(cmd("CLIENT").arg("ID"))).await {
                    Ok(Ok(Value::Int(client))) => Some(client),
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => return Err(Fault::of_client(&error)),
                    Err(_) => return Err(Fault::silent()),
                };
            self.reader = Some(Reader { connection, client });
        }
        let Some(reader) = &self.reader else { return Err(Fault::silent()) };
        let mut connection = reader.connection.clone();
        let mut command = cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.core.group).arg(&*self.consumer).arg("COUNT").arg(most);
        command.arg("BLOCK").arg(millis(block)).arg("STREAMS").arg(&self.core.stream).arg(">");
        let limit = block.saturating_add(self.core.deadline);
        Ok(Box::pin(async move {
            match timeout(limit, connection.send_packed_command(&command)).await {
                Ok(Ok(Value::ServerError(error))) => Err(Fault::of_server(&error)),
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(Fault::of_client(&error)),
                Err(_) => Err(Fault::silent()),
            }
        }))
    }

    /// Takes what a read has brought: of one stream, its entries. Nothing, if it has waited in vain.
    fn read(&mut self, value: Value) {
        let Value::Array(streams) = value else { return };
        let entries = streams.into_iter().flat_map(|stream| match stream {
            Value::Array(mut parts) => entries(parts.pop().unwrap_or_default()),
            _ => entries(Value::Nil),
        });
        let since = self.since;
        self.ready.extend(entries.map(|(id, fields)| {
            let packet = entry::read(&id, fields);
            Waiting { lent: Lent { id, count: 1 }, packet, since }
        }));
    }

    /// Starts a look; every quarter of a lease it is for what the dead have left as well.
    fn look(&mut self, most: usize) {
        let now = Instant::now();
        let sweep = now >= self.sweep_at;
        if sweep {
            self.sweep_at = now + (self.core.lease / 4).max(LOOK_EVERY / 5);
        }
        let trim = now >= self.trim_at && !self.core.keep;
        if trim {
            self.trim_at = now + TRIM_EVERY;
        }
        let (core, consumer) = (self.core.clone(), self.consumer.clone());
        self.looking = Some(Box::pin(async move {
            if trim {
                core.script(&TRIM, &consumer, None, |_| ()).await?;
            }
            let answer = core.script(&LOOK, &consumer, Some(&core.delayed), |command| {
                command.arg(millis(core.lease)).arg(most).arg(u8::from(sweep));
            });
            Ok(found(answer.await?.value))
        }));
    }

    fn looked(&mut self, (next, lent): Found, most: usize) {
        let now = Instant::now();
        // There may be more than it was allowed to bring.
        let next = if lent.len() >= most { Duration::ZERO } else { next.unwrap_or(LOOK_EVERY).min(LOOK_EVERY) };
        self.look_at = now + next.min(self.sweep_at.saturating_duration_since(now));
        let since = self.since;
        self.ready.extend(lent.into_iter().map(|(lent, packet)| Waiting { lent, packet, since }));
    }

    /// Hands out what is ready. What has waited here for long, because nobody asked, may have gone to others.
    async fn lend(&mut self, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let old = |waiting: &Waiting| waiting.since.elapsed() > self.core.lease / 4;
        if self.ready.iter().any(old) {
            let all: Vec<_> = self.ready.iter().map(|waiting| waiting.lent.clone()).collect();
            let held = self.lender.extend(&all, self.core.lease).await?;
            let mut held = held.into_iter();
            self.ready.retain(|_| held.next().is_some_and(|held| held.is_ok()));
            let now = Instant::now();
            self.ready.iter_mut().for_each(|waiting| waiting.since = now);
        }
        let count = most.min(self.ready.len());
        let (lender, name, lease) = (&self.lender, &self.core.name, self.core.lease);
        let lend = |Waiting { lent, packet, .. }: Waiting| {
            let attempt = lent.count;
            Delivery::new(name.clone(), packet, attempt, EntryReceipt { lender: lender.clone(), lent })
                .with_lease(lease)
        };
        Ok(self.ready.drain(..count).map(lend).collect())
    }

    /// Lets the read go, gives back what was not handed out, and leaves the group if nothing is lent any more.
    pub(super) async fn close(mut self) -> Result<(), TransportError> {
        if let Some(looking) = self.looking.take()
            && let Ok(found) = looking.await
        {
            self.looked(found, usize::MAX);
        }
        if let (Some(reading), Some(client)) =
            (self.reading.take(), self.reader.as_ref().and_then(|reader| reader.client))
        {
            let mut unblock = cmd("CLIENT");
            unblock.arg("UNBLOCK").arg(client);
            // If we may not, the server notices that the connection is gone, and what it has lent until then comes again.
            if self.core.link.command(&unblock).await.is_ok()
                && let Ok(value) = reading.await
            {
                self.read(value);
            }
        }
        self.reader = None;
        let back: Vec<_> = self.ready.drain(..).map(|waiting| self.lender.release(waiting.lent)).collect();
        for released in futures_util::future::join_all(back).await {
            released?;
        }
        self.core.script(&LEAVE, &self.consumer, None, |_| ()).await.map_err(|fault| self.core.link.error(fault))?;
        Ok(())
    }
}

/// Notes when nobody waits any more, also when that is because the wait was dropped.
struct Left<'a>(&'a mut Instant);

impl Left<'_> {
    /// When something came that is there before anybody has begun to wait again: after this.
    fn arrival(&self) -> Instant {
        *self.0
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        *self.0 = Instant::now();
    }
}

/// Waits for what is in there, and takes it out; for ever if there is nothing. Says as well when it came: now, or if it is
/// there at once, not before `earliest`.
async fn pending<T>(slot: &mut Option<BoxFuture<'static, T>>, earliest: Instant) -> (T, Instant) {
    let mut at = Some(earliest);
    let ready = poll_fn(|cx| {
        let Some(future) = slot else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            at = None;
        }
        polled
    });
    let ready = ready.await;
    *slot = None;
    (ready, at.unwrap_or_else(Instant::now))
}

/// Reads what `look.lua` returns.
fn found(value: Value) -> Found {
    let Value::Array(parts) = value else { return (None, Vec::new()) };
    let mut parts = parts.into_iter();
    let next = match parts.next() {
        Some(Value::Int(wait)) => u64::try_from(wait).ok().map(Duration::from_millis),
        _ => None,
    };
    let Some(Value::Array(all)) = parts.next() else { return (next, Vec::new()) };
    let one = |entry| {
        let Value::Array(parts) = entry else { return None };
        let mut parts = parts.into_iter();
        let id = entry::text(entry::bytes(parts.next()?)?);
        let Some(Value::Int(count)) = parts.next() else { return None };
        let Some(Value::Array(fields)) = parts.next() else { return None };
        let packet = entry::read(&id, fields);
        Some((Lent { id, count: u32::try_from(count).unwrap_or(u32::MAX) }, packet))
    };
    (next, all.into_iter().filter_map(one).collect())
}
