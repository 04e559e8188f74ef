//! How the parties of a round are asked: once, by one process at a time, for as long as its lease runs.
//!
//! `a round opens → a row and a packet → claimed → renewed → … → kept`, `its lease runs out → a packet for another process → … → lost`

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::bench::{Answer, Ask, id, since, summons};
use super::sitting::Sitting;
use crate::__private::rounds::{Charter, Course, Kind, PartyTerms, Said, Told, Word};
use crate::durable::store::Row;
use crate::{EmitError, Payload, Uuid};

/// How long a process has to take up what another one has left, in µs: whatever carries it is missed after 10 s, as that is.
const TAKEN_UP: i64 = 20_000_000;

/// How a party is being asked, as it stands with its name in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// How often it has been asked; the first time is 1.
    attempt: u32,
    /// The token of the signal that comes of it, whoever it comes from.
    signal: Uuid,
    /// Whoever asks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Uuid>,
    /// Until when somebody has to be at it: µs since 1970. Nobody waits for one who has it for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

/// The lease of a party that nobody asks yet, as it stands in a row.
pub(super) fn asked_first() -> String {
    // It can always be written.
    serde_json::to_string(&Lease { attempt: 1, signal: Uuid::now_v7(), by: None, until: None }).unwrap_or_default()
}

/// A lease in its row.
#[derive(Clone, Debug)]
pub(super) struct Held {
    number: i32,
    name: Arc<str>,
    lease: Lease,
    is_changed: bool,
}

/// What whoever asks a party has to know.
#[derive(Clone, Debug)]
pub(in crate::durable) struct Claimed {
    pub(in crate::durable) key: String,
    /// How long the round is open still, in µs.
    pub(in crate::durable) left: i64,
    /// What was emitted so far, as JSON.
    pub(in crate::durable) payloads: Vec<String>,
    /// Of the signal that comes of it.
    pub(in crate::durable) signal: Uuid,
}

/// What is asked of a lease.
#[derive(Clone, Copy, Debug)]
pub(in crate::durable) enum Leasing {
    /// Somebody takes it.
    Claim,
    /// It runs on.
    Renew,
    /// Whoever had it can ask no more: another one may.
    Release,
    /// The party is lost.
    Lose,
    /// The party needs so many µs from now on.
    More(u64),
}

