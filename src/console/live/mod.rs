//! Pages that follow what they show: once a second each region that has changed, by server-sent events.
//!
//! ```text
//! GET live?of=/services ─▶ stream.rs: one visitor ◀─ samples.rs: one for all visitors of a page ─▶ pages.rs: the page
//!                               │                                        └─▶ regions.rs: its live regions
//!                               ▼
//!                  event: services, data: its HTML ─▶ sse.js of htmx ─▶ <section id="services" data-live>
//! ```
//!
//! - `pages.rs`: which pages are live
//! - `regions.rs`: what of a page is
//! - `samples.rs`: a page once a second, while somebody looks
//! - `stream.rs`: what a visitor is sent, and until when
//!
//! What must hold: without JavaScript every page is whole; a page is made once a second, however many look at it, and not at all once the last
//! has gone; a stream ends with its visitor, and after some minutes in any case, so that the gate is asked again.

mod pages;
mod regions;
mod samples;
mod stream;

pub(crate) use stream::routes;
