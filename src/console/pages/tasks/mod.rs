//! The jobs of a database: how they stand, a page of them by state and task, and the life of one.
//!
//! ```text
//! /tasks ─▶ /tasks/SERVER?state=…&task=… ─▶ list.rs: ListedJobs, page by page
//!                                       └▶ /tasks/SERVER/job?id=… ─▶ job.rs ─▶ life.rs: a drawing
//! POST /tasks/SERVER/job ─▶ change.rs: retry | cancel ─▶ the job
//! ```

mod stand;
mod list;
mod job;
mod life;
mod change;

use crate::scope::Routes;
pub(crate) use job::show as show_job;
pub(crate) use list::show as show_list;
pub(crate) use stand::show;

pub(super) fn routes(routes: &mut Routes) {
    routes.get("/tasks", stand::show);
    routes.get("/tasks/{server}", list::show);
    routes.get("/tasks/{server}/job", job::show);
    routes.post("/tasks/{server}/job", change::change);
}
