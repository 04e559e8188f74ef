//! What a broker may be told: when a round is released, when it closes, and what happens to whoever comes late,
//! comes twice, or does not come. Each is a value given to the broker's builder; the first variant is the default.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::gathered::Gathered;
#[cfg(feature = "testing")]
use crate::base::{Of, note};
use crate::rounds::ConfigError;

/// The condition under which a round has the signals that it needs. You create one with an associated function.
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
pub(crate) struct When<P> {
    predicate: Arc<Predicate<P>>,
    title: Option<Arc<Title<P>>>,
}

/// By what other processes know a predicate.
struct Title<P> {
    name: Arc<str>,
    version: u32,
    /// Which are kept for rounds that were opened by them.
    older: Vec<(u32, When<P>)>,
}

type Predicate<P> = dyn Fn(&Gathered<'_, P>) -> bool + Send + Sync;

impl<P> When<P> {
    pub(super) fn call(&self, gathered: &Gathered<'_, P>) -> bool {
        #[cfg(feature = "testing")]
        let _noted = NotedIfPanicking;
        (self.predicate)(gathered)
    }
}

/// Notes for a test that a predicate has panicked.
#[cfg(feature = "testing")]
struct NotedIfPanicking;

#[cfg(feature = "testing")]
impl Drop for NotedIfPanicking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            note(Of::Predicate, Some(&"a predicate".into()), "", || {
                "the predicate of `Release::when` panicked".to_owned()
            });
        }
    }
}

impl<P> When<P> {
    /// Its name and its version, if it has them.
    pub(crate) fn title(&self) -> Option<(&Arc<str>, u32)> {
        self.title.as_ref().map(|title| (&title.name, title.version))
    }

    /// All that there are of its name, by their versions.
    pub(crate) fn versions(&self) -> Vec<(Arc<str>, u32, Self)> {
        let Some(title) = &self.title else { return Vec::new() };
        let mut versions = vec![(title.name.clone(), title.version, self.clone())];
        versions.extend(title.older.iter().map(|(version, when)| (title.name.clone(), *version, when.clone())));
        versions
    }
}

impl<P> Clone for When<P> {
    fn clone(&self) -> Self {
        Self { predicate: self.predicate.clone(), title: self.title.clone() }
    }
}

impl<P> Release<P> {
    /// Requires a signal of every emitter that has joined, and of every name that the broker
    /// [`expects`](crate::Broker::expects). This is the default.
    ///
    /// Without expected names, a round does not wait for an emitter that has not joined or is gone. An emitter whose
    /// actor panicked before the round opened is not missed.
    pub fn all() -> Self {
        Self(Needed::All)
    }

    /// Requires signals of this number of emitters, whichever they are. Zero is [`ConfigError::ZeroQuorum`].
    pub fn at_least(emitters: usize) -> Self {
        Self(Needed::AtLeast(emitters))
    }

    /// Requires a signal of at least one emitter for each of these names. Signals of other emitters do not matter. An
    /// empty list is [`ConfigError::NothingRequired`].
    pub fn required<S: Into<Arc<str>>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut seen = HashSet::new();
        let names = names.into_iter().map(Into::into);
        Self(Needed::Names(names.filter(|name| seen.insert(name.clone())).collect()))
    }

    /// Requires that this predicate returns `true`. It runs in the session after each signal and each tolerated veto, when
    /// an emitter has left or is lost, and when time is over. If it panics, the session is lost and the round is
    /// cancelled. It must not wait for the round itself.
    ///
    /// The predicate sees who has answered, by name, and how much those weigh who have kept their promise: see
    /// [`Gathered`].
    ///
    /// It sees what the pledges of the round see. [`Pledge::subject`](crate::Pledge::subject) and
    /// [`so_far`](crate::Pledge::so_far) of such a pledge panic in it.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::{Broker, Release};
    /// use std::time::Duration;
    ///
    /// let _weighs_enough = Broker::<u32>::new(Duration::from_secs(1))
    ///     .release(Release::when(|gathered| gathered.payloads().iter().sum::<u32>() >= 100));
    /// let _the_chair_or_both_deputies = Broker::<u32>::new(Duration::from_secs(1)).release(Release::when(|gathered| {
    ///     gathered.kept("chair") || gathered.kept("first deputy") && gathered.kept("second deputy")
    /// }));
    /// ```
    pub fn when(predicate: impl Fn(&Gathered<'_, P>) -> bool + Send + Sync + 'static) -> Self {
        Self(Needed::When(When { predicate: Arc::new(predicate), title: None }))
    }

    /// Requires that this predicate returns `true`, as [`when`](Self::when) does, and gives it a name and a version by which
    /// the processes of a durable broker know it: each of them that decides a round has the predicate of that name.
    ///
    /// Give another version to a predicate that decides otherwise, and keep the old one with [`also`](Self::also) for the rounds
    /// that are open.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::{Broker, Release};
    /// use std::time::Duration;
    ///
    /// let _approvals = Broker::<u32>::new(Duration::from_secs(3600)).release(
    ///     Release::when_named("quorum", 2, |gathered| gathered.payloads().len() >= 3)
    ///         .also(1, |gathered| gathered.payloads().len() >= 2),
    /// );
    /// ```
    pub fn when_named(
        name: impl Into<Arc<str>>,
        version: u32,
        predicate: impl Fn(&Gathered<'_, P>) -> bool + Send + Sync + 'static,
    ) -> Self {
        let title = Title { name: name.into(), version, older: Vec::new() };
        Self(Needed::When(When { predicate: Arc::new(predicate), title: Some(Arc::new(title)) }))
    }

    /// Keeps another version of a predicate that has a name, for the rounds that were opened by it. Behind another release than
    /// [`when_named`](Self::when_named) it is a [`ConfigError`].
    pub fn also(self, version: u32, predicate: impl Fn(&Gathered<'_, P>) -> bool + Send + Sync + 'static) -> Self {
        let older = (version, When { predicate: Arc::new(predicate), title: None });
        let Needed::When(When { predicate, title: Some(title) }) = self.0 else {
            let title = Title { name: "".into(), version, older: Vec::new() };
            return Self(Needed::When(When { predicate: older.1.predicate, title: Some(Arc::new(title)) }));
        };
        let mut versions = title.older.clone();
        versions.push(older);
        let title = Title { name: title.name.clone(), version: title.version, older: versions };
        Self(Needed::When(When { predicate, title: Some(Arc::new(title)) }))
    }
}

impl<P> Needed<P> {
    /// Whether it asks who the emitters of a round are.
    pub(crate) fn asks_who(&self) -> bool {
        matches!(self, Self::When(_))
    }

    fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::AtLeast(0) => Err(ConfigError::ZeroQuorum),
            Self::Names(names) if names.is_empty() => Err(ConfigError::NothingRequired),
            Self::When(When { title: Some(title), .. }) if title.name.is_empty() => Err(ConfigError::NamelessVersion),
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
            Self::When(when) => Self::When(when.clone()),
        }
    }
}

