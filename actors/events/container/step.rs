//! The constructors that run on a thread: who needs whom, and whether one needs itself.

use std::any::{TypeId, type_name};
use std::cell::RefCell;

use super::container_error::ContainerError;

/// A constructor that runs on this thread, until this is dropped.
pub(crate) struct Step(());

/// What is known of it.
struct Running {
    container: usize,
    id: TypeId,
    type_name: &'static str,
    has_turn: bool,
}

thread_local! {
    /// The constructors that run on this thread, the outermost first. A constructor reaches the container by whatever
    /// way it likes, so its thread tells who asks, and not the container it was given.
    static RUNNING: RefCell<Vec<Running>> = const { RefCell::new(Vec::new()) };
}

impl Step {
    pub(crate) fn enter<T: ?Sized + 'static>(container: usize, has_turn: bool) -> Result<Self, ContainerError> {
        let (id, type_name) = (TypeId::of::<T>(), type_name::<T>());
        RUNNING.with_borrow_mut(|running| {
            if let Some(place) = running.iter().position(|other| other.container == container && other.id == id) {
                let mut chain: Vec<_> = running.iter().skip(place).map(|other| other.type_name).collect();
                chain.push(type_name);
                return Err(ContainerError::Cycle { chain });
            }
            running.push(Running { container, id, type_name, has_turn });
            Ok(Self(()))
        })
    }

    pub(crate) fn has_turn(container: usize) -> bool {
        RUNNING.with_borrow(|running| running.iter().any(|other| other.has_turn && other.container == container))
    }

    /// Who needs what this one builds.
    pub(crate) fn needed_by(&self) -> Vec<&'static str> {
        let mut names = Self::names();
        names.pop();
        names
    }

    /// Who needs what is asked for now.
    pub(crate) fn names() -> Vec<&'static str> {
        RUNNING.with_borrow(|running| running.iter().map(|other| other.type_name).collect())
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
    }
}
