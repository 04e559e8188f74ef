//! What is known again of asks that were tried before, when nobody knows how that has ended: a signal counts once, however often it is said.
//!
//! `a work is tried once more → Before → the last round of the key, and those that came and went since → what each ask was told`

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::bench::{Answer, Ask, id};
use super::sitting::{Sitting, micros};
use crate::__private::rounds::{Charter, Ending};
use crate::durable::key;
use crate::durable::store::{Kept, Past};
use crate::{EmitError, Payload, RoundId, Uuid};

/// How many rounds of a key are looked at that came and went meanwhile.
pub(in crate::durable) const RECENT: usize = 100;

/// By how much the clock of a database may be behind while a work is under way.
const SLACK: Duration = Duration::from_secs(1);

/// A work that was tried before.
#[derive(Clone)]
pub(in crate::durable) struct Before {
    since: Instant,
    /// By the key of the rounds.
    looked: HashMap<String, Looked>,
}

/// The rounds of a key that were over when somebody looked.
#[derive(Clone)]
struct Looked {
    /// The number of the last one.
    newest: i64,
    endings: Vec<(RoundId, Arc<Ending>)>,
}

impl Before {
    /// Of a work that was tried then for the first time.
    pub(in crate::durable) fn since(since: Instant) -> Self {
        Self { since, looked: HashMap::new() }
    }

    /// Notes which rounds of a key are over.
    pub(in crate::durable) fn look(&mut self, key: &str, kept: Vec<Kept>) {
        let past = kept.into_iter().filter_map(|kept| match kept {
            Kept::Over(past) => Some(past),
            Kept::Open(..) => None,
        });
        let past: Vec<_> = past.collect();
        let newest = past.first().map_or(0, |past| past.id);
        let ending = |past: &Past| Some((id(past.id), Arc::new(Ending::read(&past.outcome).ok()?)));
        self.looked.insert(key.to_owned(), Looked { newest, endings: past.iter().filter_map(ending).collect() });
    }

    /// What each of these was told; `None` if nobody can say so before he has looked at the rounds of this key.
    pub(super) fn known<P: Payload + DeserializeOwned>(
        &self,
        sitting: &Sitting<'_, P>,
        asks: &[Ask],
    ) -> Option<Vec<Option<Answer>>> {
        let looked = self.looked.get(&sitting.key);
        let seen = |ask: &Ask| {
            let endings = looked.map(|looked| &looked.endings[..]).unwrap_or_default();
            endings.iter().find_map(|(round, ending)| known_in(ask.token(), *round, ending, &sitting.key))
        };
        let known: Vec<_> = asks.iter().map(|ask| sitting.known_before(ask).or_else(|| seen(ask))).collect();
        let from = sitting.case.now.saturating_sub(micros(self.since.elapsed().saturating_add(SLACK)));
        // Of a round that was open when it was tried first all of it is known by the last one.
        let is_sure = match sitting.last() {
            Some((last, ending)) => ending.opened < from || looked.is_some_and(|looked| looked.newest >= last.id),
            None => true,
        };
        let all_known = || asks.iter().zip(&known).all(|(ask, known)| known.is_some() || ask.token().is_nil());
        (is_sure || all_known()).then_some(known)
    }
}

/// What was told to who said this, if it was said to the round that has ended so.
fn known_in(token: Uuid, round: RoundId, ending: &Arc<Ending>, of: &str) -> Option<Answer> {
    if token.is_nil() {
        return None;
    }
    if let Some(next) = ending.next.filter(|_| ending.carried.contains(&token)) {
        return Some(Answer::Written(id(next)));
    }
    if ending.refused.contains(&token) {
        return Some(Answer::Refused(EmitError::Late { round, key: key::read(of) }));
    }
    ending.knows(token).then(|| Answer::Over(round, ending.clone()))
}

impl<P: Payload + DeserializeOwned> Sitting<'_, P> {
    /// An ask that was written before, by a work of which nobody knew how it ended, and whose round is over.
    pub(super) fn known_before(&self, ask: &Ask) -> Option<Answer> {
        let token = ask.token();
        if token.is_nil() {
            return None;
        }
        let (last, ending) = self.last()?;
        known_in(token, id(last.id), &Arc::new(ending), &self.key)
    }

    fn last(&self) -> Option<(&Past, Ending)> {
        let last = self.case.last.as_ref()?;
        Some((last, Ending::read(&last.outcome).ok()?))
    }

    /// The round for which a signal is late: each is late once.
    pub(super) fn late(&mut self, charter: &Charter, name: &Arc<str>, token: Uuid) -> Option<RoundId> {
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
        ending.refused.push(token);
        self.ruling.amends = Some(ending.to_text());
        Some(round)
    }
}
