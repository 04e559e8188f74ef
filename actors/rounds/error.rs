//! What can go wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::MailboxError;
use serde::Serialize;

use super::id::{BrokerId, EmitterId, RoundId, RoundKey, Title};
use crate::base::Shown;

/// A broker was given rules by which no round could go.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The timeout, the idle timeout, an emitter's deadline or the consumer timeout is zero.
    ZeroTimeout,
    /// `Release::at_least(0)`.
    ZeroQuorum,
    /// `Release::required` without a name.
    NothingRequired,
    /// `expects` without a name.
    NothingExpected,
    /// A name that the broker expects is empty.
    EmptyName,
    /// The broker expects a name twice.
    DoubledName,
    /// A limit of zero open rounds, or of zero waiting signals.
    ZeroLimit,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroTimeout => "a timeout of zero leaves no time to answer: give a longer one",
            Self::ZeroQuorum => "a quorum of zero would release a round before its first signal: ask for at least 1",
            Self::NothingRequired => "no name is required: name at least one emitter, or use Release::all()",
            Self::NothingExpected => "no name is expected: name at least one party, or leave `expects` out",
            Self::EmptyName => "an expected name is empty: nobody can be told by it, so give one",
            Self::DoubledName => "a name is expected twice: name each party once, since several may bear one name",
            Self::ZeroLimit => "a limit of zero lets nothing through: allow at least 1",
        })
    }
}

impl StdError for ConfigError {}

/// An emitter or a consumer could not join a broker.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// Another emitter of this broker has that id.
    DuplicateId {
        /// The id that both have.
        id: EmitterId,
        /// The name of the one that is there.
        name: String,
    },
    /// Another emitter of this broker has that name, and the broker's names are
    /// [unique](crate::Broker::unique_names).
    DuplicateName {
        /// The name that both have.
        name: Arc<str>,
    },
    /// The emitter is a member of a broker already; it belongs to one at a time.
    AlreadyJoined {
        /// The broker it is a member of.
        broker: BrokerId,
    },
    /// The emitter is about to join a broker already.
    Joining,
    /// A round is open, and the broker's policy is [`LateJoin::Rejected`](crate::LateJoin::Rejected).
    RoundOpen {
        /// The round that is open, the earliest if there are several.
        round: RoundId,
    },
    /// The broker has as many members as it may.
    Full {
        /// How many members it may have.
        limit: usize,
    },
    /// The broker was given rules by which no round could go.
    Config(ConfigError),
    /// The broker has stopped or panicked.
    BrokerGone,
    /// The emitter has stopped or panicked.
    EmitterGone,
    /// This thread has no actix system, so there is no place for the actor.
    NoArbiter,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateId { id, name } => {
                write!(f, "the id {id} is taken by the emitter `{}`: give another, or none", Shown::name(name))
            }
            Self::DuplicateName { name } => {
                write!(
                    f,
                    "the name `{}` is borne by another emitter of this broker: give another, or leave `unique_names` out",
                    Shown::name(name)
                )
            }
            Self::AlreadyJoined { broker } => {
                write!(f, "the emitter is a member of the broker `{broker}`: let it leave that one first")
            }
            Self::Joining => f.write_str("the emitter is joining a broker already: await that first"),
            Self::RoundOpen { round } => {
                write!(f, "round {round} is open and this broker takes no member during a round: join after it")
            }
            Self::Full { limit } => write!(f, "the broker has its {limit} members: raise `max_members`"),
            Self::Config(error) => error.fmt(f),
            Self::BrokerGone => f.write_str("the broker is gone: hold its address as long as it is needed"),
            Self::EmitterGone => f.write_str("the emitter is gone: it was stopped or has panicked"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: join under #[actix::main] or inside System::new().block_on(…)",
            ),
        }
    }
}

