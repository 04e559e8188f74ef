//! What each server does, so that it can be looked at.

use std::sync::Arc;

use super::figures::QueueFigures;
use super::letter::{Letter, LetterId, Reading};
use super::workers::WorkerFigures;
use crate::transport::{Address, BoxFuture, ErrorKind, Packet, TransportError, is_secret};

/// A server that is looked at.
pub(super) trait Looks: Send + Sync + 'static {
    /// As it is named in errors.
    fn at(&self) -> &Arc<str>;

    /// The queues that it can list, by their names.
    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueFigures>, TransportError>>;

    /// `Missing` if there is no such queue.
    fn queue<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<QueueFigures, TransportError>>;

    /// Who works on these queues, by the names that they have there; `None` if the server does not tell.
    fn workers<'a>(
        &'a self,
        _queues: &'a [String],
    ) -> BoxFuture<'a, Result<Option<Vec<WorkerFigures>>, TransportError>> {
        Box::pin(async { Ok(None) })
    }

    /// The dead letters of a queue, of which those that are not in their places are in the queue `dead`, if that is not where they
    /// are by default. What is wrong with a name is said when they are read.
    fn pile(&self, queue: &str, dead: Option<&str>) -> Box<dyn Pile>;

    fn tail<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>>;
}

/// The dead letters of one queue.
pub(super) trait Pile: Send + Sync + 'static {
    fn reading(&self) -> Reading {
        Reading::Plain
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Letter>, TransportError>>;

    fn get<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<Option<Letter>, TransportError>>;

    fn redrive<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>>;

    fn discard<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>>;

    /// Gives back what was read under a lease.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Who hears what comes.
pub(super) trait Hears: Send + 'static {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Packet>, TransportError>>;
}

/// Looks whether a name can be one that may be said.
///
/// # Errors
///
/// `Unsupported` for a URL with a user, which may have a password.
pub(super) fn check_name(at: &Arc<str>, name: &str) -> Result<(), TransportError> {
    if !is_secret(name) {
        return Ok(());
    }
    let text = "a name is no URL with a user: write the URL before `#`, and the name alone behind it";
    Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text))
}

/// What is said of an address that has none of what is asked for.
pub(super) fn unsupported(address: &Address, text: impl Into<String>) -> TransportError {
    TransportError::new(ErrorKind::Unsupported, address.to_string(), text)
}
