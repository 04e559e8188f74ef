//! What became of a round: one outcome, the same for everyone.
//!
//! `verdict of the round + names of the roster → Outcome → emitters, consumers, history`

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use super::account::{Account, Brief, Cause, EmitterRef, Names};
use super::consumed::Consumed;
use crate::base::{Handled, joined};
use crate::rounds::round::Verdict;
use crate::rounds::{BrokerId, RoundId, RoundKey};

/// How a round ended: everyone who took part hears the same.
///
/// It is a message as well: an actor that handles it can be a consumer, and so for [`Resolved`] and [`Cancelled`].
#[derive(Message)]
#[rtype(result = "Handled")]
pub enum Outcome<P> {
    /// The promises were kept in time.
    Resolved(Resolved<P>),
    /// They were not, or somebody said no.
    Cancelled(Cancelled<P>),
}

/// A round whose promises were kept: who, what, in which order, how long. Cloning it is cheap.
#[derive(Message)]
#[rtype(result = "Handled")]
pub struct Resolved<P>(pub(crate) Arc<Account<P>>);

/// A round that was cancelled: why, who is missing, and what had been gathered. Cloning it is cheap.
#[derive(Message)]
#[rtype(result = "Handled")]
pub struct Cancelled<P>(pub(crate) Arc<Account<P>>);

/// One signal of a round.
pub struct Signal<'a, P> {
    /// Who emitted it.
    pub emitter: &'a EmitterRef,
    /// The time since the round opened.
    pub at: Duration,
    /// What was emitted.
    pub payload: &'a P,
}

macro_rules! accounts {
    ($($outcome:ident),*) => {$(
        impl<P> $outcome<P> {
            /// Returns the number of the round.
            pub fn round(&self) -> RoundId {
                self.0.round
            }

            /// Returns the broker of the round.
            pub fn broker(&self) -> &BrokerId {
                &self.0.directory.broker
            }

            /// Returns what the round was about; `None` for a round without a key.
            pub fn key(&self) -> Option<&RoundKey> {
                self.0.key.as_ref()
            }

            /// Returns how long the round was open.
            pub fn elapsed(&self) -> Duration {
                self.0.elapsed
            }

            /// Returns the payloads in the order of emission.
            pub fn payloads(&self) -> &[P] {
                &self.0.payloads
            }

            /// Returns what the emitter of this name has emitted, the first if several bear it; `None` if it has not.
            pub fn payload(&self, emitter: &str) -> Option<&P> {
                self.0.payload(emitter)
            }

            /// Returns the signals in the order of emission: who, when, what.
            pub fn signals(&self) -> impl ExactSizeIterator<Item = Signal<'_, P>> {
                self.0.signals()
            }

            /// Returns those who owed a signal when the round closed and had not kept their promise; whoever vetoed is
            /// not among them.
            pub fn missing(&self) -> impl ExactSizeIterator<Item = &EmitterRef> {
                self.0.missing()
            }

            /// Returns the names that the broker expects or its release requires, and that no member of the round bore.
            pub fn unfilled(&self) -> &[Arc<str>] {
                &self.0.unfilled
            }

            /// Waits until every consumer is done with the round, or its time for that is over, and returns how each
            /// of them fared.
            ///
            /// `emit` answers when the round closes; a slow consumer does not hold it up.
            pub async fn consumed(&self) -> Consumed {
                match &self.0.deliveries {
                    Some(deliveries) => deliveries.done(&self.0.directory.consumers).await,
                    None => Consumed::default(),
                }
            }
        }

        impl<P> Clone for $outcome<P> {
            fn clone(&self) -> Self {
                Self(self.0.clone())
            }
        }
    )*};
}

accounts!(Resolved, Cancelled);

impl<P> Resolved<P> {
    /// Whether the time was over before all promises were kept, and the policy is to deliver what there is.
    pub fn is_partial(&self) -> bool {
        self.0.verdict == Verdict::Resolved { partial: true }
    }
}

