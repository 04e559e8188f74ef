//! Services: an actor that lives, hears, fails and recovers.
//!
//! `Billing::supervised(…) → starting → running → (restarting → starting) → stopped, or failed`
//!
//! In reading order, each knowing only those before it:
//!
//! - `standing`: how a service is, as others see it: its state, its status on `service/status`, its errors.
//! - `life`: one service, from its factory to its end; and what it asks of who keeps it.
//! - `supervision`: who keeps services alive: restarts, budgets, trees.
//! - `service`: what a user writes and holds: the trait, its options, its handle, its address.
//! - `app`: all services of an application: started in order, asked as one, shut down.
//!
//! What must always hold: a service is in one state at a time, and enters only one that the table in `standing/state.rs`
//! has; every change is told on the bus; its subscriptions outlive its actors, so that nothing is lost between two of
//! them; and whatever of a user's code panics, here nothing does.

pub(crate) mod standing;
pub(crate) mod life;
pub(crate) mod supervision;
pub(crate) mod service;
pub(crate) mod app;
