//! The bus as a listener or a middleware is given it: a handle that holds nothing open but for the call.

use super::bus::EventBus;
use crate::events::container::{Container, ContainerError};
use crate::events::event::Subject;
use crate::events::hub::Hub;
use crate::events::listener::Argument;
use crate::events::middleware::Call;
use crate::events::seats::Scope;
use crate::events::verdict::ListenerError;

impl Argument for EventBus {
    type Source = ();

    fn prepare(_: &Container) -> Result<(), ContainerError> {
        Ok(())
    }

    fn take<S: Subject>(_: &(), scope: &Scope<'_, S>) -> Result<Self, ListenerError> {
        Ok(Self::of(scope.hub))
    }
}

impl Call {
    /// Returns the bus that makes this call.
    pub fn bus(&self) -> EventBus {
        match self.hub().clone().downcast::<Hub>() {
            Ok(hub) => EventBus::of(&hub),
            Err(_) => unreachable!("a call is made with the hub of its bus"),
        }
    }
}
