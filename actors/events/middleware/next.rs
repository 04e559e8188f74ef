//! What comes after a middleware.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::call::Call;
use super::middleware::{Handling, Middleware};

/// The rest of a call after a middleware: the next middleware, or the listener. Clone it to run the rest several times.
#[derive(Clone)]
pub struct Next {
    chain: Rc<[Arc<dyn Middleware>]>,
    place: usize,
    listener: Rc<dyn Fn() -> Handling>,
}

impl Next {
    /// The first of a chain, around the listener.
    pub(crate) fn first(chain: Rc<[Arc<dyn Middleware>]>, listener: Rc<dyn Fn() -> Handling>) -> Self {
        Self { chain, place: 0, listener }
    }

    /// Passes the call on, and returns its result.
    ///
    /// A panic of the listener is returned as an error.
    pub fn run(&self, call: Call) -> Handling {
        match self.chain.get(self.place) {
            Some(middleware) => middleware.clone().handle(call, Self { place: self.place + 1, ..self.clone() }),
            None => (self.listener)(),
        }
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").field("place", &self.place).field("of", &self.chain.len()).finish_non_exhaustive()
    }
}
