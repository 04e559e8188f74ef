//! Where rounds are judged: what this process has to say to them, in the transaction that has their rows.
//!
//! `asks of a place + Case → Course (round.rs decides) → Ruling, and what each ask is told`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::store::{Case, Judge, Next, Opening, Past, Place, Round, Row, Ruling, Stage};
use crate::__private::rounds::{Charter, Course, End, Ending, Kind, Predicates, Said, Sign, Told, Word};
use crate::codec::{Codec, Wire};
use crate::transport::Packet;
use crate::{Early, EmitError, Envelope, Metadata, Payload, RoundId, Uuid};

/// How many signals may wait for one round to be opened.
const AWAITED: usize = 1_000;

/// What is said to a round.
#[derive(Clone, Debug)]
pub(super) enum Ask {
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
    /// Opens it, if there is none.
    Open,
    Abort(Arc<str>),
    /// Brings back one that is aside.
    Retry,
}

/// What an ask is told.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// It is a row of this round, or was done.
    Written(RoundId),
    /// The round is over, which has it.
    Over(RoundId, Arc<Ending>),
    Refused(EmitError),
    /// It is for the round behind the one that has just closed.
    Again,
}

/// What became of a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    /// One for each ask.
    pub(super) answers: Vec<Answer>,
    /// The round that has closed.
    pub(super) closed: Option<(RoundId, String, Arc<Ending>)>,
    /// The round that nobody can decide.
    pub(super) aside: Option<(RoundId, Arc<str>)>,
    /// The rules by which this process cannot decide.
    pub(super) foreign: Option<i64>,
}

/// By what a process judges.
pub(super) struct Law<P> {
    /// Of the rounds that it opens.
    pub(super) rules: i64,
    pub(super) charter: Arc<Charter>,
    pub(super) predicates: Predicates<P>,
    /// After this long beyond its deadline a round is cancelled whose predicate nobody has.
    pub(super) grace: Duration,
    /// The name of the broker.
    pub(super) broker: Arc<str>,
    /// Of rules that were read before.
    charters: Mutex<HashMap<Arc<str>, Option<Arc<Charter>>>>,
}

/// So many rules are remembered.
const REMEMBERED: usize = 256;

impl<P> Law<P> {
    pub(super) fn new(
        broker: Arc<str>,
        rules: i64,
        charter: Arc<Charter>,
        predicates: Predicates<P>,
        grace: Duration,
    ) -> Self {
        Self { rules, charter, predicates, grace, broker, charters: Mutex::default() }
    }

    /// The rules of a round; `None` if a later program has written them.
    pub(super) fn charter(&self, text: Option<&Arc<str>>) -> Option<Arc<Charter>> {
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
pub(super) struct Bench<'a, P> {
    law: &'a Law<P>,
    places: &'a [Place],
    /// Of each place.
    asks: &'a [Vec<Ask>],
    done: Mutex<Vec<Option<Done>>>,
}

impl<'a, P: Payload + DeserializeOwned> Bench<'a, P> {
    pub(super) fn new(law: &'a Law<P>, places: &'a [Place], asks: &'a [Vec<Ask>]) -> Self {
        Self { law, places, asks, done: Mutex::new(vec![None; asks.len()]) }
    }

    /// What became of each place; `None` of one that was passed over.
    pub(super) fn done(self) -> Vec<Option<Done>> {
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
        let mut sitting = Sitting { law: self.law, case, key, ruling: Ruling::default(), done: Done::default() };
        sitting.hear(asks);
        let Sitting { ruling, done, .. } = sitting;
        if let Some(slot) = lock(&self.done).get_mut(place) {
            *slot = Some(done);
        }
        Some(ruling)
    }
}

/// One place, while it is judged.
struct Sitting<'a, P> {
    law: &'a Law<P>,
    case: &'a Case<'a>,
    key: String,
    ruling: Ruling,
    done: Done,
}

