//! Who is told what became of an ask and of a round, in this process.
//!
//! `what was done → Core::answer → a member, an emitter, Waiters`, `a round is over, here or elsewhere → Core::tell → who waits`

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::bench::{Answer, Ask, Done, id, lock};
use super::engine::Core;
use super::known::{Before, RECENT};
use super::queue::{Gathered, Reply, Waiter};
use crate::__private::rounds::{Ending, Notices};
use crate::__private::{Shown, catch};
use crate::durable::store::{Kept, Place};
use crate::transport::TransportError;
use crate::{EmitError, Payload, RoundId, Uuid};

/// For how many rounds it is asked at a time whether they are over.
const ASKED: usize = 1_000;

impl<P: Payload + DeserializeOwned> Core<P> {
    /// Looks at the rounds of a key that came and went since a work was tried first, so that it can be tried again.
    pub(super) async fn look_behind(
        &self,
        key: &str,
        place: Place,
        asks: Vec<Ask>,
        replies: Vec<(Reply<P>, Instant, u32)>,
        before: Option<Before>,
    ) -> Option<Gathered<P>> {
        let looked = match self.store.history(key, i64::MAX, RECENT).await {
            Ok(looked) => looked,
            Err(error) => {
                self.warn(&error);
                self.meter.unwritten(&asks);
                let why: Arc<str> = error.to_string().into();
                replies.into_iter().for_each(|(reply, ..)| reply.refused(EmitError::Database(why.clone())));
                return None;
            }
        };
        let mut before = before?;
        before.look(key, looked);
        Some(Gathered { places: vec![place], asks: vec![asks], replies: vec![replies], before: Some(before) })
    }

    /// What those are told whose place was passed over: nothing if somebody works on it, and else that the round is over.
    pub(super) async fn passed_over(&self, place: &Place, asks: &[Ask]) -> Vec<Answer> {
        let Place::Round(number) = place else { return Vec::new() };
        let past = match self.store.round(*number).await {
            Ok(Some(Kept::Over(past))) => Some(past),
            Ok(None) => None,
            Ok(Some(Kept::Open(..))) | Err(_) => return Vec::new(),
        };
        let (round, key) = (id(*number), past.as_ref().and_then(|past| crate::durable::key::read(&past.key)));
        let ending = past.and_then(|past| Ending::read(&past.outcome).ok()).map(Arc::new);
        let tell = |ask: &Ask| match (ask, &ending) {
            (Ask::Signal { token, .. } | Ask::Veto { token, .. }, Some(ending)) if ending.knows(*token) => {
                Answer::Over(round, ending.clone())
            }
            (Ask::Signal { .. }, _) => Answer::Refused(EmitError::Late { round, key: key.clone() }),
            _ => Answer::Refused(EmitError::NoRound),
        };
        asks.iter().map(tell).collect()
    }

    pub(super) fn answer(
        &self,
        place: &Place,
        mut reply: Reply<P>,
        answer: Answer,
        ask: &Ask,
        kept: &[(Uuid, Duration)],
    ) {
        self.meter.answered(ask, !matches!(answer, Answer::Written(_) | Answer::Over(..)));
        let token = ask.token();
        if let (Reply::Member(answers), Answer::Written(round) | Answer::Over(round, _)) = (&mut reply, &answer)
            && let Some(notices) = answers.notices()
        {
            self.tell_emitter(notices, *round, ask, kept);
        }
        match (reply, answer) {
            (reply, Answer::Refused(error)) => reply.refused(error),
            (Reply::Claim(answer), Answer::Claimed(claimed)) => drop(answer.send(Ok(claimed))),
            (Reply::Beat(_), Answer::Written(_)) => {}
            // Nobody asks so.
            (reply @ (Reply::Claim(_) | Reply::Beat(_)), _) | (reply, Answer::Again | Answer::Claimed(_)) => {
                reply.refused(EmitError::NoRound);
            }
            (Reply::Round(answer), Answer::Written(round) | Answer::Over(round, _)) => drop(answer.send(Ok(round))),
            (Reply::Member(mut answers), Answer::Written(round)) => {
                answers.committed(round);
                if answers.waits() {
                    self.waiters.add(round, Waiter::Member(answers, token));
                }
            }
            (Reply::Member(mut answers), Answer::Over(round, ending)) => {
                answers.committed(round);
                self.waiters.add(round, Waiter::Member(answers, token));
                let key = match place {
                    Place::Key(key) => Some(key.as_str()),
                    Place::Round(_) => None,
                };
                self.tell(round, key, &ending);
            }
        }
    }

    /// An emitter that asked to be told hears that its signal counts, as soon as that is known, and of the end when that comes.
    fn tell_emitter(&self, notices: Notices<P>, round: RoundId, ask: &Ask, kept: &[(Uuid, Duration)]) {
        let token = ask.token();
        let at = kept.iter().find(|(kept, _)| *kept == token).map(|(_, at)| *at);
        if let Some(at) = at {
            notices.kept(round, at);
        }
        if notices.wants_outcome() || at.is_none() && matches!(ask, Ask::Signal { .. }) {
            self.waiters.add(round, Waiter::Emitter(notices, token));
        }
    }

