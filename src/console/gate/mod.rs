//! Who may come in: the one way to every page.

mod person;
mod visit;

pub use person::{Allowed, Person};
pub(crate) use visit::Visit;
