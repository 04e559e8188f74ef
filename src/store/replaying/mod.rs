//! Records that are told once more: to a bus, to one listener, to a server.
//!
//! ```text
//! replaying.rs ─▶ reading/ ─▶ Envelope, marked ─▶ to_bus.rs: each is heard before the next ─▶ a listener
//!                                             └─▶ to_publisher.rs: some at a time ─▶ a server
//! ```
//!
//! In reading order: `replaying` says what is told and how fast, and goes through it; `to_bus` and `to_publisher` are who it is
//! told to; `progress` is how far it is, and `error` why it goes no further.
//!
//! A record is done when all who hear it are. What fails ends the replay, unless it is told to go on, and says behind which
//! record it may be taken up again.

mod replaying;
mod to_bus;
mod to_publisher;
mod progress;
mod error;

pub use error::{ReplayError, ReplayFault};
pub use progress::{Progress, Replayed};
pub use replaying::Replaying;
