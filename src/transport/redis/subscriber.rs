//! The reading half: a consumer of the group, with a connection of its own that blocks, and regular looks for what is due.
//!
//! `XREADGROUP (blocks) + lua/look.lua (due, delayed, left by the dead) → ready → Delivery`
//!
//! Both go on where they were if the caller stops waiting for them, so that nothing they bring is lost. What they bring when
//! nobody asks any more is given back by `stop_lending`, and what they would have brought over a connection that has died by
//! `recover`.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Value, cmd};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::answer::{Found, entries, found, lents};
use super::core::{Core, millis};
use super::entry;
use super::fault::Fault;
use super::hand::id;
use super::limit::Patience;
use super::reader::{Reader, Reading};
use super::receipt::{EntryReceipt, Lender, Lent};
use super::script::{LEAVE, LOOK, TRIM};
use super::slot::{Left, pending};
use crate::transport::{BoxFuture, Delivery, ErrorKind, Packet, TransportError};

/// How long one wait for deliveries lasts at most.
const WAIT: Duration = Duration::from_secs(5);

/// How often it looks for what others have put off, and how often it trims. What this process has put off it knows of.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// How many are read at once at most.
const MOST: usize = 1000;

/// How long a read blocks while the server may still send to a connection that has died here, and how much longer than such
/// a read that is waited for.
const SHORT_WAIT: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_millis(100);

/// An entry that was read and not yet handed out.
struct Waiting {
    lent: Lent,
    packet: Packet,
    /// Whether it was heard alone, and nobody has said how that ended.
    marked: bool,
    /// When it came at the earliest.
    since: Instant,
}

