//! The services of this process, with who keeps them alive; and workers, relays and who does tasks.
//!
//! `shown: trees, sides → list.rs: rows; one.rs: what a service has gone through, with strip.rs`

mod list;
mod one;
mod row;
mod strip;

pub(crate) use list::show;
pub(crate) use one::show_one;

use crate::scope::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/services", show);
    routes.get("/services/of", show_one);
}
