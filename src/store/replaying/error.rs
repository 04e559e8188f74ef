//! Why a replay goes no further, and from where it may be taken up again.

use std::fmt;

use crate::__private::{Shown, debug_is_display};
use crate::store::{Position, StoreError};
use crate::transport::TransportError;
use crate::{ListenError, ListenerError, TopicError};

/// The reason why a replay goes no further.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ReplayError {
    /// The last record that is done: take the replay up again after it.
    pub position: Position,
    /// How many records were told and done.
    pub told: u64,
    /// What is wrong.
    pub fault: Box<ReplayFault>,
}

/// What is wrong with a replay.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum ReplayFault {
    /// The store cannot be read, or a record of it.
    Store(StoreError),
    /// A listener has failed.
    Listener {
        /// The record.
        position: Position,
        /// The name of the listener.
        listener: String,
        /// What it has failed with.
        error: ListenerError,
    },
    /// The listener cannot be registered.
    Listen(ListenError),
    /// The topic of a record is not valid.
    Topic(TopicError),
    /// The server has not taken a record.
    Transport(TransportError),
}

impl ReplayError {
    pub(super) fn new(position: Position, told: u64, fault: ReplayFault) -> Self {
        Self { position, told, fault: Box::new(fault) }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, told, fault } = self;
        write!(f, "{fault} (behind {position}, after {told} records)")
    }
}

impl fmt::Display for ReplayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Listener { position, listener, error } => {
                write!(f, "`{}` has failed on the record at {position}: {error}", Shown::name(listener))
            }
            Self::Listen(error) => error.fmt(f),
            Self::Topic(error) => error.fmt(f),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.fault {
            ReplayFault::Store(error) => Some(error),
            ReplayFault::Listener { error, .. } => Some(error),
            ReplayFault::Listen(error) => Some(error),
            ReplayFault::Topic(error) => Some(error),
            ReplayFault::Transport(error) => Some(error),
        }
    }
}

debug_is_display!(ReplayError);
debug_is_display!(ReplayFault);
