//! What a process does for the rounds of a durable broker: it writes what its members say, and looks at what is due.
//!
//! ```text
//! Queue ──▶ write ──▶ RoundStore::work (bench.rs judges) ──▶ answers, waiters
//! a bell, the next deadline ──▶ look ──▶ RoundStore::{due ─▶ work, ended ─▶ waiters, purge}
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use super::bench::{Answer, Ask, Bench, Law, lock};
use super::carrying::Carrying;
use super::known::Before;
use super::meter::{COUNT_EVERY, COUNTED, Meter};
use super::queue::{Gathered, Queue, Reply, Waiters, Waiting};
use crate::__private::{IS_MEASURED, Shown, guarded, random, spawn};
use crate::durable::store::{Place, RoundStore};
use crate::transport::TransportError;
use crate::{BrokerId, EmitError, Payload};

/// How many asks are written by one transaction.
const BATCH: usize = 512;

/// How many rounds are looked at by one transaction.
const LOOKED_AT: usize = 200;

/// How many outcomes are deleted at a time.
const PURGED: usize = 1_000;

/// How long it is tried to write something.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long one waits before that is tried again, at first and at last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How soon after a bell one looks.
const BETWEEN: Duration = Duration::from_millis(5);

/// How often outcomes are looked for that are to be deleted.
const PURGE_EVERY: Duration = Duration::from_secs(60);

/// How often an ask is put back because its place was passed over.
const AGAIN: u32 = 100;

/// What the parts of one durable broker share in this process.
pub(in crate::durable) struct Core<P: 'static> {
    pub(in crate::durable) broker: BrokerId,
    pub(in crate::durable) store: Arc<dyn RoundStore>,
    pub(in crate::durable) law: Law<P>,
    pub(in crate::durable) queue: Queue<P>,
    pub(in crate::durable) waiters: Waiters<P>,
    /// Who carries what waits for names here.
    pub(in crate::durable) carrying: Carrying,
    /// Rings when somebody waits for a round that may be over.
    pub(in crate::durable) nudge: Arc<Notify>,
    /// The numbers of rules by which this process cannot decide.
    pub(super) foreign: Mutex<BTreeSet<i64>>,
    pub(super) meter: Meter,
    poll_every: Duration,
    keep: Duration,
    /// Rings when nobody has it any more.
    over: Arc<Notify>,
}

impl<P: Payload + DeserializeOwned> Core<P> {
    pub(in crate::durable) fn new(
        broker: BrokerId,
        store: Arc<dyn RoundStore>,
        law: Law<P>,
        bound: usize,
        poll_every: Duration,
        keep: Duration,
    ) -> Arc<Self> {
        let meter = Meter::new(&law.broker);
        Arc::new(Self {
            broker,
            store,
            law,
            queue: Queue::new(bound),
            waiters: Waiters::new(),
            carrying: Carrying::new(),
            nudge: Arc::new(Notify::new()),
            foreign: Mutex::default(),
            meter,
            poll_every,
            keep,
            over: Arc::new(Notify::new()),
        })
    }

    /// Begins to work, until nobody has it any more.
    pub(in crate::durable) fn run(self: &Arc<Self>) {
        spawn("who writes the rounds of a durable broker", write(Arc::downgrade(self)));
        spawn("who looks at the rounds of a durable broker", look(Arc::downgrade(self)));
    }

    /// Has an ask written in its turn.
    pub(in crate::durable) fn ask(&self, place: Place, ask: Ask, reply: Reply<P>) -> Result<(), Reply<P>> {
        let waiting = Waiting { place, ask, reply, until: Instant::now() + PATIENCE, again: 0 };
        self.queue.push(waiting)
    }

    /// Writes a batch. What nobody has come to in its time is refused: a database that is away holds up what waits.
    async fn work(&self, batch: Vec<Waiting<P>>) {
        let now = Instant::now();
        let (batch, late): (Vec<_>, Vec<_>) = batch.into_iter().partition(|waiting| waiting.until > now);
        self.meter.unwritten(late.iter().map(|waiting| &waiting.ask));
        for waiting in late {
            let why = format!("the database has not been there for {PATIENCE:?}");
            waiting.reply.refused(EmitError::Database(why.into()));
        }
        let mut alone = self.work_together(Gathered::of(batch)).await;
        // One that the database refuses, whatever it is, is none of the others' business.
        while let Some(gathered) = alone.pop() {
            alone.append(&mut self.work_together(gathered).await);
        }
    }

