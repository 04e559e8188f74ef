//! `convoke::dispatch(event)`, for where there is no bus at hand: it emits on the bus installed for the running system.
//!
//! `bus.install → Installed (by system) → EventBus::installed, dispatch`

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix::System;

use super::bus::EventBus;
use crate::base::debug_is_display;
use crate::events::event::Event;
use crate::events::listener::Report;

static BUSES: Mutex<Option<HashMap<usize, EventBus>>> = Mutex::new(None);

fn buses() -> MutexGuard<'static, Option<HashMap<usize, EventBus>>> {
    BUSES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of installing a bus, or of dispatching an event to the installed bus.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DispatchError {
    /// The current thread belongs to no actix system.
    NoSystem,
    /// No bus is installed for the running system.
    NotInstalled,
    /// Another bus is installed for the running system.
    Taken,
}

impl fmt::Display for DispatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSystem => "no actix system on this thread: dispatch under #[actix::main], or use a bus by hand",
            Self::NotInstalled => "no bus is installed for this system: `let _installed = bus.install()?` first",
            Self::Taken => "another bus is installed for this system: drop its guard first",
        })
    }
}

impl std::error::Error for DispatchError {}

debug_is_display!(DispatchError);

/// The guard of an installed bus: dropping it uninstalls the bus. It keeps the bus open.
#[must_use = "dropping it uninstalls the bus, and so does `let _ =`: give it a name"]
#[derive(Debug)]
pub struct Installed {
    system: usize,
}

impl Drop for Installed {
    fn drop(&mut self) {
        let bus = buses().as_mut().and_then(|buses| buses.remove(&self.system));
        // Its last handle may go with it, and that asks others.
        drop(bus);
    }
}

impl EventBus {
    /// Installs this bus as the bus of the running system, on all its arbiters. [`dispatch`] emits to it.
    ///
    /// The returned guard owns the installation: dropping it uninstalls the bus.
    ///
    /// # Errors
    ///
    /// Returns [`DispatchError::NoSystem`] if the current thread belongs to no actix system, and
    /// [`DispatchError::Taken`] if a bus is installed already.
    pub fn install(&self) -> Result<Installed, DispatchError> {
        let system = System::try_current().ok_or(DispatchError::NoSystem)?.id();
        let mut buses = buses();
        let buses = buses.get_or_insert_default();
        if buses.contains_key(&system) {
            return Err(DispatchError::Taken);
        }
        buses.insert(system, self.clone());
        Ok(Installed { system })
    }

    /// Returns the bus that is [installed](Self::install) for the running system. An actor publishes on it without keeping
    /// a bus in a field, which would keep the bus open.
    ///
    /// # Errors
    ///
    /// Returns [`DispatchError::NoSystem`] if the current thread belongs to no actix system, and
    /// [`DispatchError::NotInstalled`] if no bus is installed for the running system.
    pub fn installed() -> Result<Self, DispatchError> {
        let system = System::try_current().ok_or(DispatchError::NoSystem)?.id();
        buses().as_ref().and_then(|buses| buses.get(&system).cloned()).ok_or(DispatchError::NotInstalled)
    }
}

/// Emits an event on the bus that is [installed](EventBus::install) for the running system, as [`EventBus::emit`] does.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// async fn place_order(id: u64) -> Result<(), DispatchError> {
///     convoke::dispatch(OrderPlaced { id }).await?;
///     Ok(())
/// }
///
/// # actix::System::new().block_on(async {
/// let bus = EventBus::default();
/// let _log = bus.on(|order: &OrderPlaced| println!("order {}", order.id))?;
/// let _installed = bus.install()?;
/// place_order(7).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Errors
///
/// Returns [`DispatchError::NoSystem`] if the current thread belongs to no actix system, and
/// [`DispatchError::NotInstalled`] if no bus is installed for the running system.
pub async fn dispatch<E: Event>(event: E) -> Result<Report, DispatchError> {
    Ok(EventBus::installed()?.emit(event).await)
}
