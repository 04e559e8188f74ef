//! What a service says of itself, in its own context.
//!
//! `ctx.degrade(…) → Oversight → status`

use actix::{Actor, ActorContext, Context};

use super::service::BaseService;
use crate::services::life::with_current;
use crate::services::standing::ServiceState;

/// What a service reports about itself, in its handlers, timers and futures: `ctx.degrade("no prices")`.
///
/// In an actor that is not supervised, for example in a test of one handler, these methods do nothing.
pub trait ServiceContext {
    /// Marks the service as degraded: it runs, but does not work as it should. Its status shows the reason.
    fn degrade(&self, why: impl Into<String>);

    /// Marks the service as running again, after [`degrade`](Self::degrade).
    fn recover(&self);

    /// Ends this actor with the present message or event, and has the service rebuilt as after a panic.
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
