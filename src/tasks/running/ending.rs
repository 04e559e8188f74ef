//! What becomes of an attempt that has ended.
//!
//! `Told | Fault → Ending: over, or once more; its event → a packet for the outbox`

use std::time::Duration;

use serde_json::Value;

use super::Shared;
use crate::__private::Shown;
use crate::tasks::function::{Does, TaskPlace, Told};
use crate::tasks::queue::{Cause, Ended, Record, Seat};
use crate::tasks::{Ending, How, Loan, State};
use crate::tasks::{Fault, TaskDatabase, TaskFailed, TaskTerms};
use crate::transport::Packet;
use crate::{Outgoing, Uuid};

/// An attempt that was done.
///
/// # Errors
///
/// If its event cannot leave.
pub(super) fn done<D: TaskDatabase>(shared: &Shared<D>, loan: &Loan, told: Told) -> Result<Ending, Fault> {
    let cause = Cause::read(loan.cause.as_deref());
    let outbox = cause.outbox(&shared.outbox);
    let of_batch = cause.seat.map(|seat| tell_batch(seat, loan.id, Ended::done(told.text.as_deref(), seat.room)));
    let event = match told.event {
        Some(event) => Some(leaving(event, &|event| outbox.packet(event).map_err(|error| error.to_string()))?),
        None => None,
    };
    let how = How::Over { state: State::Done, text: told.text, keep: shared.options.keep };
    Ok(Ending { job: loan.id, attempt: loan.attempt, how, counts: true, event, told: of_batch })
}

/// Makes what leaves of what a function has returned. Its serde is code of the user's, which may panic.
///
/// # Errors
///
/// If it cannot leave.
pub(in crate::tasks) fn leaving(event: Outgoing, packs: Packs<'_>) -> Result<Packet, Fault> {
    let packed = crate::__private::catch(|| packs(event)).unwrap_or_else(|panic| Err(format!("it panicked: {panic}")));
    packed.map_err(|why| Fault::coded("untold", format!("what it has returned cannot leave: {why}")).permanent())
}

/// An attempt that has failed, if there is another.
pub(super) fn again<D: TaskDatabase>(does: &dyn Does<D>, loan: &Loan, fault: &Fault) -> Option<Ending> {
    if fault.parts().permanent || loan.attempt >= loan.attempts {
        return None;
    }
    let after = fault.parts().retry_after.unwrap_or_else(|| wait(&does.terms(), loan.attempt));
    log::debug!(
        target: "convoke::tasks",
        "{} {} is tried again in {after:?}, after attempt {} of {}: {}",
        Shown::name(&loan.task),
        loan.id,
        loan.attempt,
        loan.attempts,
        Shown::text(&fault.parts().detail)
    );
    let how = How::Again { after, reason: fault.parts().detail.clone() };
    Some(Ending { job: loan.id, attempt: loan.attempt, how, counts: true, event: None, told: None })
}

/// A job that has failed for good, or was cancelled.
pub(super) fn over<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    (state, counts): (State, bool),
    fault: &Fault,
) -> Ending {
    log::warn!(
        target: "convoke::tasks",
        "{} {} {} {}: {}",
        Shown::name(&loan.task),
        loan.id,
        if state == State::Cancelled { "was cancelled" } else { "has failed for good" },
        after(loan.attempt - u32::from(!counts && loan.attempt > 0)),
        Shown::text(&fault.parts().detail)
    );
    let how = How::Over { state, text: Some(fault.parts().detail.clone()), keep: shared.options.keep_failed };
    let cause = Cause::read(loan.cause.as_deref());
    let outbox = cause.outbox(&shared.outbox);
    let code = fault.parts().code.as_deref().unwrap_or("failed");
    let told = cause.seat.map(|seat| tell_batch(seat, loan.id, Ended::failed(code, &fault.parts().detail)));
    let event = tell(does, loan, fault, &|event| outbox.packet(event).map_err(|error| error.to_string()));
    Ending { job: loan.id, attempt: loan.attempt, how, counts, event, told }
}

