//! Those that may have killed a process: lent more often than they may be tried, and nobody said how that ended.
//!
//! `Delivery (attempt > limit) → Gate::take → alone → mark → the listeners`, or dead, if it was marked before

use super::engine::Shared;
use super::handling::Verdict;
use crate::transport::{Delivery, ErrorKind, UNHEARD_ATTEMPTS};

/// How many are fetched one by one after a suspect: each release that is spared is one lending less on a server that counts
/// them all.
pub(crate) const CAREFUL: u32 = 16;

/// Whether it is to be heard alone: more of its lendings ended without a word than it has attempts, for its process died of
/// it, or of another one that was there at the same time.
pub(crate) fn is_suspect(shared: &Shared, delivery: &Delivery) -> bool {
    delivery.attempt() > shared.attempts(delivery.packet()) && !delivery.is_marked()
}

/// Why one is dead before anybody hears it, if it is.
pub(crate) fn doom(shared: &Shared, delivery: &Delivery) -> Option<String> {
    let (attempt, limit) = (delivery.attempt(), shared.attempts(delivery.packet()));
    (attempt > limit && delivery.is_marked()).then(|| {
        format!(
            "{limit} attempts began and none came to an end, nor did one more, at which nothing else was heard: its \
             process has died of it"
        )
    })
}

/// Has the server remember that one is heard alone, right before it is. Where it cannot, that is tried only so often.
pub(crate) async fn mark(shared: &Shared, delivery: &mut Delivery) -> Result<Option<String>, Verdict> {
    let marked = tokio::select! {
        biased;
        () = shared.hurried.raised() => return Err(Verdict::Release),
        marked = delivery.mark() => marked,
    };
    let (attempt, limit) = (delivery.attempt(), shared.attempts(delivery.packet()));
    match marked {
        Ok(true) => Ok(None),
        Ok(false) if attempt <= limit.saturating_add(UNHEARD_ATTEMPTS) => Ok(None),
        Ok(false) => Ok(Some(format!(
            "it was lent {} times and nobody said how that ended, at the last with nothing else being heard: its process \
             may have died of it",
            attempt - 1
        ))),
        Err(error) if error.kind() == ErrorKind::Lost => {
            log::warn!(target: "convoke::worker", "{error}: it is not heard here");
            Err(Verdict::Lost)
        }
        Err(error) => {
            log::warn!(target: "convoke::worker", "{error}: it was to be heard alone, and is given back");
            Err(Verdict::Release)
        }
    }
}
