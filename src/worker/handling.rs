//! One delivery, from when it is here to when the server knows how it ended.
//!
//! `wait for the turn and a slot → bus.emit_envelope → Verdict → settle`, and all the while its lease is extended

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::{sleep, timeout};

use super::OnUnknown;
use super::engine::Shared;
use super::lanes::{Before, Turn};
use crate::__private::Shown;
use crate::codec::CodecError;
use crate::transport::{DeadReason, Delivery, ErrorKind, TransportError};
use crate::{Envelope, ListenerError, Report, Uuid};

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
    Dead(DeadReason, Vec<String>),
    /// It is given back, and nobody has heard of it.
    Release,
    /// It is no longer ours.
    Lost,
}

impl Verdict {
    /// What it is called in the metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Duplicate => "duplicate",
            Self::Ignored => "ignored",
            Self::Retry(_) => "retried",
            Self::Dead(..) => "dead",
            Self::Release => "released",
            Self::Lost => "lost",
        }
    }
}

/// Handles one delivery. Its room here is taken until it is settled.
pub(crate) async fn handle(
    shared: Rc<Shared>,
    mut delivery: Delivery,
    read: Result<Envelope, CodecError>,
    mut turn: Turn,
    mut copy: Turn,
    _room: OwnedSemaphorePermit,
) {
    let about = About::new(&delivery, &read);
    let attempt = delivery.attempt();
    let id = read.as_ref().ok().map(|envelope| envelope.metadata.id);
    let verdict = held(&shared, &mut delivery, judge(&shared, read, attempt, &mut turn, &mut copy)).await;
    let verdict = match verdict {
        Verdict::Retry(errors) if attempt >= shared.options.retry.max_attempts() => {
            Verdict::Dead(DeadReason::Exhausted, errors)
        }
        verdict => verdict,
    };
    let end = match verdict {
        Verdict::Done | Verdict::Duplicate | Verdict::Ignored | Verdict::Dead(..) => Before::Settled,
        Verdict::Retry(_) | Verdict::Release | Verdict::Lost => Before::HeldBack,
    };
    let name = verdict.name();
    match settle(&shared, delivery, verdict, id, &about).await {
        Ok(()) => {
            shared.stats.settled(name);
            shared.meter.settled(name);
            turn.end(end);
        }
        Err(error) => {
            shared.stats.settled("lost");
            shared.meter.settled("lost");
            log::warn!(target: "convoke::worker", "{about}: it comes again, as nobody could be told how it ended: {error}");
            turn.end(Before::HeldBack);
        }
    }
}

/// What the log says of a delivery.
struct About {
    text: String,
}

impl About {
    fn new(delivery: &Delivery, read: &Result<Envelope, CodecError>) -> Self {
        if !log::log_enabled!(target: "convoke::worker", log::Level::Warn) {
            return Self { text: String::new() };
        }
        let (source, id, attempt) = (delivery.source(), &delivery.packet().id, delivery.attempt());
        let text = match read {
            Ok(Envelope { metadata, .. }) => {
                format!("{source}: {} {}, attempt {attempt}", Shown::name(&metadata.event), metadata.id)
            }
            Err(_) => format!("{source}: packet {}, attempt {attempt}", Shown::name(id)),
        };
        Self { text }
    }
}

