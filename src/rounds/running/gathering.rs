//! Rounds that a part of Convoke keeps for itself: each opens by rules of its own, and what is said of it comes by an outbox.
//!
//! `Speech: a key, how it opens, what is said → Gathering::hear → RoundStore::work → sitting.rs (round.rs decides) → Heard`

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::bench::{Ask, Bench, Law, lock};
use super::sitting::Sitting;
use super::tally::{Tally, body, text_of};
use crate::__private::DeskBroker;
use crate::__private::rounds::{Charter, Predicates};
use crate::durable::store::{Case, Judge, Kept, Place, RoundDatabase, RoundStore, Row, Ruling, Stage};
use crate::transport::{ErrorKind, TransportError};
use crate::{Broker, Early, OnVeto, Release, Uuid};

/// How long beyond its deadline a round is left to a process that knows more.
const GRACE: Duration = Duration::from_secs(5);

/// How many rounds are looked at by one transaction.
const LOOKED_AT: usize = 200;

/// How many are read at a time.
const READ: usize = 50;

/// How many are deleted at a time.
const PURGED: usize = 1_000;

/// So many rules are remembered.
const REMEMBERED: usize = 256;

/// By which rules a round opens.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Who takes part.
    pub(crate) parties: Vec<Arc<str>>,
    /// How many of them suffice. It is out of reach as soon as too many have said no.
    pub(crate) quorum: usize,
    pub(crate) deadline: Duration,
}

/// What is said to a round. Of what a party says the first word counts: later ones are passed over.
#[derive(Clone)]
pub(crate) enum Word {
    /// A signal, with its payload as JSON.
    Yes { name: Arc<str>, token: Uuid, payload: String },
    /// A veto, which is tolerated.
    No { name: Arc<str>, token: Uuid, reason: String },
    /// It ends, for this reason.
    End(Arc<str>),
}

impl Word {
    fn name(&self) -> Option<&Arc<str>> {
        match self {
            Self::Yes { name, .. } | Self::No { name, .. } => Some(name),
            Self::End(_) => None,
        }
    }

    fn into_ask(self) -> Ask {
        match self {
            Self::Yes { name, token, payload } => Ask::Signal { name, payload, weight: 1, token },
            Self::No { name, token, reason } => Ask::Veto { name, reason: reason.into(), token },
            Self::End(reason) => Ask::Abort { reason, by: None, token: Uuid::now_v7() },
        }
    }
}

/// What is said, made of what was said first.
pub(crate) type Words = Box<dyn Fn(&str) -> Vec<Word> + Send + Sync>;

/// All that is said to the round of a key, in one go.
pub(crate) struct Speech {
    pub(crate) key: Uuid,
    /// By which rules it opens, and what is said first, if it is to open: a key has one round, ever.
    pub(crate) opens: Option<(Shape, Word)>,
    /// What is said then, made of what was said first in this round.
    pub(crate) words: Words,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The round is open.
    Open,
    /// It is over now, or was before.
    Over,
    /// Nobody can decide it, for this reason.
    Aside(Arc<str>),
    /// There is none.
    Nothing,
}

/// For how long rules are opened by that were noted, before they are noted again; and after how long those may go by which nobody opens rounds.
const NOTED: Duration = Duration::from_secs(60 * 60);
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Rules that were noted, and their number.
type Noted = (i64, Arc<Charter>);

/// The rounds of one part of Convoke. They are rows as those of every durable broker, of a name that no user can give.
pub(crate) struct Gathering {
    store: Arc<dyn RoundStore>,
    law: Law<()>,
    /// With when that was.
    noted: Mutex<HashMap<String, (Noted, Instant)>>,
}

