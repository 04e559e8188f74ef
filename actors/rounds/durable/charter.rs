//! The rules of a broker as they stand in a row: whoever reads them can decide, but for a predicate, which is code.
//!
//! `Rules → Charter → JSON → any process → Charter → Rules`

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Shown;
use crate::rounds::ConfigError;
use crate::rounds::round::{Close, LateJoin, Needed, OnLost, OnTimeout, OnVeto, RepeatEmit, Rules, When};

/// What becomes of a signal of a durable broker for whose key no round is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Early {
    /// It opens the round. The default.
    #[default]
    Opens,
    /// It waits for somebody who opens the round, for so long. When nobody does, it is refused.
    Waits(Duration),
    /// It is refused: somebody opens each round.
    Rejected,
}

/// The rules of a broker, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charter {
    /// Microseconds.
    timeout: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    idle: Option<u64>,
    release: Needs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    expects: Vec<Arc<str>>,
    #[serde(default, skip_serializing_if = "is_default")]
    close: Close,
    #[serde(default, skip_serializing_if = "is_default")]
    repeat: RepeatEmit,
    #[serde(default, skip_serializing_if = "is_default")]
    on_timeout: OnTimeout,
    #[serde(default, skip_serializing_if = "is_default")]
    on_veto: OnVeto,
    #[serde(default = "waits", skip_serializing_if = "is_wait")]
    on_lost: OnLost,
    /// Microseconds; `None` for as long as the round is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_heartbeat: Option<u64>,
    #[serde(default, skip_serializing_if = "is_default")]
    early: Early,
    /// Who may abort a round; nobody for anyone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    aborted_by: Vec<Arc<str>>,
    /// Microseconds.
    late_window: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A party that is lost may come back, in this process or another.
fn waits() -> OnLost {
    OnLost::Wait
}

fn is_wait(on_lost: &OnLost) -> bool {
    *on_lost == OnLost::Wait
}

/// A release, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Needs {
    All,
    AtLeast(usize),
    Required(Vec<Arc<str>>),
    Named(Arc<str>, u32),
}

/// Why the rules of a broker are none for a durable one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CharterError {
    /// They contain an error.
    Config(ConfigError),
    /// The release is `Release::all`, and nobody is expected.
    NobodyExpected,
    /// The predicate has no name.
    NamelessPredicate,
    /// This policy is none of durable rounds.
    Policy(&'static str),
}

impl fmt::Display for CharterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::NobodyExpected => f.write_str(
                "a durable round that needs all of its parties has to know them, for a process that is away is nobody's absence: \
                 name them with `expects`, or choose another release",
            ),
            Self::NamelessPredicate => f.write_str(
                "another process knows a predicate by its name: write `Release::when_named(\"quorum\", 1, …)` in place of `when`",
            ),
            Self::Policy(policy) => write!(f, "{policy}"),
        }
    }
}

impl std::error::Error for CharterError {}

impl Charter {
    /// Writes the rules of a broker as data.
    ///
    /// # Errors
    ///
    /// Says why they are none of a durable one.
    pub(crate) fn of<P>(
        rules: &Rules<P>,
        late_window: Option<Duration>,
        on_lost: OnLost,
        early: Early,
    ) -> Result<Self, CharterError> {
        let Rules { timeout, idle, release, expected, close, late_join, repeat, on_timeout, on_veto, .. } = rules;
        let release = match release {
            Needed::All if expected.is_empty() => return Err(CharterError::NobodyExpected),
            Needed::All => Needs::All,
            Needed::AtLeast(quorum) => Needs::AtLeast(*quorum),
            Needed::Names(names) => Needs::Required(names.to_vec()),
            Needed::When(when) => {
                let (name, version) = when.title().ok_or(CharterError::NamelessPredicate)?;
                Needs::Named(name.clone(), version)
            }
        };
        if *repeat == RepeatEmit::NextRound && early != Early::Opens {
            return Err(CharterError::Policy(
                "`RepeatEmit::NextRound` has a signal open the next round, and `early` says that somebody else opens each: choose one of them",
            ));
        }
        if *late_join != LateJoin::ThisRound {
            return Err(CharterError::Policy(
                "the parties of a durable round are names, and join none: leave `late_join` out, and name those with `expects` who \
                 take part",
            ));
        }
        let window = late_window.unwrap_or(*timeout);
        Ok(Self {
            timeout: micros(*timeout),
            idle: idle.map(micros),
            release,
            expects: expected.to_vec(),
            close: *close,
            repeat: *repeat,
            on_timeout: *on_timeout,
            on_veto: *on_veto,
            on_lost,
            aborted_by: Vec::new(),
            max_heartbeat: (rules.max_heartbeat != Duration::MAX).then(|| micros(rules.max_heartbeat)),
            early,
            late_window: micros(window),
        })
    }

