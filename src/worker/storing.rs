//! How a verdict for good is stored, however long nobody takes it: the delivery is not heard again meanwhile.
//!
//! `Final → publish the letter → ack`, `not taken → wait, its lease kept → publish …`, `no place to wait → kept.rs, given back`

use std::pin::pin;
use std::time::Duration;

use tokio::select;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use super::engine::Shared;
use super::handles::Ended;
use super::handling::{About, Verdict, ended, guarded};
use super::held::{Held, Through};
use super::kept::{Final, Fingerprint, MOST_KEPT, What};
use crate::Retry;
use crate::transport::{
    DeadLetterRecord, DeadReason, Delivery, ErrorKind, Packet, Place, Publisher, Settlement, TransportError,
};

/// How long a delivery is held at most, with a lease and without: a server that lends for a time does not let that be made longer
/// for ever (SQS: 12 h), and one that lends for as long as the connection lives ends that some time (RabbitMQ: 30 min).
const HELD_WITH_LEASE: Duration = Duration::from_secs(6 * 60 * 60);
const HELD_WITHOUT: Duration = Duration::from_secs(20 * 60);

/// The first wait before it is tried again to tell how one has ended, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What is given back because its verdict was not taken is held back for as long as this at least.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Stores a verdict. Most are done and are taken at once, which needs little room while so many wait for the server.
pub(crate) async fn store(shared: &Shared, held: Held, verdict: Final, about: &About) -> Result<(), TransportError> {
    if !matches!(verdict.what, What::Done) || verdict.due.is_some() {
        return Box::pin(store_at_length(shared, held, verdict, about)).await;
    }
    let packet = held.delivery.packet();
    // What the server refuses is gone from here: of what has no id there is a copy, should the verdict have to be kept.
    let (place, attempt) = (held.delivery.place(), held.delivery.attempt());
    let known = if packet.id.is_empty() { Err(Box::new(packet.clone())) } else { Ok(known_by(shared, packet, place)) };
    let settled = held.delivery.settle(Settlement::Ack).await;
    if let Err(error) = &settled {
        let mut verdict = verdict;
        note(shared, &mut verdict, error, about);
        keep_by(shared, known.unwrap_or_else(|nameless| known_by(shared, &nameless, place)), attempt, verdict);
    }
    settled
}

/// Stores a verdict, however often that has to be tried. Of a dead letter first the letter and then the acknowledgement, so that it is in one place at least
/// whatever happens.
///
/// As long as the server does not take it, the delivery is held here and that is tried again. If too many are, or the worker
/// ends, it is given back, and its verdict is kept for when it comes again; but not that of a packet that has no id, nor its
/// event, which is heard again.
async fn store_at_length(
    shared: &Shared,
    mut held: Held,
    mut verdict: Final,
    about: &About,
) -> Result<(), TransportError> {
    let mut waits = None;
    let is_letter = match verdict.what {
        What::Dead(_) => shared.options.dead_letters.is_none(),
        What::Parked(_) => true,
        What::Done | What::Buried => false,
    };
    // What the server refuses is gone from here: of what has no id there is a copy, should the verdict have to be kept.
    let (packet, place) = (held.delivery.packet(), held.delivery.place());
    let (id, nameless) = match is_letter || !packet.id.is_empty() {
        true => (known_by(shared, packet, place), None),
        false => (None, Some(packet.clone())),
    };
    // A letter whose verdict cannot be kept.
    let like = (is_letter && id.is_none()).then(|| shared.kept.fingerprint(packet, None));
    if let Some(like) = like {
        verdict.waits_as(shared.kept.refused(like));
    }
    loop {
        if let Some(due) = verdict.due
            && !shared.gate.is_draining()
        {
            match wait(shared, &mut held, due, &mut waits).await {
                Through::Done(true) => {}
                Through::Done(false) | Through::Hurried => return give_back(shared, held, verdict).await,
                Through::Lost => return lost(shared, &held.delivery, verdict),
            }
        }
        let attempt = held.delivery.attempt();
        let settlement = match (&verdict.what, &shared.options.dead_letters) {
            (What::Done | What::Buried, _) => How::Settled(Settlement::Ack),
            (What::Parked(record), _) => How::Parked((**record).clone()),
            (What::Dead(record), None) => How::Settled(Settlement::DeadLetter((**record).clone())),
            (What::Dead(record), Some(publisher)) => {
                let letter = letter(&**publisher, record, held.delivery.packet().clone());
                let mut published = pin!(publish(&**publisher, &letter));
                let taken = match held.through(shared, published.as_mut()).await {
                    Through::Done(taken) => taken,
                    Through::Hurried => return give_back(shared, held, verdict).await,
                    Through::Lost => {
                        if published.await.is_ok() {
                            verdict.what = What::Buried;
                        }
                        return lost(shared, &held.delivery, verdict);
                    }
                };
                if let Err(error) = taken {
                    note(shared, &mut verdict, &error, about);
                    if shared.gate.is_draining() {
                        return give_back(shared, held, verdict).await;
                    }
                    continue;
                }
                verdict.what = What::Buried;
                How::Settled(Settlement::Ack)
            }
        };
        // What the server refuses, it may lend again before it has told us: its verdict is there by then.
        if is_letter {
            let mut again = verdict.clone();
            again.failed();
            keep_by(shared, id, attempt, again);
        }
        let settled = settlement.tell(shared, *held.delivery, about).await;
        match &settled {
            Ok(()) if is_letter => {
                if let Some(id) = id {
                    shared.kept.forget(id);
                }
                if let Some(like) = like {
                    shared.kept.set_refused(like, None);
                }
            }
            Ok(()) => {}
            Err(error) => {
                note(shared, &mut verdict, error, about);
                if let Some(like) = like {
                    shared.kept.set_refused(like, Some(verdict.refused()));
                }
                if !is_letter {
                    let id = id.or_else(|| known_by(shared, nameless.as_ref()?, place));
                    keep_by(shared, id, attempt, verdict);
                }
            }
        }
        return settled;
    }
}