impl Gathering {
    /// Opens the rounds of this name, and notes who hears of those that close.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn open<D: RoundDatabase>(db: &D, name: &str, consumer: &str) -> Result<Self, TransportError> {
        let store = db.open_rounds(name.into()).await?;
        // Whoever has a transaction open need not be waited for.
        if store.consumers().await?.iter().all(|name| **name != *consumer) {
            store.add_consumer(consumer).await?;
        }
        // No round opens by the rules of this one: each brings its own.
        let nobody = Shape { parties: vec![name.into()], quorum: 1, deadline: GRACE };
        let refused = |why: String| TransportError::new(ErrorKind::Refused, name, why);
        let (charter, predicates) = rules(&nobody).map_err(refused)?;
        let law = Law::new(name.into(), 0, Arc::new(charter), predicates, GRACE);
        Ok(Self { store, law, noted: Mutex::default() })
    }

    /// Which outbox has the rounds that this consumer is to hear of.
    pub(crate) fn outbox_of(&self, consumer: &str) -> String {
        self.store.outbox_of(consumer)
    }

    /// Notes the rules of a round that is to open: those of the same shape are one row.
    async fn note(&self, shape: &Shape) -> Result<Noted, TransportError> {
        let refused = |why: String| TransportError::new(ErrorKind::Refused, self.store.name().clone(), why);
        let (charter, _) = rules(shape).map_err(refused)?;
        let text = charter.to_text();
        if let Some((noted, at)) = lock(&self.noted).get(&text)
            && at.elapsed() < NOTED
        {
            return Ok(noted.clone());
        }
        let at = Instant::now();
        let crate::durable::Enrolled::As(number) = self.store.enroll(&text, true).await? else {
            return Err(refused("its rules were not taken".to_owned()));
        };
        let noted = (number, Arc::new(charter));
        let mut all = lock(&self.noted);
        if all.len() >= REMEMBERED {
            all.clear();
        }
        all.insert(text, (noted.clone(), at));
        Ok(noted)
    }

    /// Says something to several rounds, each of another key, in one transaction.
    ///
    /// # Errors
    ///
    /// Those of [`RoundStore::work`]. What was said may count then; it can be said again.
    pub(crate) async fn hear(&self, speeches: &[Speech]) -> Result<Vec<Heard>, TransportError> {
        let mut opens = Vec::with_capacity(speeches.len());
        for speech in speeches {
            opens.push(match &speech.opens {
                Some((shape, first)) => Some((self.note(shape).await?, first.clone())),
                None => None,
            });
        }
        let places: Vec<_> = speeches.iter().map(|speech| Place::Key(text_of(speech.key))).collect();
        let heard = Mutex::new(vec![None; speeches.len()]);
        let hearing = Hearing { law: &self.law, speeches, opens: &opens, heard: &heard };
        self.store.work(&places, &hearing).await?;
        let busy = || TransportError::new(ErrorKind::Unreachable, self.store.name().clone(), "others are at it");
        let heard = std::mem::take(&mut *lock(&heard));
        heard.into_iter().map(|heard| heard.ok_or_else(busy)).collect()
    }

    /// Looks at what is due; returns how long nothing is, as far as that is known.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn look_at_due(&self) -> Result<Option<Duration>, TransportError> {
        loop {
            let due = self.store.due(&[], GRACE, LOOKED_AT).await?;
            if due.rounds.is_empty() {
                return Ok(due.next);
            }
            let places: Vec<_> = due.rounds.iter().map(|round| Place::Round(*round)).collect();
            let asks = vec![Vec::new(); places.len()];
            let bench = Bench::new(&self.law, &places, &asks);
            self.store.work(&places, &bench).await?;
            // Others are at them.
            if bench.done().iter().all(Option::is_none) {
                return Ok(None);
            }
        }
    }

    /// Deletes rounds that have been over for this long, and rules by which no round goes any more.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn purge(&self, older: Duration) -> Result<(), TransportError> {
        while self.store.purge(older, PURGED).await? == PURGED as u64 {}
        self.store.forget_rules(FORGOTTEN).await.map(drop)
    }

    /// Returns how the round of a key is, if there is one.
    ///
    /// # Errors
    ///
    /// Those of the database; `Refused` if a later program has written it.
    pub(crate) async fn look(&self, key: Uuid) -> Result<Option<Tally>, TransportError> {
        let kept = self.store.history(&text_of(key), i64::MAX, 1).await?.pop();
        kept.map(|kept| self.read(kept).map(|(_, tally)| tally)).transpose()
    }

    /// The same by the number of the round.
    ///
    /// # Errors
    ///
    /// Those of [`look`](Self::look).
    pub(crate) async fn round(&self, round: i64) -> Result<Option<Tally>, TransportError> {
        let kept = self.store.round(round).await?;
        kept.map(|kept| self.read(kept).map(|(_, tally)| tally)).transpose()
    }

    fn read(&self, kept: Kept) -> Result<(Option<Uuid>, Tally), TransportError> {
        Tally::of(kept).map_err(|why| TransportError::new(ErrorKind::Refused, self.store.name().clone(), why))
    }

    /// Returns some of the rounds that are not over, behind this number, in the order of their numbers; none if there are no more.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn open_behind(&self, after: i64) -> Result<Vec<(Uuid, Tally)>, TransportError> {
        let kept = self.store.open(after, READ).await?;
        Ok(kept
            .into_iter()
            .filter_map(|kept| Tally::of(kept).ok())
            .filter_map(|(key, tally)| Some((key?, tally)))
            .collect())
    }

    /// What changes when something may have become different.
    pub(crate) fn bell(&self) -> tokio::sync::watch::Receiver<()> {
        self.store.bell()
    }

    /// Whether other processes may write too.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.is_shared()
    }
}

