//! The job that deletes what another was about, where the transaction that ends that one cannot: in another database.
//!
//! `a job ends → owed: a job, in the same transaction → Deleting → Repository::delete, again and again until it is gone`

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::function::{Attempting, Does, does_not_read};
use super::instance::Found;
use super::place::TaskPlace;
use super::returned::Told;
use crate::tasks::{Due, NewJob, TaskFailed, TaskTerms};
use crate::{Event, Outgoing};

/// How often it is tried. With the waits of a task, which are half an hour on average, it takes about a week.
const ATTEMPTS: u32 = 350;

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What is to be deleted.
#[derive(Serialize, Deserialize)]
struct Owed {
    /// As JSON.
    id: String,
    /// The job that was about it.
    job: i64,
}

/// Does what is owed by the jobs of one task.
pub(super) struct Deleting {
    name: &'static str,
    queue: &'static str,
    found: Rc<Found>,
}

impl Deleting {
    /// `None` if the transaction that ends a job deletes it, or if nothing does.
    pub(super) fn of(task: &'static str, terms: TaskTerms, found: &Rc<Found>) -> Option<Self> {
        let is_owed = found.can_delete() && !found.needs_connection();
        is_owed.then(|| Self { name: name_of(task), queue: terms.queue, found: found.clone() })
    }
}

impl<D: TaskPlace> Does<D> for Deleting {
    fn task(&self) -> &'static str {
        self.name
    }

    fn terms(&self) -> TaskTerms {
        TaskTerms::new().queue(self.queue).attempts(ATTEMPTS).timeout(TIMEOUT)
    }

    fn attempt(&self, call: &Call<D>, _: bool) -> Attempting {
        let owed = serde_json::from_str::<Owed>(&call.loan.payload);
        let found = self.found.clone();
        Box::pin(async move {
            let owed = owed.map_err(|error| does_not_read("what is to be deleted", &error))?;
            found.delete(&owed.id, &mut ()).await.map(|()| Told::NOTHING)
        })
    }

    fn about(&self, payload: &str) -> Option<Value> {
        serde_json::from_str(&serde_json::from_str::<Owed>(payload).ok()?.id).ok()
    }

    fn fails(&self, failure: &Value) -> Result<Outgoing, serde_json::Error> {
        TaskFailed::from_json(failure).map(Outgoing::new)
    }
}

/// The job that deletes what a job of this task was about.
pub(in crate::tasks) fn owed(
    task: &'static str,
    terms: TaskTerms,
    id: &str,
    job: i64,
    cause: Option<String>,
) -> NewJob {
    let owed = Owed { id: id.to_owned(), job };
    NewJob {
        task: name_of(task).into(),
        queue: terms.queue.into(),
        // A text and a number can always be written.
        payload: serde_json::to_string(&owed).unwrap_or_default(),
        attempts: ATTEMPTS,
        due: Due::After(Duration::ZERO),
        head_start: Duration::ZERO,
        expires: None,
        unique: None,
        key: None,
        cause,
    }
}

/// The name of the task that deletes. No task of an application has a name with a `/`.
fn name_of(task: &'static str) -> &'static str {
    // There are few, and they are needed for as long as the program runs.
    static NAMES: Mutex<BTreeMap<&'static str, &'static str>> = Mutex::new(BTreeMap::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(task).or_insert_with(|| Box::leak(format!("{task}/delete").into_boxed_str()))
}

/// The task whose jobs were about what jobs of this task delete, if it is one that deletes.
pub(in crate::tasks) fn task_of_deletion(name: &str) -> Option<&str> {
    name.strip_suffix("/delete")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_read_by_whoever_is_of_the_same_release_or_of_another() {
        // It is in databases.
        let job = owed("RegisterUser", TaskTerms::new().queue("mail"), "\"ada\"", 12, None);
        assert_eq!((&*job.task, &*job.queue), ("RegisterUser/delete", "mail"));
        assert_eq!(job.payload, r#"{"id":"\"ada\"","job":12}"#);
        assert_eq!((task_of_deletion(&job.task), task_of_deletion("RegisterUser")), (Some("RegisterUser"), None));
        assert!(std::ptr::eq(name_of("RegisterUser"), name_of("RegisterUser")), "it is made once");
    }
}
