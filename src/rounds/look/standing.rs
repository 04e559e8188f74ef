//! A round of a durable broker, as somebody looks at it.
//!
//! `Kept (its rows, or its outcome) → a course → DurableRound`

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::__private::rounds::{Charter, Course, Ending, Kind, PartyTerms};
use crate::durable::key;
use crate::durable::running::{Law, id, replay, since};
use crate::durable::store::{Kept, Party, Past, Round, Row, Stage};
use crate::{BrokerId, Payload, RoundId, RoundKey};

/// A round of a durable broker, as somebody looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DurableRound {
    /// The number of the round.
    pub round: RoundId,
    /// What it is about; `None` for a round without a key.
    pub key: Option<RoundKey>,
    /// How it is.
    pub state: DurableState,
    /// When it opened, or since when it is awaited.
    pub opened: SystemTime,
    /// When its next deadline is, or when it closed.
    pub due: SystemTime,
    /// Who has kept the promise, in the order of the signals.
    pub kept: Vec<Arc<str>>,
    /// Who has not, as far as that is known.
    pub missing: Vec<Arc<str>>,
    /// What releases it, as in ``all of `legal`, `finance` ``: for a person. `None` if it is over, or goes by rules of a later program.
    pub release: Option<String>,
    /// Who alone may abort it; nobody if anyone may.
    pub aborted_by: Vec<Arc<str>>,
}

/// How a round of a durable broker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurableState {
    /// Signals wait for it to be opened.
    Awaited,
    /// It is open.
    Open,
    /// It cannot be decided, for this reason, until somebody [retries](crate::Durable::retry) or [aborts](crate::Durable::abort) it.
    Aside(String),
    /// It was resolved.
    Resolved,
    /// It was cancelled, for this reason.
    Cancelled(String),
}

/// What a party has said of itself, in whatever process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DurableParty {
    /// The name of the party.
    pub name: Arc<str>,
    /// How long it has for its signal, from the opening of a round on; `None` if only the timeout of the round applies.
    pub deadline: Option<Duration>,
    /// Whether it can be asked for its signal, in a process that has it.
    pub is_asked: bool,
}

impl DurableParty {
    pub(in crate::durable) fn of(party: Party) -> Self {
        let terms = PartyTerms::read(&party.terms).unwrap_or_default();
        Self { name: party.name, deadline: terms.time(), is_asked: party.asked }
    }
}

/// By what somebody sees rounds.
pub(in crate::durable) struct Seeing<'a, P> {
    pub(in crate::durable) broker: &'a BrokerId,
    pub(in crate::durable) law: &'a Law<P>,
}

impl<P: Payload + DeserializeOwned> Seeing<'_, P> {
    pub(in crate::durable) fn describe(&self, kept: Kept) -> DurableRound {
        match kept {
            Kept::Over(past) => self.over(past),
            Kept::Open(round, rules, rows) => self.open(&round, &rules, &rows),
        }
    }

    fn over(&self, past: Past) -> DurableRound {
        let ending = Ending::read(&past.outcome).ok();
        let names = |ending: &Ending| ending.signals.iter().map(|sign| sign.name.clone()).collect();
        let opened = ending.as_ref().map_or(past.closed_at, |ending| ending.opened);
        let cause = || {
            let cause = ending.as_ref().map(|ending| ending.cause(self.broker));
            cause.unwrap_or_else(|| "its outcome cannot be read".to_owned())
        };
        DurableRound {
            round: id(past.id),
            key: key::read(&past.key),
            state: if past.resolved { DurableState::Resolved } else { DurableState::Cancelled(cause()) },
            opened: time(opened),
            due: time(past.closed_at),
            kept: ending.as_ref().map(names).unwrap_or_default(),
            missing: ending.as_ref().map(|ending| ending.missing.clone()).unwrap_or_default(),
            release: None,
            aborted_by: Vec::new(),
        }
    }

    fn open(&self, round: &Round, rules: &Arc<str>, rows: &[Row]) -> DurableRound {
        let state = match round.stage {
            Stage::Awaited => DurableState::Awaited,
            Stage::Open => DurableState::Open,
            Stage::Aside => DurableState::Aside(round.reason.clone().unwrap_or_default()),
        };
        let charter = self.law.charter(Some(rules));
        let course = charter.as_ref().and_then(|charter| {
            let mut course = <dyn Course>::begin(charter, &self.law.predicates)?;
            rows.iter().try_for_each(|row| replay(&mut *course, row, round.opened_at)).ok()?;
            Some(course)
        });
        let (kept, missing) = match course {
            Some(course) => (course.kept(), course.missing()),
            None => {
                let signals = rows.iter().filter(|row| row.kind == Kind::Signal as i16);
                (signals.map(|row| row.name.clone()).collect(), Vec::new())
            }
        };
        DurableRound {
            round: id(round.id),
            key: key::read(&round.key),
            state,
            opened: time(round.opened_at),
            due: time(round.due_at),
            kept,
            missing,
            release: charter.as_deref().map(Charter::released_by),
            aborted_by: charter.map(|charter| charter.who_aborts().to_vec()).unwrap_or_default(),
        }
    }
}

fn time(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + since(0, micros)
}