/// The rules of a round of this shape.
fn rules(shape: &Shape) -> Result<(Charter, Predicates<()>), String> {
    let broker = Broker::<()>::new(shape.deadline)
        .expects(shape.parties.iter().cloned())
        .release(Release::at_least(shape.quorum))
        .on_veto(OnVeto::Tolerate(shape.parties.len()));
    let charter = DeskBroker::charter(&broker, Early::Rejected).map_err(|error| error.to_string())?;
    Ok((charter, DeskBroker::predicates(&broker)))
}

/// Where speeches are judged.
struct Hearing<'a> {
    law: &'a Law<()>,
    speeches: &'a [Speech],
    opens: &'a [Option<(Noted, Word)>],
    heard: &'a Mutex<Vec<Option<Heard>>>,
}

impl Hearing<'_> {
    fn note(&self, place: usize, heard: Heard) {
        if let Some(slot) = lock(self.heard).get_mut(place) {
            *slot = Some(heard);
        }
    }

    /// What is said that was not said before: of each party its first word, for a no behind a yes would take that back.
    fn asks(speech: &Speech, first: &str, rows: &[Row]) -> Vec<Ask> {
        let mut spoken: HashSet<Arc<str>> = rows.iter().map(|row| row.name.clone()).collect();
        let words = (speech.words)(first).into_iter();
        words.filter(|word| word.name().is_none_or(|name| spoken.insert(name.clone()))).map(Word::into_ask).collect()
    }
}

