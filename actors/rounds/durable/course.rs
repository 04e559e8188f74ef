//! A round as its rows have it: what was said, in its order, by the same `round` that decides in the process.
//!
//! `charter + rows in their order → round.rs → what each is told, the ending, the next deadline`

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::charter::Charter;
use super::ending::{End, Ending, No, Sign};
use super::party::PartyTerms;
use crate::base::Payload;
use crate::rounds::round::{Abort, Decision, Input, Refusal, Round, Slot, Standing, Terms, Verdict, Veto, When, Who};
use crate::runtime::catch;

/// What a party, or who may end the round, says to it.
#[derive(Clone, Copy)]
pub enum Word<'a> {
    /// A signal, with its payload as JSON.
    Signal(&'a str),
    /// A veto, with its reason.
    Veto(&'a str),
    /// Whoever says it, if that is somebody, ends the round for this reason.
    Abort(&'a str),
    /// What it has said of itself before the round opened.
    Party(PartyTerms),
    /// It was asked, and is lost.
    Lost,
    /// It was asked, and needs time until then, counted from the opening.
    Beat(Duration),
}

/// Omits the payload, which may be personal.
impl fmt::Debug for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signal(_) => "Signal(…)",
            Self::Veto(_) => "Veto(…)",
            Self::Abort(_) => "Abort(…)",
            Self::Party(_) => "Party(…)",
            Self::Lost => "Lost",
            Self::Beat(_) => "Beat(…)",
        })
    }
}

/// What is said to a round.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Who says it.
    pub name: &'a str,
    /// When, since the round opened.
    pub at: Duration,
    /// How much a signal of it weighs.
    pub weight: u32,
    /// By which whoever said it knows it again.
    pub token: Uuid,
    /// What is said.
    pub word: Word<'a>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It counts, and is to be a row.
    Taken,
    /// Its party has emitted before.
    AlreadyKept,
    /// The deadline of its party is past.
    Late,
    /// Its party has vetoed before, which was tolerated.
    Vetoed,
    /// It is for the next round.
    Next,
    /// It changes nothing.
    Nothing,
    /// Its party is none of this round.
    Stranger,
    /// The round was over before.
    Over,
}

/// A round that is worked out.
pub trait Course {
    /// Says something to it.
    ///
    /// # Errors
    ///
    /// Says why the round cannot be decided: a payload cannot be read, or a predicate has panicked.
    fn say(&mut self, said: Said<'_>) -> Result<Told, String>;

    /// Tells it how late it is.
    ///
    /// # Errors
    ///
    /// Those of [`say`](Self::say).
    fn tick(&mut self, at: Duration) -> Result<(), String>;

    /// Returns when its next deadline is, unless it is over.
    fn next_deadline(&self) -> Option<Duration>;

    /// Returns what became of it, if it is over; `at` is how long it was open.
    fn ending(&self, opened: i64, at: Duration) -> Option<Ending>;

    /// Returns the names of those that have kept their promise, in their order.
    fn kept(&self) -> Vec<Arc<str>>;

    /// Returns the names of those that it waits for.
    fn missing(&self) -> Vec<Arc<str>>;

    /// Returns what was emitted so far, in its order, as JSON.
    fn payloads(&self) -> Vec<String>;
}

/// A round whose payloads are of this type, or of none where nobody looks at them.
pub(super) struct Worked<P> {
    charter: Arc<Charter>,
    round: Round<P>,
    read: fn(&str) -> Result<P, String>,
    /// By slot.
    names: Vec<Arc<str>>,
    /// What each has said last.
    signs: Vec<Option<(Uuid, String)>>,
    /// How much that weighs: what was refused since weighs nothing.
    weights: Vec<u32>,
    /// Who has vetoed, in the order of that.
    vetoed: Vec<(Slot, Uuid)>,
    /// Signals that count no longer.
    withdrawn: Vec<Uuid>,
}

impl dyn Course {
    /// Begins to work out a round that goes by these rules; `None` if its predicate is not among these.
    pub fn begin<P: Payload + DeserializeOwned>(charter: &Arc<Charter>, known: &Predicates<P>) -> Option<Box<Self>> {
        match charter.predicate() {
            // Nobody looks at the payloads, and they may be of any type.
            None => Some(Box::new(Worked::<()>::new(charter, None, |_| Ok(())))),
            Some((name, version)) => {
                let when = known.find(name, version)?;
                let read = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
                Some(Box::new(Worked::<P>::new(charter, Some(when), read)))
            }
        }
    }
}

/// The predicates that this process knows by their names.
pub struct Predicates<P>(Vec<(Arc<str>, u32, When<P>)>);

impl<P> Predicates<P> {
    pub(crate) fn of(release: &crate::rounds::round::Needed<P>) -> Self {
        match release {
            crate::rounds::round::Needed::When(when) => Self(when.versions()),
            _ => Self(Vec::new()),
        }
    }

    /// Whether rounds that are released by this predicate can be decided here.
    pub fn knows(&self, name: &str, version: u32) -> bool {
        self.find(name, version).is_some()
    }

