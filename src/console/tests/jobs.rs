//! Jobs of whom pages tell.

use convoke::{Task, TaskFailed, TaskTerms};
use serde::{Deserialize, Serialize};

/// Has a function in the tests, and three attempts.
#[derive(Serialize, Deserialize)]
pub(crate) struct SendReceipt {
    pub(crate) order: u64,
    pub(crate) email: String,
}

impl Task for SendReceipt {
    type Succeeds = convoke::AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "SendReceipt";
    const TERMS: TaskTerms = TaskTerms::new().attempts(3);
}

/// Waits for ever.
#[derive(Serialize, Deserialize)]
pub(crate) struct NobodyDoes {
    pub(crate) email: String,
}

impl Task for NobodyDoes {
    type Succeeds = convoke::AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "NobodyDoes";
    const TERMS: TaskTerms = TaskTerms::new();
}

/// Has any text.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) text: String,
}

impl Task for Told {
    type Succeeds = convoke::AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Any";
    const TERMS: TaskTerms = TaskTerms::new();
}
