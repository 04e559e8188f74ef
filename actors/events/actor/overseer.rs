//! What a service's keeper knows of its seats, and is told of them.

use crate::events::verdict::ListenerError;

/// Who watches over a seat that outlives its actor. A type and no trait object: it is asked for each event.
pub(crate) trait Overseer: 'static {
    /// Whether there is no actor that could take an event.
    fn is_away(&self) -> bool;

    /// Whether what waits is left to the next actor.
    fn is_paused(&self) -> bool;

    /// No call is under way.
    fn rested(&self);

    /// A call has failed.
    fn erred(&self, error: &ListenerError);

    /// Why a call is lost that was under way when the actor ended; `calling` if the handler itself was at it.
    fn lost(&self, calling: bool) -> ListenerError;
}

/// Over the seat of an actor that is no service: there is none.
#[derive(Debug)]
pub(crate) enum Nobody {}

impl Overseer for Nobody {
    fn is_away(&self) -> bool {
        match *self {}
    }

    fn is_paused(&self) -> bool {
        match *self {}
    }

    fn rested(&self) {
        match *self {}
    }

    fn erred(&self, _: &ListenerError) {
        match *self {}
    }

    fn lost(&self, _: bool) -> ListenerError {
        match *self {}
    }
}
