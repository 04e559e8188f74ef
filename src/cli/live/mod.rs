//! What fills a terminal: the demonstration, and the live view of what runs.
//!
//! `acts, servers → what is seen → draw → Screen → the terminal`
//!
//! - `demo/`: five acts of the library, on a terminal or as lines
//! - `top/`: what runs on some servers, as it comes and goes
//! - `screen.rs`: a terminal that is filled, and given back however it is left

mod demo;
mod screen;
mod top;

pub(crate) use demo::{Ended, PANIC, Pace, Stage, plain, sign, view, whole};
use screen::Screen;
pub(crate) use screen::{give_back, hush_panic, restore_on_panic};
pub(crate) use top::{Source, top};
