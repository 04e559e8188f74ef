//! What a broker may be told: when a round is released, when it closes, and what happens to whoever comes late,
//! comes twice, or does not come. Each is a value given to the broker's builder; the first variant is the default.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::rounds::ConfigError;

/// When a round has what it needs: made by one of its functions.
///
/// ```
/// use convoke_actors::{Broker, Release};
/// use std::time::Duration;
///
/// let _any_two = Broker::<u32>::new(Duration::from_secs(1)).release(Release::at_least(2));
/// let _these_two = Broker::<u32>::new(Duration::from_secs(1)).release(Release::required(["stock", "payment"]));
/// ```
pub struct Release<P>(pub(crate) Needed<P>);

/// What [`Release`] is made of.
pub(crate) enum Needed<P> {
    All,
    AtLeast(usize),
    /// At least one of each of these names, each once.
    Names(Arc<[Arc<str>]>),
    When(When<P>),
}

/// The predicate of [`Release::when`].
pub(crate) struct When<P>(Arc<Predicate<P>>);

type Predicate<P> = dyn Fn(&Gathered<'_, P>) -> bool + Send + Sync;

impl<P> When<P> {
    pub(super) fn call(&self, gathered: &Gathered<'_, P>) -> bool {
        (self.0)(gathered)
    }
}

impl<P> Release<P> {
    /// All who have joined have kept their promise, and every name that the broker [`expects`](crate::Broker::expects). The
    /// default.
    ///
    /// Without names a round waits for nobody who has not joined, or who is gone: a party whose actor has panicked before
    /// the round opened is not missed.
    pub fn all() -> Self {
        Self(Needed::All)
    }

    /// So many emitters have kept theirs, whichever they are. Zero is [`ConfigError::ZeroQuorum`].
    pub fn at_least(emitters: usize) -> Self {
        Self(Needed::AtLeast(emitters))
    }

    /// At least one emitter of each of these names has kept its promise; who else has does not matter. No name is
    /// [`ConfigError::NothingRequired`].
    pub fn required<S: Into<Arc<str>>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut seen = HashSet::new();
        let names = names.into_iter().map(Into::into);
        Self(Needed::Names(names.filter(|name| seen.insert(name.clone())).collect()))
    }

    /// The predicate says so. It runs in the session after each signal; when it panics, the session is lost and the round is
    /// cancelled. It must not wait for the round itself, nor look at a pledge of it.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::{Broker, Release};
    /// use std::time::Duration;
    ///
    /// let _weighs_enough = Broker::<u32>::new(Duration::from_secs(1))
    ///     .release(Release::when(|gathered| gathered.payloads().iter().sum::<u32>() >= 100));
    /// ```
    pub fn when(predicate: impl Fn(&Gathered<'_, P>) -> bool + Send + Sync + 'static) -> Self {
        Self(Needed::When(When(Arc::new(predicate))))
    }
}

impl<P> Needed<P> {
    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::AtLeast(0) => Err(ConfigError::ZeroQuorum),
            Self::Names(names) if names.is_empty() => Err(ConfigError::NothingRequired),
            _ => Ok(()),
        }
    }
}

impl<P> Default for Release<P> {
    fn default() -> Self {
        Self::all()
    }
}

impl<P> Clone for Release<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P> Clone for Needed<P> {
    fn clone(&self) -> Self {
        match self {
            Self::All => Self::All,
            Self::AtLeast(quorum) => Self::AtLeast(*quorum),
            Self::Names(names) => Self::Names(names.clone()),
            Self::When(When(predicate)) => Self::When(When(predicate.clone())),
        }
    }
}

/// As it is written.
impl<P> fmt::Debug for Release<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Needed::All => f.write_str("all()"),
            Needed::AtLeast(quorum) => write!(f, "at_least({quorum})"),
            Needed::Names(names) => write!(f, "required({names:?})"),
            Needed::When(_) => f.write_str("when(…)"),
        }
    }
}

/// A round on its way, as the predicate of [`Release::when`](crate::Release::when) sees it.
pub struct Gathered<'a, P> {
    payloads: &'a [P],
    owing: usize,
    elapsed: Duration,
}

impl<'a, P> Gathered<'a, P> {
    pub(crate) fn new(payloads: &'a [P], owing: usize, elapsed: Duration) -> Self {
        Self { payloads, owing, elapsed }
    }

    /// Returns the payloads so far, in the order of emission.
    pub fn payloads(&self) -> &'a [P] {
        self.payloads
    }

    /// Returns how many have not kept their promise yet: emitters, and [expected](crate::Broker::expects) names, each of which
    /// counts once.
    pub fn owing(&self) -> usize {
        self.owing
    }

    /// Returns the time since the round opened.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

/// Not what was emitted, only how much: it may be personal.
impl<P> fmt::Debug for Gathered<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").field("payloads", &self.payloads.len()).field("owing", &self.owing).finish()
    }
}

/// When a released round closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Close {
    /// As soon as it is released. The default.
    #[default]
    Released,
    /// At its deadline, so that further signals still count.
    Deadline,
}

/// What an emitter that joins while rounds are open takes part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateJoin {
    /// The open rounds, which wait for it as well. The default.
    #[default]
    ThisRound,
    /// The next round; what it emits before waits for that.
    NextRound,
    /// None: joining while a round is open is an error.
    Rejected,
}

/// What becomes of an emitter's second signal in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatEmit {
    /// It is an error; the first stays. The default.
    #[default]
    Rejected,
    /// It takes the place of the first, and its turn in the order is now.
    Replaces,
    /// It waits and opens the next round.
    NextRound,
}

/// What becomes of a round whose time is over before it is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// It is cancelled, naming who is missing. The default.
    #[default]
    Cancel,
    /// What was gathered is delivered, marked as partial.
    DeliverPartial,
}

/// What becomes of a round when an emitter is lost that still owes it a signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLost {
    /// It is cancelled at once. The default.
    #[default]
    Cancel,
    /// It goes on without that emitter.
    Shrink,
    /// It waits until its deadline: an emitter that joins with the same id takes up the promise.
    Wait,
}

/// Everything a round goes by.
pub(crate) struct Rules<P> {
    pub(crate) timeout: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) release: Needed<P>,
    /// The names of those who have to be there.
    pub(crate) expected: Arc<[Arc<str>]>,
    pub(crate) close: Close,
    pub(crate) late_join: LateJoin,
    pub(crate) repeat: RepeatEmit,
    pub(crate) on_timeout: OnTimeout,
    pub(crate) on_lost: OnLost,
}

impl<P> Clone for Rules<P> {
    fn clone(&self) -> Self {
        Self { release: self.release.clone(), expected: self.expected.clone(), ..*self }
    }
}

impl<P> Rules<P> {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            idle: None,
            release: Needed::All,
            expected: Arc::default(),
            close: Close::default(),
            late_join: LateJoin::default(),
            repeat: RepeatEmit::default(),
            on_timeout: OnTimeout::default(),
            on_lost: OnLost::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.timeout.is_zero() || self.idle.is_some_and(|idle| idle.is_zero()) {
            return Err(ConfigError::ZeroTimeout);
        }
        self.release.check()?;
        let mut seen = HashSet::new();
        for name in &*self.expected {
            if name.is_empty() {
                return Err(ConfigError::EmptyName);
            }
            if !seen.insert(name) {
                return Err(ConfigError::DoubledName);
            }
        }
        Ok(())
    }
}