    /// Tells who waits what became of a round.
    pub(super) fn settle(&self, done: Done) {
        if let Some(rules) = done.foreign {
            lock(&self.foreign).insert(rules);
        }
        if let Some((round, key, ending)) = done.closed {
            self.meter.closed(&ending);
            self.tell(round, Some(&key), &ending);
        }
        if let Some((round, reason)) = done.aside {
            self.meter.set_aside();
            log::error!(
                target: "convoke::rounds",
                "{}: round {round} is set aside until it is retried or aborted: {}", self.store.name(), Shown::text(&reason)
            );
            for waiter in self.waiters.take(round) {
                match waiter {
                    Waiter::Member(answers, _) => answers.refused(EmitError::Aside { round, reason: reason.clone() }),
                    Waiter::Outcome(answer) => drop(answer.send(Err(reason.clone()))),
                    // It is not over.
                    waiter @ (Waiter::Pledge(_) | Waiter::Emitter(..)) => self.waiters.add(round, waiter),
                }
            }
        }
    }

    pub(in crate::durable) fn tell(&self, round: RoundId, key: Option<&str>, ending: &Ending) {
        let waiters = self.waiters.take(round);
        if waiters.is_empty() {
            return;
        }
        let outcome = ending.outcome::<P>(&self.broker, round, key.and_then(crate::durable::key::read));
        // Each emitter hears of it once, however often it has emitted.
        let mut told: Vec<Notices<P>> = Vec::new();
        for waiter in waiters {
            match (waiter, &outcome) {
                // It is in the round behind this one, which may be over by now.
                (waiter @ (Waiter::Member(_, token) | Waiter::Emitter(_, token)), _)
                    if ending.carried.contains(&token) =>
                {
                    self.waiters.add(id(ending.next.unwrap_or_default()), waiter);
                    self.nudge.notify_one();
                }
                (Waiter::Emitter(notices, token), outcome) => {
                    if let Some(sign) = ending.signals.iter().find(|sign| sign.token == token) {
                        notices.kept(round, Duration::from_micros(sign.at));
                    }
                    match outcome {
                        Ok(outcome) if !told.iter().any(|told| told.is_same(&notices)) => {
                            notices.ended(outcome.clone());
                            told.push(notices);
                        }
                        Ok(_) => {}
                        Err(why) => log::warn!(
                            target: "convoke::rounds",
                            "{}: {notices:?} cannot be told of round {round}: {}", self.store.name(), Shown::text(why)
                        ),
                    }
                }
                (Waiter::Member(answers, _), Ok(outcome)) => answers.ended(outcome.clone()),
                (Waiter::Member(answers, _), Err(why)) => answers.refused(EmitError::Unreadable(why.as_str().into())),
                (Waiter::Outcome(answer), Ok(outcome)) => drop(answer.send(Ok(outcome.clone()))),
                (Waiter::Outcome(answer), Err(why)) => drop(answer.send(Err(why.as_str().into()))),
                (Waiter::Pledge(over), _) => over.tell(),
            }
        }
        // The last one may have gone meanwhile, and a payload is the user's, and so is its `Drop`.
        self.drop_quietly(outcome);
    }

    fn drop_quietly<T>(&self, theirs: T) {
        if let Err(why) = catch(move || drop(theirs)) {
            log::error!(target: "convoke::rounds", "{}: a payload has panicked as it was dropped: {}", self.store.name(), Shown::text(&why));
        }
    }

    /// Tells who waits for rounds that have closed elsewhere.
    pub(super) async fn look_at_ends(&self) -> Result<(), TransportError> {
        let rounds = self.waiters.rounds();
        for some in rounds.chunks(ASKED) {
            let numbers: Vec<_> = some.iter().map(|round| i64::try_from(round.get()).unwrap_or(i64::MAX)).collect();
            for past in self.store.ended(&numbers).await? {
                match Ending::read(&past.outcome) {
                    Ok(ending) => self.tell(id(past.id), Some(&past.key), &ending),
                    Err(error) => self.tell_unreadable(id(past.id), &error),
                }
            }
        }
        Ok(())
    }

    fn tell_unreadable(&self, round: RoundId, error: &serde_json::Error) {
        let why: Arc<str> = format!("the outcome of round {round} cannot be read: {error}").into();
        for waiter in self.waiters.take(round) {
            match waiter {
                Waiter::Member(answers, _) => answers.refused(EmitError::Unreadable(why.clone())),
                Waiter::Outcome(answer) => drop(answer.send(Err(why.clone()))),
                Waiter::Pledge(over) => over.tell(),
                Waiter::Emitter(..) => {
                    log::warn!(target: "convoke::rounds", "{}: {}", self.store.name(), Shown::text(&why));
                }
            }
        }
    }
}
