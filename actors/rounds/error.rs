//! What can go wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::MailboxError;
use serde::Serialize;

use super::id::{BrokerId, EmitterId, RoundId, RoundKey, Title};
use crate::base::{Shown, debug_is_display};

/// An error in the rules that a broker was given: no round could run by them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The timeout, the idle timeout, an emitter's deadline, or the consumer timeout is zero.
    ZeroTimeout,
    /// The quorum is zero: `Release::at_least(0)`.
    ZeroQuorum,
    /// `Release::required` was given no name.
    NothingRequired,
    /// `Broker::expects` was given no name.
    NothingExpected,
    /// A name that the broker expects is empty.
    EmptyName,
    /// The same name is expected twice.
    DoubledName,
    /// `Release::also` stands behind a release that is no [`Release::when_named`](crate::Release::when_named).
    NamelessVersion,
    /// `OnVeto::TolerateShare` was given more than 100 percent.
    ShareTooLarge,
    /// A limit is zero: of open rounds, of waiting signals, of members, or of remembered late rounds.
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
            Self::NamelessVersion => {
                "`also` keeps an older version of a predicate that has a name: write `Release::when_named(…).also(…)`"
            }
            Self::ShareTooLarge => "more than 100 percent of the parties cannot veto: tolerate a share of at most 100",
            Self::ZeroLimit => "a limit of zero lets nothing through: allow at least 1",
        })
    }
}

impl StdError for ConfigError {}

