//! The schemas that this process knows: those of the documents that the application has named.
//!
//! `shown: documents → list.rs: all of them, and what changed from one document to the next; one.rs: an event, two versions of it side by
//! side, with diff.rs`

mod list;
mod one;
mod diff;

use crate::scope::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/schemas", list::show);
    routes.get("/schemas/of", one::show_one);
}
