//! The listeners of a bus on one arbiter: where they sit, what waits for them, and how they are called.
//!
//! `emit, publish → Desk → LocalRoute → Hearer → Seat → Call → Work`, `Door → Station → arrival → AnySeat → Seat`
//!
//! In reading order: `desk`, what a thread keeps of a bus; `local_route`, who hears an event from here; `station`, what comes
//! from other threads, and whose turn it is; `arrival`, how it comes to its listeners; `hearer`, a seat as others know it;
//! `seat`, a listener with its queue; `options`, what was said of it; `call`, how it is called; `sent`, a
//! call by a message to an actor; `unheeded`, one that nobody heeds; `exit`, who sends events on; `work`, a call that goes on;
//! `ringed`, a call with middleware around it; `seating`, how it takes its seat; `subscription`, the guard of whoever put it there.
//!
//! All of it stays on its thread, without locks. A listener takes what is published in its order, and no more at once than its
//! concurrency; a panic is its own alone, and nothing is borrowed while it runs.

mod desk;
mod local_route;
mod station;
mod arrival;
mod hearer;
mod seat;
mod options;
mod call;
mod sent;
mod unheeded;
mod exit;
mod work;
mod ringed;
mod seating;
mod subscription;

pub(crate) use arrival::{Brought, arrive};
pub(crate) use call::{AsyncCall, Scope, SyncCall};
pub(crate) use desk::{Desk, rest, settle, station_here};
#[cfg(feature = "testing")]
pub(crate) use desk::{forget_routes, hubs_here};
pub use exit::Sender;
pub(crate) use hearer::{AnySeat, Hearer, Hears, Seated, Tickets};
pub(crate) use local_route::{LocalRoute, Near, let_go};
pub(crate) use options::Options;
pub(crate) use seating::Seating;
pub(crate) use sent::SentCall;
pub(crate) use station::Station;
pub use subscription::Subscription;
pub(crate) use subscription::end;
pub(crate) use unheeded::Mailbox;
