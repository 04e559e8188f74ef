//! What became of a round: one outcome, the same for everyone.
//!
//! `verdict of the round + names of the roster → Outcome → emitters, consumers, history`

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use super::account::{Account, Brief, Cause, EmitterRef, Names, Vetoed};
use super::consumed::Consumed;
use crate::base::{Handled, joined};
use crate::rounds::round::Verdict;
use crate::rounds::{BrokerId, RoundId, RoundKey};

/// The end of a round. Everyone who took part gets the same outcome.
///
/// An outcome is also a message: an actor that handles it can be a consumer. The same is true of [`Resolved`] and
/// [`Cancelled`].
#[derive(Message)]
#[rtype(result = "Handled")]
pub enum Outcome<P> {
    /// The promises that the round needed were kept in time.
    Resolved(Resolved<P>),
    /// The promises were not kept in time, or the round was vetoed or ended otherwise: see [`Cause`].
    Cancelled(Cancelled<P>),
}

/// A round whose promises were kept: its signals, their emitters, their order, and how long it took. Cloning it is
/// cheap.
#[derive(Message)]
#[rtype(result = "Handled")]
pub struct Resolved<P>(pub(crate) Arc<Account<P>>);

/// A round that was cancelled: the cause, the missing emitters, and the signals gathered so far. Cloning it is cheap.
#[derive(Message)]
#[rtype(result = "Handled")]
pub struct Cancelled<P>(pub(crate) Arc<Account<P>>);

/// A signal of a round.
pub struct Signal<'a, P> {
    /// The emitter of the signal.
    pub emitter: &'a EmitterRef,
    /// The time from the opening of the round to the signal.
    pub at: Duration,
    /// The payload that was emitted.
    pub payload: &'a P,
}

macro_rules! accounts {
    ($($outcome:ident),*) => {$(
        impl<P> $outcome<P> {
            /// Returns the number of the round.
            pub fn round(&self) -> RoundId {
                self.0.round
            }

            /// Returns the id of the round's broker.
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

            /// Returns the payload of the emitter with this name; the first one if several emitters have that name,
            /// `None` if none has emitted.
            pub fn payload(&self, emitter: &str) -> Option<&P> {
                self.0.payload(emitter)
            }

            /// Returns the signals in the order of emission, each with its emitter, its time and its payload.
            pub fn signals(&self) -> impl ExactSizeIterator<Item = Signal<'_, P>> {
                self.0.signals()
            }

            /// Returns the emitters that owed a signal when the round closed and had not kept their promise. An emitter
            /// that vetoed is not among them.
            pub fn missing(&self) -> impl ExactSizeIterator<Item = &EmitterRef> {
                self.0.look();
                self.0.missing()
            }

            /// Returns the names that the broker expects or its release requires, and that no member of the round had.
            pub fn unfilled(&self) -> &[Arc<str>] {
                self.0.look();
                &self.0.unfilled
            }

            /// Returns the vetoes that the broker's [`on_veto`](crate::Broker::on_veto) tolerated, in the order in which
            /// they came. The veto that cancelled a round is not among them: it is the round's cause.
            pub fn vetoes(&self) -> &[Vetoed] {
                &self.0.vetoes
            }

            /// Waits until every consumer has finished with the round or run out of time, and returns how the consumers
            /// fared.
            ///
            /// `emit` returns when the round closes; a slow consumer does not delay it.
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
    /// Returns whether the time was over before all promises were kept, and the broker's policy delivered what there
    /// was.
    pub fn is_partial(&self) -> bool {
        self.0.verdict == Verdict::Resolved { partial: true }
    }
}

impl<P> Cancelled<P> {
    /// Returns why the round was cancelled.
    pub fn cause(&self) -> Cause {
        self.0.look();
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

    /// Returns whether the round was resolved.
    pub fn is_resolved(&self) -> bool {
        let resolved = matches!(self, Self::Resolved(_));
        if !resolved {
            self.account().look();
        }
        resolved
    }

    /// Returns whether the round was cancelled.
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

    /// Returns the payload of the emitter with this name; the first one if several emitters have that name, `None` if
    /// none has emitted.
    pub fn payload(&self, emitter: &str) -> Option<&P> {
        self.account().payload(emitter)
    }

    /// Returns the signals in the order of emission, each with its emitter, its time and its payload.
    pub fn signals(&self) -> impl ExactSizeIterator<Item = Signal<'_, P>> {
        self.account().signals()
    }

    /// Returns the emitters that owed a signal when the round closed and had not kept their promise. An emitter that
    /// vetoed is not among them.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = &EmitterRef> {
        self.account().look();
        self.account().missing()
    }

    /// Returns the names that the broker expects or its release requires, and that no member of the round had.
    pub fn unfilled(&self) -> &[Arc<str>] {
        self.account().look();
        &self.account().unfilled
    }

    /// Returns the vetoes that the broker's [`on_veto`](crate::Broker::on_veto) tolerated, in the order in which they
    /// came. The veto that cancelled a round is not among them: it is the round's cause.
    pub fn vetoes(&self) -> &[Vetoed] {
        &self.account().vetoes
    }

    /// Returns why the round was cancelled; `None` if it was not.
    pub fn cause(&self) -> Option<Cause> {
        self.is_cancelled().then(|| self.account().cause())
    }

    /// Converts the outcome into a `Result`, for use with `?`.
    ///
    /// # Errors
    ///
    /// Returns the cancelled round, with its cause and the missing emitters.
    pub fn into_result(self) -> Result<Resolved<P>, Cancelled<P>> {
        match self {
            Self::Resolved(resolved) => Ok(resolved),
            Self::Cancelled(cancelled) => Err(cancelled),
        }
    }

    /// Returns the resolved round; `None` if the round was cancelled.
    pub fn resolved(self) -> Option<Resolved<P>> {
        match self {
            Self::Resolved(resolved) => Some(resolved),
            Self::Cancelled(_) => None,
        }
    }

    /// Returns the cancelled round; `None` if the round was resolved.
    pub fn cancelled(self) -> Option<Cancelled<P>> {
        match self {
            Self::Resolved(_) => None,
            Self::Cancelled(cancelled) => Some(cancelled),
        }
    }

    /// Waits until every consumer has finished with the round or run out of time, and returns how the consumers fared.
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
        if !self.0.vetoes.is_empty() {
            text.field("vetoes", &self.0.vetoes);
        }
        text.finish()
    }
}

