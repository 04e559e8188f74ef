//! One delivery, from when it is here to when the server knows how it ended.
//!
//! `wait for the turn and a slot → reading.rs → the bus (emit_held) → Verdict → settle`, and all the while its lease is extended

use std::cell::Cell;
use std::convert::Infallible;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::select;
use tokio::sync::SemaphorePermit;
use tokio::time::{sleep, timeout};

use super::engine::Shared;
use super::fetch::Room;
use super::handles::{Begun, Ended, Given, Handles, Stop, Then};
use super::held::{Held, Through};
use super::kept::{Final, What};
use super::options::OnUnknown;
use super::reading::Look;
use super::storing::{keep, store, tell};
use super::turns::{Alone, Before, Turn};
use super::{suspects, turns};
use crate::__private::Shown;
use crate::transport::{DeadReason, Delivery, ErrorKind, TransportError};
use crate::{Envelope, ListenerError, Metadata, Name, Report, Uuid};

/// How long those behind one, in its lane, wait for its dead letter to be taken; they hold room here meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a delivery is to end.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Every listener is done.
    Done,
    /// It was done before.
    Duplicate,
    /// Nobody listens, and that is fine.
    Ignored,
    Retry(Vec<String>),
    /// It comes again after this time, and not when the worker says.
    Again(Duration, String),
    Dead(DeadReason, Vec<String>),
    /// It is given back, and nobody has heard of it.
    Release,
    /// It is no longer ours.
    Lost,
    /// It was found before, and the server could not be told.
    Kept(Final),
    /// Somebody else is to be told before the server.
    Ended(Box<Ended>),
}

impl Verdict {
    /// What it is called in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate | Self::Kept(Final { what: What::Done, .. }) => "duplicate",
            Self::Ignored => "ignored",
            Self::Retry(_) | Self::Again(..) => "retried",
            Self::Dead(..) | Self::Kept(_) => "dead",
            Self::Release | Self::Ended(_) => "released",
            Self::Lost => "lost",
        }
    }
}

/// One delivery that has come.
pub(crate) struct Arrived {
    pub(crate) delivery: Box<Delivery>,
    pub(crate) look: Look,
    /// Behind those of its key, and behind its copies.
    pub(crate) turn: Turn,
    pub(crate) copy: Turn,
    /// What it takes here until it is settled.
    pub(crate) room: Room,
    /// Nothing else is to be heard at the same time.
    pub(crate) alone: Option<Alone>,
    pub(crate) tally: Tally,
    pub(crate) waits: Waits,
}

/// Handles one delivery. Its room here is taken until it is settled, and that of all others while it is heard alone.
pub(crate) async fn handle(shared: Rc<Shared>, arrived: Arrived) {
    let Arrived { delivery, look, mut turn, mut copy, room: _room, alone, tally, waits } = arrived;
    let mut about = About::new(&delivery);
    let mut held = Held::new(delivery, look.parks);
    let verdict = judge(&shared, &mut held, look, (&mut turn, &mut copy), (alone.as_ref(), waits), &mut about).await;
    let verdict = match verdict {
        Verdict::Retry(errors) if held.delivery.attempt() >= shared.attempts(held.delivery.packet()) => {
            Verdict::Dead(DeadReason::Exhausted, errors)
        }
        Verdict::Ended(ended) => Box::pin(tell(&shared, &mut held, *ended, &about)).await,
        verdict => verdict,
    };
    // The inbox knows by now whether it was done: its copies need not wait until the server knows it too.
    drop(copy);
    // A letter that nobody takes may take long: how it ended is known, and the others need not wait for that.
    let may_take_long = matches!(verdict, Verdict::Dead(..) | Verdict::Kept(_));
    let _alone = alone.filter(|_| !may_take_long);
    let end = match verdict {
        Verdict::Done | Verdict::Duplicate | Verdict::Ignored | Verdict::Dead(..) | Verdict::Kept(_) => Before::Settled,
        Verdict::Retry(_) | Verdict::Again(..) | Verdict::Release | Verdict::Lost | Verdict::Ended(_) => {
            Before::HeldBack
        }
    };
    match (&verdict, about.attempt) {
        (Verdict::Done, 1) => shared.copies.done(),
        (Verdict::Duplicate, 1) => shared.copies.before(&shared.name),
        _ => {}
    }
    let name = verdict.name();
    let mut settling = pin!(settle(&shared, held, verdict, &about));
    let mut settled = None;
    if may_take_long {
        settled = timeout(PATIENCE, settling.as_mut()).await.ok();
        if settled.is_none() {
            // Those of its key are given back, as if it came again: the server has them wait for it, if it keeps their order.
            std::mem::take(&mut turn).end(Before::HeldBack);
        }
    }
    let settled = match settled {
        Some(settled) => settled,
        None => settling.await,
    };
    match settled {
        Ok(()) => {
            tally.settled(name);
            turn.end(end);
        }
        Err(error) => {
            tally.settled("lost");
            log::warn!(target: "convoke::worker", "{about}: it comes again, as nobody could be told how it ended: {error}");
            turn.end(Before::HeldBack);
        }
    }
}

