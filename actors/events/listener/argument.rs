//! What a listener may ask for beside its event.
//!
//! `registration → Source (looked up once) → Argument (taken for each call)`

use crate::events::container::{Container, ContainerError, Inject, Source};
use crate::events::event::{Metadata, Replay, Subject};
use crate::events::seats::Scope;
use crate::events::verdict::ListenerError;

/// An argument that a listener can take beside its event: [`Inject<T>`](Inject), [`Metadata`], [`Replay`] or
/// [`EventBus`](crate::EventBus).
#[diagnostic::on_unimplemented(
    message = "a listener cannot be given `{Self}`",
    label = "not something a listener can ask for",
    note = "after the event, a listener asks for `Inject<T>`, `Metadata`, `Replay` or `EventBus`, up to 8 of them"
)]
pub trait Argument: Sized + 'static {
    /// What is looked up once, when the listener is registered.
    #[doc(hidden)]
    type Source: 'static;

    /// Whether it shows the event's metadata.
    #[doc(hidden)]
    const SEES: bool = false;

    /// Looks it up.
    #[doc(hidden)]
    fn prepare(container: &Container) -> Result<Self::Source, ContainerError>;

    /// Takes one for a call.
    #[doc(hidden)]
    fn take<S: Subject>(source: &Self::Source, scope: &Scope<'_, S>) -> Result<Self, ListenerError>;
}

impl<T: ?Sized + Send + Sync + 'static> Argument for Inject<T> {
    type Source = Source<T>;

    fn prepare(container: &Container) -> Result<Source<T>, ContainerError> {
        container.source()
    }

    fn take<S: Subject>(source: &Source<T>, _: &Scope<'_, S>) -> Result<Self, ListenerError> {
        source.take().map_err(|error| ListenerError::Unprovided(error.to_string()))
    }
}

impl Argument for Metadata {
    type Source = ();

    const SEES: bool = true;

    fn prepare(_: &Container) -> Result<(), ContainerError> {
        Ok(())
    }

    fn take<S: Subject>(_: &(), scope: &Scope<'_, S>) -> Result<Self, ListenerError> {
        Ok(Self::clone(scope.parcel.metadata()))
    }
}

impl Argument for Replay {
    type Source = ();

    fn prepare(_: &Container) -> Result<(), ContainerError> {
        Ok(())
    }

    fn take<S: Subject>(_: &(), scope: &Scope<'_, S>) -> Result<Self, ListenerError> {
        Ok(scope.parcel.replay().cloned().unwrap_or_default())
    }
}
