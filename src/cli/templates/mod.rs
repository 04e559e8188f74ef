//! The text of each file that is made: templates of `minijinja`, which a crate may replace.
//!
//! `.convoke/templates/event.rs.jinja, or files/make/event.rs.jinja → values → text → is it Rust?`
//!
//! - `render.rs`: which template, its values, and what has come out
//! - `embedded.rs`: the templates that are part of this program
//!
//! A template sees names that were checked and types that were written anew, never what was given. What comes out for a source is
//! parsed before it is taken.

mod embedded;
mod render;

pub(crate) use embedded::{MAKE, NEW, SHOP};
pub(crate) use render::{FOLDER, Templates};
