//! The files that go with the pages: a style and scripts, part of the program, and nothing from anywhere else.
//!
//! `a name → a path with the hash of what it has → kept by a browser for a year`
//!
//! - `files/`: the files themselves; `htmx.js` is htmx 2.0.10 (`dist/htmx.min.js`), `sse.js` its extension for server-sent events 2.2.4
//!   (`sse.js`), `morph.js` idiomorph 0.8.0 (`dist/idiomorph-ext.min.js`), which has a region change where it differs and leave the focus
//!   where it is; each with its license beside it
//! - `files.rs`: their list, and how they are answered

mod files;

pub(crate) use files::{named, routes};