/// Shows the release as you write it in code.
impl<P> fmt::Debug for Release<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Needed::All => f.write_str("all()"),
            Needed::AtLeast(quorum) => write!(f, "at_least({quorum})"),
            Needed::Names(names) => write!(f, "required({names:?})"),
            Needed::When(When { title: Some(title), .. }) => {
                write!(f, "when_named({:?}, {}, …)", title.name, title.version)
            }
            Needed::When(_) => f.write_str("when(…)"),
        }
    }
}

/// The time at which a released round closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Close {
    /// The round closes as soon as it is released. The default.
    #[default]
    Released,
    /// The round closes at its deadline, so that signals which come after its release still count.
    Deadline,
}

/// The rounds in which an emitter takes part that joins while rounds are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateJoin {
    /// The emitter takes part in the open rounds, which wait for it as well. The default.
    #[default]
    ThisRound,
    /// The emitter takes part from the next round on. A signal that it emits before waits for that round.
    NextRound,
    /// The emitter cannot join: joining while a round is open is an error.
    Rejected,
}

/// The treatment of an emitter's second signal in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatEmit {
    /// The second signal is refused with an error; the first one stays. The default.
    #[default]
    Rejected,
    /// The second signal replaces the first one, and becomes the last in the order of emission.
    Replaces,
    /// The second signal waits and opens the next round.
    NextRound,
}

/// The treatment of a round whose time is over before it is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// The round is cancelled. The cause names the missing emitters. The default.
    #[default]
    Cancel,
    /// The signals gathered so far are delivered as a resolved round that is marked as partial.
    DeliverPartial,
}

/// The treatment of a round when an emitter that still owes it a signal is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLost {
    /// The round is cancelled at once. The default.
    #[default]
    Cancel,
    /// The round goes on without that emitter.
    Shrink,
    /// The round waits until its deadline. An emitter that joins with the same id takes over the promise.
    Wait,
}

/// The treatment of an emitter's veto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnVeto {
    /// The round is cancelled at once. The default.
    #[default]
    Cancel,
    /// The round goes on with up to this number of vetoes; one more cancels it. Zero is the same as `Cancel`.
    Tolerate(usize),
    /// The round goes on as long as its vetoes are at most this percentage of its parties; one more cancels it. Zero is
    /// the same as `Cancel`, and more than 100 is [`ConfigError::ShareTooLarge`].
    ///
    /// The parties of a round are its emitters, without those that have left or were lost, and the
    /// [expected](crate::Broker::expects) names, each of which counts once, whether nobody, one or several have it. A
    /// veto is measured by the parties that there are when it comes: who joins or leaves later does not change that.
    TolerateShare(u8),
}

impl OnVeto {
    /// Whether a round goes on that has so many vetoes.
    pub(super) fn tolerates(self, vetoes: usize, parties: impl FnOnce() -> usize) -> bool {
        match self {
            Self::Cancel => false,
            Self::Tolerate(most) => vetoes <= most,
            Self::TolerateShare(percent) => vetoes.saturating_mul(100) <= parties().saturating_mul(percent.into()),
        }
    }
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
    pub(crate) on_veto: OnVeto,
    /// How far beyond its first deadline heartbeats may carry an emitter.
    pub(crate) max_heartbeat: Duration,
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
            on_veto: OnVeto::default(),
            max_heartbeat: Duration::MAX,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.timeout.is_zero() || self.idle.is_some_and(|idle| idle.is_zero()) {
            return Err(ConfigError::ZeroTimeout);
        }
        if matches!(self.on_veto, OnVeto::TolerateShare(101..)) {
            return Err(ConfigError::ShareTooLarge);
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
