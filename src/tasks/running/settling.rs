//! What has ended is settled together. If the database refuses that, it is the fault of one of them more often than of all: the others
//! do not wait for it.
//!
//! `endings → Jobs::settle → refused? each half of them → one alone: ours tells of it instead of its event → what is left comes again`

use super::Shared;
use super::ending::{plain, tell_batch};
use super::meter::Came;
use crate::__private::Shown;
use crate::tasks::queue::{Ended, Seat};
use crate::tasks::{Ending, Fault, How, Outboxes, State, TaskDatabase};
use crate::transport::TransportError;

/// After so many that are refused whoever tells of them, it is the fault of the database, and nobody looks for more.
const REFUSED: usize = 2;

/// What the database has said of one.
pub(super) struct Told {
    pub(super) job: i64,
    pub(super) attempt: u32,
    pub(super) came: Came,
    /// Whether it was settled: whether it was still lent by the number of its attempt.
    pub(super) is_settled: bool,
}

/// Of each what the database has said.
fn told(part: &[Ending], settled: Vec<bool>) -> impl Iterator<Item = Told> {
    let told = |(ending, is_settled): (&Ending, _)| {
        let came = Came::of(&ending.how);
        Told { job: ending.job, attempt: ending.attempt, came, is_settled }
    };
    part.iter().zip(settled).map(told)
}

/// What came of it.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) told: Vec<Told>,
    /// What comes again, in its order: what was settled is not settled again.
    pub(super) left: Vec<Ending>,
}

/// Settles as many as there can be.
pub(super) async fn settle_all<D: TaskDatabase>(shared: &Shared<D>, endings: Vec<Ending>) -> Settled {
    let jobs = shared.queue.jobs();
    let mut settled = Settled::default();
    // Where a job of a batch was done, this is open.
    let hall = match endings.iter().any(|ending| ending.told.is_some()) {
        true => match shared.queue.hall().open().await {
            Ok(hall) => Some(hall),
            Err(error) => {
                shared.stats.unsettled(&error);
                settled.left = endings;
                return settled;
            }
        },
        false => None,
    };
    let outboxes = Outboxes { events: shared.outbox.keeping(), batches: hall.map(|hall| &*hall.ends) };
    // The next part stands at the end.
    let (mut parts, mut refused) = (vec![endings], 0);
    while let Some(mut part) = parts.pop() {
        let error = match jobs.settle(part.clone(), outboxes).await {
            Ok(all) => {
                settled.told.extend(told(&part, all));
                continue;
            }
            Err(error) => error,
        };
        if error.is_temporary() || refused >= REFUSED {
            shared.stats.unsettled(&error);
            settled.left.append(&mut part);
            parts.into_iter().rev().for_each(|part| settled.left.extend(part));
            break;
        }
        if part.len() > 1 {
            parts.push(part.split_off(part.len() / 2));
            parts.push(part);
            continue;
        }
        let Some(one) = part.pop() else { continue };
        let by_ours = match by_ours(shared, &one, &error).await {
            Some(ours) => jobs.settle(vec![ours.clone()], outboxes).await.ok().map(|all| (ours, all)),
            None => None,
        };
        match by_ours {
            Some((ours, all)) => settled.told.extend(told(&[ours], all)),
            None => {
                shared.stats.unsettled(&error);
                refused += 1;
                settled.left.push(one);
            }
        }
    }
    settled
}

/// The same end, if the database does not take its event: then the job has failed, and our event says so.
async fn by_ours<D: TaskDatabase>(shared: &Shared<D>, ending: &Ending, error: &TransportError) -> Option<Ending> {
    ending.event.as_ref()?;
    let How::Over { state, text, .. } = &ending.how else { return None };
    let row = shared.queue.jobs().look(ending.job).await.ok()??;
    let (state, before) = match (state, text) {
        (State::Done, _) | (_, None) => (State::Failed, String::new()),
        (state, Some(text)) => (*state, format!("{text}; and ")),
    };
    let fault = Fault::coded("untold", format!("{before}its event is refused: {error}"));
    log::error!(
        target: "convoke::tasks",
        "{} {} has ended, and `TaskFailed` tells it: {}",
        Shown::name(&row.task),
        ending.job,
        Shown::text(&fault.parts().detail)
    );
    let event =
        plain(&row.task, ending.job, &fault, &|event| shared.outbox.packet(event).map_err(|error| error.to_string()));
    let how = How::Over { state, text: Some(fault.parts().detail.clone()), keep: shared.options.keep_failed };
    let told = ending.told.as_ref().map(|(batch, packet)| match state {
        // What it has said of that holds still, but for what it has returned.
        State::Cancelled => (*batch, packet.clone()),
        _ => tell_batch(Seat { batch: *batch, room: 0 }, ending.job, Ended::failed("untold", &fault.parts().detail)),
    });
    Some(Ending { job: ending.job, attempt: ending.attempt, how, counts: ending.counts, event, told })
}