impl<P> Cancelled<P> {
    /// Returns why the round was cancelled.
    pub fn cause(&self) -> Cause {
        self.0.cause()
    }
}

impl<P> Outcome<P> {
    pub(crate) fn new(account: Arc<Account<P>>) -> Self {
        if account.verdict.is_resolved() {
            Self::Resolved(Resolved(account))
        } else {
            Self::Cancelled(Cancelled(account))
        }
    }

    pub(crate) fn account(&self) -> &Arc<Account<P>> {
        match self {
            Self::Resolved(Resolved(account)) | Self::Cancelled(Cancelled(account)) => account,
        }
    }

    /// Whether the promises were kept.
    pub fn is_resolved(&self) -> bool {
        matches!(self, Self::Resolved(_))
    }

    /// Whether the round was cancelled.
    pub fn is_cancelled(&self) -> bool {
        !self.is_resolved()
    }

    /// Returns the number of the round.
    pub fn round(&self) -> RoundId {
        self.account().round
    }

    /// Returns what the round was about; `None` for a round without a key.
    pub fn key(&self) -> Option<&RoundKey> {
        self.account().key.as_ref()
    }

    /// Returns how long the round was open.
    pub fn elapsed(&self) -> Duration {
        self.account().elapsed
    }

    /// Returns the payloads in the order of emission.
    pub fn payloads(&self) -> &[P] {
        &self.account().payloads
    }

    /// Returns what the emitter of this name has emitted, the first if several bear it; `None` if it has not.
    pub fn payload(&self, emitter: &str) -> Option<&P> {
        self.account().payload(emitter)
    }

    /// Returns the signals in the order of emission: who, when, what.
    pub fn signals(&self) -> impl ExactSizeIterator<Item = Signal<'_, P>> {
        self.account().signals()
    }

    /// Returns those who owed a signal when the round closed and had not kept their promise; whoever vetoed is not
    /// among them.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = &EmitterRef> {
        self.account().missing()
    }

    /// Returns the names that the broker expects or its release requires, and that no member of the round bore.
    pub fn unfilled(&self) -> &[Arc<str>] {
        &self.account().unfilled
    }

    /// Returns why the round was cancelled; `None` if it was not.
    pub fn cause(&self) -> Option<Cause> {
        self.is_cancelled().then(|| self.account().cause())
    }

    /// Returns the resolved round, or the cancelled one as an error, for `?`.
    ///
    /// # Errors
    ///
    /// The cancelled round, which says why and who is missing.
    pub fn into_result(self) -> Result<Resolved<P>, Cancelled<P>> {
        match self {
            Self::Resolved(resolved) => Ok(resolved),
            Self::Cancelled(cancelled) => Err(cancelled),
        }
    }

    /// Returns the resolved round, or `None`.
    pub fn resolved(self) -> Option<Resolved<P>> {
        match self {
            Self::Resolved(resolved) => Some(resolved),
            Self::Cancelled(_) => None,
        }
    }

    /// Returns the cancelled round, or `None`.
    pub fn cancelled(self) -> Option<Cancelled<P>> {
        match self {
            Self::Resolved(_) => None,
            Self::Cancelled(cancelled) => Some(cancelled),
        }
    }

    /// Waits until every consumer is done with the round, or its time for that is over, and returns how each of them
    /// fared.
    pub async fn consumed(&self) -> Consumed {
        match self {
            Self::Resolved(resolved) => resolved.consumed().await,
            Self::Cancelled(cancelled) => cancelled.consumed().await,
        }
    }
}

impl<P> Clone for Outcome<P> {
    fn clone(&self) -> Self {
        match self {
            Self::Resolved(resolved) => Self::Resolved(resolved.clone()),
            Self::Cancelled(cancelled) => Self::Cancelled(cancelled.clone()),
        }
    }
}