    fn find(&self, name: &str, version: u32) -> Option<When<P>> {
        self.0.iter().find(|(known, of, _)| **known == *name && *of == version).map(|(_, _, when)| when.clone())
    }
}

impl<P> std::fmt::Debug for Predicates<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, version, _)| format!("{name} v{version}"))).finish()
    }
}

impl<P> Worked<P> {
    fn new(charter: &Arc<Charter>, predicate: Option<When<P>>, read: fn(&str) -> Result<P, String>) -> Self {
        let names: Vec<_> = charter.parties().cloned().collect();
        let term = |(slot, name): (Slot, &Arc<str>)| {
            let required = charter.required(name)?;
            Some((slot, Terms { required: Some(required), ..Terms::default() }))
        };
        let terms = (0..).zip(&names).filter_map(term).collect();
        let rules = charter.rules(predicate);
        let person = |name: &Arc<str>| Who { name: name.clone(), weight: 1 };
        let people = rules.release.asks_who().then(|| Rc::new(names.iter().map(person).collect()));
        let round = Round::open(rules, vec![Standing::Owing; names.len()], Rc::new(terms), people);
        let (signs, weights) = (vec![None; names.len()], vec![1; names.len()]);
        Self { charter: charter.clone(), round, read, names, signs, weights, vetoed: Vec::new(), withdrawn: Vec::new() }
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        (0..).zip(&self.names).find(|(_, known)| ***known == *name).map(|(slot, _)| slot)
    }

    /// The slot of a party, which joins by what it says where nobody said who takes part.
    fn enter(&mut self, Said { name, at, weight, .. }: Said<'_>) -> Option<Slot> {
        if let Some(slot) = self.slot(name) {
            return Some(slot);
        }
        if !self.charter.knows(name) {
            return None;
        }
        let slot = Slot::try_from(self.names.len()).ok()?;
        let name: Arc<str> = name.into();
        self.names.push(name.clone());
        self.signs.push(None);
        self.weights.push(weight);
        self.round.handle(at, Input::Join(slot, Terms::default(), Who { name, weight }));
        Some(slot)
    }

    fn weighs(&mut self, slot: Slot, weight: u32) {
        if let Some(name) = self.names.get(slot as usize).cloned() {
            self.round.meet(slot, Who { name, weight });
        }
    }

    fn signal(&mut self, said: Said<'_>, payload: &str) -> Result<Told, String> {
        // Nobody leaves: but a deadline that is past has ended the round before whoever speaks now may join it.
        self.round.handle(said.at, Input::Leave(Slot::MAX));
        if self.round.verdict().is_some() {
            return Ok(Told::Over);
        }
        let Some(slot) = self.enter(said) else { return Ok(Told::Stranger) };
        let read =
            (self.read)(payload).map_err(|why| format!("the payload of `{}` cannot be read: {why}", said.name))?;
        let place = slot as usize;
        self.weighs(slot, said.weight);
        let decision = self.round.emit(said.at, slot, read);
        if !matches!(decision, Decision::Taken { .. }) {
            self.weighs(slot, self.weights[place]);
        }
        Ok(match decision {
            Decision::Taken { .. } => {
                self.withdrawn.extend(self.signs[place].take().map(|(token, _)| token));
                self.signs[place] = Some((said.token, payload.to_owned()));
                self.weights[place] = said.weight;
                Told::Taken
            }
            Decision::Refused(_, Refusal::AlreadyKept) => Told::AlreadyKept,
            Decision::Deferred(_) => Told::Next,
            Decision::Refused(_, Refusal::Vetoed) => Told::Vetoed,
            Decision::Refused(..) => Told::Late,
            Decision::Over(_) => Told::Over,
        })
    }

    /// A party of which something was known when the round opened: it takes part from then on.
    fn admit(&mut self, said: Said<'_>, terms: PartyTerms) -> Told {
        let Some(slot) = self.enter(Said { at: Duration::ZERO, ..said }) else { return Told::Stranger };
        if let Some(time) = terms.time() {
            self.round.oblige(slot, time);
        }
        Told::Taken
    }

    /// What becomes of somebody who was asked and has not answered yet.
    fn asked(&mut self, said: Said<'_>, input: impl FnOnce(Slot) -> Input) -> Told {
        self.round.handle(said.at, Input::Leave(Slot::MAX));
        if self.round.verdict().is_some() {
            return Told::Over;
        }
        let Some(slot) = self.slot(said.name) else { return Told::Stranger };
        if self.round.standing_of(slot).has_missed() {
            return Told::Late;
        }
        let input = input(slot);
        let is_vain = match input {
            Input::Heartbeat(..) => self.round.deadline_of(slot).is_none(),
            _ => false,
        };
        if is_vain || !self.round.standing_of(slot).owes() {
            return Told::Nothing;
        }
        self.round.handle(said.at, input);
        Told::Taken
    }