    /// Writes what was gathered, in one transaction. If the database refuses that for good, hands it back place by place.
    async fn work_together(&self, gathered: Gathered<P>) -> Vec<Gathered<P>> {
        let Gathered { places, asks, replies, mut before } = gathered;
        if places.is_empty() {
            return Vec::new();
        }
        let until = replies.iter().flatten().map(|(_, until, _)| *until).max();
        let (mut pause, began) = (FIRST_PAUSE, Instant::now());
        let worked = loop {
            let bench = Bench::new(&self.law, &places, &asks).again(before.as_ref());
            match self.store.work(&places, &bench).await {
                Ok(()) => break Ok((bench.unsure(), bench.done())),
                // What was written is known again by its token.
                Err(error) if error.is_temporary() && until.is_some_and(|until| Instant::now() + pause < until) => {
                    log::debug!(target: "convoke::rounds", "{}: tried again: {error}", self.store.name());
                    sleep(pause).await;
                    pause = pause.saturating_mul(2).min(LAST_PAUSE);
                    before.get_or_insert_with(|| Before::since(began));
                }
                Err(error) => break Err(error),
            }
        };
        let (mut unsure, done) = match worked {
            Ok(done) => done,
            Err(error) if !error.is_temporary() && places.len() > 1 => {
                return Gathered { places, asks, replies, before }.divide();
            }
            Err(error) => {
                self.warn(&error);
                self.meter.unwritten(asks.iter().flatten());
                let why: Arc<str> = error.to_string().into();
                let all = replies.into_iter().flatten();
                all.for_each(|(reply, ..)| reply.refused(EmitError::Database(why.clone())));
                return Vec::new();
            }
        };
        let (mut back, mut alone) = (Vec::new(), Vec::new());
        for (at, (((place, asks), replies), mut done)) in
            places.into_iter().zip(asks).zip(replies).zip(done).enumerate()
        {
            if let Some(key) = unsure.remove(&at) {
                alone.extend(self.look_behind(&key, place, asks, replies, before.clone()).await);
                continue;
            }
            let kept = done.as_mut().map(|done| std::mem::take(&mut done.kept)).unwrap_or_default();
            let mut answers = match &done {
                Some(done) => done.answers.clone(),
                None => self.passed_over(&place, &asks).await,
            };
            answers.resize(asks.len(), Answer::Again);
            for ((ask, (reply, until, again)), answer) in asks.into_iter().zip(replies).zip(answers) {
                match answer {
                    Answer::Again if again < AGAIN && Instant::now() < until => {
                        back.push(Waiting { place: place.clone(), ask, reply, until, again: again + 1 });
                    }
                    answer => self.answer(&place, reply, answer, &ask, &kept),
                }
            }
            if let Some(done) = done {
                self.settle(done);
            }
        }
        self.queue.put_back(back);
        alone
    }

    /// Looks at what is due; returns how long nothing is, as far as that is known.
    async fn look_at_due(&self) -> Result<Option<Duration>, TransportError> {
        loop {
            let foreign: Vec<i64> = lock(&self.foreign).iter().copied().collect();
            let due = self.store.due(&foreign, self.law.grace, LOOKED_AT).await?;
            if due.rounds.is_empty() {
                return Ok(due.next);
            }
            let places: Vec<_> = due.rounds.iter().map(|round| Place::Round(*round)).collect();
            let asks = vec![Vec::new(); places.len()];
            let bench = Bench::new(&self.law, &places, &asks);
            self.store.work(&places, &bench).await?;
            let done: Vec<_> = bench.done().into_iter().flatten().collect();
            // Others are at them.
            let stands = done.is_empty();
            done.into_iter().for_each(|done| self.settle(done));
            if stands {
                return Ok(Some(FIRST_PAUSE));
            }
        }
    }

    pub(super) fn warn(&self, error: &TransportError) {
        log::warn!(target: "convoke::rounds", "{}: {error}", self.store.name());
    }
}

