//! What becomes of a task when it is enqueued.
//!
//! `a task → its rules, its keys, its JSON → NewJob`

use std::time::Duration;

use super::cause::Cause;
use super::enqueue::head_start;
use crate::tasks::{Due, Hold, NewJob};
use crate::tasks::{Task, TaskError};

/// How many bytes the payload of a job may have as JSON.
const MOST_BYTES: usize = 1 << 20;

/// Longer keys are kept by their hash.
const LONGEST_KEY: usize = 200;

/// Makes a job of a task.
///
/// # Errors
///
/// `NotJson` and `TooLarge`.
pub(in crate::tasks) fn pack<T: Task>(task: &T) -> Result<NewJob, TaskError> {
    let not_json = |error: serde_json::Error| TaskError::NotJson { task: T::NAME.into(), reason: error.to_string() };
    let terms = T::TERMS;
    let payload = serde_json::to_string(task).map_err(not_json)?;
    if payload.len() > MOST_BYTES {
        return Err(TaskError::TooLarge { task: T::NAME.into(), bytes: payload.len(), limit: MOST_BYTES });
    }
    let unique = task.unique_key().map_err(not_json)?.map(|key| Hold {
        key: format!("{} {}", T::NAME, short(key)),
        time: terms.unique_for,
        running: terms.unique_while_running,
    });
    Ok(NewJob {
        task: T::NAME.into(),
        queue: terms.queue.into(),
        payload,
        attempts: terms.attempts,
        due: Due::After(Duration::ZERO),
        head_start: head_start(terms.priority),
        expires: terms.expires,
        unique,
        key: task.limit_key().map(short),
        cause: Cause::present().write(),
    })
}

/// An index takes no key of any length.
fn short(key: String) -> String {
    if key.len() <= LONGEST_KEY {
        return key;
    }
    format!("hash {:032x}", xxhash_rust::xxh3::xxh3_128(key.as_bytes()))
}
