//! Where rounds are judged: what this process has to say to them, in the transaction that has their rows.
//!
//! `asks of a place + Case → Course (round.rs decides) → Ruling, and what each ask is told`

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::known::Before;
use super::leases::{Claimed, Leasing};
use super::sitting::Sitting;
use crate::__private::rounds::{Charter, Course, Ending, Kind, PartyTerms, Predicates, Said, Word};
use crate::codec::{Codec, Wire};
use crate::durable::store::{Case, Judge, Place, Row, Ruling};
use crate::transport::Packet;
use crate::{EmitError, Envelope, Metadata, Payload, RoundId, Uuid};

/// What is said to a round.
#[derive(Clone)]
pub(in crate::durable) enum Ask {
    /// A signal, with its payload as JSON.
    Signal {
        name: Arc<str>,
        payload: String,
        weight: u32,
        token: Uuid,
    },
    Veto {
        name: Arc<str>,
        reason: Arc<str>,
        token: Uuid,
    },
    /// Of a party that is being asked, by whoever does so.
    Lease {
        name: Arc<str>,
        by: Uuid,
        what: Leasing,
    },
    /// Opens it, if there is none.
    Open {
        token: Uuid,
    },
    Abort {
        reason: Arc<str>,
        by: Option<Arc<str>>,
        token: Uuid,
    },
    /// Brings back one that is aside.
    Retry,
}

impl Ask {
    /// By which it is known again; nil if it is not.
    pub(super) fn token(&self) -> Uuid {
        match self {
            Self::Signal { token, .. }
            | Self::Veto { token, .. }
            | Self::Open { token }
            | Self::Abort { token, .. } => *token,
            Self::Lease { .. } | Self::Retry => Uuid::nil(),
        }
    }
}

/// What an ask is told.
#[derive(Clone, Debug)]
pub(in crate::durable) enum Answer {
    /// It is a row of this round, or was done.
    Written(RoundId),
    /// The round is over, which has it.
    Over(RoundId, Arc<Ending>),
    Refused(EmitError),
    /// Whoever has asked for it asks a party.
    Claimed(Arc<Claimed>),
    /// It is for the round behind the one that has just closed.
    Again,
}

/// What became of a place.
#[derive(Clone, Debug, Default)]
pub(in crate::durable) struct Done {
    /// One for each ask.
    pub(in crate::durable) answers: Vec<Answer>,
    /// The round that has closed.
    pub(in crate::durable) closed: Option<(RoundId, String, Arc<Ending>)>,
    /// The tokens of signals that count, and how long after the opening they were said.
    pub(in crate::durable) kept: Vec<(Uuid, Duration)>,
    /// The round that nobody can decide.
    pub(in crate::durable) aside: Option<(RoundId, Arc<str>)>,
    /// The rules by which this process cannot decide.
    pub(in crate::durable) foreign: Option<i64>,
}

/// By what a process judges.
pub(in crate::durable) struct Law<P> {
    /// Of the rounds that it opens.
    pub(in crate::durable) rules: i64,
    pub(in crate::durable) charter: Arc<Charter>,
    pub(in crate::durable) predicates: Predicates<P>,
    /// After this long beyond its deadline a round is cancelled whose predicate nobody has.
    pub(in crate::durable) grace: Duration,
    /// For how long whoever asks a party does so before another one does, unless he says that he lives; µs.
    pub(in crate::durable) lease: i64,
    /// How often a party is asked before it is lost.
    pub(in crate::durable) attempts: u32,
    /// The name of the broker.
    pub(in crate::durable) broker: Arc<str>,
    /// Of rules that were read before.
    charters: Mutex<HashMap<Arc<str>, Option<Arc<Charter>>>>,
}

/// How long a lease is, and how often a party is asked, unless it is said.
pub(in crate::durable) const LEASE: Duration = Duration::from_secs(30);
pub(in crate::durable) const ATTEMPTS: u32 = 5;

/// So many rules are remembered.
const REMEMBERED: usize = 256;

impl<P> Law<P> {
    pub(in crate::durable) fn new(
        broker: Arc<str>,
        rules: i64,
        charter: Arc<Charter>,
        predicates: Predicates<P>,
        grace: Duration,
    ) -> Self {
        let (lease, attempts) = (LEASE.as_micros().try_into().unwrap_or(i64::MAX), ATTEMPTS);
        Self { rules, charter, predicates, grace, lease, attempts, broker, charters: Mutex::default() }
    }

    /// Sets how long a lease is, and how often a party is asked.
    pub(in crate::durable) fn lends(mut self, lease: Duration, attempts: u32) -> Self {
        self.lease = lease.as_micros().try_into().unwrap_or(i64::MAX);
        self.attempts = attempts.max(1);
        self
    }

    /// The rules of a round; `None` if a later program has written them.
    pub(in crate::durable) fn charter(&self, text: Option<&Arc<str>>) -> Option<Arc<Charter>> {
        let text = text?;
        let mut charters = lock(&self.charters);
        if let Some(known) = charters.get(text) {
            return known.clone();
        }
        if charters.len() >= REMEMBERED {
            charters.clear();
        }
        let read = Charter::read(text).ok().map(Arc::new);
        charters.insert(text.clone(), read.clone());
        read
    }
}

/// Where the rounds of one work are judged.
pub(in crate::durable) struct Bench<'a, P> {
    law: &'a Law<P>,
    places: &'a [Place],
    /// Of each place.
    asks: &'a [Vec<Ask>],
    /// It is tried once more, and what is asked may have been done.
    before: Option<&'a Before>,
    done: Mutex<Vec<Option<Done>>>,
    /// The keys of places of which nobody knows yet what was done before.
    unsure: Mutex<BTreeMap<usize, String>>,
}