/// Tells how it has ended, for as long as nobody has taken it: it is not handled again meanwhile. If the worker ends before, it
/// is given back, and so handled once more.
pub(super) async fn tell(shared: &Shared, held: &mut Held, what: Ended, about: &About) -> Verdict {
    let Ended { tell, then } = what;
    let Some(tell) = tell else { return ended(shared, then) };
    let mut failures = 0_u32;
    loop {
        let mut telling = pin!(guarded(&shared.name, async { tell().await }));
        let error = match held.through(shared, telling.as_mut()).await {
            Through::Done(Ok(())) => return ended(shared, then),
            Through::Done(Err(error)) => error,
            Through::Hurried => return Verdict::Release,
            Through::Lost => return Verdict::Lost,
        };
        if matches!(error.kind(), ErrorKind::Refused | ErrorKind::TooLarge | ErrorKind::Unsupported) {
            let text = format!("what tells how it has ended was refused: {error}");
            return Verdict::Dead(DeadReason::Permanent, vec![text]);
        }
        failures = failures.saturating_add(1);
        if failures == 1 {
            shared.stats.kept();
            log::warn!(target: "convoke::worker", "{about}: nobody takes what tells how it has ended, which is tried until somebody does: {error}");
        }
        if shared.gate.is_draining() || held.delivery.age() >= held_for(&held.delivery) {
            log::warn!(target: "convoke::worker", "{about}: it comes again, for nobody has taken what tells how it has ended: {error}");
            return Verdict::Release;
        }
        let retry = Retry::exponential(FIRST_WAIT).max_delay(LONGEST_WAIT);
        // Never less than half of it, so that a server that refuses at once is not asked in a loop.
        let wait = (retry.wait(failures, crate::__private::random()) + retry.limit(failures)) / 2;
        let waits = pin!(async {
            select! {
                biased;
                () = shared.gate.drains() => {}
                () = sleep(wait) => {}
            }
        });
        match held.through(shared, waits).await {
            Through::Done(()) => {}
            Through::Hurried => return Verdict::Release,
            Through::Lost => return Verdict::Lost,
        }
    }
}

/// How the server is told.
enum How {
    Settled(Settlement),
    Parked(DeadLetterRecord),
}

impl How {
    async fn tell(self, shared: &Shared, delivery: Delivery, about: &About) -> Result<(), TransportError> {
        match self {
            Self::Settled(settlement) => delivery.settle(settlement).await,
            Self::Parked(record) => {
                let behind = delivery.park_with(record).await?;
                shared.stats.parked();
                log::warn!(
                    target: "convoke::worker",
                    "{about}: its key is held back, and {behind} behind it are parked, until it is redriven or discarded"
                );
                Ok(())
            }
        }
    }
}

