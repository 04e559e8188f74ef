//! Parts of a function that are not done again by the next attempt.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::__private::Shown;
use crate::tasks::Fault;
use crate::tasks::Jobs;

/// How many bytes the result of a step may have as JSON.
const MOST_BYTES: usize = 64 << 10;

/// How long the name of a step may be.
const LONGEST_NAME: usize = 200;

/// Does parts of a task that are not to be done again by the next attempt, as an argument of its function: the result of a step is
/// kept with the job until that is over.
///
/// ```
/// use convoke::{Fault, Steps};
/// use std::sync::Arc;
///
/// # struct Order { id: u64 }
/// # async fn charge(_: u64) -> Result<String, Fault> { Ok("r1".into()) }
/// # async fn ship(_: u64, _: &str) -> Result<(), Fault> { Ok(()) }
/// async fn fulfill(order: Arc<Order>, steps: Steps) -> Result<(), Fault> {
///     let receipt = steps.step("charged", async { charge(order.id).await }).await?;
///     ship(order.id, &receipt).await // if this fails, the next attempt does not charge again
/// }
/// ```
///
/// A step that was done, and whose result was not kept because the process was killed right then, is done again: give what it
/// calls a key by which that knows it, such as the number of the [job](crate::Attempt::job).
#[derive(Clone)]
pub struct Steps {
    jobs: Arc<dyn Jobs>,
    job: (i64, u32),
    /// Those that are kept, once they were looked up.
    known: Rc<Mutex<Option<HashMap<String, String>>>>,
}

impl Steps {
    pub(super) fn new(jobs: Arc<dyn Jobs>, job: (i64, u32)) -> Self {
        Self { jobs, job, known: Rc::default() }
    }

    /// Returns the result of the step of this name: the one that is kept, or what the future returns, which is kept then. A step
    /// that fails is not kept. Steps of one job are done one after the other.
    ///
    /// # Errors
    ///
    /// - Those of the future.
    /// - The code `step` if the result has more than 64 KiB as JSON, or cannot be read because its type has changed; and if
    ///   another worker has the job.
    /// - Those of the database.
    pub async fn step<R, X>(&self, name: &str, future: impl Future<Output = Result<R, X>>) -> Result<R, Fault>
    where
        R: Serialize + DeserializeOwned,
        X: Into<Fault>,
    {
        let mut known = self.known.lock().await;
        if known.is_none() {
            *known = Some(self.jobs.steps(self.job.0).await?.into_iter().collect());
        }
        let known = known.get_or_insert_default();
        let faulty = |text: String| Fault::coded("step", format!("step `{}`: {text}", Shown::name(name)));
        if let Some(kept) = known.get(name) {
            return serde_json::from_str(kept)
                .map_err(|error| faulty(format!("what is kept of it cannot be read: {error}")));
        }
        if name.len() > LONGEST_NAME {
            return Err(
                faulty(format!("its name has {} bytes, and {LONGEST_NAME} are the most", name.len())).permanent()
            );
        }
        let result = future.await.map_err(Into::into)?;
        let text = serde_json::to_string(&result).map_err(|error| faulty(error.to_string()))?;
        if text.len() > MOST_BYTES {
            return Err(
                faulty(format!("its result has {} bytes, and {MOST_BYTES} are the most", text.len())).permanent()
            );
        }
        if !self.jobs.step(self.job, name, &text).await? {
            return Err(faulty("another worker has the job".to_owned()));
        }
        known.insert(name.to_owned(), text);
        Ok(result)
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("job", &self.job.0).finish_non_exhaustive()
    }
}