pub(super) struct Subscriber {
    core: Arc<Core>,
    consumer: Arc<str>,
    lender: Arc<Lender>,
    woken: watch::Receiver<()>,
    reader: Option<Reader>,
    reading: Option<Reading>,
    looking: Option<BoxFuture<'static, Result<Found, Fault>>>,
    ready: VecDeque<Waiting>,
    /// When nobody waited any more for what is read or looked for, and when the last of it came at the earliest.
    left: Instant,
    since: Instant,
    look_at: Instant,
    sweep_at: Instant,
    trim_at: Instant,
    /// When to look for what was sent over a connection that has died: once it has, and once the server knows too.
    recoveries: Vec<Instant>,
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
            recoveries: Vec::new(),
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
            log::debug!(target: "convoke::transport", "{}: nothing could be read: {}", self.core.name, crate::__private::Shown::text(fault.text()));
            if fault.broken {
                self.lose_reader();
            }
            if fault.read_only {
                self.core.link.lose_all(&fault);
            }
            if fault.no_group && self.core.create {
                // It may only have been unblocked, as by a failover.
                if self.core.ensure_group().await? {
                    log::warn!(target: "convoke::transport", "{}: the stream or the group was gone, and is created again", self.core.name);
                }
            } else if !fault.is_temporary() {
                return Err(self.core.fault(fault));
            }
            let patience = patience.get_or_insert_with(|| Patience::new(self.core.link.limit()));
            if !patience.pause().await {
                return Err(self.core.fault(fault));
            }
        }
    }

    /// Waits for the first thing that happens.
    async fn next(&mut self, most: usize, until: Instant) -> Result<Event, Fault> {
        // Its connection was made together with one that has turned out to be dead.
        if self.reader.as_ref().is_some_and(|reader| reader.serial != self.core.link.serial()) {
            self.lose_reader();
        }
        if self.reading.is_none() {
            if self.recoveries.iter().any(|at| *at <= Instant::now()) {
                self.recover().await?;
            }
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

    async fn start_reading(&mut self, most: usize) -> Result<Reading, Fault> {
        let block = if self.recoveries.is_empty() { self.block() } else { self.block().min(SHORT_WAIT) };
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => Reader::connect(&self.core).await?,
        };
        let reading = reader.read(&self.core, &self.consumer, most, block);
        self.reader = Some(reader);
        Ok(reading)
    }

    /// Forgets a connection that has died. What the server has sent to it, or sends for as long as the last read blocks there,
    /// is pending under our name.
    fn lose_reader(&mut self) {
        (self.reader, self.reading) = (None, None);
        let now = Instant::now();
        self.recoveries = vec![now, now + self.block() + LATER];
    }

    /// Gives back what the server has sent and what never got here, untouched. Nothing must be on its way.
    async fn recover(&mut self) -> Result<(), Fault> {
        if self.looking.is_some() {
            let (found, at) = pending(&mut self.looking, Left(&mut self.left).arrival()).await;
            self.since = at;
            self.looked(found?, usize::MAX);
        }
        let started = Instant::now();
        let mut known = self.lender.hand.known();
        let in_hand = known.clone();
        known.extend(self.ready.iter().filter_map(|waiting| id(&waiting.lent.id)));
        let mut list = cmd("XPENDING");
        list.arg(&self.core.stream)
            .arg(&self.core.group)
            .arg("-")
            .arg("+")
            .arg(known.len() + MOST)
            .arg(&*self.consumer);
        let pending = self.core.link.command(&list).await?.value;
        let pending: Vec<Lent> = lents(pending).collect();
        let ids: HashSet<_> = pending.iter().filter_map(|lent| id(&lent.id)).collect();
        self.lender.hand.forget(&in_hand, &ids);
        let stranded: Vec<_> =
            pending.into_iter().filter(|lent| id(&lent.id).is_some_and(|id| !known.contains(&id))).collect();
        if !stranded.is_empty() {
            log::debug!(target: "convoke::transport", "{}: {} that never got here are given back", self.core.name, stranded.len());
            self.lender.give_back(stranded).await?;
            self.look_at = Instant::now();
        }
        self.recoveries.retain(|at| *at > started);
        Ok(())
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
            Waiting { lent: Lent { id, count: 1 }, packet, marked: false, since }
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
        let waiting = |(lent, packet, marked)| Waiting { lent, packet, marked, since };
        self.ready.extend(lent.into_iter().map(waiting));
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
        let lend = |Waiting { lent, packet, marked, .. }: Waiting| {
            let attempt = lent.count;
            lender.hand.take(&lent.id);
            Delivery::new(name.clone(), packet, attempt, EntryReceipt { lender: lender.clone(), lent })
                .with_lease(lease)
                .with_mark(marked)
        };
        Ok(self.ready.drain(..count).map(lend).collect())
    }

    /// Ends what is on the wire, and gives back what it has brought and what nobody has received.
    ///
    /// Dropped before it is ready, it goes on where it was when it is called again, or by the next receive.
    pub(super) async fn stop_lending(&mut self) -> Result<(), TransportError> {
        if self.looking.is_some() {
            let (found, at) = pending(&mut self.looking, Left(&mut self.left).arrival()).await;
            self.since = at;
            match found {
                Ok(found) => self.looked(found, usize::MAX),
                Err(fault) if fault.broken => self.lose_reader(),
                Err(_) => {}
            }
        }
        self.stop_reading().await;
        // What a connection that has died was sent nobody asks for now: it is not left for a lease.
        if !self.recoveries.is_empty() {
            self.recover().await.map_err(|fault| self.core.fault(fault))?;
        }
        // The next receive begins with what is due.
        self.look_at = Instant::now();
        let back: Vec<_> =
            self.ready.drain(..).map(|waiting| self.lender.release(waiting.lent, waiting.packet)).collect();
        for released in futures_util::future::join_all(back).await {
            // What others have got meanwhile is where it belongs.
            released.or_else(|error| if error.kind() == ErrorKind::Lost { Ok(()) } else { Err(error) })?;
        }
        Ok(())
    }

    /// Has the server answer the read that blocks.
    async fn stop_reading(&mut self) {
        let (Some(reader), true) = (&self.reader, self.reading.is_some()) else { return };
        let ended = tokio::select! {
            biased;
            ended = pending(&mut self.reading, Left(&mut self.left).arrival()) => Some(ended),
            // If we may not, the server notices that the connection is gone.
            () = reader.unblock(&self.core) => None,
        };
        match ended {
            Some((Ok(value), at)) => {
                self.since = at;
                self.read(value);
            }
            Some((Err(fault), _)) if !fault.broken => {}
            _ => self.lose_reader(),
        }
    }

    /// Lets the read go, gives back what was not handed out, and leaves the group if nothing is lent any more.
    pub(super) async fn close(mut self) -> Result<(), TransportError> {
        let stopped = self.stop_lending().await;
        self.reader = None;
        stopped?;
        self.core.script(&LEAVE, &self.consumer, None, |_| ()).await.map_err(|fault| self.core.fault(fault))?;
        Ok(())
    }
}
