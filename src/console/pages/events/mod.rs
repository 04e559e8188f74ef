//! The events of this process: which there are, who listens to what, what failed, and what passes while somebody looks.
//!
//! ```text
//! shown: buses, documents ─▶ catalog.rs: events with their listeners ─┬─▶ list.rs: a table
//!                                                                     └─▶ drawing.rs: who hears what
//! shown: dead letters ─▶ dead.rs, writes.rs      shown: passed ─▶ last.rs
//! ```
//!
//! What must hold: a payload is shown to who may reveal, and to others only what is told of it. Who emits is known of what passes
//! while somebody looks, and of what a document says.

mod catalog;
mod list;
mod drawing;
mod dead;
mod writes;
mod last;

pub(crate) use catalog::what;
pub(crate) use last::show_last;
pub(crate) use list::show;

use crate::scope::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/events", show);
    routes.get("/events/dead", dead::show_dead);
    routes.get("/events/last", show_last);
    routes.post("/events/redrive", writes::redrive);
    routes.post("/events/discard", writes::discard);
}