impl<P: Payload + DeserializeOwned> Sitting<'_, P> {
    fn hear(&mut self, asks: &[Ask]) {
        match &self.case.round {
            Some(round) if round.stage == Stage::Aside => self.aside(round, asks),
            Some(round) => {
                let Some(charter) = self.law.charter(self.case.rules.as_ref()) else {
                    return self.set_aside(round.id, asks, 0, "its rules are those of a later program".to_owned());
                };
                match round.stage {
                    Stage::Awaited => self.awaited(round, &charter, asks),
                    _ => self.open(round.id, round.opened_at, Some(round), &charter, asks),
                }
            }
            None => self.nothing(asks),
        }
    }

    fn tell(&mut self, answer: Answer) {
        self.done.answers.push(answer);
    }

    /// Tells the same to all that were told nothing.
    fn tell_rest(&mut self, asks: &[Ask], answer: &Answer) {
        self.done.answers.resize(asks.len(), answer.clone());
    }

    /// There is no round: an ask opens one, waits for one, or was of the last one.
    fn nothing(&mut self, asks: &[Ask]) {
        let charter = self.law.charter.clone();
        for (place, ask) in asks.iter().enumerate() {
            let known = self.known_before(ask);
            let opens = match ask {
                _ if known.is_some() => None,
                Ask::Signal { name, .. } if !charter.knows(name) => {
                    self.tell(Answer::Refused(EmitError::Stranger { name: name.clone() }));
                    continue;
                }
                Ask::Signal { name, .. } => match self.late(&charter, name) {
                    Some(round) => {
                        let key = super::key::read(&self.key);
                        self.tell(Answer::Refused(EmitError::Late { round, key }));
                        continue;
                    }
                    None => match charter.early() {
                        Early::Opens => Some(Stage::Open),
                        Early::Waits(_) => Some(Stage::Awaited),
                        Early::Rejected => None,
                    },
                },
                Ask::Open => Some(Stage::Open),
                Ask::Veto { .. } | Ask::Abort(_) | Ask::Retry => None,
            };
            match (known, opens) {
                (Some(answer), _) => self.tell(answer),
                (None, None) => self.tell(Answer::Refused(EmitError::NoRound)),
                (None, Some(stage)) => {
                    let now = self.case.now;
                    self.ruling.opens = Some(Opening { rules: self.law.rules, stage, at: now });
                    let round = Round {
                        id: self.case.number,
                        key: self.key.clone(),
                        stage,
                        rules: self.law.rules,
                        opened_at: now,
                        due_at: i64::MAX,
                        generation: 0,
                        reason: None,
                    };
                    return match stage {
                        Stage::Awaited => self.wait(&round, &charter, asks, place),
                        _ => self.run(round.id, now, &charter, asks, place),
                    };
                }
            }
        }
    }

    /// An ask that was written before, by a work of which nobody knew how it ended, and whose round is over.
    fn known_before(&self, ask: &Ask) -> Option<Answer> {
        let (Ask::Signal { token, .. } | Ask::Veto { token, .. }) = ask else { return None };
        let (last, ending) = self.last()?;
        let is_it = ending.signals.iter().any(|sign| sign.token == *token)
            || ending.vetoes.iter().any(|no| no.token == *token)
            || ending.by == Some(*token);
        is_it.then(|| Answer::Over(id(last.id), Arc::new(ending)))
    }

    fn last(&self) -> Option<(&Past, Ending)> {
        let last = self.case.last.as_ref()?;
        Some((last, Ending::read(&last.outcome).ok()?))
    }

    /// The round for which a signal is late: each is late once.
    fn late(&mut self, charter: &Charter, name: &Arc<str>) -> Option<RoundId> {
        let (last, mut ending) = self.last()?;
        let round = id(last.id);
        let until = last.closed_at.saturating_add(i64::try_from(charter.late_window()).unwrap_or(i64::MAX));
        if self.case.now > until || !ending.missing.contains(name) || ending.late.contains(name) {
            return None;
        }
        if let Some(amended) = &self.ruling.amends
            && let Ok(amended) = Ending::read(amended)
        {
            if amended.late.contains(name) {
                return None;
            }
            ending = amended;
        }
        ending.late.push(name.clone());
        self.ruling.amends = Some(ending.to_text());
        Some(round)
    }

    /// Signals wait for the round.
    fn awaited(&mut self, round: &Round, charter: &Arc<Charter>, asks: &[Ask]) {
        if self.case.now >= round.due_at {
            let ending = self.ended_without(round, End::Aborted("nobody has opened it in time".into()));
            return self.close(round.id, ending, asks);
        }
        self.wait(round, charter, asks, 0);
    }

    fn wait(&mut self, round: &Round, charter: &Arc<Charter>, asks: &[Ask], from: usize) {
        let Early::Waits(limit) = charter.early() else {
            // It was opened by other rules: it waits no longer.
            self.ruling.opens = Some(Opening { rules: round.rules, stage: Stage::Open, at: self.case.now });
            return self.run(round.id, self.case.now, charter, asks, from);
        };
        for (place, ask) in asks.iter().enumerate().skip(from) {
            let (name, token) = match ask {
                Ask::Signal { name, token, .. } => (name, token),
                Ask::Open => {
                    self.ruling.opens = Some(Opening { rules: round.rules, stage: Stage::Open, at: self.case.now });
                    return self.run(round.id, self.case.now, charter, asks, place);
                }
                Ask::Abort(reason) => {
                    let ending = self.ended_without(round, End::Aborted(reason.clone()));
                    self.tell(Answer::Written(id(round.id)));
                    return self.close(round.id, ending, asks);
                }
                Ask::Veto { .. } | Ask::Retry => {
                    self.tell(Answer::Refused(EmitError::NoRound));
                    continue;
                }
            };
            let mut rows = self.case.rows.iter().chain(&self.ruling.adds);
            let answer = match rows.find(|row| row.name == *name) {
                Some(row) if row.token == *token => Answer::Written(id(round.id)),
                Some(_) => Answer::Refused(EmitError::AlreadyKept { round: id(round.id) }),
                None if !charter.knows(name) => Answer::Refused(EmitError::Stranger { name: name.clone() }),
                None if self.case.rows.len() + self.ruling.adds.len() >= AWAITED => {
                    Answer::Refused(EmitError::Busy { limit: AWAITED })
                }
                None => {
                    self.add(ask);
                    Answer::Written(id(round.id))
                }
            };
            self.tell(answer);
        }
        let due = match self.ruling.opens {
            Some(_) => self.case.now.saturating_add(micros(limit)),
            None => round.due_at,
        };
        if self.ruling.opens.is_some() || !self.ruling.adds.is_empty() {
            self.ruling.next = Next::Waits { look_at: due, due_at: due };
        }
    }

    /// Nobody can decide it: somebody ends it, or has it tried once more.
    fn aside(&mut self, round: &Round, asks: &[Ask]) {
        let reason: Arc<str> = round.reason.as_deref().unwrap_or_default().into();
        for (place, ask) in asks.iter().enumerate() {
            match ask {
                Ask::Abort(reason) => {
                    let ending = self.ended_without(round, End::Aborted(reason.clone()));
                    self.tell(Answer::Written(id(round.id)));
                    return self.close(round.id, ending, asks);
                }
                Ask::Retry => {
                    let Some(charter) = self.law.charter(self.case.rules.as_ref()) else {
                        self.tell(Answer::Refused(EmitError::Aside { round: id(round.id), reason: reason.clone() }));
                        continue;
                    };
                    self.ruling.opens = Some(Opening { rules: round.rules, stage: Stage::Open, at: round.opened_at });
                    return self.run(round.id, round.opened_at, &charter, asks, place);
                }
                _ => self.tell(Answer::Refused(EmitError::Aside { round: id(round.id), reason: reason.clone() })),
            }
        }
    }

    fn open(&mut self, number: i64, opened: i64, round: Option<&Round>, charter: &Arc<Charter>, asks: &[Ask]) {
        if let Some((name, version)) = charter.predicate()
            && !self.law.predicates.knows(name, version)
            && let Some(round) = round
        {
            let rule: Arc<str> = format!("{name} v{version}").into();
            return self.foreign(round, charter, asks, rule);
        }
        self.run(number, opened, charter, asks, 0);
    }

    /// The round is decided by a predicate that this process has not: what is said is written, and another process decides. If
    /// none does, it is cancelled some time after its deadline.
    fn foreign(&mut self, round: &Round, charter: &Charter, asks: &[Ask], rule: Arc<str>) {
        self.done.foreign = Some(round.rules);
        if self.case.now >= round.due_at.saturating_add(micros(self.law.grace)) {
            let ending = self.ended_without(round, End::NoRule(rule));
            return self.close(round.id, ending, asks);
        }
        for ask in asks {
            let answer = match ask {
                Ask::Signal { name, token, .. } | Ask::Veto { name, token, .. } => {
                    let mut rows = self.case.rows.iter().chain(&self.ruling.adds);
                    let same = rows.find(|row| row.name == *name && row.kind == Kind::Signal as i16);
                    match same {
                        _ if self.case.rows.iter().any(|row| row.token == *token) => Answer::Written(id(round.id)),
                        Some(_) if matches!(ask, Ask::Signal { .. }) && !charter.replaces() => {
                            Answer::Refused(EmitError::AlreadyKept { round: id(round.id) })
                        }
                        _ if !charter.knows(name) => Answer::Refused(EmitError::Stranger { name: name.clone() }),
                        _ => {
                            self.add(ask);
                            Answer::Written(id(round.id))
                        }
                    }
                }
                Ask::Abort(reason) => {
                    let ending = self.ended_without(round, End::Aborted(reason.clone()));
                    self.tell(Answer::Written(id(round.id)));
                    return self.close(round.id, ending, asks);
                }
                Ask::Open | Ask::Retry => Answer::Written(id(round.id)),
            };
            self.tell(answer);
        }
        if !self.ruling.adds.is_empty() {
            self.ruling.next = Next::Waits { look_at: self.case.now, due_at: round.due_at };
        }
    }

    /// Works the round out, from its rows and then from the asks, from this one on.
    fn run(&mut self, number: i64, opened: i64, charter: &Arc<Charter>, asks: &[Ask], from: usize) {
        let Some(mut course) = <dyn Course>::begin(charter, &self.law.predicates) else {
            let (name, version) = charter.predicate().unwrap_or_default();
            let reason = format!("this process has no rule {name} v{version}");
            return self.set_aside(number, asks, from, reason);
        };
        for row in &self.case.rows {
            if let Err(why) = replay(&mut *course, row, opened) {
                return self.set_aside(number, asks, from, why);
            }
        }
        let at = since(opened, self.case.now);
        let mut changed = self.ruling.opens.is_some();
        let mut hear = asks.iter().enumerate().skip(from).peekable();
        while let Some((place, ask)) = hear.peek().copied() {
            if course.next_deadline().is_none() {
                break;
            }
            let (name, token, weight, word) = match ask {
                Ask::Signal { name, payload, weight, token } => (&**name, *token, *weight, Word::Signal(payload)),
                Ask::Veto { name, reason, token } => (&**name, *token, 1, Word::Veto(reason)),
                Ask::Abort(reason) => ("", Uuid::nil(), 1, Word::Abort(reason)),
                Ask::Open | Ask::Retry => {
                    self.tell(Answer::Written(id(number)));
                    hear.next();
                    continue;
                }
            };
            if !token.is_nil() && self.case.rows.iter().any(|row| row.token == token) {
                self.tell(Answer::Written(id(number)));
                hear.next();
                continue;
            }
            let told = match course.say(Said { name, at, weight, token, word }) {
                Ok(told) => told,
                Err(why) => {
                    self.add(ask);
                    return self.set_aside(number, asks, place, why);
                }
            };
            let answer = match told {
                Told::Taken => {
                    changed = true;
                    self.add(ask);
                    Answer::Written(id(number))
                }
                // It is for the next round.
                Told::Over => break,
                Told::AlreadyKept => Answer::Refused(EmitError::AlreadyKept { round: id(number) }),
                Told::Vetoed => Answer::Refused(EmitError::Vetoed { round: id(number) }),
                Told::Late => Answer::Refused(EmitError::Late { round: id(number), key: super::key::read(&self.key) }),
                Told::Stranger => Answer::Refused(EmitError::Stranger { name: name.into() }),
            };
            self.tell(answer);
            hear.next();
        }
        if let Err(why) = course.tick(at) {
            return self.set_aside(number, asks, self.done.answers.len(), why);
        }
        match (course.ending(opened, at), course.next_deadline()) {
            (Some(ending), _) => self.close(number, ending, asks),
            (None, Some(deadline)) => {
                let due = opened.saturating_add(micros(deadline));
                let is_new = self.case.round.as_ref().is_none_or(|round| round.due_at != due);
                if changed || is_new || asks.is_empty() {
                    self.ruling.next = Next::Waits { look_at: due, due_at: due };
                }
            }
            (None, None) => {}
        }
    }

    fn add(&mut self, ask: &Ask) {
        let last = self.ruling.adds.last().or(self.case.rows.last());
        let number = last.map_or(1, |row| row.number + 1);
        let (kind, name, token, weight, body) = match ask {
            Ask::Signal { name, payload, weight, token } => (Kind::Signal, name, token, *weight, payload.as_bytes()),
            Ask::Veto { name, reason, token } => (Kind::Veto, name, token, 1, reason.as_bytes()),
            Ask::Open | Ask::Abort(_) | Ask::Retry => return,
        };
        self.ruling.adds.push(Row {
            number,
            kind: kind as i16,
            name: name.clone(),
            at: self.case.now,
            token: *token,
            terms: (weight != 1).then(|| weight.to_string()),
            body: body.to_vec(),
        });
    }

    fn set_aside(&mut self, number: i64, asks: &[Ask], from: usize, why: String) {
        let (round, reason): (_, Arc<str>) = (id(number), why.as_str().into());
        self.done.answers.truncate(from);
        self.tell_rest(asks, &Answer::Refused(EmitError::Aside { round, reason: reason.clone() }));
        self.done.aside = Some((round, reason));
        self.ruling.next = Next::Aside { reason: why };
    }

    /// How a round ended that was not worked out: with the signals that it has, as they stand in rows.
    fn ended_without(&self, round: &Round, end: End) -> Ending {
        let text = |row: &Row| String::from_utf8_lossy(&row.body).into_owned();
        let at = |row: &Row| since(round.opened_at, row.at).as_micros().try_into().unwrap_or_default();
        let signals = self.case.rows.iter().filter(|row| row.kind == Kind::Signal as i16);
        let signals =
            signals.map(|row| Sign { name: row.name.clone(), at: at(row), token: row.token, payload: text(row) });
        Ending {
            end,
            opened: round.opened_at,
            elapsed: since(round.opened_at, self.case.now).as_micros().try_into().unwrap_or_default(),
            quorum: None,
            signals: signals.collect(),
            vetoes: Vec::new(),
            by: None,
            missing: Vec::new(),
            late: Vec::new(),
        }
    }

    fn close(&mut self, number: i64, ending: Ending, asks: &[Ask]) {
        self.tell_rest(asks, &Answer::Again);
        let outcome = ending.to_text();
        let for_one = |consumer: &Arc<str>| packet(&self.law.broker, consumer, number, &self.key, &outcome);
        let heard = self.case.consumers.iter().map(|consumer| (consumer.clone(), for_one(consumer))).collect();
        self.ruling.next = Next::Closes { resolved: ending.is_resolved(), outcome, heard };
        self.done.closed = Some((id(number), self.key.clone(), Arc::new(ending)));
    }
}

