//! What a listener keeps of a type that it asks for: looked up once, taken for each call.

use std::any::type_name;
use std::fmt;

use super::container::Container;
use super::container_error::{ContainerError, short_name};
use super::inject::Inject;

/// What a listener keeps of a type it asks for.
#[doc(hidden)]
pub enum Source<T: ?Sized> {
    Ready(Inject<T>),
    Each(Container),
}

impl<T: ?Sized + Send + Sync + 'static> Source<T> {
    /// Takes one for a call; only a factory can fail.
    #[inline]
    pub(crate) fn take(&self) -> Result<Inject<T>, ContainerError> {
        match self {
            Self::Ready(value) => Ok(value.clone()),
            Self::Each(container) => container.get(),
        }
    }
}

impl<T: ?Sized> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source<{}>", short_name(type_name::<T>()))
    }
}
