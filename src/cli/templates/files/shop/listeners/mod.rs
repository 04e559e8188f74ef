//! Who hears the events: a function for each listener, and where all of them are registered.

pub mod send_receipt;
pub mod write_log;

pub use send_receipt::send_receipt;
pub use write_log::write_log;

use convoke::prelude::*;

/// Registers all listeners. Each is heard for as long as its guard lives.
///
/// # Errors
///
/// Names what a listener asks for and nobody provides.
pub fn register(bus: &EventBus) -> Result<Vec<Subscription>, ListenError> {
    Ok(vec![
        bus.on(send_receipt)?,
        bus.on(write_log)?,
        // convoke: new listeners above this line
    ])
}