impl std::fmt::Display for About {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Keeps the lease of a delivery while this is done; says so if that did not work out.
async fn held(shared: &Shared, delivery: &mut Delivery, work: impl Future<Output = Verdict>) -> Verdict {
    let mut work = pin!(work);
    let mut hurried = pin!(shared.hurried.raised());
    let Some(lease) = delivery.lease() else {
        return select! {
            biased;
            verdict = &mut work => verdict,
            () = &mut hurried => Verdict::Release,
        };
    };
    // It runs from when the server has lent it, a little before it was here.
    let mut wait = (lease / 2).saturating_sub(delivery.age());
    loop {
        select! {
            biased;
            verdict = &mut work => return verdict,
            () = &mut hurried => return Verdict::Release,
            () = sleep(wait) => {}
        }
        let extended = select! {
            biased;
            verdict = &mut work => return verdict,
            extended = delivery.extend(lease) => extended,
        };
        wait = match extended {
            Ok(()) => lease / 2,
            Err(error) if error.kind() == ErrorKind::Lost => {
                log::warn!(target: "convoke::worker", "{error}: somebody else may be at work on it too");
                // What has begun is not begun twice here.
                work.await;
                return Verdict::Lost;
            }
            Err(error) => {
                log::warn!(target: "convoke::worker", "{error}: its lease is tried to be extended again");
                lease / 8
            }
        };
    }
}

/// Has the listeners hear it, and says how it is to end.
async fn judge(
    shared: &Shared,
    read: Result<Envelope, CodecError>,
    attempt: u32,
    turn: &mut Turn,
    copy: &mut Turn,
) -> Verdict {
    if turn.wait().await == Before::HeldBack {
        return Verdict::Release;
    }
    // However the copy before this one ended: the inbox knows whether it was done.
    copy.wait().await;
    let Some(_slot) = begin(shared).await else { return Verdict::Release };
    let envelope = match read {
        Ok(envelope) => envelope,
        Err(error) => return Verdict::Dead(DeadReason::Broken, vec![error.to_string()]),
    };
    if let Some(dead) = shared.unburied.take(envelope.metadata.id, attempt) {
        return dead;
    }
    let limit = shared.options.retry.max_attempts();
    if attempt > limit {
        let text = format!(
            "{} attempts began and none came to an end: its process may have died of it, or nobody took its dead letter",
            attempt - 1
        );
        return Verdict::Dead(DeadReason::Exhausted, vec![text]);
    }
    let done = shared.options.inbox.as_ref().map(|inbox| (inbox, envelope.metadata.id.to_string()));
    if let Some((inbox, id)) = &done {
        match guarded("inbox", async { inbox.seen(id).await }).await {
            Ok(false) => {}
            Ok(true) => return Verdict::Duplicate,
            Err(error) => return Verdict::Retry(vec![format!("the inbox could not be asked: {error}")]),
        }
    }
    shared.meter.lag(&envelope.metadata);
    // The server has it until it is settled, so the bus buries nothing of it.
    let emission = match crate::__private::emit_held(&shared.bus, envelope) {
        Ok(emission) => emission,
        Err(error) => return unknown(shared, format!("nobody can know it, its metadata have no topic: {error}")),
    };
    let _heard = Heard::begin(shared);
    let report = match shared.options.timeout {
        None => emission.await,
        Some(limit) => match timeout(limit, emission).await {
            Ok(report) => report,
            Err(_) => return Verdict::Retry(vec![format!("its listeners were not done after {limit:?}")]),
        },
    };
    let verdict = verdict_of(shared, &report);
    if let (Verdict::Done, Some((inbox, id))) = (&verdict, &done)
        && let Err(error) = guarded("inbox", async { inbox.mark(id).await }).await
    {
        log::warn!(target: "convoke::worker", "{}: {id} is done and not marked, so a copy would be done too: {error}", shared.name);
    }
    verdict
}

/// Waits until it may begin; `None` if nothing is to begin any more.
async fn begin(shared: &Shared) -> Option<SemaphorePermit<'_>> {
    let may_begin = async {
        let slot = shared.slots.acquire().await;
        if let Some(pace) = &shared.pace {
            pace.turn().await;
        }
        slot
    };
    let slot = select! {
        biased;
        slot = may_begin => slot,
        () = shared.draining.raised() => return None,
    };
    // An error means that there are no slots any more, which never happens.
    slot.ok().filter(|_| !shared.draining.is_raised())
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

async fn settle(
    shared: &Shared,
    delivery: Delivery,
    verdict: Verdict,
    id: Option<Uuid>,
    about: &About,
) -> Result<(), TransportError> {
    match verdict {
        Verdict::Done | Verdict::Duplicate | Verdict::Ignored => delivery.ack().await,
        Verdict::Retry(errors) => {
            let wait = shared.options.retry.wait(delivery.attempt(), crate::__private::random());
            log::debug!(target: "convoke::worker", "{about}: {}; it comes again after {wait:?}", errors.join("; "));
            delivery.retry_after(wait).await
        }
        Verdict::Dead(reason, errors) => {
            log::warn!(target: "convoke::worker", "{about}: {reason}: {}; it is a dead letter", errors.join("; "));
            let attempt = delivery.attempt();
            let buried = bury(shared, delivery, reason, errors.clone()).await;
            if let (Err(_), Some(id)) = (&buried, id) {
                shared.unburied.add(id, attempt, reason, errors);
            }
            buried
        }
        Verdict::Release | Verdict::Lost => delivery.release().await,
    }
}

/// First the dead letter, then the acknowledgement: whatever happens in between, it is in one place at least.
async fn bury(
    shared: &Shared,
    delivery: Delivery,
    reason: DeadReason,
    errors: Vec<String>,
) -> Result<(), TransportError> {
    let Some(publisher) = &shared.options.dead_letters else { return delivery.dead_letter(reason, errors).await };
    let abilities = publisher.abilities();
    let record = delivery.record(reason, errors);
    let died = record.time;
    let mut letter = record.bury(delivery.packet().clone(), abilities.max_attributes, abilities.max_bytes);
    if abilities.deduplicates {
        // One that was redriven and dies once more is another letter.
        letter.id = format!("{}-{died}", letter.id);
    }
    let silent =
        || TransportError::new(ErrorKind::Protocol, publisher.name(), "it did not say whether it took a packet");
    let publish = async {
        let taken = publisher.publish(std::slice::from_ref(&letter)).await.pop();
        taken.unwrap_or_else(|| Err(silent()))
    };
    match guarded(publisher.name(), publish).await {
        Ok(()) => delivery.ack().await,
        Err(error) => {
            // It is dead all the same: the next attempt only tries to bury it.
            delivery.retry_after(shared.options.retry.limit(1).max(Duration::from_secs(1))).await?;
            Err(error)
        }
    }
}

/// What is not ours may panic, as a listener may: that costs an attempt, and not the worker.
async fn guarded<T>(name: &str, what: impl Future<Output = Result<T, TransportError>>) -> Result<T, TransportError> {
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
