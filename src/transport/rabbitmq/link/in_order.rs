//! Many requests on one channel at once, without a task for each.
//!
//! `futures → begun in their order → awaited in their order → answers`

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

enum Begun<F: Future> {
    Waiting(Pin<Box<F>>),
    Done(F::Output),
}

/// Requests of which each has been handed to the connection, in their order.
pub(crate) struct InOrder<F: Future>(Vec<Begun<F>>);

impl<F: Future> InOrder<F> {
    /// Begins each. The client hands a frame to the connection when its future is polled first.
    pub(crate) fn begin(futures: impl Iterator<Item = F>) -> Self {
        let mut nobody = Context::from_waker(Waker::noop());
        let begun = futures.map(|future| {
            let mut future = Box::pin(future);
            match future.as_mut().poll(&mut nobody) {
                Poll::Ready(answer) => Begun::Done(answer),
                // Whoever awaits it polls it again, with a waker.
                Poll::Pending => Begun::Waiting(future),
            }
        });
        Self(begun.collect())
    }

    /// Hands each answer on as it comes, in their order.
    pub(crate) async fn each(self, mut hand_on: impl FnMut(F::Output)) {
        for begun in self.0 {
            hand_on(match begun {
                Begun::Done(answer) => answer,
                Begun::Waiting(future) => future.await,
            });
        }
    }
}