    fn end(&self, verdict: &Verdict) -> End {
        let name = |slot: Slot| self.names.get(slot as usize).cloned().unwrap_or_else(|| "".into());
        match verdict {
            Verdict::Resolved { partial: false } => End::Resolved,
            Verdict::Resolved { partial: true } => End::Partial,
            Verdict::TimedOut | Verdict::NoMember { .. } => End::TimedOut,
            Verdict::Idle => End::Idle,
            Verdict::Lost(slot) => End::Lost(name(*slot)),
            Verdict::Vetoed(slot, reason) => End::Vetoed(name(*slot), reason.clone()),
            Verdict::OutOfReach => End::OutOfReach,
            Verdict::Aborted(Abort::Asked(reason)) => End::Aborted(reason.clone()),
            Verdict::Aborted(Abort::AskedBy(asked)) => End::AbortedBy(asked.0.clone(), asked.1.clone()),
            // Nothing of a row ends a round so.
            Verdict::Aborted(Abort::BrokerStopped | Abort::SessionLost) => End::Aborted("".into()),
        }
    }
}

impl<P> Course for Worked<P> {
    fn say(&mut self, said: Said<'_>) -> Result<Told, String> {
        // A predicate is the user's.
        catch(|| match said.word {
            Word::Signal(payload) => self.signal(said, payload),
            Word::Veto(reason) => {
                self.round.handle(said.at, Input::Leave(Slot::MAX));
                if self.round.verdict().is_some() {
                    return Ok(Told::Over);
                }
                let Some(slot) = self.enter(said) else { return Ok(Told::Stranger) };
                if self.vetoed.iter().any(|(by, _)| *by == slot) {
                    return Ok(Told::Vetoed);
                }
                self.round.handle(said.at, Input::Veto(slot, reason.into()));
                self.vetoed.push((slot, said.token));
                if self.round.standing_of(slot) == Standing::Vetoed {
                    self.withdrawn.extend(self.signs[slot as usize].take().map(|(token, _)| token));
                }
                Ok(Told::Taken)
            }
            Word::Party(terms) => Ok(self.admit(said, terms)),
            Word::Lost => Ok(self.asked(said, Input::Lost)),
            Word::Beat(until) => Ok(self.asked(said, |slot| Input::Heartbeat(slot, until))),
            Word::Abort(reason) => {
                let abort = match said.name {
                    "" => Abort::Asked(reason.into()),
                    by => Abort::AskedBy(Box::new((by.into(), reason.into()))),
                };
                let is_open = self.round.handle(said.at, Input::Abort(abort));
                Ok(if is_open { Told::Taken } else { Told::Over })
            }
        })
        .unwrap_or_else(|why| Err(panicked(&why)))
    }

    fn tick(&mut self, at: Duration) -> Result<(), String> {
        catch(|| self.round.handle(at, Input::Tick)).map(drop).map_err(|why| panicked(&why))
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.round.next_deadline()
    }

    fn ending(&self, opened: i64, at: Duration) -> Option<Ending> {
        let verdict = self.round.verdict()?;
        let refused = match verdict {
            Verdict::Vetoed(slot, _) => Some(*slot),
            _ => None,
        };
        let is_missing = |slot: Slot| self.round.standing_of(slot).is_missing() && Some(slot) != refused;
        let missing = (0..).zip(&self.names).filter(|(slot, _)| is_missing(*slot)).map(|(_, name)| name.clone());
        let sign = |kept: &crate::rounds::round::Kept| {
            let (token, payload) = self.signs.get(kept.slot as usize)?.clone()?;
            let name = self.names.get(kept.slot as usize)?.clone();
            Some(Sign { name, at: micros(kept.at), token, payload })
        };
        let no = |veto: &Veto| {
            let token = self.vetoed.iter().find(|(slot, _)| *slot == veto.slot).map(|(_, token)| *token)?;
            let name = self.names.get(veto.slot as usize)?.clone();
            Some(No { name, reason: veto.reason.clone(), token })
        };
        Some(Ending {
            end: self.end(verdict),
            opened,
            elapsed: micros(at),
            quorum: self.charter.quorum(),
            signals: self.round.kept().iter().filter_map(sign).collect(),
            vetoes: self.round.vetoes().iter().filter_map(no).collect(),
            by: refused.and_then(|by| self.vetoed.iter().find(|(slot, _)| *slot == by).map(|(_, token)| *token)),
            withdrawn: self.withdrawn.clone(),
            missing: missing.collect(),
            late: Vec::new(),
            refused: Vec::new(),
            carried: Vec::new(),
            next: None,
        })
    }

    fn kept(&self) -> Vec<Arc<str>> {
        self.round.kept().iter().filter_map(|kept| self.names.get(kept.slot as usize).cloned()).collect()
    }

    fn missing(&self) -> Vec<Arc<str>> {
        self.round.owing().filter_map(|slot| self.names.get(slot as usize).cloned()).collect()
    }

    fn payloads(&self) -> Vec<String> {
        let sign = |kept: &crate::rounds::round::Kept| {
            self.signs.get(kept.slot as usize)?.as_ref().map(|(_, payload)| payload.clone())
        };
        self.round.kept().iter().filter_map(sign).collect()
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap_or(u64::MAX)
}

fn panicked(why: &str) -> String {
    format!("its predicate has panicked: {why}")
}
