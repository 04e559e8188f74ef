//! What a database keeps beside its queues, as an overview has it.

use std::sync::Arc;
use std::time::Duration;

use convoke::look::Works;
use convoke::transport::TransportError;
use convoke::{DurableError, RoundFigures, TaskFigures};

/// So many brokers of a database are asked for their figures, and so many stores are named.
const MOST: usize = 50;

/// Who is late by less may just be starting.
const LATE: Duration = Duration::from_secs(60);

/// How the tasks of a database stand.
#[derive(Debug)]
pub(crate) struct TasksStand {
    pub(crate) figures: TaskFigures,
    /// Jobs that have been due for longer than a minute, and that nobody seems to do.
    pub(crate) unclaimed: Vec<convoke::UnclaimedJobs>,
}

/// How the durable rounds of a database stand.
#[derive(Debug)]
pub(crate) struct RoundsStand {
    pub(crate) brokers: Vec<BrokerStands>,
    /// Whether there are more brokers.
    pub(crate) has_more: bool,
}

#[derive(Debug)]
pub(crate) struct BrokerStands {
    pub(crate) name: Arc<str>,
    pub(crate) figures: RoundFigures,
}

/// Which stores a database has.
#[derive(Debug)]
pub(crate) struct StoresStand {
    pub(crate) names: Vec<Arc<str>>,
    pub(crate) has_more: bool,
}

pub(super) async fn tasks(works: &Works) -> Result<TasksStand, TransportError> {
    let look = works.tasks().await?;
    Ok(TasksStand { figures: look.figures().await?, unclaimed: look.unclaimed(LATE, MOST).await? })
}

pub(super) async fn rounds(works: &Works) -> Result<RoundsStand, TransportError> {
    let look = works.rounds();
    let mut names = look.brokers(None, MOST + 1).await.map_err(of_database)?;
    let has_more = names.len() > MOST;
    names.truncate(MOST);
    let mut brokers = Vec::new();
    for name in names {
        // One that is gone meanwhile has no rounds.
        let Ok(broker) = look.broker(&name).await else { continue };
        let figures = broker.figures().await.map_err(of_database)?;
        brokers.push(BrokerStands { name, figures });
    }
    Ok(RoundsStand { brokers, has_more })
}

pub(super) async fn stores(works: &Works) -> Result<StoresStand, TransportError> {
    let mut names = works.stores(None, MOST + 1).await?;
    let has_more = names.len() > MOST;
    names.truncate(MOST);
    Ok(StoresStand { names, has_more })
}

/// What a database says; of the rest nothing comes of a question without a name.
fn of_database(error: DurableError) -> TransportError {
    match error {
        DurableError::Database(error) => error,
        other => TransportError::new(convoke::transport::ErrorKind::Protocol, "durable rounds", other.to_string()),
    }
}
