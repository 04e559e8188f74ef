//! Who may come in, and who may change what: the one way to every page, and to the files that go with them.
//!
//! ```text
//! a request ─▶ gate.rs ─┬─ hosts.rs: is its Host ours?
//!                       ├─ allow, of the application: who is it? ─▶ person.rs
//!                       ├─ origin.rs: which page has sent it?
//!                       ├─ writing.rs, for a write: may they? form.rs: its token; denied.rs: sure? audit.rs: a line
//!                       ▼
//!                     visit.rs ─▶ a page ─▶ headers.rs ─▶ an answer
//! ```
//!
//! - `person.rs`: who somebody is, and what they may
//! - `visit.rs`: what a page is told of its request
//! - `gate.rs`, `writing.rs`: what is asked, in which order
//! - `hosts.rs`, `origin.rs`, `browser.rs`, `form.rs`: what a request says of where it comes from
//! - `key.rs`: keys, and what is derived from one
//! - `audit.rs`: who did what, when, and from where
//! - `headers.rs`: what every answer says to a browser
//! - `denied.rs`: the pages of the gate itself
//!
//! What must hold: nothing is answered before `Gate::visit`, and nothing written before `Gate::allowed`, whatever the page. No answer
//! leaves without `dress`. No default lets anybody write.

mod person;
mod visit;
mod key;
mod hosts;
mod origin;
mod browser;
mod form;
mod headers;
mod denied;
mod audit;
mod gate;
mod writing;

pub(crate) use audit::{Log, Unnoted, check};
pub(crate) use browser::cookies;
pub(crate) use denied::{Denied, page};
pub(crate) use form::Form;
pub(crate) use gate::{Gate, Guard};
pub(crate) use headers::dress;
pub(crate) use hosts::{Host, Hosts};
pub(crate) use key::{derived, is_same, new_key};
pub(crate) use origin::may_write;
pub use person::{Allowed, Person};
pub(crate) use visit::Visit;
