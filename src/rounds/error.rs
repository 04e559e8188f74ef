//! What can go wrong with a durable broker, and what to do about it.

use std::fmt;
use std::sync::Arc;

use crate::__private::{Shown, debug_is_display};
use crate::RoundId;
use crate::transport::TransportError;

/// An error returned when a durable broker is not opened, or does not tell of a round.
#[derive(Clone)]
#[non_exhaustive]
pub enum DurableError {
    /// The rules of the broker are none of a durable one. The text says why.
    Rules(String),
    /// There is a broker of this name with other rules.
    OtherRules {
        /// The name of the broker.
        broker: Arc<str>,
        /// The rules of this program, as JSON.
        ours: String,
        /// The rules that there are.
        theirs: String,
    },
    /// The name is not valid.
    Name {
        /// Whose name it is.
        of: &'static str,
        /// The name.
        name: String,
        /// How many bytes it may have.
        most: usize,
    },
    /// There is no broker of this name. Of who looks: whoever opens a broker makes it.
    NoBroker {
        /// The name.
        broker: String,
        /// Some that there are.
        known: Vec<Arc<str>>,
    },
    /// The rules of the round say who may abort it, and this is nobody of those.
    MayNotAbort {
        /// Whoever it was; `None` if that was not said.
        by: Option<Arc<str>>,
        /// Who may.
        who: Vec<Arc<str>>,
    },
    /// There is no such round, or its outcome is kept no longer.
    NoRound,
    /// The round cannot be read.
    Unreadable {
        /// The round.
        round: RoundId,
        /// Why it cannot be read.
        why: String,
    },
    /// The database is away, has no tables, or does not do what it is asked.
    Database(TransportError),
    /// This thread has no actix system.
    NoArbiter,
}

impl fmt::Display for DurableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(why) => f.write_str(why),
            Self::OtherRules { broker, ours, theirs } => write!(
                f,
                "the broker `{}` has other rules than this program's, and rounds would be decided in two ways: they are {}, and \
                 this program has {}; give it the same, another name, or `.replaces_rules()`",
                Shown::name(broker),
                Shown::text(theirs),
                Shown::text(ours)
            ),
            Self::Name { of, name, most } => write!(
                f,
                "{of} is named by 1 to {most} bytes of letters, digits, `-`, `_` and `.`, and not by `{}`",
                Shown::name(name)
            ),
            Self::NoBroker { broker, known } if known.is_empty() => {
                write!(
                    f,
                    "there is no broker `{}`, nor any other: look whether it is another database",
                    Shown::name(broker)
                )
            }
            Self::NoBroker { broker, known } => {
                write!(f, "there is no broker `{}`; there is {}", Shown::name(broker), Names(known))
            }
            Self::MayNotAbort { by: Some(by), who } => {
                write!(f, "`{}` may not abort this round: it is aborted by {} alone", Shown::name(by), Names(who))
            }
            Self::MayNotAbort { by: None, who } => {
                write!(f, "this round is aborted by {} alone: say who does", Names(who))
            }
            Self::NoRound => f.write_str("there is no such round, or its outcome is kept no longer"),
            Self::Unreadable { round, why } => write!(f, "round {round}: {}", Shown::text(why)),
            Self::Database(error) => error.fmt(f),
            Self::NoArbiter => f.write_str(
                "no actix system on this thread: open the broker under #[actix::main], #[convoke::test] or inside \
                 System::new().block_on(…)",
            ),
        }
    }
}

/// As in `legal`, `finance`.
struct Names<'a>(&'a [Arc<str>]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            write!(f, "{}`{}`", if place == 0 { "" } else { ", " }, Shown::name(name))?;
        }
        Ok(())
    }
}

impl std::error::Error for DurableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TransportError> for DurableError {
    fn from(error: TransportError) -> Self {
        Self::Database(error)
    }
}

debug_is_display!(DurableError);
