//! Tasks: what shall be done later, by whom, and how it ended.

mod task;
mod terms;
mod rows;

pub use rows::{TaskDatabase, TaskFigures};
pub use task::{AsReturned, Task};
pub use terms::TaskTerms;
