//! The console of Convoke: pages of an actix-web application that show what runs, and repair what failed.
//!
//! ```text
//! a request ─▶ gate: may it? ─▶ pages ─▶ shown: what is in this process
//!                                 │  └─▶ sight: what the servers say, with its age
//!                                 ▼
//!                               frame: templates ─▶ HTML
//! ```
//!
//! ```
//! use actix_web::App;
//! use convoke_console as console;
//!
//! let shown = console::Shown::default();
//! let app = App::new().service(console::scope("/convoke").showing(&shown));
//! # drop(app);
//! ```
#![forbid(unsafe_code)]

mod view;
mod shown;
mod sight;
mod assets;
mod gate;
mod frame;
mod pages;
mod live;
mod scope;
mod serve;

pub use gate::{Allowed, Person};
pub use scope::{Console, routes, scope};
pub use serve::{Serve, ServeError, Serving, serve};
pub use shown::{Followers, Shown};
