//! What a task says of its instance.
//!
//! `#[task(instance(id: User), delete_on_failure)] → TaskInstance → instance.rs: wire`

use std::fmt;

use super::repository::{Look, Named, look};

/// What a task is about, and what becomes of it when a job ends. `#[derive(Task)]` writes it.
#[derive(Clone, Copy)]
pub struct TaskInstance {
    pub(super) model: Named,
    pub(super) id: Named,
    pub(super) look: Look,
    pub(super) on_success: bool,
    pub(super) on_failure: bool,
}

impl TaskInstance {
    /// Says that a task is about a `T`, whose id is an `Id`: the type of the field of the task that has it.
    pub fn of<T: 'static, Id: 'static>() -> Self {
        Self { model: Named::of::<T>(), id: Named::of::<Id>(), look: look::<T>, on_success: false, on_failure: false }
    }

    /// Says that it is deleted when a job is done, once the event that tells so is on its way. By default it stays.
    pub fn delete_on_success(mut self) -> Self {
        self.on_success = true;
        self
    }

    /// Says that it is deleted when a job has failed for good, or was cancelled, once the event that tells so is on its way. By
    /// default it stays.
    pub fn delete_on_failure(mut self) -> Self {
        self.on_failure = true;
        self
    }
}

impl fmt::Debug for TaskInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TaskInstance");
        shown.field("of", &format_args!("{}", self.model)).field("by", &format_args!("{}", self.id));
        shown.field("delete_on_success", &self.on_success).field("delete_on_failure", &self.on_failure).finish()
    }
}