/// What a round is decided by, where it is: what is said besides is a row alone.
type Decides<'a> = Option<&'a mut (dyn Course + 'static)>;

impl<P: Payload + DeserializeOwned> Sitting<'_, P> {
    /// The leases of the round, as they are by now.
    fn held(&mut self) -> &mut Vec<Held> {
        if self.held.is_none() {
            let read = |row: &Row| {
                let lease = serde_json::from_str(row.terms.as_deref()?).ok()?;
                Some(Held { number: row.number, name: row.name.clone(), lease, is_changed: false })
            };
            let rows = self.case.rows.iter().filter(|row| row.kind == Kind::Summons as i16);
            self.held = Some(rows.filter_map(read).collect());
        }
        self.held.get_or_insert_default()
    }

    /// Has all parties asked that can be and that the round waits for, as it opens.
    pub(super) fn summon(&mut self, missing: &[Arc<str>], number: i64) {
        let can_be = |name: &Arc<str>| {
            let party = self.case.parties.iter().find(|party| party.asked && party.name == *name)?;
            PartyTerms::read(&party.terms).ok().filter(|terms| terms.asked)
        };
        let asked: Vec<_> = missing.iter().filter(|name| can_be(name).is_some()).cloned().collect();
        for name in asked {
            self.add_row(Kind::Summons, &name, Uuid::nil(), Some(asked_first()), &[]);
            self.ask(&name, number, 1);
        }
    }

    fn ask(&mut self, name: &Arc<str>, number: i64, attempt: u32) {
        let packet = summons(&self.law.broker, name, number, attempt);
        self.ruling.asks.push((name.clone(), packet));
    }

    /// Whether the round waits for this party.
    fn is_owed(&self, name: &str, course: &Decides<'_>) -> bool {
        if let Some(course) = course {
            return course.missing().iter().any(|missing| **missing == *name);
        }
        let answers = [Kind::Signal as i16, Kind::Veto as i16];
        let mut rows = self.case.rows.iter().chain(&self.ruling.adds);
        !rows.any(|row| *row.name == *name && answers.contains(&row.kind))
    }

    /// Judges what is asked of a lease.
    ///
    /// # Errors
    ///
    /// Says why the round cannot be decided.
    pub(super) fn lease(
        &mut self,
        ask: &Ask,
        number: i64,
        opened: i64,
        charter: &Charter,
        course: Decides<'_>,
    ) -> Result<Answer, String> {
        let Ask::Lease { name, by, what } = ask else { return Ok(Answer::Refused(EmitError::NoRound)) };
        let (now, length) = (self.case.now, self.law.lease);
        let is_owed = self.is_owed(name, &course);
        let refused = Ok(Answer::Refused(EmitError::NoRound));
        let Some(place) = self.held().iter().position(|held| held.name == *name) else { return refused };
        if !is_owed {
            return refused;
        }
        let before = self.held()[place].lease.clone();
        let is_its = before.by == Some(*by);
        match what {
            Leasing::Claim => {
                let is_others = before.by.is_some() && !is_its;
                if is_others && before.until.is_some_and(|until| until > now) {
                    return refused;
                }
                let attempt = before.attempt + u32::from(is_others);
                let until = Some(now.saturating_add(length));
                self.set_lease(place, Lease { attempt, by: Some(*by), until, ..before });
                let rows = self.case.rows.iter().chain(&self.ruling.adds);
                let signals = rows.filter(|row| row.kind == Kind::Signal as i16);
                let payloads = match &course {
                    Some(course) => course.payloads(),
                    None => signals.map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect(),
                };
                let end = opened.saturating_add(charter.timeout().try_into().unwrap_or(i64::MAX));
                let (key, signal) = (self.key.clone(), before.signal);
                let claimed = Claimed { key, left: end.saturating_sub(now), payloads, signal };
                return Ok(Answer::Claimed(Arc::new(claimed)));
            }
            // Another one may have it by now.
            _ if !is_its => return refused,
            Leasing::Renew => {
                self.set_lease(place, Lease { until: Some(now.saturating_add(length)), ..before });
            }
            Leasing::Release => {
                self.set_lease(place, Lease { until: Some(now), ..before });
                self.lapse(number, opened, course)?;
            }
            Leasing::Lose => {
                self.set_lease(place, Lease { by: None, until: None, ..before });
                self.lose(name, opened, course)?;
            }
            Leasing::More(more) => {
                let until = now.saturating_sub(opened).saturating_add(i64::try_from(*more).unwrap_or(i64::MAX));
                let until = u64::try_from(until).unwrap_or_default();
                let told = match course {
                    Some(course) => {
                        let word = Word::Beat(Duration::from_micros(until));
                        course.say(Said { name, at: since(opened, now), weight: 1, token: Uuid::nil(), word })?
                    }
                    None => Told::Taken,
                };
                match told {
                    Told::Taken => self.beat(name, until),
                    Told::Late | Told::Over => {
                        return Ok(Answer::Refused(EmitError::Late { round: id(number), key: None }));
                    }
                    _ => {}
                }
            }
        }
        Ok(Answer::Written(id(number)))
    }

    fn set_lease(&mut self, place: usize, lease: Lease) {
        if let Some(held) = self.held().get_mut(place) {
            (held.lease, held.is_changed) = (lease, true);
        }
    }

    /// Notes until when a party has time: what it has asked for before is the same row, for a later deadline is the better one from
    /// then on.
    fn beat(&mut self, name: &Arc<str>, until: u64) {
        let is_its = |row: &Row| row.kind == Kind::Beat as i16 && row.name == *name;
        let before = self.case.rows.iter().find(|row| is_its(row));
        if let Some(row) = before {
            let (number, terms) = (row.number, row.terms.as_deref().and_then(|terms| terms.parse::<u64>().ok()));
            self.ruling.notes.retain(|(other, _)| *other != number);
            self.ruling.notes.push((number, Some(until.max(terms.unwrap_or_default()).to_string())));
        } else if let Some(row) = self.ruling.adds.iter_mut().find(|row| is_its(row)) {
            row.terms = Some(until.to_string());
        } else {
            self.add_row(Kind::Beat, name, Uuid::nil(), Some(until.to_string()), &[]);
        }
    }

    /// The party is lost in this round.
    fn lose(&mut self, name: &Arc<str>, opened: i64, course: Decides<'_>) -> Result<(), String> {
        if let Some(course) = course {
            let at = since(opened, self.case.now);
            course.say(Said { name, at, weight: 1, token: Uuid::nil(), word: Word::Lost })?;
        }
        self.add_row(Kind::Lost, name, Uuid::nil(), None, &[]);
        Ok(())
    }

    /// Lets leases run out: others of the party's processes are asked, and behind the last attempt the party is lost.
    pub(super) fn lapse(&mut self, number: i64, opened: i64, mut course: Decides<'_>) -> Result<(), String> {
        let (now, length, most) = (self.case.now, self.law.lease, self.law.attempts);
        let lapsed = |held: &&Held| held.lease.until.is_some_and(|until| until <= now);
        let names: Vec<_> = self.held().iter().filter(lapsed).map(|held| held.name.clone()).collect();
        for name in names {
            let is_owed = self.is_owed(&name, &course);
            let Some(held) = self.held().iter_mut().find(|held| held.name == name) else { continue };
            held.is_changed = true;
            let before = held.lease.by.take();
            let attempt = held.lease.attempt;
            if !is_owed || attempt >= most {
                held.lease.until = None;
                if is_owed {
                    self.lose(&name, opened, course.as_deref_mut())?;
                }
                continue;
            }
            held.lease.attempt = attempt + 1;
            held.lease.until = Some(now.saturating_add(length.max(TAKEN_UP)));
            // What nobody has taken is there still.
            if before.is_some() {
                self.ask(&name, number, attempt + 1);
            }
        }
        Ok(())
    }

    /// When the next lease runs out of a party that the round waits for.
    pub(super) fn next_lease(&mut self, course: Decides<'_>) -> Option<i64> {
        let leases: Vec<_> =
            self.held().iter().filter_map(|held| Some((held.name.clone(), held.lease.until?))).collect();
        leases.into_iter().filter(|(name, _)| self.is_owed(name, &course)).map(|(_, until)| until).min()
    }

    /// Has those asked once more of whom nobody knows whether anybody asks them: the round was set aside.
    pub(super) fn ask_again(&mut self, number: i64, course: Decides<'_>) {
        let free: Vec<_> = self.held().iter().filter(|held| held.lease.until.is_none()).cloned().collect();
        for Held { name, lease, .. } in free {
            if self.is_owed(&name, &course) {
                self.ask(&name, number, lease.attempt);
            }
        }
    }

    /// Has what has become of leases written.
    pub(super) fn note_leases(&mut self) {
        for held in self.held.take().unwrap_or_default().into_iter().filter(|held| held.is_changed) {
            let terms = serde_json::to_string(&held.lease).unwrap_or_default();
            self.ruling.notes.push((held.number, Some(terms)));
        }
    }
}