/// An error returned when an emitter or a consumer cannot join a broker.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// Another emitter of this broker has the same id.
    DuplicateId {
        /// The id that both emitters have.
        id: EmitterId,
        /// The name of the emitter that joined first.
        name: String,
    },
    /// Another emitter of this broker has the same name, and the broker's names are
    /// [unique](crate::Broker::unique_names).
    DuplicateName {
        /// The name that both emitters have.
        name: Arc<str>,
    },
    /// The emitter is already a member of a broker. It can be a member of one broker at a time.
    AlreadyJoined {
        /// The broker that the emitter is a member of.
        broker: BrokerId,
    },
    /// The emitter is already joining a broker.
    Joining,
    /// A round is open, and the broker's policy is [`LateJoin::Rejected`](crate::LateJoin::Rejected).
    RoundOpen {
        /// The open round; the one opened first if there are several.
        round: RoundId,
    },
    /// The broker has as many members as its limit allows.
    Full {
        /// The limit of members.
        limit: usize,
    },
    /// The broker's rules contain an error, or the emitter's own deadline is zero.
    Config(ConfigError),
    /// The broker is a durable one, and the consumer has no name by which other processes know it.
    NamelessConsumer,
    /// The database of a durable broker has not taken it. The text says why.
    Database(Arc<str>),
    /// The broker has stopped or panicked.
    BrokerGone,
    /// The emitter has stopped or panicked.
    EmitterGone,
    /// This thread has no actix system, so the actor cannot run here.
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
            Self::NamelessConsumer => f.write_str(
                "a consumer of a durable broker is known by its name in every process: write `closure.named(\"sign\")` or \
                 `Consumer::new(…).named(\"sign\")`",
            ),
            Self::Database(why) => write!(f, "it is not written down: {}", Shown::text(why)),
            Self::BrokerGone => f.write_str("the broker is gone: hold its address as long as it is needed"),
            Self::EmitterGone => f.write_str("the emitter is gone: it was stopped or has panicked"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: join under #[actix::main], #[convoke::test] or inside System::new().block_on(…)",
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

/// An error returned when a signal or a veto does not reach a round.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmitError {
    /// The emitter has not joined a broker, or has left it.
    NotJoined,
    /// The emitter has already emitted in this round, and the broker's policy is
    /// [`RepeatEmit::Rejected`](crate::RepeatEmit::Rejected).
    AlreadyKept {
        /// The round that already has the emitter's signal.
        round: RoundId,
    },
    /// The emitter has vetoed this round, or another emitter with its [expected](crate::Broker::expects) name has, and the
    /// round goes on without them. See [`Broker::on_veto`](crate::Broker::on_veto).
    Vetoed {
        /// The round that goes on after the veto.
        round: RoundId,
    },
    /// The round was over, or the emitter's own deadline had passed.
    Late {
        /// The round that the signal missed. If [`max_late`](crate::Broker::max_late) was exceeded, it is the last
        /// round that the emitter is known to have missed.
        round: RoundId,
        /// The key of the signal's round; `None` for a round without a key.
        key: Option<RoundKey>,
    },
    /// The broker has as many open rounds as its limit allows. Closed rounds whose consumers are still at work count as
    /// well.
    TooManyRounds {
        /// The limit of rounds.
        limit: usize,
    },
    /// The broker has as many waiting signals as its limit allows.
    Busy {
        /// The limit of waiting signals.
        limit: usize,
    },
    /// There is no open round to veto, or none that a signal could wait for.
    NoRound,
    /// The rules of the round say who may abort it, and this is nobody of those. Of durable brokers.
    MayNotAbort {
        /// Whoever it was; `None` if that was not said.
        by: Option<Arc<str>>,
    },
    /// The broker knows who takes part, and nobody of this name does. Of durable brokers.
    Stranger {
        /// The name.
        name: Arc<str>,
    },
    /// The round cannot be decided until somebody has repaired it. Of durable brokers.
    Aside {
        /// The round.
        round: RoundId,
        /// Why it cannot be decided.
        reason: Arc<str>,
    },
    /// The payload cannot be written as JSON, or what others have emitted cannot be read. Of durable brokers.
    Unreadable(Arc<str>),
    /// The database does not take the signal: it is away, or says why. Unless it could not be reached at all, the signal may
    /// be there. Of durable brokers.
    Database(Arc<str>),
    /// The broker is not a durable one, so its signals are not rows.
    NotDurable,
    /// The broker's rules contain an error.
    Config(ConfigError),
    /// The broker has stopped or panicked.
    BrokerGone,
    /// The emitter has stopped or panicked.
    EmitterGone {
        /// The emitter's name; `None` if it was sent a message at its address, which does not know the name.
        name: Option<Arc<str>>,
    },
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
            Self::Vetoed { round } => {
                write!(
                    f,
                    "round {round} has the veto of this emitter, or of its name: wait for its outcome, then emit in the next"
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
            Self::MayNotAbort { by: Some(by) } => {
                write!(f, "`{}` may not abort this round: those may who are named by `aborted_by`", Shown::name(by))
            }
            Self::MayNotAbort { by: None } => f.write_str(
                "this round is aborted by those alone who are named by `aborted_by`: say who does, as in `abort(…).by(\"legal\")`",
            ),
            Self::Stranger { name } => {
                write!(f, "nobody named `{}` is expected: emit by one of the names of `expects`", Shown::name(name))
            }
            Self::Aside { round, reason } => {
                write!(f, "round {round} is set aside until it is repaired or aborted: {}", Shown::text(reason))
            }
            Self::Unreadable(why) => f.write_str(why),
            Self::Database(why) => write!(f, "the signal is not known to be written: {}", Shown::text(why)),
            Self::NotDurable => f.write_str("the broker is not a durable one: make it one with `.durable(&db, \"…\")`"),
            Self::Config(error) => error.fmt(f),
            Self::BrokerGone => f.write_str("the broker is gone: hold its address as long as it is needed"),
            Self::EmitterGone { name: None } => f.write_str("the emitter is gone: it was stopped or has panicked"),
            Self::EmitterGone { name: Some(name) } => {
                write!(f, "the emitter `{}` is gone: it was stopped or has panicked", Shown::name(name))
            }
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

/// An error returned when a broker does not carry out a request.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerError {
    /// No broker is registered under this id.
    Unknown {
        /// The requested id.
        id: BrokerId,
        /// The registered ids.
        known: Vec<BrokerId>,
    },
    /// Another broker is registered under this id.
    Taken {
        /// The id of both brokers.
        id: BrokerId,
    },
    /// No round of this key is open.
    NoRound {
        /// The requested key; `None` for the round without a key.
        key: Option<RoundKey>,
    },
    /// The rounds of the broker are in a database: ask what `durable` has returned.
    Durable,
    /// The rules of the broker contain an error, or the new timeout is zero.
    Config(ConfigError),
    /// An emitter or a consumer could not join the broker.
    Join(JoinError),
    /// The broker has stopped or panicked.
    Gone,
    /// This thread has no actix system, so the actor cannot run here.
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
            Self::Durable => f.write_str(
                "the rounds of this broker are in a database, and their rules with them: use the methods of what `durable` has returned",
            ),
            Self::Config(error) => error.fmt(f),
            Self::Join(error) => error.fmt(f),
            Self::Gone => f.write_str("the broker is gone: hold its address as long as it is needed"),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: start brokers under #[actix::main], #[convoke::test] or inside System::new().block_on(…)",
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

/// The way in which a consumer failed to handle a round.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerError {
    /// The consumer returned an error. The text is that of the error and of its sources.
    Failed(String),
    /// The consumer panicked. The text is the message of the panic.
    Panicked(String),
    /// The consumer exceeded the broker's consumer timeout. An async closure was dropped at the point where it waited.
    TimedOut(Duration),
    /// The consumer was gone before it had finished.
    Gone,
    /// The queue of the consumer was full, so it did not get the round.
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

debug_is_display!(ConfigError, JoinError, EmitError, BrokerError, ConsumerError);
