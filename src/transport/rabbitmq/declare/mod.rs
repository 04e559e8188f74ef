//! What there has to be on the server: asked for, and made where the application says so.
//!
//! `Recipe → find: is it there? → queue, exchange, bind, with arguments.rs → the server`
//!
//! In reading order: `arguments` has what a queue is made with, `declare` what is asked of the server. What is missing is an
//! error that names it, and never made unless somebody has said so.

mod arguments;
mod declare;

pub(crate) use arguments::{QueueKind, dead_letters_to, of_kind, short};
pub(crate) use declare::{bind, exchange, find, missing, queue};