/// Counts one delivery, however it ends: whoever drops it could tell nobody.
pub(crate) struct Tally {
    shared: Rc<Shared>,
    is_settled: bool,
}

impl Tally {
    pub(crate) fn begin(shared: &Rc<Shared>) -> Self {
        shared.stats.received();
        Self { shared: shared.clone(), is_settled: false }
    }

    fn settled(mut self, how: &'static str) {
        self.count(how);
    }

    fn count(&mut self, how: &'static str) {
        self.is_settled = true;
        self.shared.stats.settled(how);
        self.shared.meter.settled(how);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.is_settled {
            self.count("lost");
        }
    }
}

/// Counts one that waits here until it begins, or is given back.
pub(crate) struct Waits(Rc<Shared>);

impl Waits {
    pub(crate) fn begin(shared: &Rc<Shared>) -> Self {
        shared.ahead.arrives();
        Self(shared.clone())
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.ahead.begins();
    }
}

/// What the log says of a delivery.
pub(crate) struct About {
    /// None if nobody reads the log.
    source: Option<Arc<str>>,
    packet: String,
    event: Option<(Name, Uuid)>,
    attempt: u32,
}

impl About {
    fn new(delivery: &Delivery) -> Self {
        if !log::log_enabled!(target: "convoke::worker", log::Level::Warn) {
            return Self { source: None, packet: String::new(), event: None, attempt: 0 };
        }
        let (source, packet) = (delivery.source_in_common(), delivery.packet().id.clone());
        Self { source: Some(source), packet, event: None, attempt: delivery.attempt() }
    }

    /// It is this event.
    fn is(&mut self, metadata: &Metadata) {
        if self.source.is_some() {
            self.event = Some((metadata.event.clone(), metadata.id));
        }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.source.as_deref().unwrap_or_default())?;
        match &self.event {
            Some((event, id)) => write!(f, "{} {id}", Shown::name(event))?,
            None => write!(f, "packet {}", Shown::name(&self.packet))?,
        }
        write!(f, ", attempt {}", self.attempt)
    }
}

/// Waits until a delivery may be heard, has the listeners hear it, and says how it is to end.
async fn judge(
    shared: &Shared,
    held: &mut Held,
    look: Look,
    (turn, copy): (&mut Turn, &mut Turn),
    (alone, waits): (Option<&Alone>, Waits),
    about: &mut About,
) -> Verdict {
    let doom = suspects::doom(shared, &held.delivery);
    // What is dead takes nobody along, and is not given back for one that might: it would be heard again.
    let is_alone = alone.is_some() || doom.is_some();
    let behind = async {
        if turn.wait().await == Before::HeldBack {
            return None;
        }
        // However the copy before this one ended: the inbox knows whether it was done.
        copy.first().await;
        Some(())
    };
    if let Err(verdict) = held.may(shared, is_alone, behind).await {
        return verdict;
    }
    // Whatever was found before stands, and takes no slot.
    let delivery = &held.delivery;
    if let Some(kept) = shared.kept.take(delivery.packet(), delivery.place(), delivery.attempt()) {
        return Verdict::Kept(kept);
    }
    let bytes = turns::parsed(held.delivery.packet());
    let _place = match held.may(shared, is_alone, place(shared, alone, bytes)).await {
        Ok(place) => place,
        Err(verdict) => return verdict,
    };
    drop(waits);
    let doom = match alone {
        None => doom,
        Some(_) => match Box::pin(suspects::mark(shared, &mut held.delivery)).await {
            Ok(doom) => doom,
            Err(verdict) => return verdict,
        },
    };
    if let Some(handles) = &shared.options.handles {
        return handled_by(shared, held, handles, doom).await;
    }
    let envelope = match look.open(held.delivery.packet(), shared) {
        // In a place of its own: each future that it is given to has room for it.
        Ok(envelope) => Box::new(envelope),
        Err(error) => return Verdict::Dead(DeadReason::Broken, vec![error]),
    };
    about.is(&envelope.metadata);
    let envelope = match shared.options.admit(envelope) {
        Ok(envelope) => envelope,
        Err(why) => return Verdict::Dead(DeadReason::Permanent, vec![why]),
    };
    let mut hearing = pin!(hear(shared, envelope, doom));
    match held.through(shared, hearing.as_mut()).await {
        Through::Done(verdict) => verdict,
        Through::Hurried => Verdict::Release,
        Through::Lost => {
            // What has begun is not begun twice here, and how it ends is not forgotten.
            let verdict = hearing.await;
            let what = match verdict {
                Verdict::Done => Some(What::Done),
                Verdict::Dead(reason, errors) => Some(dead(shared, held, reason, errors)),
                _ => None,
            };
            if let Some(what) = what {
                keep(shared, &held.delivery, Final::new(what));
            }
            Verdict::Lost
        }
    }
}

