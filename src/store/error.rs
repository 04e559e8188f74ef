//! What goes wrong with a store, each by its name.

use std::fmt;

use super::position::Position;
use crate::__private::{Shown, Unstamped, debug_is_display};
use crate::TopicError;
use crate::codec::Unpressed;
use crate::transport::TransportError;

/// The reason why a store did not take an event, or did not return a record.
///
/// No text quotes a payload. What was read before an error is right, and stays so.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum StoreError {
    /// Something has happened since the position that the condition names, and nothing was appended.
    Conflict {
        /// The position of the first record that must not have been there.
        position: Position,
        /// The name of its event.
        event: String,
    },
    /// The condition is about a thing that none of the appended events is about, so that nothing would ever be in its way.
    NotAbout {
        /// The kind of the thing that the condition names.
        entity: String,
        /// The kinds of those that the events are about; nothing if they are about none.
        found: String,
    },
    /// The condition is of a topic that none of the appended events has, so that nothing of it might ever be in its way.
    NotOf {
        /// Those of its patterns that no event matches.
        topics: String,
        /// The topics of the events, of those that the condition is about.
        found: String,
    },
    /// The position is one of another store, or of a store that was deleted and made again.
    Elsewhere {
        /// The position.
        position: Position,
        /// The name of the store that was asked.
        store: String,
    },
    /// The position is behind the last record: the store was restored from an older copy, or its end was deleted.
    Ahead {
        /// The position.
        position: Position,
        /// The last one of the store.
        last: Position,
    },
    /// A record is not there, though one behind it is: somebody has deleted it.
    Gone {
        /// Where it should be.
        position: Position,
    },
    /// A record is not what was written: somebody, or a disk, has changed it.
    Damaged {
        /// Where it is.
        position: Position,
    },
    /// A record is whole, but cannot be read as an event.
    Unreadable {
        /// Where it is.
        position: Position,
        /// Why; it quotes nothing of the record.
        reason: String,
    },
    /// An event has a version that the type does not have, and no upcaster leads from one to the other.
    Version {
        /// Where it is.
        position: Position,
        /// The name of the event.
        event: String,
        /// The version that it has, behind all upcasters.
        found: u32,
        /// The version of the type.
        wanted: u32,
    },
    /// The record is of another event than the type.
    OtherEvent {
        /// Where it is.
        position: Position,
        /// The name of its event.
        found: String,
        /// The name of the type's event.
        wanted: &'static str,
    },
    /// The event is local: it has no form as JSON, and is in no store.
    Local {
        /// The name of the event.
        event: String,
    },
    /// The event came from another process: [`append_envelope`](super::Store::append_envelope) takes it as it came.
    Foreign {
        /// The name of the event.
        event: String,
    },
    /// The event cannot become JSON.
    NotJson {
        /// The name of the event.
        event: String,
        /// The reason; it quotes nothing of an event that contains personal data.
        reason: String,
    },
    /// A topic or a pattern is not valid.
    Topic(TopicError),
    /// The list of patterns is empty: whoever means every topic writes `**`.
    NoPattern,
    /// The database refused, or could not be reached; or an event is larger than the limits allow.
    Transport(TransportError),
}

impl StoreError {
    /// Returns whether another attempt may succeed. A [`Conflict`](Self::Conflict) is none: what was decided before has to
    /// be decided again.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Transport(error) if error.is_temporary())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { position, event } => {
                write!(f, "`{}` has happened meanwhile, at {position}: read it, and decide again", Shown::name(event))
            }
            Self::NotAbout { entity, found } => {
                let entity = Shown::name(entity);
                write!(f, "the condition is about a `{entity}`, and no event that is appended is about it")?;
                if !found.is_empty() {
                    write!(f, ", but about: {}", Shown::text(found))?;
                }
                write!(
                    f,
                    "; write `#[event(entity = \"{entity}\", entity_id = …)]` over its type, or `about_other` if that is meant"
                )
            }
            Self::NotOf { topics, found } => write!(
                f,
                "the condition is of `{}`, and no event that is appended has such a topic, but: {}; look how it is written, or write \
                 `of_other` if that is meant",
                Shown::text(topics),
                Shown::text(found)
            ),
            Self::Elsewhere { position, store } => write!(
                f,
                "{position} is no position of the store `{}`: it is one of another store, or of one that was deleted and made \
                 again",
                Shown::name(store)
            ),
            Self::Ahead { position, last } => write!(
                f,
                "{position} is behind the last record, {last}: the store was restored from an older copy, or its end was deleted"
            ),
            Self::Gone { position } => write!(f, "the record at {position} is gone: somebody has deleted it"),
            Self::Damaged { position } => {
                write!(f, "the record at {position} is not what was written: restore it from a copy")
            }
            Self::Unreadable { position, reason } => {
                write!(f, "the record at {position} cannot be read as an event: {}", Shown::text(reason))
            }
            Self::Version { position, event, found, wanted } if found > wanted => write!(
                f,
                "`{}` at {position} has version {found}, and the type has {wanted}: a newer program has appended it, so deploy \
                 this one anew, or read it by a type of that version",
                Shown::name(event)
            ),
            Self::Version { position, event, found, wanted } => write!(
                f,
                "`{}` at {position} has version {found}, and the type has {wanted}: add `.upcast(\"{}\", {found}, …)` to the \
                 store, or read it by a type of that version",
                Shown::name(event),
                Shown::name(event)
            ),
            Self::OtherEvent { position, found, wanted } => {
                write!(f, "the record at {position} is `{}` and not `{wanted}`", Shown::name(found))
            }
            Self::Local { event } => write!(
                f,
                "`{}` is local and cannot be stored: remove `#[event(local)]`, and derive `Serialize` and `Deserialize`",
                Shown::name(event)
            ),
            Self::Foreign { event } => write!(
                f,
                "`{}` came from another process: store it as it came, by `append_envelope`",
                Shown::name(event)
            ),
            Self::NotJson { event, reason } => {
                write!(f, "`{}` cannot become JSON: {}", Shown::name(event), Shown::text(reason))
            }
            Self::Topic(error) => error.fmt(f),
            Self::NoPattern => f.write_str("the list of patterns is empty: write `**` for every topic"),
            Self::Transport(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Topic(error) => Some(error),
            Self::Transport(error) => Some(error),
            _ => None,
        }
    }
}

debug_is_display!(StoreError);

impl From<Unpressed> for StoreError {
    fn from(Unpressed { event, why }: Unpressed) -> Self {
        match why {
            Unstamped::Local => Self::Local { event },
            Unstamped::Foreign => Self::Foreign { event },
            Unstamped::NotJson(reason) => Self::NotJson { event, reason },
        }
    }
}

impl From<TransportError> for StoreError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

impl From<TopicError> for StoreError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}