/// Says to a course what stands in a row.
///
/// # Errors
///
/// Says why the round cannot be decided.
pub(super) fn replay(course: &mut dyn Course, row: &Row, opened: i64) -> Result<(), String> {
    let text = std::str::from_utf8(&row.body).map_err(|_| format!("row {} is no text", row.number))?;
    let word = match Kind::read(row.kind) {
        Some(Kind::Signal) => Word::Signal(text),
        Some(Kind::Veto) => Word::Veto(text),
        None => return Err(format!("row {} is of a kind that a later program knows", row.number)),
    };
    let weight = match row.terms.as_deref() {
        None => 1,
        Some(terms) => terms.parse().map_err(|_| format!("row {} has a weight that is no number", row.number))?,
    };
    course.say(Said { name: &row.name, at: since(opened, row.at), weight, token: row.token, word }).map(drop)
}

/// What a consumer is to hear, as it stands in an outbox.
fn packet(broker: &str, consumer: &str, round: i64, key: &str, outcome: &str) -> Packet {
    let mut metadata = Metadata::new("RoundClosed");
    metadata.publisher = format!("rounds:{broker}:{consumer}").into();
    metadata.topic = "rounds/closed".into();
    // Payloads may be anything.
    metadata.contains_personal_data = true;
    let payload = serde_json::json!({ "round": round, "key": key, "outcome": outcome });
    Wire.write(&Envelope::new(metadata, payload))
}

pub(super) fn since(opened: i64, at: i64) -> Duration {
    Duration::from_micros(u64::try_from(at.saturating_sub(opened)).unwrap_or(0))
}

fn micros(duration: Duration) -> i64 {
    duration.as_micros().try_into().unwrap_or(i64::MAX)
}

pub(super) fn id(round: i64) -> RoundId {
    crate::__private::rounds::DeskBroker::round(round)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