impl StdError for JoinError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConfigError> for JoinError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// A signal or a veto did not reach a round.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitError {
    /// The emitter has not joined a broker, or has left it.
    NotJoined,
    /// The emitter has kept its promise in this round already, and the broker's policy is
    /// [`RepeatEmit::Rejected`](crate::RepeatEmit::Rejected).
    AlreadyKept {
        /// The round that has its first signal.
        round: RoundId,
    },
    /// The round was over, or the emitter's own deadline was.
    Late {
        /// The round that was missed; beyond [`max_late`](crate::Broker::max_late) the last that the emitter is known to
        /// have missed.
        round: RoundId,
        /// What the signal was about.
        key: Option<RoundKey>,
    },
    /// As many rounds are open, or with their consumers, as may be.
    TooManyRounds {
        /// How many there may be.
        limit: usize,
    },
    /// So many signals wait for the broker that it takes no more.
    Busy {
        /// How many may wait.
        limit: usize,
    },
    /// There is no open round to veto.
    NoRound,
    /// The broker was given rules by which no round could go.
    Config(ConfigError),
    /// The broker has stopped or panicked.
    BrokerGone,
    /// The emitter has stopped or panicked.
    EmitterGone,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJoined => f.write_str("the emitter is not a member of a broker: let it join one first"),
            Self::AlreadyKept { round } => {
                write!(
                    f,
                    "the emitter has emitted in round {round}: wait for its outcome, or choose a RepeatEmit policy"
                )
            }
            Self::Late { round, key } => {
                write!(f, "{} went on without this signal: it came too late", Title(*round, key.as_ref()))
            }
            Self::TooManyRounds { limit } => {
                write!(
                    f,
                    "the limit of {limit} rounds, open or with their consumers, is reached: wait, or raise `max_open`"
                )
            }
            Self::Busy { limit } => {
                write!(f, "{limit} signals wait for this broker, the most it holds: wait, or raise `max_waiting`")
            }
            Self::NoRound => f.write_str("no round is open that could be vetoed: a round opens with the first signal"),
            Self::Config(error) => error.fmt(f),
            Self::BrokerGone => f.write_str("the broker is gone: hold its address as long as it is needed"),
            Self::EmitterGone => f.write_str("the emitter is gone: it was stopped or has panicked"),
        }
    }
}

impl StdError for EmitError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            _ => None,
        }
    }
}

/// A request to a broker was not carried out.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerError {
    /// No broker is registered under this id.
    Unknown {
        /// The id that was asked for.
        id: BrokerId,
        /// The ids that there are.
        known: Vec<BrokerId>,
    },
    /// Another broker is registered under this id.
    Taken {
        /// The id that both have.
        id: BrokerId,
    },
    /// No round of this key is open.
    NoRound {
        /// The key that was asked for.
        key: Option<RoundKey>,
    },
    /// The broker was given rules by which no round could go.
    Config(ConfigError),
    /// An emitter or a consumer could not join.
    Join(JoinError),
    /// The broker has stopped or panicked.
    Gone,
    /// This thread has no actix system, so there is no place for the actor.
    NoArbiter,
}

impl fmt::Display for BrokerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { id, known } if known.is_empty() => {
                write!(f, "no broker `{id}`, nor any other: create or register it first")
            }
            Self::Unknown { id, known } => {
                write!(f, "no broker `{id}`: create or register it first; there are ")?;
                for (place, id) in known.iter().enumerate() {
                    write!(f, "{}`{id}`", if place == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Taken { id } => write!(f, "the id `{id}` is taken by another broker: remove that one, or choose another id"),
            Self::NoRound { key: None } => f.write_str("no round without a key is open"),
            Self::NoRound { key: Some(key) } => write!(f, "no round of `{key}` is open"),
            Self::Config(error) => error.fmt(f),
            Self::Join(error) => error.fmt(f),
            Self::Gone => f.write_str("the broker is gone: hold its address as long as it is needed"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: start brokers under #[actix::main] or inside System::new().block_on(…)",
            ),
        }
    }
}

impl StdError for BrokerError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Join(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConfigError> for BrokerError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<JoinError> for BrokerError {
    fn from(error: JoinError) -> Self {
        Self::Join(error)
    }
}

impl From<MailboxError> for BrokerError {
    fn from(_: MailboxError) -> Self {
        Self::Gone
    }
}

/// What a consumer did not do with a round.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerError {
    /// It returned an error; this is its text, with those of its sources.
    Failed(String),
    /// It panicked; this is the message.
    Panicked(String),
    /// It was not done within the broker's consumer timeout; an async closure was dropped where it waited.
    TimedOut(Duration),
    /// It was gone before it was done.
    Gone,
    /// So many rounds wait for it that it takes no more.
    Busy,
}

impl fmt::Display for ConsumerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => write!(f, "failed: {}", Shown::text(text)),
            Self::Panicked(text) => write!(f, "panicked: {}", Shown::text(text)),
            Self::TimedOut(limit) => write!(f, "was not done after {limit:?}"),
            Self::Gone => f.write_str("was gone before it was done"),
            Self::Busy => f.write_str("had too many rounds waiting"),
        }
    }
}

impl StdError for ConsumerError {}

/// As `main` prints it: an error is shown by `Debug` as it is by `Display`.
macro_rules! debug_is_display {
    ($($error:ident),*) => {$(
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}

debug_is_display!(ConfigError, JoinError, EmitError, BrokerError, ConsumerError);
