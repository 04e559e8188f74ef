//! What the servers say: asked when somebody looks, each by itself, and never waited for longer than a page may wait.
//!
//! ```text
//! a page ─▶ sight.rs: which server ─▶ watched.rs ─┬─ figures ─▶ slot.rs: once a second, for all who look ─▶ Told, with its age
//!                                                 ├─ a list ──▶ now, for who asks ─▶ rows | Unanswered
//!                                                 └─ a write ─▶ one letter, or sweep.rs: one after the other, in the background
//! ```
//!
//! In reading order: `sight` has the servers that are looked at, by `names`. `watched` is one of them: its connection and its questions.
//! `slot` is a question, `queues` what is known of queues over time, `works` of what a database keeps beside them. `sweep` is many letters
//! that are redriven or deleted, and `sweeps` those that are under way.
//!
//! What must hold: nobody looks, and nothing is asked. A server that hangs makes nobody wait but who asks for it alone, and them for
//! less than a second. There is one sight for all workers of a web server.

mod sight;
mod names;
mod watched;
mod slot;
mod queues;
mod works;
mod sweep;
mod sweeps;

use std::time::Duration;

pub(crate) use queues::{QueueSeen, Sampled};
pub(crate) use sight::Sight;
pub(crate) use slot::Told;
pub(crate) use sweep::{Deed, End, REASONS, Sweep, Wanted, Which};
pub(crate) use watched::{Unanswered, Watched, in_time};
pub(crate) use works::{RoundsStand, TasksStand};

/// How long a page waits for a server: with what it takes to write it, less than a second.
const PATIENCE: Duration = Duration::from_millis(900);

/// How long it waits for one that has not answered before.
const SHORT: Duration = Duration::from_millis(100);

/// How long a question may take.
const LIMIT: Duration = Duration::from_secs(10);

/// When one that has not answered is asked again.
const AGAIN: Duration = Duration::from_secs(5);