/// Writes what its members say, for as long as somebody has the broker.
async fn write<P: Payload + DeserializeOwned>(core: Weak<Core<P>>) {
    let Some(rings) = core.upgrade().map(|core| core.queue.rings.clone()) else { return };
    while let Some(held) = core.upgrade() {
        let batch = held.queue.take(BATCH);
        if !batch.is_empty() {
            // A payload is the user's, and so is its `Drop`.
            if let Err(why) = guarded(held.work(batch)).await {
                log::error!(target: "convoke::rounds", "{}: panicked: {}", held.store.name(), Shown::text(&why));
            }
            continue;
        }
        drop(held);
        rings.notified().await;
    }
}

/// Looks at what is due, and at the ends of rounds for which somebody waits.
async fn look<P: Payload + DeserializeOwned>(core: Weak<Core<P>>) {
    let rings = |core: Arc<Core<P>>| (core.store.bell(), core.over.clone(), core.nudge.clone());
    let Some((mut bell, over, nudge)) = core.upgrade().map(rings) else { return };
    let (mut purge_at, mut count_at) = (Instant::now() + PURGE_EVERY, Instant::now());
    let mut is_lost = false;
    while let Some(held) = core.upgrade() {
        bell.mark_unchanged();
        let looked = async {
            let next = held.look_at_due().await?;
            held.look_at_ends().await?;
            if Instant::now() >= purge_at {
                purge_at = Instant::now() + PURGE_EVERY;
                while held.store.purge(held.keep, PURGED).await? == PURGED as u64 {}
            }
            if IS_MEASURED && Instant::now() >= count_at {
                count_at = Instant::now() + COUNT_EVERY;
                held.meter.counted(&held.store.figures(COUNTED).await?);
            }
            Ok::<_, TransportError>(next)
        };
        let wait = match guarded(looked).await {
            Err(why) => {
                log::error!(target: "convoke::rounds", "{}: panicked: {}", held.store.name(), Shown::text(&why));
                held.poll_every
            }
            Ok(Ok(next)) => {
                if std::mem::take(&mut is_lost) {
                    log::warn!(target: "convoke::rounds", "{}: the database is back", held.store.name());
                }
                held.pause(next, if IS_MEASURED { purge_at.min(count_at) } else { purge_at })
            }
            Ok(Err(error)) => {
                if !std::mem::replace(&mut is_lost, true) {
                    held.warn(&error);
                }
                held.poll_every
            }
        };
        let until = Instant::now() + wait;
        drop(held);
        let rung = async {
            if bell.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            // Who writes much rings much, and looks are not for nothing.
            sleep_until(until.min(Instant::now() + BETWEEN)).await;
        };
        select! {
            // Nothing depends on chance, so that a seed replays what it did.
            biased;
            () = over.notified() => return,
            () = nudge.notified() => {}
            () = sleep_until(until) => {}
            () = rung => {}
        }
    }
}

impl<P: 'static> Core<P> {
    /// Writes what waits, though nobody has the broker any more: whoever has emitted need not have waited.
    pub(in crate::durable) async fn drain(self: Arc<Self>) {
        let until = Instant::now() + PATIENCE;
        while !self.queue.is_empty() && Instant::now() < until {
            sleep(FIRST_PAUSE).await;
        }
    }

    /// How long to wait before the next look.
    fn pause(&self, next: Option<Duration>, tend_at: Instant) -> Duration {
        let next = next.unwrap_or(Duration::MAX);
        if !self.store.is_shared() {
            // Whatever changes rings, so that only time can bring something.
            return next.min(tend_at.saturating_duration_since(Instant::now()).max(FIRST_PAUSE));
        }
        // Others write too, and do not always tell. No two processes look at the same moment for long.
        let jitter = 0.75 + 0.5 * (random() >> 11) as f64 / (1_u64 << 53) as f64;
        next.max(Duration::from_millis(1)).min(self.poll_every.mul_f64(jitter))
    }
}

/// Wakes who works for it: there is nothing more to do.
impl<P: 'static> Drop for Core<P> {
    fn drop(&mut self) {
        self.queue.rings.notify_one();
        self.over.notify_one();
    }
}
