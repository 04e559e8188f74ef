//! What the server sends to one consumer, and how that ends.
//!
//! `basic.deliver → Feed → subscriber.rs`, `basic.cancel, a channel that is closed → End → acks.rs: what is lent is lost`

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::types::ShortString;

/// How a consumer has ended.
#[derive(Clone)]
pub(crate) enum End {
    /// We have said so.
    Ours,
    /// The server has said so, and leaves the channel open; or the channel is gone, and nobody has said why.
    Theirs,
    /// The channel or the connection is gone, for this reason.
    Fault(lapin::Error),
}

/// A consumer of a channel, and what it has been sent that nobody has received.
pub(crate) struct Feed {
    inner: Mutex<Inner>,
}

struct Inner {
    consumer: Consumer,
    /// The same, for who looks without waiting: it must not take the waker of who waits.
    glance: Consumer,
    unlent: VecDeque<Delivery>,
    is_stopping: bool,
    end: Option<End>,
}

impl Feed {
    pub(crate) fn new(consumer: Consumer) -> Self {
        let glance = consumer.clone();
        let inner = Inner { consumer, glance, unlent: VecDeque::new(), is_stopping: false, end: None };
        Self { inner: Mutex::new(inner) }
    }

    /// Puts before all that comes what another consumer was sent and nobody has received.
    pub(crate) fn begin_with(&self, unlent: Vec<Delivery>) {
        let mut inner = self.lock();
        for delivery in unlent.into_iter().rev() {
            inner.unlent.push_front(delivery);
        }
    }

    /// Waits until there is something, and takes up to so many: fewer, or none, once it has ended.
    pub(crate) async fn next(&self, most: usize) -> Vec<Delivery> {
        poll_fn(|context| {
            let mut inner = self.lock();
            inner.pull(Some(context));
            let count = most.min(inner.unlent.len());
            if count == 0 && inner.end.is_none() {
                Poll::Pending
            } else {
                Poll::Ready(inner.unlent.drain(..count).collect())
            }
        })
        .await
    }

    /// Waits until it has ended, and takes what nobody has received.
    pub(crate) async fn rest(&self) -> Vec<Delivery> {
        poll_fn(|context| {
            let mut inner = self.lock();
            inner.pull(Some(context));
            if inner.end.is_none() { Poll::Pending } else { Poll::Ready(inner.unlent.drain(..).collect()) }
        })
        .await
    }

    /// Takes what is here and nobody has received.
    pub(crate) fn take(&self) -> Vec<Delivery> {
        let mut inner = self.lock();
        inner.pull(None);
        inner.unlent.drain(..).collect()
    }

    /// Returns how it has ended, as far as the connection knows by now.
    pub(crate) fn end(&self) -> Option<End> {
        let mut inner = self.lock();
        inner.pull(None);
        inner.end.clone()
    }

    /// Says that we are about to have the server end it, and returns what it is called.
    pub(crate) fn stop(&self) -> ShortString {
        let mut inner = self.lock();
        inner.is_stopping = true;
        inner.consumer.tag()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes in all that has come. Who waits gives its context.
    fn pull(&mut self, waits: Option<&mut Context<'_>>) {
        let mut nobody = Context::from_waker(Waker::noop());
        let (consumer, context) = match waits {
            Some(context) => (&mut self.consumer, context),
            None => (&mut self.glance, &mut nobody),
        };
        while self.end.is_none() {
            self.end = match Pin::new(&mut *consumer).poll_next(context) {
                Poll::Ready(Some(Ok(delivery))) => {
                    self.unlent.push_back(delivery);
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Some(End::Fault(error)),
                Poll::Ready(None) if self.is_stopping => Some(End::Ours),
                Poll::Ready(None) => Some(End::Theirs),
                Poll::Pending => return,
            };
        }
    }
}