/// Shows it as an error, which it also is.
impl<P> fmt::Debug for Cancelled<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<P> StdError for Cancelled<P> {}

impl<P> fmt::Display for Resolved<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Otherwise it names nobody.
        if self.is_partial() {
            self.0.look();
        }
        self.show(f)
    }
}

impl<P> Resolved<P> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { elapsed, kept, .. } = &*self.0;
        let title = self.0.title();
        let (count, s) = (kept.len(), if kept.len() == 1 { "" } else { "s" });
        write!(f, "{title} resolved after {} with {count} signal{s}", Brief(*elapsed))?;
        if self.is_partial() {
            let Account { missing, unfilled, .. } = &*self.0;
            f.write_str(", partial")?;
            if !missing.is_empty() {
                write!(f, ": missing {}", Names(&self.0))?;
            }
            if !unfilled.is_empty() {
                let then = if missing.is_empty() { ": " } else { "; " };
                write!(f, "{then}no member named {}", joined(unfilled.iter().map(|name| &**name), ", "))?;
            }
        }
        self.0.vetoes.iter().try_for_each(|veto| write!(f, "; vetoed by {veto}"))
    }
}

impl<P> fmt::Display for Cancelled<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.look();
        self.show(f)
    }
}

impl<P> Cancelled<P> {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Account { elapsed, missing, unfilled, kept, quorum, .. } = &*self.0;
        let title = self.0.title();
        let cause = self.0.cause();
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
        let before = if matches!(cause, Cause::Vetoed { .. }) { "before that " } else { "" };
        self.0.vetoes.iter().try_for_each(|veto| write!(f, "; {before}vetoed by {veto}"))
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

/// An outcome as it is logged, which is no look of a test.
pub(crate) struct Logged<'a, P>(pub(crate) &'a Outcome<P>);

impl<P> fmt::Display for Logged<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::Resolved(resolved) => resolved.show(f),
            Outcome::Cancelled(cancelled) => cancelled.show(f),
        }
    }
}

/// Omits the payload, which may be personal.
impl<P> fmt::Debug for Signal<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.emitter, self.at)
    }
}

/// The types in which a consumer can take an outcome.
///
/// A consumer of [`Resolved`] hears only of resolved rounds, a consumer of [`Cancelled`] only of cancelled ones, and a
/// consumer of [`Outcome`] of all.
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
