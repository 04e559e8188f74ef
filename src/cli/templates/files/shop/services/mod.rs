//! What lives as long as the application: a file for each service, and where all of them are added.

pub mod billing;

pub use billing::Billing;

use convoke::prelude::*;

/// Returns all services. They start when this is awaited.
pub fn all(bus: &EventBus) -> Services {
    let mut services = Services::new(bus);
    services = services.add(Billing::supervised(bus, Billing::new));
    // convoke: new services above this line
    services
}
