//! A durable broker for who has not its type: its rounds are seen, and may be aborted.
//!
//! `why, history, rounds → RoundStore → Kept → standing.rs`, `abort → RoundStore::work → sitting.rs: the rules say who may → an ending`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::rounds_look::Brokers;
use super::standing::{DurableParty, DurableRound, DurableState, Seeing};
use crate::__private::DeskBroker;
use crate::__private::rounds::Charter;
use crate::durable::durable::number;
use crate::durable::running::{Answer, Ask, Before, Bench, Law, RECENT};
use crate::durable::store::{Kept, Place};
use crate::durable::{DurableError, RoundFigures, RoundStore, key};
use crate::transport::{ErrorKind, TransportError};
use crate::{Broker, BrokerId, Early, EmitError, Release, RoundId, RoundKey, Uuid};

/// How long beyond its deadline a round is left to a process that knows more.
const GRACE: Duration = Duration::from_secs(5);

/// How often it is tried to abort a round, and how long is waited between.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// A durable broker of a database, for who has not the type of its payloads. Created by
/// [`RoundsLook::broker`](crate::RoundsLook::broker).
///
/// A round that is decided by a [named predicate](crate::Release::when_named) is described by its signals: who is missing is known to
/// the programs that have the predicate.
pub struct BrokerLook {
    name: Arc<str>,
    id: BrokerId,
    brokers: Arc<dyn Brokers>,
    store: Arc<dyn RoundStore>,
    /// By which rounds are seen. It opens none.
    law: Law<()>,
}

impl BrokerLook {
    pub(super) fn new(
        name: Arc<str>,
        brokers: Arc<dyn Brokers>,
        store: Arc<dyn RoundStore>,
    ) -> Result<Self, DurableError> {
        // Rules by which no round opens.
        let nobody = DeskBroker::charter(&nobody(), Early::Rejected);
        let nobody = nobody.map_err(|error| DurableError::Rules(error.to_string()))?;
        let law = law(&name, 0, Arc::new(nobody));
        Ok(Self { id: BrokerId::from(&*name), name, brokers, store, law })
    }

