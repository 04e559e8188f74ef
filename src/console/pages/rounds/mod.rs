//! The rounds of this process: what each broker waits for, how it went before, and who is always last.
//!
//! `shown: brokers (asked, with a time limit) → list.rs: all of them; one.rs: one, with its rounds → round.rs, bar.rs`
//!
//! What must hold: a broker whose arbiter does not answer is late in its own card, and nowhere else.

mod list;
mod one;
mod round;
mod bar;

pub(crate) use list::show;
pub(crate) use one::show_one;

use crate::scope::Routes;

pub(crate) fn routes(routes: &mut Routes) {
    routes.get("/rounds", show);
    routes.get("/rounds/of", show_one);
}