    /// Reads the rules of a row.
    ///
    /// # Errors
    ///
    /// If a later program has written them.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Writes them: the same text for the same rules.
    pub fn to_text(&self) -> String {
        // It has nothing that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Returns what becomes of a signal for which no round is open.
    pub fn early(&self) -> Early {
        self.early
    }

    /// Returns how long after the end of a round a signal of it is late, in microseconds.
    pub fn late_window(&self) -> u64 {
        self.late_window
    }

    /// Has these alone abort rounds, or anyone if there are none.
    pub fn aborted_by(mut self, names: Vec<Arc<str>>) -> Self {
        self.aborted_by = names;
        self
    }

    /// Returns who alone may abort a round; nobody if anyone may.
    pub fn who_aborts(&self) -> &[Arc<str>] {
        &self.aborted_by
    }

    /// Says what releases a round, for a person.
    pub fn released_by(&self) -> String {
        let names = |names: &[Arc<str>]| {
            names.iter().map(|name| format!("`{}`", Shown::name(name))).collect::<Vec<_>>().join(", ")
        };
        match &self.release {
            Needs::All => format!("all of {}", names(&self.expects)),
            Needs::AtLeast(1) => "one signal".to_owned(),
            Needs::AtLeast(quorum) => format!("{quorum} signals"),
            Needs::Required(required) => format!("the signals of {}", names(required)),
            Needs::Named(name, version) => format!("the rule `{}` of version {version}", Shown::name(name)),
        }
    }

    /// Whether somebody of this name, or somebody without a name, may abort a round.
    pub fn may_abort(&self, by: Option<&str>) -> bool {
        self.aborted_by.is_empty() || by.is_some_and(|by| self.aborted_by.iter().any(|name| **name == *by))
    }

    /// Returns how long a round is open at most, in microseconds.
    pub fn timeout(&self) -> u64 {
        self.timeout
    }

    /// Returns when a round ends by itself that opened then and has had its last signal then, in microseconds.
    pub fn end_of(&self, opened: i64, last: i64) -> i64 {
        let after = |from: i64, wait: u64| from.saturating_add(wait.try_into().unwrap_or(i64::MAX));
        let idle = self.idle.map_or(i64::MAX, |idle| after(last.max(opened), idle));
        after(opened, self.timeout).min(idle)
    }

    /// Returns the name and the version of the predicate by which rounds are released, if it is one.
    pub fn predicate(&self) -> Option<(&str, u32)> {
        match &self.release {
            Needs::Named(name, version) => Some((name, *version)),
            _ => None,
        }
    }

    /// Whether a second signal of a party waits for the next round.
    pub fn defers(&self) -> bool {
        self.repeat == RepeatEmit::NextRound
    }

    /// Whether a second signal of a party replaces the first.
    pub fn replaces(&self) -> bool {
        self.repeat == RepeatEmit::Replaces
    }

    /// Whether this name may take part.
    pub fn knows(&self, name: &str) -> bool {
        self.expects.is_empty() || self.parties().any(|party| **party == *name)
    }

    /// Those that owe a signal from the beginning, each once.
    pub(super) fn parties(&self) -> impl Iterator<Item = &Arc<str>> {
        let required = match &self.release {
            Needs::Required(names) => &names[..],
            _ => &[],
        };
        self.expects.iter().chain(required.iter().filter(|name| !self.expects.contains(name)))
    }

    /// Which of the required names this is.
    pub(super) fn required(&self, name: &str) -> Option<u32> {
        match &self.release {
            Needs::Required(names) => (0..).zip(names).find(|(_, other)| ***other == *name).map(|(place, _)| place),
            _ => None,
        }
    }

    /// How many signals it takes, if that is a number.
    pub(super) fn quorum(&self) -> Option<usize> {
        match self.release {
            Needs::AtLeast(quorum) => Some(quorum),
            _ => None,
        }
    }

    /// The rules by which a round decides. Names stand for parties, so nobody is expected beside them; where they are known
    /// nobody else joins, and what is out of reach is so at once.
    pub(super) fn rules<P>(&self, predicate: Option<When<P>>) -> Rc<Rules<P>> {
        let mut rules = Rules::new(Duration::from_micros(self.timeout));
        rules.idle = self.idle.map(Duration::from_micros);
        rules.release = match (&self.release, predicate) {
            (Needs::Named(..), Some(when)) => Needed::When(when),
            (Needs::Named(..), None) | (Needs::All, _) => Needed::All,
            (Needs::AtLeast(quorum), _) => Needed::AtLeast(*quorum),
            (Needs::Required(names), _) => Needed::Names(names[..].into()),
        };
        rules.close = self.close;
        rules.late_join = if self.expects.is_empty() { LateJoin::ThisRound } else { LateJoin::NextRound };
        rules.repeat = self.repeat;
        rules.on_timeout = self.on_timeout;
        rules.on_veto = self.on_veto;
        rules.on_lost = self.on_lost;
        rules.max_heartbeat = self.max_heartbeat.map_or(Duration::MAX, Duration::from_micros);
        Rc::new(rules)
    }
}

/// Shows it as a person would say it.
impl fmt::Display for Charter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown::text(&self.to_text()))
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}
