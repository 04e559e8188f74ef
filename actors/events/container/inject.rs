//! What a listener is given of what is provided.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::container_error::short_name;

/// A value of type `T` from the [`Container`](crate::Container), as an argument of a listener.
///
/// In a unit test that calls a listener by hand, create the argument yourself:
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::Inject;
/// use std::sync::Arc;
///
/// trait Mail { fn send(&self, text: &str) -> usize; }
/// struct FakeMail;
/// impl Mail for FakeMail { fn send(&self, text: &str) -> usize { text.len() } }
///
/// fn send_receipt(id: u64, mail: Inject<dyn Mail>) -> usize {
///     mail.send(&format!("thank you for order {id}"))
/// }
///
/// let mail: Arc<dyn Mail> = Arc::new(FakeMail);
/// assert_eq!(send_receipt(7, mail.into()), 21);
/// assert_eq!(Inject::new(FakeMail).send("hi"), 2);
/// ```
pub struct Inject<T: ?Sized>(Arc<T>);

impl<T> Inject<T> {
    /// Creates an `Inject` from a value, without a container.
    ///
    /// To get an `Inject<dyn Trait>`, convert an `Arc<dyn Trait>` with `From`.
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Inject<T> {
    /// Returns the `Arc` that contains the value.
    pub fn into_arc(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> From<Arc<T>> for Inject<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T: ?Sized> Deref for Inject<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Inject<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Inject<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Shows only the type: a value may contain a password, and need not implement `Debug`.
impl<T: ?Sized> fmt::Debug for Inject<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inject<{}>", short_name(type_name::<T>()))
    }
}