/// Has it handled, and says how it has ended; the verdict may have something to tell first.
async fn handled_by(shared: &Shared, held: &mut Held, handles: &Rc<dyn Handles>, doom: Option<String>) -> Verdict {
    let given = Given { packet: held.delivery.packet(), attempt: held.delivery.attempt(), doom };
    let Begun { work, stops } = handles.clone().begin(given);
    let _heard = Heard::begin(shared);
    let mut work = pin!(async {
        let draining = async {
            shared.gate.drains().await;
            sleep(handles.patience()).await;
            stops.stop(Stop::Drains);
            pending::<Infallible>().await
        };
        select! {
            biased;
            ended = work => ended,
            never = draining => match never {},
        }
    });
    match held.through(shared, work.as_mut()).await {
        Through::Done(Ended { tell: None, then }) => ended(shared, then),
        Through::Done(ended) => Verdict::Ended(Box::new(ended)),
        Through::Hurried => Verdict::Release,
        Through::Lost => {
            stops.stop(Stop::Lost);
            // Not dropped: what it has begun is not begun twice here.
            drop(work.await);
            Verdict::Lost
        }
    }
}

/// What the server is told of it.
pub(super) fn ended(shared: &Shared, then: Then) -> Verdict {
    match then {
        Then::Done => Verdict::Done,
        Then::Again(after, reason) => Verdict::Again(after, reason),
        Then::Dead(reason, text) => Verdict::Dead(reason, vec![text]),
        Then::Unknown(text) => unknown(shared, text),
        Then::Release => Verdict::Release,
    }
}

/// Has the listeners hear it, unless it was done before or has come too often.
async fn hear(shared: &Shared, envelope: Box<Envelope>, doom: Option<String>) -> Verdict {
    let done = shared.options.inbox.as_ref().map(|inbox| (inbox, envelope.metadata.identity()));
    if let Some((inbox, id)) = &done {
        match Box::pin(guarded("inbox", async { inbox.seen(id).await })).await {
            Ok(false) => {}
            Ok(true) => return Verdict::Duplicate,
            Err(error) => return Verdict::Retry(vec![format!("the inbox could not be asked: {error}")]),
        }
    }
    // After the inbox: one that was done, by a process that died before it could say so, is not dead.
    if let Some(text) = doom {
        return Verdict::Dead(DeadReason::Exhausted, vec![text]);
    }
    shared.meter.lag(&envelope.metadata);
    // The server has it until it is settled, so the bus buries nothing of it.
    let emission = match crate::__private::emit_held(&shared.bus, *envelope) {
        Ok(emission) => emission,
        Err(error) => return unknown(shared, format!("nobody can know it, its metadata have no topic: {error}")),
    };
    let _heard = Heard::begin(shared);
    let report = match shared.options.timeout {
        None => emission.await,
        Some(limit) => match Box::pin(timeout(limit, emission)).await {
            Ok(report) => report,
            Err(_) => return Verdict::Retry(vec![format!("its listeners were not done after {limit:?}")]),
        },
    };
    let verdict = verdict_of(shared, &report);
    if let (Verdict::Done, Some((inbox, id))) = (&verdict, &done)
        && let Err(error) = Box::pin(guarded("inbox", async { inbox.mark(id).await })).await
    {
        log::warn!(target: "convoke::worker", "{}: {id} is done and not marked, so a copy would be done too: {error}", shared.name);
    }
    verdict
}

/// A slot, and the memory for what is made of the packet.
type Place<'a> = (SemaphorePermit<'a>, SemaphorePermit<'a>);

