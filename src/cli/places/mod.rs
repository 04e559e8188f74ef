//! Where a command works: a URL that it is given, a context of `convoke.toml`, or what the environment says.
//!
//! ```text
//! a URL ───────────────────────────────┐
//! --context ─▶ file.rs ─▶ template.rs ─┼─▶ place.rs: an address, and the context that it belongs to
//! CONVOKE_URL ─────────────────────────┘        ▲
//!                            likeness.rs ───────┘ a URL that leads to where a context does belongs to it
//! ```
//!
//! - `file.rs`: `convoke.toml`, read as a whole and checked
//! - `template.rs`: a URL whose parts stand in the environment
//! - `likeness.rs`: whether two URLs lead to the same place
//! - `place.rs`: what a command is given
//!
//! What must hold: no password stands in the file, and none is shown. What is production by any of its names is treated so.

mod file;
mod likeness;
mod place;
mod template;

pub(crate) use place::{Place, Wanted, is_url};
