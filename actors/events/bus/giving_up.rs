//! The listeners of an emission on other arbiters, for whom it is waited up to their deadlines.
//!
//! An arbiter that stands still keeps no timer, so the deadline is kept where the emission is polled.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::board::{Board, GivenUp};
use super::parcel::AnyParcel;
use crate::events::bus::Hub;
use crate::events::listener::{ListenerError, Report, Verdict};
use crate::runtime::{self, Alarm, drop_quietly, quietly};

/// How much longer it is waited for a listener that was called: its own arbiter keeps the same deadline, knows better how
/// the call has ended, and writes the dead letter.
const GRACE: Duration = Duration::from_millis(250);

/// The listeners of an emission on other arbiters.
pub(crate) struct Away {
    since: Instant,
    /// Absent when there is nobody left to wait for.
    parcel: Option<Arc<dyn AnyParcel>>,
    alarm: Option<Alarm>,
}

impl Away {
    pub(crate) fn new(parcel: Arc<dyn AnyParcel>) -> Self {
        Self { since: runtime::real_now(), parcel: Some(parcel), alarm: None }
    }

    /// Gives up those whose time is over, and has this task woken when that of the next is; says whether somebody was given
    /// up.
    pub(crate) fn poll(&mut self, hub: &Arc<Hub>, board: &Board, report: &mut Report, waker: &Waker) -> bool {
        let mut any = false;
        while let Some(parcel) = &self.parcel {
            if let Some(alarm) = &self.alarm
                && alarm.poll(waker).is_pending()
            {
                break;
            }
            let due = |place, called| {
                let limit = report.post(place).map_or(runtime::FOREVER, |post| post.timeout());
                runtime::real_after(self.since, limit.saturating_add(if called { GRACE } else { Duration::ZERO }))
            };
            let (given_up, next) = board.give_up(runtime::real_now(), due);
            any |= !given_up.is_empty();
            let verdicts = given_up.into_iter().map(|one| (one.place, verdict(hub, parcel, report, &one))).collect();
            report.merge_others(verdicts);
            self.alarm = next.map(Alarm::at);
            if next.is_none() {
                drop_quietly(self.parcel.take());
            }
        }
        any
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // It may be the last of the event, whose `Drop` is the user's.
        drop_quietly(self.parcel.take());
    }
}

/// What is said of one that was given up.
fn verdict(hub: &Arc<Hub>, parcel: &Arc<dyn AnyParcel>, report: &Report, one: &GivenUp) -> Verdict {
    let post = report.post(one.place);
    let error = ListenerError::TimedOut(post.map(|post| post.timeout()).unwrap_or_default());
    let mut verdict = Verdict::Failed(error.clone());
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
