//! How a job ends whose end does more than a batch can: it commits with what its function has written, or with what it was about
//! deleted.
//!
//! `Ending → settle_within: the row, its event → delete, or a job that does so in another database → commit`

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::Shared;
use super::ending::wait;
use crate::__private::{Shown, guarded};
use crate::OutboxDatabase;
use crate::tasks::function::{Does, owed};
use crate::tasks::{Ending, Fault, How, Loan, Outboxes, State, TaskDatabase, Work};
use crate::transport::TransportError;

/// How long the transaction that ends a job is held open for what deletes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The least wait before what could not be deleted is tried again.
const LEAST: Duration = Duration::from_secs(1);

/// Under which name it is kept, among the steps of a job, that it has failed for good and cannot end yet.
const KEPT: &str = "convoke: failed for good";

/// Why a job has not ended.
pub(super) enum Undone {
    /// The database is away, or busy.
    Away(TransportError),
    Wrong(Fault),
}

impl From<TransportError> for Undone {
    fn from(error: TransportError) -> Self {
        if error.is_temporary() { Self::Away(error) } else { Self::Wrong(error.into()) }
    }
}

impl From<Undone> for Fault {
    fn from(undone: Undone) -> Self {
        match undone {
            Undone::Away(error) => error.into(),
            Undone::Wrong(fault) => fault,
        }
    }
}

/// What a function has begun.
pub(super) type Begun<D> = Option<Box<dyn Work<<D as OutboxDatabase>::Connection>>>;

/// Whether what the job is about is deleted with its end in this state.
pub(super) fn deletes<D: TaskDatabase>(does: &dyn Does<D>, state: State) -> bool {
    does.found().is_some_and(|found| found.is_deleted(state))
}

/// Ends a job by a transaction of its own, or by the one that its function has begun. Says whether it was its job still: if not,
/// nothing is written.
///
/// # Errors
///
/// Those of the database, and of what deletes. Nothing is written.
pub(super) async fn end<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    begun: Begun<D>,
    ending: Ending,
) -> Result<bool, Undone> {
    let jobs = shared.queue.jobs();
    let deletes = matches!(ending.how, How::Over { state, .. } if deletes(does, state));
    // Before there is a transaction, for it may be the only one that writes; where a job of a batch was done, this is open.
    let hall = match ending.told {
        Some(_) => Some(shared.queue.hall().open().await?),
        None => None,
    };
    let mut work = match begun {
        Some(work) => work,
        None => jobs.begin().await?,
    };
    let outboxes = Outboxes { events: shared.outbox.keeping(), batches: hall.map(|hall| &*hall.ends) };
    // First it is looked at whose job it is: if it is another's, that one deletes.
    if !jobs.settle_within(ending, outboxes, work.connection()).await? {
        work.rollback().await?;
        return Ok(false);
    }
    if deletes {
        delete(shared, does, loan, &mut *work).await?;
    }
    work.commit().await?;
    Ok(true)
}

async fn delete<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    work: &mut dyn Work<D::Connection>,
) -> Result<(), Undone> {
    let Some(found) = does.found() else { return Ok(()) };
    let id = match crate::__private::catch(|| does.instance_id(&loan.payload)) {
        Ok(Ok(id)) => id,
        Ok(Err(error)) => return unknown(loan, &error.to_string()),
        Err(panic) => return unknown(loan, &panic),
    };
    if !found.needs_connection() {
        let owed = owed(does.task(), does.terms(), &id, loan.id, loan.cause.clone());
        shared.queue.jobs().add_within(vec![owed], work.connection()).await?;
        return Ok(());
    }
    let undeleted = format!("its {} could not be deleted", found.model());
    let wrong = |why: String| Fault::coded("undeleted", format!("{undeleted}: {why}"));
    let fault = match timeout(PATIENCE, guarded(found.delete(&id, work.connection()))).await {
        Ok(Ok(Ok(()))) => return Ok(()),
        Ok(Ok(Err(fault))) => fault.within(&undeleted, "undeleted"),
        Ok(Err(panic)) => wrong(format!("it panicked: {panic}")),
        Err(_) => wrong(format!("it has taken longer than {PATIENCE:?}")),
    };
    Err(Undone::Wrong(fault))
}

/// A payload that cannot be read names nothing: the job has failed for that, and ends.
fn unknown(loan: &Loan, why: &str) -> Result<(), Undone> {
    log::warn!(
        target: "convoke::tasks",
        "{} {}: what it was about is not deleted, for nobody knows what that is: {}",
        Shown::name(&loan.task),
        loan.id,
        Shown::text(why)
    );
    Ok(())
}

/// How a job has failed for good that cannot end yet.
#[derive(Serialize, Deserialize)]
struct Kept {
    is_cancelled: bool,
    detail: String,
    code: Option<String>,
    origin: Option<String>,
    data: Value,
}

/// A job that has failed for good, and does not end, for what it is about cannot be deleted: it comes again, to end.
pub(super) async fn put_off<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    (state, fault): (State, &Fault),
    why: &Fault,
) -> Ending {
    let parts = fault.parts().clone();
    let kept = Kept {
        is_cancelled: state == State::Cancelled,
        detail: parts.detail,
        code: parts.code,
        origin: parts.origin,
        data: parts.data,
    };
    let (job, after) =
        ((loan.id, loan.attempt), why.parts().retry_after.unwrap_or_else(|| wait(&does.terms(), loan.attempt)));
    let after = after.max(LEAST);
    // What was made of a text and JSON can be written.
    let text = serde_json::to_string(&kept).unwrap_or_default();
    if let Err(error) = shared.queue.jobs().step(job, KEPT, &text).await {
        log::warn!(target: "convoke::tasks", "{} {}: why it has failed is not kept: {error}", Shown::name(&loan.task), loan.id);
    }
    log::warn!(
        target: "convoke::tasks",
        "{} {} does not end, and nobody is told of its failure, before what it is about is deleted; that is tried again in {after:?}: {}",
        Shown::name(&loan.task),
        loan.id,
        Shown::text(&why.parts().detail)
    );
    let reason = format!("{}; and {}", fault.parts().detail, why.parts().detail);
    let how = How::Again { after, reason };
    Ending { job: loan.id, attempt: loan.attempt, how, counts: true, event: None, told: None }
}

/// How a job has failed for good that could not end in an attempt before this.
///
/// # Errors
///
/// Those of the database.
pub(super) async fn kept<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
) -> Result<Option<(State, Fault)>, Fault> {
    if loan.attempt == 1 || !deletes(does, State::Failed) {
        return Ok(None);
    }
    let steps = shared.queue.jobs().steps(loan.id).await?;
    let kept = steps.into_iter().find(|(name, _)| name == KEPT).and_then(|(_, text)| serde_json::from_str(&text).ok());
    Ok(kept.map(|kept: Kept| {
        let state = if kept.is_cancelled { State::Cancelled } else { State::Failed };
        let mut fault = Fault::new(kept.detail).data(kept.data);
        if let Some(code) = kept.code {
            fault = fault.code(code);
        }
        if let Some(origin) = kept.origin {
            fault = fault.origin(origin);
        }
        (state, fault)
    }))
}
