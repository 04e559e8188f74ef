//! Waits no longer for listeners on other arbiters whose time is over.
//!
//! An arbiter that stands still keeps no timer, so the deadline is kept where the emission is polled.

use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::base::Noted;
use crate::events::hub::Hub;
use crate::events::listener::Report;
use crate::events::parcel::{AnyParcel, Away, Board, GivenUp};
use crate::events::verdict::{ListenerError, Verdict};
use crate::runtime::{self, Alarm, drop_quietly, quietly};

/// How much longer it is waited for a listener that was called: its own arbiter keeps the same deadline, knows better how
/// the call has ended, and writes the dead letter.
const GRACE: Duration = Duration::from_millis(250);

/// Gives up those whose time is over, and has this task woken when that of the next is; says whether somebody was given
/// up.
pub(crate) fn give_up(away: &mut Away, hub: &Arc<Hub>, board: &Board, report: &mut Report, waker: &Waker) -> bool {
    let mut any = false;
    while let Some(parcel) = &away.parcel {
        if let Some(alarm) = &away.alarm
            && alarm.poll(waker).is_pending()
        {
            break;
        }
        let due = |place, called| {
            let limit = report.post(place).map_or(runtime::FOREVER, |post| post.timeout());
            runtime::real_after(away.since, limit.saturating_add(if called { GRACE } else { Duration::ZERO }))
        };
        let (given_up, next) = board.give_up(runtime::real_now(), due);
        any |= !given_up.is_empty();
        let verdicts = given_up.into_iter().map(|one| (one.place, verdict(hub, parcel, report, &one))).collect();
        report.merge_others(verdicts);
        away.alarm = next.map(Alarm::at);
        if next.is_none() {
            drop_quietly(away.parcel.take());
        }
    }
    any
}

/// What is said of one that was given up.
fn verdict(hub: &Arc<Hub>, parcel: &Arc<dyn AnyParcel>, report: &Report, one: &GivenUp) -> Verdict {
    let post = report.post(one.place);
    let error = ListenerError::TimedOut(post.map(|post| post.timeout()).unwrap_or_default());
    let mut verdict = Verdict::Failed(error.clone(), Noted::default());
    match post {
        // The arbiter that calls it counts how that ends.
        Some(post) if one.called => quietly(|| {
            log::warn!(
                target: "convoke::listener", "{}: listener `{}` {error}; its arbiter does not answer", parcel.name(), post.name()
            );
        }),
        Some(post) => quietly(|| verdict = hub.failed(post, parcel.clone(), error)),
        None => {}
    }
    verdict
}
