//! What a service says of itself, in its own context.
//!
//! `ctx.degrade(…) → Oversight → status`

use actix::{Actor, ActorContext, Context};

use super::service::BaseService;
use crate::services::life::with_current;
use crate::services::standing::ServiceState;

/// What a service says of itself, in its handlers, timers and futures: `ctx.degrade("no prices")`.
///
/// In an actor that nobody supervises, as in a test of one handler, these do nothing.
pub trait ServiceContext {
    /// Says that the service does not work as it should: it is degraded.
    fn degrade(&self, why: impl Into<String>);

    /// Says that the service is well again: it is running.
    fn recover(&self);

    /// Has the service built anew, as after a panic: this actor ends with the present message or event.
    fn restart(&mut self, why: impl Into<String>);
}

impl<A: BaseService> ServiceContext for Context<A>
where
    A: Actor<Context = Self>,
{
    fn degrade(&self, why: impl Into<String>) {
        with_current(|current| {
            current.standing.enter(ServiceState::Degraded, Some(why.into()));
        });
    }

    fn recover(&self) {
        with_current(|current| {
            if current.standing.state() == ServiceState::Degraded {
                current.standing.enter(ServiceState::Running, None);
            }
        });
    }

    fn restart(&mut self, why: impl Into<String>) {
        let mut supervised = false;
        with_current(|current| {
            current.doom(why.into());
            supervised = true;
        });
        // So that actix hands it no further message.
        if supervised {
            self.stop();
        }
    }
}
