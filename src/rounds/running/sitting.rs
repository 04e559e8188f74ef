//! One place, while it is judged: what stands in its rows, what each ask is told, and what becomes of it.
//!
//! `Case + asks → nothing | awaited | aside | foreign | run (a course) → Ruling, Done`

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::bench::{Answer, Ask, Done, Law, id, packet, replay, since};
use super::leases::Held;
use crate::__private::rounds::{Charter, Course, End, Ending, Kind, PartyTerms, Said, Told, Word};
use crate::durable::key;
use crate::durable::store::{Case, Next, Opening, Round, Row, Ruling, Stage};
use crate::{Early, EmitError, Payload, Uuid};

/// How many signals may wait for one round to be opened.
const AWAITED: usize = 1_000;

/// One place, while it is judged.
pub(super) struct Sitting<'a, P> {
    pub(super) law: &'a Law<P>,
    pub(super) case: &'a Case<'a>,
    pub(super) key: String,
    /// How parties are being asked, once somebody has looked.
    pub(super) held: Option<Vec<Held>>,
    /// The round opens now.
    opens: bool,
    pub(super) ruling: Ruling,
    pub(super) done: Done,
}

impl<'a, P> Sitting<'a, P> {
    pub(super) fn new(law: &'a Law<P>, case: &'a Case<'a>, key: String) -> Self {
        Self { law, case, key, held: None, opens: false, ruling: Ruling::default(), done: Done::default() }
    }
}