impl Judge for Hearing<'_> {
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling> {
        let (speech, opens) = (self.speeches.get(place)?, self.opens.get(place)?);
        let mut sitting = Sitting::new(self.law, case, text_of(speech.key));
        match (&case.round, opens) {
            (Some(round), _) => {
                let first = case.rows.first().map(body).unwrap_or_default();
                let asks = Self::asks(speech, &first, &case.rows);
                if round.stage == Stage::Aside {
                    self.note(place, Heard::Aside(round.reason.as_deref().unwrap_or_default().into()));
                } else {
                    self.note(place, Heard::Open);
                }
                if asks.is_empty() {
                    return None;
                }
                sitting.hear(&asks);
            }
            (None, Some(((rules, charter), first))) if case.last.is_none() => {
                let Word::Yes { payload, .. } = first else { return None };
                let mut asks = vec![first.clone().into_ask()];
                asks.extend(Self::asks(speech, payload, &[]));
                self.note(place, Heard::Open);
                sitting.open_by(*rules, charter, &asks);
            }
            (None, _) => {
                self.note(place, if case.last.is_some() { Heard::Over } else { Heard::Nothing });
                return None;
            }
        }
        let Sitting { ruling, done, .. } = sitting;
        if let Some((_, reason)) = done.aside {
            self.note(place, Heard::Aside(reason));
        } else if done.closed.is_some() {
            self.note(place, Heard::Over);
        }
        Some(ruling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__private::rounds::End;
    use crate::transport::Memory;

    fn shape(quorum: usize) -> Shape {
        let parties = ["head", "0", "1", "2"].map(Into::into).into();
        Shape { parties, quorum, deadline: Duration::from_secs(60) }
    }

    fn yes(name: &str) -> Word {
        Word::Yes { name: name.into(), token: Uuid::now_v7(), payload: format!("\"{name}\"") }
    }

    fn no(name: &str) -> Word {
        Word::No { name: name.into(), token: Uuid::now_v7(), reason: "no".into() }
    }

    fn says(key: Uuid, words: impl IntoIterator<Item = Word>) -> Speech {
        let words: Vec<_> = words.into_iter().collect();
        Speech { key, opens: None, words: Box::new(move |_| words.clone()) }
    }

    fn opens(key: Uuid, quorum: usize) -> Speech {
        Speech { opens: Some((shape(quorum), yes("head"))), ..says(key, []) }
    }

    async fn gathering() -> Gathering {
        Gathering::open(&Memory::database(), "ours:here", "then").await.unwrap()
    }

    #[actix_rt::test]
    async fn of_each_party_the_first_word_counts_however_often_it_is_said() {
        let (gathering, key) = (gathering().await, Uuid::now_v7());
        assert_eq!(gathering.hear(&[says(key, [yes("0")])]).await.unwrap(), [Heard::Nothing]);
        assert_eq!(gathering.hear(&[opens(key, 3)]).await.unwrap(), [Heard::Open]);
        // A no behind a yes would take that back, in one go or later.
        assert_eq!(gathering.hear(&[says(key, [yes("0"), no("0"), yes("0")])]).await.unwrap(), [Heard::Open]);
        assert_eq!(gathering.hear(&[says(key, [no("0"), no("1"), yes("1")])]).await.unwrap(), [Heard::Open]);
        let tally = gathering.look(key).await.unwrap().unwrap();
        assert_eq!((&*tally.first, tally.kept.len(), tally.refused.len()), ("\"head\"", 1, 1));
        assert_eq!(gathering.hear(&[says(key, [yes("2")])]).await.unwrap(), [Heard::Over]);
        let tally = gathering.look(key).await.unwrap().unwrap();
        assert_eq!((tally.end, tally.kept.len(), tally.refused.len()), (Some(End::Resolved), 2, 1));
    }

    #[actix_rt::test]
    async fn a_key_has_one_round_ever() {
        let (gathering, key) = (gathering().await, Uuid::now_v7());
        // It opens and closes in one go.
        assert_eq!(gathering.hear(&[opens(key, 1)]).await.unwrap(), [Heard::Over]);
        let round = gathering.look(key).await.unwrap().unwrap().round;
        assert_eq!(
            gathering.hear(&[opens(key, 1), opens(Uuid::now_v7(), 2)]).await.unwrap(),
            [Heard::Over, Heard::Open]
        );
        assert_eq!(gathering.hear(&[says(key, [no("0"), Word::End("no".into())])]).await.unwrap(), [Heard::Over]);
        assert_eq!(gathering.look(key).await.unwrap().unwrap().round, round);
        assert_eq!(gathering.open_behind(0).await.unwrap().len(), 1);
    }

    #[actix_rt::test]
    async fn too_many_that_say_no_end_it_and_so_does_whoever_ends_it() {
        let (gathering, keys) = (gathering().await, [Uuid::now_v7(), Uuid::now_v7()]);
        gathering.hear(&keys.map(|key| opens(key, 3))).await.unwrap();
        let speeches = [says(keys[0], [no("0"), no("2")]), says(keys[1], [yes("1"), Word::End("enough".into())])];
        assert_eq!(gathering.hear(&speeches).await.unwrap(), [Heard::Over, Heard::Over]);
        let first = gathering.look(keys[0]).await.unwrap().unwrap();
        assert_eq!((first.end, first.kept.len(), first.refused.len()), (Some(End::OutOfReach), 0, 2));
        let second = gathering.look(keys[1]).await.unwrap().unwrap();
        assert_eq!((second.end, second.kept.len()), (Some(End::Aborted("enough".into())), 1));
        assert_eq!(second.first, "\"head\"");
    }
}
