//! Within which emission a thread is: what a listener emits was caused by what it hears.
//!
//! `seat, work → Within (while a listener runs) → current → the next parcel's cause`

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::parcel::{AnyParcel, Parcel};
use crate::events::event::Subject;

/// What the listener that runs on a thread was called with.
pub(crate) type Current = Rc<dyn Caused>;

/// Something that a listener was called with.
pub(crate) trait Caused {
    fn cause(&self) -> Option<Arc<dyn AnyParcel>>;
}

/// A parcel in the queues of one arbiter: in an `Rc`, which counts who has it without locks.
pub(crate) struct Waiting<S>(pub(crate) Arc<Parcel<S>>);

impl<S> std::ops::Deref for Waiting<S> {
    type Target = Arc<Parcel<S>>;

    fn deref(&self) -> &Arc<Parcel<S>> {
        &self.0
    }
}

impl<S: Subject> Caused for Waiting<S> {
    fn cause(&self) -> Option<Arc<dyn AnyParcel>> {
        Some(self.0.clone())
    }
}

/// A parcel that waits, whatever it is a parcel of.
pub(crate) trait Packed: Caused {
    fn any(&self) -> &dyn AnyParcel;

    fn shared(&self) -> Arc<dyn AnyParcel>;
}

impl<S: Subject> Packed for Waiting<S> {
    fn any(&self) -> &dyn AnyParcel {
        &*self.0
    }

    fn shared(&self) -> Arc<dyn AnyParcel> {
        self.0.clone()
    }
}

impl Packed for Arc<dyn AnyParcel> {
    fn any(&self) -> &dyn AnyParcel {
        &**self
    }

    fn shared(&self) -> Arc<dyn AnyParcel> {
        self.clone()
    }
}

/// A parcel of a call that began before.
impl Caused for Arc<dyn AnyParcel> {
    fn cause(&self) -> Option<Arc<dyn AnyParcel>> {
        Some(self.clone())
    }
}

/// Where a parcel lies while the listeners of one arbiter are called with it.
pub(crate) struct Held<S>(RefCell<Option<Arc<Parcel<S>>>>);

impl<S: Subject> Held<S> {
    pub(crate) fn new(parcel: Option<Arc<Parcel<S>>>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(parcel)))
    }

    pub(crate) fn parcel(&self) -> Ref<'_, Option<Arc<Parcel<S>>>> {
        self.0.borrow()
    }

    /// Lays a parcel down, unless there is one; then it is handed back.
    pub(crate) fn lay(&self, parcel: Arc<Parcel<S>>) -> Result<(), Arc<Parcel<S>>> {
        match self.0.try_borrow_mut() {
            Ok(mut place) if place.is_none() => {
                *place = Some(parcel);
                Ok(())
            }
            _ => Err(parcel),
        }
    }

    pub(crate) fn take(&self) -> Option<Arc<Parcel<S>>> {
        self.0.try_borrow_mut().ok()?.take()
    }
}

impl<S: Subject> Caused for Held<S> {
    fn cause(&self) -> Option<Arc<dyn AnyParcel>> {
        self.0.borrow().as_ref().map(|parcel| parcel.clone() as Arc<dyn AnyParcel>)
    }
}

thread_local! {
    /// The emission whose listener runs on this thread: what is emitted meanwhile was caused by it.
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// The emission whose listener runs on this thread.
#[inline]
pub(crate) fn current() -> Option<Arc<dyn AnyParcel>> {
    CURRENT.try_with(|current| current.borrow().as_ref()?.cause()).ok().flatten()
}

/// While it lives, what is emitted on this thread was caused by that emission.
pub(crate) struct Within(Option<Current>);

impl Within {
    /// Outside of any emission yet.
    #[inline]
    pub(crate) fn nothing() -> Self {
        Self(CURRENT.try_with(RefCell::take).ok().flatten())
    }

    #[inline]
    pub(crate) fn call_of(current: Current) -> Self {
        let within = Self::nothing();
        within.next(current);
        within
    }

    /// Within the next emission, no longer within the last.
    #[inline]
    pub(crate) fn next(&self, current: Current) {
        // Dropped after the borrow: an event's own `Drop` may emit.
        let _ = CURRENT.try_with(|place| drop(place.replace(Some(current))));
    }
}

impl Drop for Within {
    #[inline]
    fn drop(&mut self) {
        let before = self.0.take();
        let _ = CURRENT.try_with(|current| drop(current.replace(before)));
    }
}
