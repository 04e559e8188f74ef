//! Dead letters: which queues have any, a page of those of a queue, one of them; and what is done to them.
//!
//! ```text
//! /dead ─▶ /dead/SERVER?queue=… ─▶ finding.rs: page after page, those that are asked for ─▶ list.rs
//!                               └▶ /dead/SERVER/letter?id=… ─▶ letter.rs
//! POST /dead/SERVER/letters ─▶ change.rs: redrive | discard, these or all ─▶ sight: a sweep ─┬─ over ──────▶ the list
//!                                                                                            └─ under way ─▶ progress.rs
//! ```

mod queues;
mod list;
mod finding;
mod letter;
mod change;
mod progress;

use crate::scope::Routes;
pub(crate) use progress::show as show_sweep;
pub(crate) use queues::show;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/dead", queues::show);
    routes.get("/dead/{server}", list::show);
    routes.get("/dead/{server}/letter", letter::show);
    routes.get("/dead/{server}/sweep", progress::show);
    routes.post("/dead/{server}/letters", change::change);
    routes.post("/dead/{server}/stop", change::stop);
}
