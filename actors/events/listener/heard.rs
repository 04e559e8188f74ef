//! An event as an actor, or a struct, hears it: with its metadata.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use actix::Message;

use crate::base::Handled;
use crate::events::event::{HIDDEN, Metadata, Subject};
use crate::events::parcel::Parcel;

/// An event with its metadata: the message by which an actor or a [`Listener`](crate::Listener) hears the event.
///
/// It dereferences to the event, as in `order.id`. An actor's handler returns [`Handled`], or a future of it.
pub struct Heard<E> {
    parcel: Arc<Parcel<E>>,
}

impl<E: Subject> Heard<E> {
    pub(crate) fn new(parcel: Arc<Parcel<E>>) -> Self {
        Self { parcel }
    }

    /// Creates a `Heard` by hand, for a unit test of a handler.
    pub fn by_hand(event: E) -> Self {
        Self::new(Arc::new(Parcel::new(Arc::new(event), None, None)))
    }

    /// Returns the event in its `Arc`. Clone the `Arc` to keep the event or to pass it on.
    pub fn event(&self) -> &Arc<E> {
        &self.parcel.event
    }

    /// Returns the metadata of the event.
    pub fn metadata(&self) -> &Metadata {
        self.parcel.metadata()
    }
}

impl<E> Deref for Heard<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.parcel.event
    }
}

impl<E> Clone for Heard<E> {
    fn clone(&self) -> Self {
        Self { parcel: self.parcel.clone() }
    }
}

impl<E: Subject + fmt::Debug> fmt::Debug for Heard<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event: &dyn fmt::Debug = if self.parcel.event.is_personal() { &HIDDEN } else { &*self.parcel.event };
        f.debug_tuple("Heard").field(event).finish()
    }
}

impl<E: Subject> Message for Heard<E> {
    type Result = Handled;
}