/// Waits until it is tried again, or nothing new is to begin; `false` if there is no place to wait.
async fn wait<'a>(
    shared: &'a Shared,
    held: &mut Held,
    due: Instant,
    place: &mut Option<SemaphorePermit<'a>>,
) -> Through<bool> {
    if due <= Instant::now() {
        return Through::Done(true);
    }
    let held_for = held_for(&held.delivery);
    if place.is_none() && held.delivery.age() < held_for {
        *place = shared.graves.try_acquire().ok();
    }
    if place.is_none() || held.delivery.age() >= held_for {
        return Through::Done(false);
    }
    let due = pin!(async {
        select! {
            biased;
            // Whoever is to be heard alone would wait for the room that this takes.
            () = shared.gate.taken() => false,
            () = shared.gate.drains() => true,
            () = sleep_until(due) => true,
        }
    });
    held.through(shared, due).await
}

/// How long this one is held at most.
fn held_for(delivery: &Delivery) -> Duration {
    if delivery.lease().is_some() { HELD_WITH_LEASE } else { HELD_WITHOUT }
}

fn letter(publisher: &dyn Publisher, record: &DeadLetterRecord, packet: Packet) -> Packet {
    let abilities = publisher.abilities();
    let mut letter = record.clone().bury(packet, abilities.max_attributes, abilities.max_bytes);
    if abilities.deduplicates {
        // One that was redriven and dies once more is another letter.
        letter.id = format!("{}-{}", letter.id, record.time);
    }
    letter
}

async fn publish(publisher: &dyn Publisher, letter: &Packet) -> Result<(), TransportError> {
    let silent =
        || TransportError::new(ErrorKind::Protocol, publisher.name(), "it did not say whether it took a packet");
    let publish = async {
        let taken = publisher.publish(std::slice::from_ref(letter)).await.pop();
        taken.unwrap_or_else(|| Err(silent()))
    };
    guarded(publisher.name(), publish).await
}

/// Notes that it could not be stored.
fn note(shared: &Shared, verdict: &mut Final, error: &TransportError, about: &About) {
    if verdict.failed() {
        shared.stats.kept();
        let what = if matches!(verdict.what, What::Dead(_) | What::Parked(_)) {
            "its dead letter was not taken"
        } else {
            "that it is done could not be told"
        };
        log::warn!(
            target: "convoke::worker",
            "{about}: {what}, which is tried until it is, without its being heard again: {error}"
        );
    } else {
        log::debug!(target: "convoke::worker", "{about}: once more its verdict could not be stored: {error}");
    }
}

/// It comes again, to whoever it may be: here it is not heard a second time.
async fn give_back(shared: &Shared, held: Held, verdict: Final) -> Result<(), TransportError> {
    let delivery = held.delivery;
    let error = TransportError::new(ErrorKind::Unreachable, delivery.source(), "its verdict could not be stored");
    let left = verdict.due.map(|due| due.saturating_duration_since(Instant::now())).unwrap_or_default();
    keep(shared, &delivery, verdict);
    delivery.retry_after(left.max(HELD_BACK)).await?;
    Err(error)
}

fn lost(shared: &Shared, delivery: &Delivery, verdict: Final) -> Result<(), TransportError> {
    keep(shared, delivery, verdict);
    let text = "its lease has run out before its verdict was stored";
    Err(TransportError::new(ErrorKind::Lost, delivery.source(), text))
}

/// By what a packet is known when it comes again. `None` if it has no id, nor its event: two that are alike may be two events
/// then, and a verdict on the one must not end the other, which nobody has heard.
fn known_by(shared: &Shared, packet: &Packet, place: Option<Place>) -> Option<Fingerprint> {
    let identity = || {
        // One that has none gets another one each time that it is read.
        let read = (shared.options.codec)(packet, shared.options.limits);
        read.ok().map(|envelope| envelope.metadata.identity())
    };
    let is_known = !packet.id.is_empty() || identity().is_some_and(|id| identity() == Some(id));
    is_known.then(|| shared.kept.fingerprint(packet, place))
}

/// Keeps a verdict for when its delivery comes again, if that can be told from others.
pub(crate) fn keep(shared: &Shared, delivery: &Delivery, verdict: Final) {
    keep_by(shared, known_by(shared, delivery.packet(), delivery.place()), delivery.attempt(), verdict);
}

fn keep_by(shared: &Shared, id: Option<Fingerprint>, attempt: u32, verdict: Final) {
    if let Some(id) = id
        && shared.kept.keep(id, attempt, verdict)
    {
        log::warn!(
            target: "convoke::worker",
            "{}: more than {MOST_KEPT} verdicts could not be stored: the oldest is forgotten, and what it was for is heard again",
            shared.name
        );
    }
}