    /// Returns the name of the broker.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the rounds that are not over behind this number, in the order of their numbers, at most so many.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn rounds(&self, behind: Option<RoundId>, most: usize) -> Result<Vec<DurableRound>, DurableError> {
        let behind = behind.map_or(0, number);
        Ok(self.described(self.store.open(behind, most).await?))
    }

    /// Returns why the round of this key is not over: since when it is open, who has kept the promise, and who is missing. `None` if
    /// there is none. Without a key it is the round without one.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`], and [`DurableError::Rules`] for a key that no round can have.
    pub async fn why(&self, key: Option<RoundKey>) -> Result<Option<DurableRound>, DurableError> {
        let latest = self.history(key, 1).await?.pop();
        Ok(latest.filter(|round| !matches!(round.state, DurableState::Resolved | DurableState::Cancelled(_))))
    }

    /// Returns the rounds of a key, the latest first, at most so many; those without a key for `None`.
    ///
    /// # Errors
    ///
    /// Those of [`why`](Self::why).
    pub async fn history(&self, key: Option<RoundKey>, most: usize) -> Result<Vec<DurableRound>, DurableError> {
        Ok(self.described(self.store.history(&written(key.as_ref())?, i64::MAX, most).await?))
    }

    /// Returns the round of this number, also if it is over. `None` if there is none, or its outcome is kept no longer.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn round(&self, round: RoundId) -> Result<Option<DurableRound>, DurableError> {
        let kept = self.store.round(number(round)).await?;
        Ok(self.described(kept.into_iter().collect()).pop())
    }

    /// Returns how many rounds there are. Beyond 100,000 of a kind nobody counts.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn figures(&self) -> Result<RoundFigures, DurableError> {
        Ok(self.store.figures(100_000).await?)
    }

    /// Returns the names of the consumers that hear of rounds, in whatever process.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn consumers(&self) -> Result<Vec<Arc<str>>, DurableError> {
        Ok(self.store.consumers().await?)
    }

    /// Returns what parties have said of themselves when they joined. See [`Durable::parties`](crate::Durable::parties).
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn parties(&self) -> Result<Vec<DurableParty>, DurableError> {
        Ok(self.store.parties().await?.into_iter().map(DurableParty::of).collect())
    }

    /// Cancels the round of this key for everyone, for this reason, and says who does so. Its consumers hear of that as of every other
    /// end, and whoever waits for it is told. See [`Durable::abort`](crate::Durable::abort).
    ///
    /// # Errors
    ///
    /// - [`DurableError::NoRound`] if there is none that is not over.
    /// - [`DurableError::MayNotAbort`] if the rules of the round [name others](crate::DurableBuilder::aborted_by).
    /// - [`DurableError::Rules`] for a key that no round can have, and for rules that a later program has written.
    /// - [`DurableError::Database`]. After `Unreachable` the round may have been aborted.
    pub async fn abort(
        &self,
        key: Option<RoundKey>,
        reason: impl Into<Arc<str>>,
        by: Option<&str>,
    ) -> Result<RoundId, DurableError> {
        let places = [Place::Key(written(key.as_ref())?)];
        // Nobody has no name.
        let by: Option<Arc<str>> = by.filter(|by| !by.is_empty()).map(Into::into);
        let asks = [vec![Ask::Abort { reason: reason.into(), by: by.clone(), token: Uuid::now_v7() }]];
        let law = self.present_law().await?;
        let (began, mut before) = (Instant::now(), None::<Before>);
        for turn in 0..TRIES {
            if turn > 0 {
                sleep(PAUSE).await;
            }
            let bench = Bench::new(&law, &places, &asks).again(before.as_ref());
            match self.store.work(&places, &bench).await {
                // It is known again by its token, if it was written.
                Err(error) if error.kind() == ErrorKind::Unreachable && turn + 1 < TRIES => {
                    before.get_or_insert_with(|| Before::since(began));
                    continue;
                }
                worked => worked?,
            }
            let (unsure, done) = (bench.unsure().into_values().next(), bench.done());
            if let (Some(key), Some(before)) = (unsure, &mut before) {
                before.look(&key, self.store.history(&key, i64::MAX, RECENT).await?);
                continue;
            }
            let answer = done.into_iter().flatten().next().and_then(|done| done.answers.into_iter().next());
            match answer {
                Some(Answer::Written(round) | Answer::Over(round, _)) => return Ok(round),
                Some(Answer::Refused(error)) => return Err(self.refused(error, key, by).await),
                Some(Answer::Claimed(_) | Answer::Again) | None => {}
            }
        }
        let text = "others are at this round again and again: try again";
        Err(TransportError::new(ErrorKind::Unreachable, self.store.name().clone(), text).into())
    }

    /// By which the round opens that signals wait for behind the one that is aborted: the rules that the broker has now.
    async fn present_law(&self) -> Result<Law<()>, DurableError> {
        let found = self.brokers.find(self.name.clone()).await?;
        // Without rules no round has ever opened.
        let (rules, text) = found.and_then(|(_, rules)| rules).ok_or(DurableError::NoRound)?;
        let charter = Charter::read(&text).map_err(|_| {
            DurableError::Rules(
                "the rules of this broker are those of a later program: abort its rounds with that one".to_owned(),
            )
        })?;
        Ok(law(&self.name, rules, Arc::new(charter)))
    }

    async fn refused(&self, error: EmitError, key: Option<RoundKey>, by: Option<Arc<str>>) -> DurableError {
        match error {
            EmitError::NoRound => DurableError::NoRound,
            EmitError::MayNotAbort { .. } => match self.why(key).await {
                Ok(Some(round)) => DurableError::MayNotAbort { by, who: round.aborted_by },
                Ok(None) => DurableError::NoRound,
                Err(error) => error,
            },
            EmitError::Aside { .. } => DurableError::Rules(
                "the rules of this round are those of a later program: abort it with that one".to_owned(),
            ),
            error => DurableError::Rules(error.to_string()),
        }
    }

    fn described(&self, kept: Vec<Kept>) -> Vec<DurableRound> {
        let seeing = Seeing { broker: &self.id, law: &self.law };
        kept.into_iter().map(|kept| seeing.describe(kept)).collect()
    }
}

impl fmt::Debug for BrokerLook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerLook").field("at", self.store.name()).finish_non_exhaustive()
    }
}

fn written(key: Option<&RoundKey>) -> Result<String, DurableError> {
    key::write(key).map_err(|error| DurableError::Rules(error.to_string()))
}

/// What judges without a predicate.
fn law(name: &Arc<str>, rules: i64, charter: Arc<Charter>) -> Law<()> {
    Law::new(name.clone(), rules, charter, DeskBroker::predicates(&nobody()), GRACE)
}

fn nobody() -> Broker<()> {
    Broker::new(GRACE).release(Release::at_least(1))
}