/// Waits until it may begin.
async fn place<'a>(shared: &'a Shared, alone: Option<&Alone>, bytes: usize) -> Option<Place<'a>> {
    if let Some(alone) = alone {
        Box::pin(alone.wait()).await;
    }
    // There is none if there are no slots any more, which never happens.
    let slot = shared.slots.acquire().await.ok()?;
    if let Some(pace) = &shared.pace {
        Box::pin(pace.turn()).await;
    }
    Some((slot, shared.load.parse(bytes).await?))
}

fn unknown(shared: &Shared, text: String) -> Verdict {
    match shared.options.on_unknown {
        OnUnknown::DeadLetter => Verdict::Dead(DeadReason::Unknown, vec![text]),
        OnUnknown::Ignore => Verdict::Ignored,
        OnUnknown::Retry => Verdict::Retry(vec![text]),
    }
}

fn verdict_of(shared: &Shared, report: &Report) -> Verdict {
    if let Some(too_deep) = report.too_deep() {
        return Verdict::Dead(DeadReason::Permanent, vec![too_deep.to_string()]);
    }
    if report.is_ok() {
        if report.is_empty() {
            return unknown(shared, format!("nobody listens to {}", Shown::name(report.event())));
        }
        return Verdict::Done;
    }
    let errors = report.failed().map(|(listener, error)| format!("`{listener}` {error}")).collect();
    let for_good = |error: &ListenerError| matches!(error, ListenerError::Permanent(_) | ListenerError::BadPayload(_));
    // As long as one might do it at another attempt, all of it is tried again.
    if report.failed().all(|(_, error)| for_good(error)) {
        return Verdict::Dead(DeadReason::Permanent, errors);
    }
    Verdict::Retry(errors)
}

async fn settle(shared: &Shared, held: Held, verdict: Verdict, about: &About) -> Result<(), TransportError> {
    let delivery = &held.delivery;
    match verdict {
        Verdict::Done => store(shared, held, Final::new(What::Done), about).await,
        Verdict::Duplicate | Verdict::Ignored => held.delivery.ack().await,
        Verdict::Retry(errors) => {
            let wait = shared.options.retry.wait(delivery.attempt(), crate::__private::random());
            log::debug!(target: "convoke::worker", "{about}: {}; it comes again after {wait:?}", errors.join("; "));
            held.delivery.retry_after(wait).await
        }
        Verdict::Again(wait, reason) => {
            log::debug!(target: "convoke::worker", "{about}: {reason}; it comes again after {wait:?}");
            held.delivery.retry_after(wait).await
        }
        Verdict::Dead(reason, errors) => {
            log::warn!(target: "convoke::worker", "{about}: {reason}: {}; it is a dead letter", errors.join("; "));
            let what = dead(shared, &held, reason, errors);
            store(shared, held, Final::new(what), about).await
        }
        Verdict::Kept(verdict) => store(shared, held, verdict, about).await,
        Verdict::Release | Verdict::Lost | Verdict::Ended(_) => held.delivery.release().await,
    }
}

/// It has had no more attempts than it may, however often it was lent.
fn dead(shared: &Shared, held: &Held, reason: DeadReason, errors: Vec<String>) -> What {
    let mut record = held.delivery.record(reason, errors);
    record.attempts = record.attempts.min(shared.attempts(held.delivery.packet()));
    if held.parks { What::Parked(Box::new(record)) } else { What::Dead(Box::new(record)) }
}

/// What is not ours may panic, as a listener may: that costs an attempt, and not the worker.
pub(crate) async fn guarded<T>(
    name: &str,
    what: impl Future<Output = Result<T, TransportError>>,
) -> Result<T, TransportError> {
    let panicked = |text| TransportError::new(ErrorKind::Protocol, name, format!("panicked: {text}"));
    crate::__private::guarded(what).await.unwrap_or_else(|text| Err(panicked(text)))
}

/// Counts a delivery that is being heard, however that ends.
struct Heard<'a> {
    shared: &'a Shared,
    began: Cell<Option<tokio::time::Instant>>,
}

impl<'a> Heard<'a> {
    fn begin(shared: &'a Shared) -> Self {
        shared.stats.begin();
        shared.meter.begin();
        Self { shared, began: Cell::new(shared.meter.now()) }
    }
}

impl Drop for Heard<'_> {
    fn drop(&mut self) {
        self.shared.stats.finish();
        self.shared.meter.finish(self.began.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call returns takes, in bytes.
    fn size<T>(_: impl FnOnce(Rc<Shared>, Arrived) -> T) -> usize {
        size_of::<T>()
    }

    #[test]
    fn a_delivery_that_is_here_takes_little_beside_its_packet() {
        assert!(size(handle) <= 4_096, "{} bytes", size(handle));
    }
}
