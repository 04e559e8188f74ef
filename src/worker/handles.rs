//! What handles deliveries instead of the listeners of a bus: each by rules of its own.
//!
//! `handling.rs: it may begin → Handles::begin → Ended → storing.rs: told, until somebody has taken it → a verdict`

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::transport::{Abilities, DeadReason, Packet, TransportError};

/// Handles deliveries.
pub(crate) trait Handles {
    /// Looks whether a server of this name and these abilities can do what is asked for.
    ///
    /// # Errors
    ///
    /// `Unsupported`, with all that it cannot.
    fn check(&self, name: &str, abilities: &Abilities) -> Result<(), TransportError>;

    /// How often this packet may be tried; `None` for as often as the worker says.
    fn attempts(&self, packet: &Packet) -> Option<u32>;

    /// How often those may be tried that may be the least often.
    fn fewest_attempts(&self) -> u32;

    /// How long what runs may go on once the worker drains, before it is told to stop.
    fn patience(&self) -> Duration;

    /// Begins. It has taken all it needs of the packet when this returns.
    fn begin(self: Rc<Self>, given: Given<'_>) -> Begun;
}

/// A delivery that may begin.
pub(crate) struct Given<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) attempt: u32,
    /// Why it is dead before it begins, if it is: its process has died of it.
    pub(crate) doom: Option<String>,
}

/// One that has begun.
pub(crate) struct Begun {
    pub(crate) work: LocalBoxFuture<'static, Ended>,
    pub(crate) stops: Rc<dyn Stops>,
}

/// Why one is to stop that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The delivery is somebody else's.
    Lost,
    /// The worker shuts down, and has waited for as long as it may.
    Drains,
}

/// Is told that it is to stop.
pub(crate) trait Stops {
    fn stop(&self, why: Stop);
}

/// Tells somebody how it has ended: as often as it takes until it is taken.
pub(crate) type Tell = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), TransportError>>>;

/// How it has ended.
pub(crate) struct Ended {
    /// What is told before the server is.
    pub(crate) tell: Option<Tell>,
    pub(crate) then: Then,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("tells", &self.tell.is_some()).field("then", &self.then).finish()
    }
}

/// What the server is told.
#[derive(Debug)]
pub(crate) enum Then {
    Done,
    /// It comes again after this time, for this reason.
    Again(Duration, String),
    Dead(DeadReason, String),
    /// Nobody here knows it.
    Unknown(String),
    /// It is given back.
    Release,
}