impl<P> fmt::Debug for Outcome<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolved(resolved) => resolved.fmt(f),
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl<P> fmt::Debug for Resolved<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Resolved");
        text.field("round", &self.0.round.0);
        if let Some(key) = self.key() {
            text.field("key", &format_args!("{key}"));
        }
        text.field("elapsed", &self.0.elapsed).field("signals", &self.signals().collect::<Vec<_>>());
        if self.is_partial() {
            text.field("missing", &Names(&self.0));
        }
        text.finish()
    }
}

/// An error as well, and shown as one.
impl<P> fmt::Debug for Cancelled<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<P> StdError for Cancelled<P> {}

impl<P> fmt::Display for Resolved<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { elapsed, kept, .. } = &*self.0;
        let title = self.0.title();
        let (count, s) = (kept.len(), if kept.len() == 1 { "" } else { "s" });
        write!(f, "{title} resolved after {} with {count} signal{s}", Brief(*elapsed))?;
        if self.is_partial() {
            let Account { missing, unfilled, .. } = &*self.0;
            f.write_str(", partial: ")?;
            if !missing.is_empty() || unfilled.is_empty() {
                write!(f, "missing {}", Names(&self.0))?;
            }
            if !unfilled.is_empty() {
                let then = if missing.is_empty() { "" } else { "; " };
                write!(f, "{then}no member named {}", joined(unfilled.iter().map(|name| &**name), ", "))?;
            }
        }
        Ok(())
    }
}

impl<P> fmt::Display for Cancelled<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { elapsed, missing, unfilled, kept, quorum, .. } = &*self.0;
        let title = self.0.title();
        let cause = self.cause();
        write!(f, "{title} cancelled after {}: ", Brief(*elapsed))?;
        cause.why(f)?;
        if let (Some(quorum), Cause::TimedOut { .. } | Cause::Idle { .. } | Cause::OutOfReach { .. }) = (quorum, &cause)
        {
            write!(f, " with {} of the {quorum} signals it needs", kept.len())?;
        }
        let named = usize::from(matches!(cause, Cause::Lost(_)));
        if missing.len() > named {
            write!(f, "; missing {}", Names(&self.0))?;
        }
        // Who is lost has left its name to nobody: that is said already.
        let is_told = |name: &str| match &cause {
            Cause::NoMember(_) => true,
            Cause::Lost(emitter) => *emitter.name == *name,
            _ => false,
        };
        let unfilled: Vec<_> = unfilled.iter().map(|name| &**name).filter(|name| !is_told(name)).collect();
        if !unfilled.is_empty() {
            write!(f, "; no member named {}", joined(unfilled, ", "))?;
        }
        Ok(())
    }
}

impl<P> fmt::Display for Outcome<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolved(resolved) => resolved.fmt(f),
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

/// Not what was emitted: that may be personal.
impl<P> fmt::Debug for Signal<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.emitter, self.at)
    }
}

/// An outcome, or one kind of it: what a consumer may ask for.
///
/// A consumer of [`Resolved`] hears only of resolved rounds, one of [`Cancelled`] only of cancelled ones, one of
/// [`Outcome`] of all.
pub trait FromOutcome<P>: Sized {
    /// Returns the outcome in this form, or `None` if it is not of this kind.
    fn from_outcome(outcome: &Outcome<P>) -> Option<Self>;
}

impl<P> FromOutcome<P> for Outcome<P> {
    fn from_outcome(outcome: &Outcome<P>) -> Option<Self> {
        Some(outcome.clone())
    }
}

impl<P> FromOutcome<P> for Resolved<P> {
    fn from_outcome(outcome: &Outcome<P>) -> Option<Self> {
        outcome.clone().resolved()
    }
}

impl<P> FromOutcome<P> for Cancelled<P> {
    fn from_outcome(outcome: &Outcome<P>) -> Option<Self> {
        outcome.clone().cancelled()
    }
}
