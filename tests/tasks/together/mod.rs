//! Many jobs as one, in virtual time; what each database has to do for it is in `tests/transports/tasks/many/`.

/// When a batch closes, and what follows that.
mod closing;
/// Which jobs a batch has, and how it is looked at.
mod jobs;
/// What cannot be a batch.
mod wrong;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use convoke::transport::MemoryDatabase;
use convoke::{Batch, BatchOutcome, Fault, Tasks, TasksHandle, prelude::*};
use serde::{Deserialize, Serialize};

use super::lab::{Lab, MINUTE};
use crate::common::settled;

/// A page, of which those beyond 100 fail for good, those beyond 200 take ten minutes, and those beyond 300 are there once.
#[derive(Task, Clone, Serialize, Deserialize)]
#[task(attempts = 3, first_wait = "1s", timeout = "1h")]
struct Fetch {
    page: u32,
}

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fetched {
    page: u32,
}

/// The same with one for each page, and nobody else.
#[derive(Task, Clone, Serialize, Deserialize)]
#[task(unique(page), timeout = "1h")]
struct Once {
    page: u32,
}

#[derive(Task, Serialize, Deserialize)]
struct Report {}

#[derive(Task, Serialize, Deserialize)]
struct Complain {}

async fn fetch_page(page: u32) -> Result<Fetched, Fault> {
    match page {
        ..100 => Ok(Fetched { page }),
        100..200 => Err(Fault::new(format!("page {page} is torn")).code("torn").permanent()),
        200.. => {
            tokio::time::sleep(10 * MINUTE).await;
            Ok(Fetched { page })
        }
    }
}

/// What followed batches, in its order: `true` behind one that was done.
#[derive(Clone, Default)]
struct Followed(Rc<RefCell<Vec<(bool, BatchOutcome)>>>);

impl Followed {
    fn only(&self) -> (bool, BatchOutcome) {
        let followed = self.0.borrow();
        assert_eq!(followed.len(), 1, "{followed:?}");
        followed[0].clone()
    }

    fn tasks(&self, lab: &Lab) -> Tasks<MemoryDatabase> {
        let (done, not_done) = (self.0.clone(), self.0.clone());
        let report = async move |_: Arc<Report>, outcome: BatchOutcome| done.borrow_mut().push((true, outcome));
        let complain =
            async move |_: Arc<Complain>, outcome: BatchOutcome| not_done.borrow_mut().push((false, outcome));
        let fetch = async |fetch: Arc<Fetch>| fetch_page(fetch.page).await;
        let once = async |once: Arc<Once>| fetch_page(once.page).await;
        let tasks = lab.tasks().concurrency(40).on(fetch).unwrap().on(once).unwrap();
        tasks.on(report).unwrap().on(complain).unwrap()
    }
}

fn pages(pages: impl IntoIterator<Item = u32>) -> impl Iterator<Item = Fetch> {
    pages.into_iter().map(|page| Fetch { page })
}

/// Waits until the batch has closed, and what follows that is done.
async fn closed(batch: &Batch) -> BatchOutcome {
    let outcome = batch.wait(30 * 24 * 60 * MINUTE).await.unwrap().expect("it closes");
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        settled().await;
    }
    outcome
}

/// Stops once all that is slow has ended.
async fn stopped(tasks: TasksHandle<MemoryDatabase>) {
    tokio::time::sleep(20 * MINUTE).await;
    tasks.stop().await;
}

fn places<'a>(jobs: impl Iterator<Item = &'a convoke::BatchJob>) -> Vec<usize> {
    jobs.map(convoke::BatchJob::place).collect()
}