impl<P: Payload + DeserializeOwned> Sitting<'_, P> {
    /// Judges it.
    pub(super) fn hear(&mut self, asks: &[Ask]) {
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

    /// Opens the round, where there is none, by rules that are not those of the law.
    pub(super) fn open_by(&mut self, rules: i64, charter: &Arc<Charter>, asks: &[Ask]) {
        self.begin(self.case.number, rules, charter, asks, 0);
    }

    pub(super) fn tell(&mut self, answer: Answer) {
        self.done.answers.push(answer);
    }

    /// Tells the same to all that were told nothing.
    pub(super) fn tell_rest(&mut self, asks: &[Ask], answer: &Answer) {
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
                Ask::Signal { name, token, .. } => match self.late(&charter, name, *token) {
                    Some(round) => {
                        let key = key::read(&self.key);
                        self.tell(Answer::Refused(EmitError::Late { round, key }));
                        continue;
                    }
                    None => match charter.early() {
                        Early::Opens => Some(Stage::Open),
                        Early::Waits(_) => Some(Stage::Awaited),
                        Early::Rejected => None,
                    },
                },
                Ask::Open { .. } => Some(Stage::Open),
                Ask::Veto { .. } | Ask::Lease { .. } | Ask::Abort { .. } | Ask::Retry => None,
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
                        _ => self.begin(round.id, self.law.rules, &charter, asks, place),
                    };
                }
            }
        }
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
            return self.begin(round.id, round.rules, charter, asks, from);
        };
        for (place, ask) in asks.iter().enumerate().skip(from) {
            let (name, token) = match ask {
                Ask::Signal { name, token, .. } => (name, token),
                Ask::Open { .. } => return self.begin(round.id, round.rules, charter, asks, place),
                Ask::Abort { .. } => {
                    if self.is_aborted(round, charter, ask, asks) {
                        return;
                    }
                    continue;
                }
                Ask::Veto { .. } | Ask::Lease { .. } | Ask::Retry => {
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
                Ask::Abort { .. } => {
                    let Some(charter) = self.law.charter(self.case.rules.as_ref()) else {
                        self.tell(Answer::Refused(EmitError::Aside { round: id(round.id), reason: reason.clone() }));
                        continue;
                    };
                    if self.is_aborted(round, &charter, ask, asks) {
                        return;
                    }
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

    /// Opens the round now, with what is known of its parties, and works it out.
    fn begin(&mut self, number: i64, rules: i64, charter: &Arc<Charter>, asks: &[Ask], from: usize) {
        let now = self.case.now;
        self.ruling.opens = Some(Opening { rules, stage: Stage::Open, at: now });
        self.opens = true;
        for party in self.case.parties.iter().filter(|party| charter.knows(&party.name)) {
            // What a later program says of a party is none of this one's rounds.
            let Ok(terms) = PartyTerms::read(&party.terms) else { continue };
            self.add_row(Kind::Party, &party.name, Uuid::nil(), Some(terms.to_text()), &[]);
        }
        self.run(number, now, charter, asks, from);
    }

    /// Works the round out, from its rows and then from the asks, from this one on.
    fn run(&mut self, number: i64, opened: i64, charter: &Arc<Charter>, asks: &[Ask], from: usize) {
        let Some(mut course) = <dyn Course>::begin(charter, &self.law.predicates) else {
            let (name, version) = charter.predicate().unwrap_or_default();
            let reason = format!("this process has no rule {name} v{version}");
            return self.set_aside(number, asks, from, reason);
        };
        for row in self.case.rows.iter().chain(&self.ruling.adds) {
            if let Err(why) = replay(&mut *course, row, opened) {
                return self.set_aside(number, asks, from, why);
            }
        }
        let (at, mut from) = (since(opened, self.case.now), from);
        let (mut changed, mut ended_by, mut deferred) = (self.ruling.opens.is_some(), None, Vec::new());
        // Who opens it has done so, though it may be over by what has waited for that.
        if changed && let Some(ask @ (Ask::Open { .. } | Ask::Retry)) = asks.get(from) {
            if let (None, Ask::Open { token }) = (course.next_deadline(), ask) {
                ended_by = Some(*token);
            }
            self.tell(Answer::Written(id(number)));
            from += 1;
        }
        let mut hear = asks.iter().enumerate().skip(from).peekable();
        while let Some((place, ask)) = hear.peek().copied() {
            if course.next_deadline().is_none() {
                break;
            }
            let (name, token, weight, word) = match ask {
                Ask::Signal { name, payload, weight, token } => (&**name, *token, *weight, Word::Signal(payload)),
                Ask::Veto { name, reason, token } => (&**name, *token, 1, Word::Veto(reason)),
                Ask::Abort { by, .. } if !charter.may_abort(by.as_deref()) => {
                    self.tell(Answer::Refused(EmitError::MayNotAbort { by: by.clone() }));
                    hear.next();
                    continue;
                }
                Ask::Abort { reason, by, token } => (by.as_deref().unwrap_or_default(), *token, 1, Word::Abort(reason)),
                Ask::Lease { .. } => {
                    match self.lease(ask, number, opened, charter, Some(&mut *course)) {
                        Ok(answer) => {
                            changed |= !matches!(answer, Answer::Refused(_));
                            self.tell(answer);
                        }
                        Err(why) => return self.set_aside(number, asks, place, why),
                    }
                    hear.next();
                    continue;
                }
                Ask::Open { .. } | Ask::Retry => {
                    self.tell(Answer::Written(id(number)));
                    hear.next();
                    continue;
                }
            };
            if let Some(row) = self.case.rows.iter().find(|row| !token.is_nil() && row.token == token) {
                if row.kind == Kind::Signal as i16 {
                    self.done.kept.push((token, since(opened, row.at)));
                }
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
                    match ask {
                        Ask::Abort { token, .. } => ended_by = Some(*token),
                        Ask::Signal { token, .. } => self.done.kept.push((*token, at)),
                        _ => {}
                    }
                    self.add(ask);
                    Answer::Written(id(number))
                }
                // It is for the next round.
                Told::Over => break,
                Told::Next if self.waiting_for_next() >= AWAITED => Answer::Refused(EmitError::Busy { limit: AWAITED }),
                Told::Next => {
                    changed = true;
                    deferred.push(self.done.answers.len());
                    self.defer(ask);
                    Answer::Written(id(number))
                }
                Told::Nothing => Answer::Written(id(number)),
                Told::AlreadyKept => Answer::Refused(EmitError::AlreadyKept { round: id(number) }),
                Told::Vetoed => Answer::Refused(EmitError::Vetoed { round: id(number) }),
                Told::Late => Answer::Refused(EmitError::Late { round: id(number), key: key::read(&self.key) }),
                Told::Stranger => Answer::Refused(EmitError::Stranger { name: name.into() }),
            };
            self.tell(answer);
            hear.next();
        }
        let ticked = course.tick(at).and_then(|()| self.lapse(number, opened, Some(&mut *course)));
        if let Err(why) = ticked {
            return self.set_aside(number, asks, self.done.answers.len(), why);
        }
        match (course.ending(opened, at), course.next_deadline()) {
            (Some(ending), _) => {
                let by = ending.by.or(ended_by);
                // What was to wait comes at once, for the next round.
                for answer in deferred {
                    self.done.answers[answer] = Answer::Again;
                }
                self.close(number, Ending { by, ..ending }, asks);
            }
            (None, Some(deadline)) => {
                if self.opens {
                    self.summon(&course.missing(), number);
                } else if self.ruling.opens.is_some() {
                    // It was aside.
                    self.ask_again(number, Some(&mut *course));
                }
                let lease = self.next_lease(Some(&mut *course)).unwrap_or(i64::MAX);
                self.note_leases();
                let due = opened.saturating_add(micros(deadline)).min(lease);
                let is_new = self.case.round.as_ref().is_none_or(|round| round.due_at != due);
                if changed || is_new || asks.is_empty() {
                    self.ruling.next = Next::Waits { look_at: due, due_at: due };
                }
            }
            (None, None) => {}
        }
    }

    pub(super) fn add(&mut self, ask: &Ask) {
        let (kind, name, token, weight, body) = match ask {
            Ask::Signal { name, payload, weight, token } => (Kind::Signal, name, token, *weight, payload.as_bytes()),
            Ask::Veto { name, reason, token } => (Kind::Veto, name, token, 1, reason.as_bytes()),
            Ask::Lease { .. } | Ask::Open { .. } | Ask::Abort { .. } | Ask::Retry => return,
        };
        self.add_row(kind, name, *token, (weight != 1).then(|| weight.to_string()), body);
    }

    /// Adds a signal that waits for the next round.
    pub(super) fn defer(&mut self, ask: &Ask) {
        self.add(ask);
        if let Some(row) = self.ruling.adds.last_mut() {
            row.kind = Kind::Next as i16;
        }
    }

    fn waiting_for_next(&self) -> usize {
        self.case.rows.iter().chain(&self.ruling.adds).filter(|row| row.kind == Kind::Next as i16).count()
    }

    pub(super) fn add_row(&mut self, kind: Kind, name: &Arc<str>, token: Uuid, terms: Option<String>, body: &[u8]) {
        let last = self.ruling.adds.last().or(self.case.rows.last());
        self.ruling.adds.push(Row {
            number: last.map_or(1, |row| row.number + 1),
            kind: kind as i16,
            name: name.clone(),
            at: self.case.now,
            token,
            terms,
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

    pub(super) fn close(&mut self, number: i64, mut ending: Ending, asks: &[Ask]) {
        self.tell_rest(asks, &Answer::Again);
        self.ruling.asks.clear();
        self.open_next(&mut ending);
        let outcome = ending.to_text();
        let for_one = |consumer: &Arc<str>| packet(&self.law.broker, consumer, number, &self.key, &outcome);
        let heard = self.case.consumers.iter().map(|consumer| (consumer.clone(), for_one(consumer))).collect();
        self.ruling.next = Next::Closes { resolved: ending.is_resolved(), outcome, heard };
        self.done.closed = Some((id(number), self.key.clone(), Arc::new(ending)));
    }
}

pub(super) fn micros(duration: Duration) -> i64 {
    duration.as_micros().try_into().unwrap_or(i64::MAX)
}
