//! What is done later: a file for each task, and where all of them are registered.

pub mod send_invoice;

pub use send_invoice::{SendInvoice, send_invoice};

use convoke::prelude::*;
use convoke::{TaskDatabase, TaskError, Tasks};

/// Returns what does all tasks. It is a service.
///
/// # Errors
///
/// Names what a function asks for and nobody provides.
pub fn all<D: TaskDatabase>(db: &D, bus: &EventBus) -> Result<Tasks<D>, TaskError> {
    let tasks = Tasks::new(db, bus);
    let tasks = tasks.on(send_invoice)?;
    // convoke: new tasks above this line
    Ok(tasks)
}
