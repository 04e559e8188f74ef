//! The one seam to the world: start an actor, what time it is, a new id, chance.
//!
//! `start → executor (a table of tasks) → turn of a context → inbox, mailbox, timers, futures`
//!
//! Everything an actor of ours takes from outside comes through here, so that a test can run it in virtual time and
//! on a seeded scheduler.
//!
//! - `clock` — the instant and the date; how long something may take. `chance` — ids and random numbers; `seed` — what
//!   determines both, and every order.
//! - `starting` — how an actor is started, and told something past the bound of its mailbox.
//! - `context`, `inbox` — what an actor of ours runs in, and its own way in.
//! - `executor`, `driver`, `timers`, `wake` — one executor on each arbiter: who has a turn, when, and who wakes it. `gap` and
//!   `interleavings` — the same under every order of a few pushes.
//! - `guarded` — what is the user's: the panic of a future is an answer, that of a drop is logged, and a limit holds.
//! - `bell` — an alarm for who waits for another thread, by the real clock.
//! - `counted` — work, counted for the tests of cost.
//!
//! What must hold: no other room calls `Instant::now`, `Uuid::now_v7` or a spawn of tokio's, nor `do_send`; nothing here knows
//! a round, an event or a service; a value of the user's is dropped and called so that its panic ends nothing of ours.

mod clock;
mod chance;
mod seed;
mod starting;
mod context;
mod inbox;
mod executor;
mod driver;
mod timers;
mod wake;
mod gap;
mod guarded;
mod bell;
mod counted;
#[cfg(test)]
mod interleavings;

pub(crate) use bell::{Alarm, real_after, real_now, really_within};
pub(crate) use chance::{new_id, random};
#[cfg(feature = "testing")]
pub(crate) use clock::VirtualDate;
pub(crate) use clock::{FOREVER, after, is_virtual, now, stands_still, wall_clock, within};
pub use context::{LocalContext, Player};
#[cfg(feature = "testing")]
pub(crate) use counted::steps;
pub(crate) use counted::{Counted, step};
pub(crate) use executor::{Executor, TURN, Task, TaskId, Turn, is_arbiter};
pub(crate) use guarded::{
    Either, Guarded, all, catch, drop_quietly, dropped_badly, either, give_way, panic_text, quietly, sleep,
    spawn_beside, spawn_named,
};
#[cfg(feature = "testing")]
pub(crate) use guarded::{SPAWNED, spawn_future, take_dropped_badly};
pub(crate) use inbox::{Inbox, Intake, Refused};
#[cfg(feature = "testing")]
pub(crate) use seed::Seed;
pub(crate) use starting::{executor_here, post, post_to, start, start_unaddressed};
pub(crate) use wake::Home;
