//! Parts of a function that are not done again by the next attempt.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
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
    known: Rc<Mutex<Option<Known>>>,
    /// Whether the future of one is being polled.
    within: Rc<Cell<bool>>,
}

/// What is known of the steps of a job.
#[derive(Default)]
struct Known {
    /// The results that are kept, as JSON.
    results: HashMap<String, String>,
    /// Those that this attempt was told of: the name of one stands for no other.
    told: HashSet<String>,
}

impl Steps {
    pub(super) fn new(jobs: Arc<dyn Jobs>, job: (i64, u32)) -> Self {
        Self { jobs, job, known: Rc::default(), within: Rc::default() }
    }

    /// Returns the result of the step of this name: the one that is kept, or what the future returns, which is kept then. A step
    /// that fails is not kept. Steps of one job are done one after the other, and none within another.
    ///
    /// In a loop each has a name of its own, as `format!("page {page}")`.
    ///
    /// # Errors
    ///
    /// - Those of the future.
    /// - The code `step` if the result has more than 64 KiB as JSON, or cannot be read because its type has changed; if another
    ///   worker has the job; and, for good, if this attempt has done a step of this name before, or this is one within another.
    /// - Those of the database.
    pub async fn step<R, X>(&self, name: &str, future: impl Future<Output = Result<R, X>>) -> Result<R, Fault>
    where
        R: Serialize + DeserializeOwned,
        X: Into<Fault>,
    {
        let faulty = |text: String| Fault::coded("step", format!("step `{}`: {text}", Shown::name(name)));
        if self.within.get() {
            // It would wait for the one that waits for it.
            return Err(faulty("it is done within another step: do it before or behind that".to_owned()).permanent());
        }
        let mut known = self.known.lock().await;
        if known.is_none() {
            let results = self.jobs.steps(self.job.0).await?.into_iter().collect();
            *known = Some(Known { results, told: HashSet::new() });
        }
        let known = known.get_or_insert_default();
        if known.told.contains(name) {
            let text = "this attempt has done a step of this name before: give each a name of its own";
            return Err(faulty(text.to_owned()).permanent());
        }
        if let Some(kept) = known.results.get(name) {
            let result = serde_json::from_str(kept)
                .map_err(|error| faulty(format!("what is kept of it cannot be read: {error}")))?;
            known.told.insert(name.to_owned());
            return Ok(result);
        }
        if name.len() > LONGEST_NAME {
            return Err(
                faulty(format!("its name has {} bytes, and {LONGEST_NAME} are the most", name.len())).permanent()
            );
        }
        let mut future = pin!(future);
        let result = poll_fn(|context| {
            let _within = Within::begin(&self.within);
            future.as_mut().poll(context)
        });
        let result = result.await.map_err(Into::into)?;
        let text = serde_json::to_string(&result).map_err(|error| faulty(error.to_string()))?;
        if text.len() > MOST_BYTES {
            return Err(
                faulty(format!("its result has {} bytes, and {MOST_BYTES} are the most", text.len())).permanent()
            );
        }
        if !self.jobs.step(self.job, name, &text).await? {
            return Err(faulty("another worker has the job".to_owned()));
        }
        known.told.insert(name.to_owned());
        known.results.insert(name.to_owned(), text);
        Ok(result)
    }
}

/// A step is being polled, for as long as this is kept: to the end of a panic.
struct Within<'a>(&'a Cell<bool>);

impl<'a> Within<'a> {
    fn begin(within: &'a Cell<bool>) -> Self {
        within.set(true);
        Self(within)
    }
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Steps").field("job", &self.job.0).finish_non_exhaustive()
    }
}
