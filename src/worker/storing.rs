//! How a verdict for good is stored, however long nobody takes it: the delivery is not heard again meanwhile.
//!
//! `Final → publish the letter → ack`, `not taken → wait, its lease kept → publish …`, `no place to wait → kept.rs, given back`

use std::pin::pin;
use std::time::Duration;

use tokio::select;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::engine::Shared;
use super::handling::{About, guarded};
use super::held::{Held, Through};
use super::kept::{Final, Fingerprint, MOST_KEPT, What};
use crate::transport::{DeadLetterRecord, Delivery, ErrorKind, Packet, Publisher, Settlement, TransportError};

/// What is given back because its verdict was not taken is held back for as long as this at least.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Stores a verdict. Of a dead letter first the letter and then the acknowledgement, so that it is in one place at least
/// whatever happens.
///
/// As long as the server does not take it, the delivery is held here and that is tried again. If too many are, or the worker
/// ends, it is given back, and its verdict is kept for when it comes again.
pub(crate) async fn store(
    shared: &Shared,
    mut held: Held,
    mut verdict: Final,
    about: &About,
) -> Result<(), TransportError> {
    let mut place = None;
    loop {
        if let Some(due) = verdict.due
            && !shared.gate.is_draining()
        {
            match wait(shared, &mut held, due, &mut place).await {
                Through::Done(true) => {}
                Through::Done(false) | Through::Hurried => return give_back(shared, held, verdict).await,
                Through::Lost => return lost(shared, &held.delivery, verdict),
            }
        }
        let (id, attempt) = (shared.kept.fingerprint(held.delivery.packet()), held.delivery.attempt());
        let settlement = match (&verdict.what, &shared.options.dead_letters) {
            (What::Done | What::Buried, _) => Settlement::Ack,
            (What::Dead(record), None) => Settlement::DeadLetter((**record).clone()),
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
                Settlement::Ack
            }
        };
        let settled = held.delivery.settle(settlement).await;
        if let Err(error) = &settled {
            note(shared, &mut verdict, error, about);
            keep(shared, id, attempt, verdict);
        }
        return settled;
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
    if place.is_none() {
        *place = shared.graves.try_acquire().ok();
    }
    if place.is_none() {
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
        let what = if matches!(verdict.what, What::Dead(_)) {
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
    keep(shared, shared.kept.fingerprint(delivery.packet()), delivery.attempt(), verdict);
    delivery.retry_after(left.max(HELD_BACK)).await?;
    Err(error)
}

fn lost(shared: &Shared, delivery: &Delivery, verdict: Final) -> Result<(), TransportError> {
    keep(shared, shared.kept.fingerprint(delivery.packet()), delivery.attempt(), verdict);
    let text = "its lease has run out before its verdict was stored";
    Err(TransportError::new(ErrorKind::Lost, delivery.source(), text))
}

/// Keeps a verdict for when its delivery comes again.
pub(crate) fn keep(shared: &Shared, id: Fingerprint, attempt: u32, verdict: Final) {
    if shared.kept.keep(id, attempt, verdict) {
        log::warn!(
            target: "convoke::worker",
            "{}: more than {MOST_KEPT} verdicts could not be stored: the oldest is forgotten, and what it was for is heard again",
            shared.name
        );
    }
}