/// After how many attempts a job has ended, as the log says it.
pub(in crate::tasks) fn after(attempts: u32) -> String {
    match attempts {
        0 => "before it began".to_owned(),
        1 => "after 1 attempt".to_owned(),
        attempts => format!("after {attempts} attempts"),
    }
}

/// What the batch of a job is to know.
pub(super) fn tell_batch(seat: Seat, job: i64, how: Ended) -> (Uuid, Packet) {
    (seat.batch, Record::Ended { batch: seat.batch, job, how }.packet())
}

/// Makes what leaves of an event.
pub(in crate::tasks) type Packs<'a> = &'a dyn Fn(Outgoing) -> Result<Packet, String>;

/// The event of a failure. If the one of the task cannot be made or cannot leave, ours tells of it.
pub(in crate::tasks) fn tell<P: TaskPlace>(
    does: &dyn Does<P>,
    loan: &Loan,
    fault: &Fault,
    packs: Packs<'_>,
) -> Option<Packet> {
    let id = crate::__private::catch(|| does.about(&loan.payload)).ok().flatten();
    let told = fault.told(id.unwrap_or_else(|| loan.id.into()), &loan.task, loan.id);
    let made = crate::__private::catch(|| packs(does.fails(&told).map_err(|error| error.to_string())?));
    let wrong = match made {
        Ok(Ok(packet)) => return Some(packet),
        Ok(Err(error)) => error,
        Err(panic) => format!("it panicked: {panic}"),
    };
    log::error!(
        target: "convoke::tasks",
        "the event that tells that {} {} has failed cannot be made, and `TaskFailed` tells it: {}",
        Shown::name(&loan.task),
        loan.id,
        Shown::text(&wrong)
    );
    plain(&loan.task, loan.id, fault, packs)
}

/// The same by our event, which says of what the job was about nothing but its number.
pub(super) fn plain(task: &str, job: i64, fault: &Fault, packs: Packs<'_>) -> Option<Packet> {
    let event = TaskFailed {
        id: job.into(),
        task: task.to_owned(),
        job,
        detail: fault.parts().detail.clone(),
        code: fault.parts().code.clone().unwrap_or_else(|| "failed".to_owned()),
        origin: fault.parts().origin.clone(),
        data: Value::Null,
    };
    match packs(Outgoing::new(event)) {
        Ok(packet) => Some(packet),
        Err(error) => {
            log::error!(target: "convoke::tasks", "{} {job}: nobody is told of its failure: {error}", Shown::name(task));
            None
        }
    }
}

/// A random time up to the first wait, which is doubled after each failure: those that failed together do not come again together.
pub(in crate::tasks) fn wait(terms: &TaskTerms, attempt: u32) -> Duration {
    let doubled = terms.first_wait.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let most = doubled.min(terms.longest_wait);
    let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
    if micros == 0 {
        return Duration::ZERO;
    }
    Duration::from_micros(crate::__private::random() % micros.saturating_add(1).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_as_one_says_it() {
        assert_eq!([0, 1, 2].map(after), ["before it began", "after 1 attempt", "after 2 attempts"]);
    }

    #[test]
    fn waits_grow_up_to_the_longest_and_are_random() {
        let terms = TaskTerms::new().waits(Duration::from_secs(1), Duration::from_secs(60));
        for (attempt, most) in [(1, 1), (2, 2), (5, 16), (7, 60), (40, 60), (u32::MAX, 60)] {
            let waits: Vec<_> = (0..200).map(|_| wait(&terms, attempt)).collect();
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(most)), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait > Duration::from_secs(most) / 2), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|wait| *wait < Duration::from_secs(most) / 2), "{attempt}: {waits:?}");
        }
        assert_eq!(wait(&TaskTerms::new().waits(Duration::ZERO, Duration::MAX), 3), Duration::ZERO);
    }
}
