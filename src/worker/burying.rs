//! How a delivery becomes a dead letter, however long nobody takes that: it is not heard again meanwhile.
//!
//! `Death → publish → ack`, `not taken → wait, its lease kept → publish …`, `no room to wait → kept.rs, and given back`

use std::pin::pin;
use std::time::Duration;

use tokio::select;
use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::engine::Shared;
use super::handling::{About, guarded};
use super::held::{Held, Through};
use super::kept::{Death, Final, Fingerprint, MOST_KEPT};
use crate::transport::{Delivery, ErrorKind, Packet, Publisher, Settlement, TransportError};

/// What is given back because its letter was not taken is held back for as long as this at least.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Buries it: first the dead letter, then the acknowledgement, so that it is in one place at least whatever happens.
///
/// As long as nobody takes the letter, it is held here and tried again. If too many are, or the worker ends, it is given
/// back, and its verdict is kept for when it comes again.
pub(crate) async fn bury(
    shared: &Shared,
    mut held: Held,
    mut death: Death,
    id: Fingerprint,
    about: &About,
) -> Result<(), TransportError> {
    let mut place = None;
    loop {
        if let Some(due) = death.due
            && !shared.gate.is_draining()
        {
            match wait(shared, &mut held, due, &mut place).await {
                Through::Done(true) => {}
                Through::Done(false) | Through::Hurried => return give_back(shared, held, death, id).await,
                Through::Lost => return lost(shared, &held.delivery, Final::Dead(Box::new(death)), id),
            }
        }
        let attempt = held.delivery.attempt();
        let Some(publisher) = &shared.options.dead_letters else {
            let settled = held.delivery.settle(Settlement::DeadLetter(death.record.clone())).await;
            if let Err(error) = &settled {
                note(shared, &mut death, error, about);
                keep(shared, id, attempt, Final::Dead(Box::new(death)));
            }
            return settled;
        };
        let letter = letter(&**publisher, &held, &death);
        let mut published = pin!(publish(&**publisher, &letter));
        let taken = match held.through(shared, published.as_mut()).await {
            Through::Done(taken) => taken,
            Through::Hurried => return give_back(shared, held, death, id).await,
            Through::Lost => {
                let verdict = if published.await.is_ok() { Final::Buried } else { Final::Dead(Box::new(death)) };
                return lost(shared, &held.delivery, verdict, id);
            }
        };
        match taken {
            Ok(()) => {
                let settled = held.delivery.ack().await;
                if settled.is_err() {
                    keep(shared, id, attempt, Final::Buried);
                }
                return settled;
            }
            Err(error) => {
                note(shared, &mut death, &error, about);
                if shared.gate.is_draining() {
                    return give_back(shared, held, death, id).await;
                }
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

fn letter(publisher: &dyn Publisher, held: &Held, death: &Death) -> Packet {
    let abilities = publisher.abilities();
    let died = death.record.time;
    let packet = held.delivery.packet().clone();
    let mut letter = death.record.clone().bury(packet, abilities.max_attributes, abilities.max_bytes);
    if abilities.deduplicates {
        // One that was redriven and dies once more is another letter.
        letter.id = format!("{}-{died}", letter.id);
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

/// Notes that a letter was not taken.
fn note(shared: &Shared, death: &mut Death, error: &TransportError, about: &About) {
    let wait = death.failed();
    if death.failures == 1 {
        shared.stats.kept();
        log::warn!(
            target: "convoke::worker",
            "{about}: its dead letter was not taken, and is tried again until it is, without its being heard: {error}"
        );
    } else {
        let failures = death.failures;
        log::debug!(target: "convoke::worker", "{about}: not taken for the {failures}. time, again after {wait:?}: {error}");
    }
}

/// It comes again, to whoever it may be: here it is not heard a second time.
async fn give_back(shared: &Shared, held: Held, death: Death, id: Fingerprint) -> Result<(), TransportError> {
    let delivery = held.delivery;
    let error = TransportError::new(ErrorKind::Unreachable, delivery.source(), "its dead letter was not taken");
    let left = death.due.map(|due| due.saturating_duration_since(Instant::now())).unwrap_or_default();
    keep(shared, id, delivery.attempt(), Final::Dead(Box::new(death)));
    delivery.retry_after(left.max(HELD_BACK)).await?;
    Err(error)
}

fn lost(shared: &Shared, delivery: &Delivery, verdict: Final, id: Fingerprint) -> Result<(), TransportError> {
    keep(shared, id, delivery.attempt(), verdict);
    Err(TransportError::new(ErrorKind::Lost, delivery.source(), "its lease has run out before its letter was taken"))
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
