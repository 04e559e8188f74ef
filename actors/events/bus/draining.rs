//! Waits until nothing is queued and no call is under way, on any arbiter of a bus that goes on.
//!
//! `drain → ToStation::Rest → station at rest → drain, once more if anything was done since`

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::events::hub::{Door, Hub, ToStation};
use crate::runtime;

/// How a station has answered whoever waits for it to be at rest.
enum Rest {
    /// It has been since it had done so much.
    Since(u64),
    /// It is gone, with all that it had.
    Gone,
    /// It has not, nor has it taken in anything for a while.
    Unanswered,
}

/// Waits for the stations of a bus; one whose arbiter stands still is left out.
pub(crate) async fn drain(hub: Arc<Hub>) {
    let mut left_out: Vec<Arc<Door>> = Vec::new();
    loop {
        let mut rested = Vec::new();
        for door in hub.registry.doors() {
            if left_out.iter().any(|other| Arc::ptr_eq(other, &door)) {
                continue;
            }
            match rest(&door, hub.limits().listener_timeout).await {
                Rest::Since(activity) => rested.push((door, activity)),
                Rest::Gone => {}
                Rest::Unanswered => {
                    let names = hub.registry.names_at(&door);
                    log::error!(
                        target: "convoke::bus", "an arbiter does not answer, and what waits there for {names} is not drained"
                    );
                    left_out.push(door);
                }
            }
        }
        // What one has done since may have given work to another that was at rest before.
        if rested.iter().all(|(door, activity)| door.is_at_rest_since(*activity)) {
            return;
        }
    }
}

/// Waits for a station to be at rest, as long as its arbiter goes on.
async fn rest(door: &Door, limit: Duration) -> Rest {
    let (told, mut rest) = oneshot::channel();
    door.push_always(ToStation::Rest { told });
    loop {
        match runtime::really_within(limit, &mut rest).await {
            Some(Ok(activity)) => return Rest::Since(activity),
            Some(Err(_)) => return Rest::Gone,
            None => {}
        }
        // Much to do, or nobody who does it: who takes in no more than this stands still.
        let (told, passed) = oneshot::channel();
        door.push_behind_others(ToStation::Passed { told });
        if runtime::really_within(limit, passed).await.is_none() {
            return Rest::Unanswered;
        }
    }
}
