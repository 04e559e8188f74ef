//! The files that go with the pages: a style and scripts, part of the program, and nothing from anywhere else.
//!
//! `a name → a path with the hash of what it has → kept by a browser for a year`
//!
//! - `files/`: the files themselves; `htmx.js` is htmx 2.0.10 (`dist/htmx.min.js`), `sse.js` its extension for server-sent events 2.2.3
//!   (`sse.js`), each with its license beside it
//! - `files.rs`: their list, and how they are answered

mod files;

pub(crate) use files::{named, routes};
