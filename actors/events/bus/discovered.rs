//! Listeners that are marked with `#[listener]`, wherever they stand in the program.
//!
//! `#[listener] → Discovered (collected by the linker) → bus.discover`

use super::bus::EventBus;
use crate::events::listener::ListenError;
use crate::events::seats::Subscription;

/// An entry in the list of functions that `#[listener]` marks.
#[derive(Debug)]
pub struct Discovered {
    /// The path of the function, with its module.
    pub name: &'static str,
    /// Registers the function with a bus.
    pub register: fn(&EventBus) -> Result<Subscription, ListenError>,
}

inventory::collect!(Discovered);

impl EventBus {
    /// Registers every function of the program that is marked with `#[listener]`, in the order of the functions' paths,
    /// and returns the guards. A function that is also registered by hand, or that is found twice, is called twice.
    ///
    /// # Errors
    ///
    /// Returns the error of [`on`](Self::on) for the first function that cannot be registered. No function is
    /// registered then.
    pub fn discover(&self) -> Result<Vec<Subscription>, ListenError> {
        let mut marked: Vec<_> = inventory::iter::<Discovered>.into_iter().collect();
        // The order of the linker is not one to rely on.
        marked.sort_by_key(|marked| marked.name);
        marked.into_iter().map(|marked| (marked.register)(self)).collect()
    }
}