impl<'a, P: Payload + DeserializeOwned> Bench<'a, P> {
    pub(in crate::durable) fn new(law: &'a Law<P>, places: &'a [Place], asks: &'a [Vec<Ask>]) -> Self {
        let (done, unsure) = (Mutex::new(vec![None; asks.len()]), Mutex::default());
        Self { law, places, asks, before: None, done, unsure }
    }

    /// Of a work of which nobody knows how it ended before.
    pub(in crate::durable) fn again(self, before: Option<&'a Before>) -> Self {
        Self { before, ..self }
    }

    /// The keys of places that were left as they are, for nobody knows what was done there before.
    pub(in crate::durable) fn unsure(&self) -> BTreeMap<usize, String> {
        lock(&self.unsure).clone()
    }

    /// What became of each place; `None` of one that was passed over.
    pub(in crate::durable) fn done(self) -> Vec<Option<Done>> {
        self.done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Payload + DeserializeOwned> Judge for Bench<'_, P> {
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling> {
        let asks = self.asks.get(place)?;
        let key = match (&case.round, self.places.get(place)?) {
            (Some(round), _) => round.key.clone(),
            (None, Place::Key(key)) => key.clone(),
            // There is nothing to say to a round that is over.
            (None, Place::Round(_)) => return None,
        };
        let mut sitting = Sitting::new(self.law, case, key);
        // What is known from before is not said to the round that is there now.
        let known = match self.before {
            Some(before) => before.known(&sitting, asks),
            None => Some(vec![None; asks.len()]),
        };
        let Some(known) = known else {
            lock(&self.unsure).insert(place, sitting.key);
            return None;
        };
        lock(&self.unsure).remove(&place);
        let unknown: Vec<_> = asks.iter().zip(&known).filter(|(_, known)| known.is_none()).collect();
        match unknown.len() == asks.len() {
            true => sitting.hear(asks),
            false => sitting.hear(&unknown.into_iter().map(|(ask, _)| ask.clone()).collect::<Vec<_>>()),
        }
        let Sitting { ruling, mut done, .. } = sitting;
        let mut answers = std::mem::take(&mut done.answers).into_iter();
        let answers = known.into_iter().map(|known| known.or_else(|| answers.next()).unwrap_or(Answer::Again));
        done.answers = answers.collect();
        if let Some(slot) = lock(&self.done).get_mut(place) {
            *slot = Some(done);
        }
        Some(ruling)
    }

    fn void(&self, place: usize) {
        if let Some(slot) = lock(&self.done).get_mut(place) {
            *slot = None;
        }
    }
}

/// Says to a course what stands in a row.
///
/// # Errors
///
/// Says why the round cannot be decided.
pub(in crate::durable) fn replay(course: &mut dyn Course, row: &Row, opened: i64) -> Result<(), String> {
    let text = std::str::from_utf8(&row.body).map_err(|_| format!("row {} is no text", row.number))?;
    let terms = row.terms.as_deref();
    let word = match Kind::read(row.kind) {
        Some(Kind::Signal) => Word::Signal(text),
        Some(Kind::Veto) => Word::Veto(text),
        Some(Kind::Party) => {
            let terms = PartyTerms::read(terms.unwrap_or("{}"));
            Word::Party(
                terms.map_err(|error| format!("row {} says of its party what cannot be read: {error}", row.number))?,
            )
        }
        // How somebody is being asked decides nothing, nor what the next round begins with.
        Some(Kind::Summons | Kind::Next) => return Ok(()),
        Some(Kind::Lost) => Word::Lost,
        Some(Kind::Beat) => {
            let until = terms.and_then(|terms| terms.parse().ok());
            let until = until.ok_or_else(|| format!("row {} has a time that is no number", row.number))?;
            Word::Beat(Duration::from_micros(until))
        }
        None => return Err(format!("row {} is of a kind that a later program knows", row.number)),
    };
    let weight = match (terms, &word) {
        (Some(terms), Word::Signal(_)) => {
            terms.parse().map_err(|_| format!("row {} has a weight that is no number", row.number))?
        }
        _ => 1,
    };
    course.say(Said { name: &row.name, at: since(opened, row.at), weight, token: row.token, word }).map(drop)
}

/// What a consumer is to hear, as it stands in an outbox.
pub(super) fn packet(broker: &str, consumer: &str, round: i64, key: &str, outcome: &str) -> Packet {
    let mut metadata = Metadata::new("RoundClosed");
    metadata.publisher = format!("rounds:{broker}:{consumer}").into();
    metadata.topic = "rounds/closed".into();
    // Payloads may be anything.
    metadata.contains_personal_data = true;
    let payload = serde_json::json!({ "round": round, "key": key, "outcome": outcome });
    Wire.write(&Envelope::new(metadata, payload))
}

/// What a party is to be asked, as it stands in its outbox.
pub(super) fn summons(broker: &str, party: &str, round: i64, attempt: u32) -> Packet {
    let mut metadata = Metadata::new("PartySummoned");
    metadata.publisher = format!("rounds:{broker}").into();
    metadata.topic = "rounds/summons".into();
    // Names may be those of people.
    metadata.contains_personal_data = true;
    let payload = serde_json::json!({ "round": round, "party": party, "attempt": attempt });
    Wire.write(&Envelope::new(metadata, payload))
}

pub(in crate::durable) fn since(opened: i64, at: i64) -> Duration {
    Duration::from_micros(u64::try_from(at.saturating_sub(opened)).unwrap_or(0))
}

pub(in crate::durable) fn id(round: i64) -> RoundId {
    crate::__private::rounds::round_id(round)
}

pub(in crate::durable) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
