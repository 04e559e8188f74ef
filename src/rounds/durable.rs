//! What users hold of a durable broker.
//!
//! `Durable → Emitter::join, Consumer::join; open, abort, retry → queue.rs; outcome, why, history → RoundStore`

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use actix::Addr;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::aborting::Aborting;
use super::error::DurableError;
use super::key;
use super::look::{DurableParty, DurableRound, DurableState, Seeing};
use super::running::{Ask, Core, Reply, Waiter};
use super::store::{Kept, Place, RoundFigures};
use crate::__private::rounds::Ending;
use crate::{Broker, BrokerExt, EmitError, Outcome, Payload, RoundId, RoundKey, Uuid};

/// How long what is under way is waited for in the end.
const CLOSING: Duration = Duration::from_secs(20);

/// A broker whose rounds are rows of a database. It is the same [`Broker`], with the same emitters, consumers and rules; but a
/// signal counts once it is a row, and the outcome follows from the rows alone. So a round outlives this process, other
/// processes take part in it, and whichever of them lives keeps its deadline.
///
/// It derefs to the address of the broker, so it can be given to [`Emitter::join`](crate::Emitter::join) and
/// [`Consumer::join`](crate::Consumer::join).
///
/// ```
/// use convoke::prelude::*;
/// use convoke::transport::Memory;
/// use std::time::Duration;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = Memory::database(); // in an application `Sqlite::open("shop.db").await?`, or `Postgres::connect(…)`
/// let two_days = Duration::from_secs(2 * 24 * 60 * 60);
/// let approvals = Broker::new(two_days).expects(["legal", "finance"]).durable(&db, "approvals").await?;
///
/// let legal = Emitter::join(&approvals, "legal").await?; // in any process
/// let round = legal.emit_for(7, "yes".to_owned()).committed().await?; // it is a row now
///
/// let finance = Emitter::join(&approvals, "finance").await?; // in another one, after a restart
/// let outcome = finance.emit_for(7, "yes".to_owned()).await?;
/// assert_eq!(outcome.payload("legal").map(String::as_str), Some("yes"));
/// assert_eq!(approvals.outcome(round).await?.round(), outcome.round());
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// - **A signal counts once it is a row.** [`committed`](crate::Emission::committed) returns then; awaiting the emission waits for
///   the outcome. An emission that returns [`EmitError::Database`] may be a row: emit again, and it is `AlreadyKept` then.
/// - **A round closes once.** It is decided in the transaction of the signal that closes it, or at its deadline by whichever process
///   looks first, by the same rules as in a process. Rules that are data stand in the row. A predicate is code: see
///   [`Release::when_named`](crate::Release::when_named).
/// - **Names are rows.** Whoever joins as `legal`, in any process and however often, is `legal`. The end of a process, or of a guard,
///   takes nobody from a round: a party that is away is missed at the deadline.
/// - **Consumers hear at least once**, each of them in one of the processes that have it. The name of a consumer is a row too: rounds
///   that close while no process has it wait for it in its outbox, until [`forget`](Self::forget) removes it.
///
/// - **What a party says of itself is a row**: the [deadline](crate::Emitter::deadline) of its own, and whether it can be asked
///   ([`on_summons`](crate::Emitter::on_summons)). Every round goes by it that opens from then on, in whatever process, until something
///   else takes its place or [`forget_party`](Self::forget_party) takes it back.
/// - **A party is asked in one process** of those that have it, by a lease: if that process dies, another one asks, and after some times
///   the party is lost.
pub struct Durable<P: Payload> {
    pub(super) address: Addr<Broker<P>>,
    pub(super) core: Arc<Core<P>>,
}

impl<P: Payload + Serialize + DeserializeOwned> Durable<P> {
    /// Returns the name of the broker.
    pub fn name(&self) -> &str {
        self.core.broker.as_str()
    }

    /// Opens the round of this key, if none is open, without a signal. Returns its number.
    ///
    /// # Errors
    ///
    /// Those of an emission.
    pub async fn open(&self, key: impl Into<RoundKey>) -> Result<RoundId, EmitError> {
        let place = Place::Key(key::write(Some(&key.into()))?);
        self.ask(place, Ask::Open { token: Uuid::now_v7() }).await
    }

    /// Cancels the round of this key for everyone, for this reason, once it is awaited. One that waits to be opened, and one that is
    /// aside, is cancelled too. Who does so is said by [`by`](Aborting::by), and is in the outcome.
    ///
    /// # Errors
    ///
    /// [`EmitError::NoRound`] if there is none, [`EmitError::MayNotAbort`] if the rules of the round
    /// [name others](crate::DurableBuilder::aborted_by), and those of an emission.
    pub fn abort(&self, key: impl Into<RoundKey>, reason: impl Into<Arc<str>>) -> Aborting<P> {
        let place = key::write(Some(&key.into())).map(Place::Key);
        Aborting::new(self.core.clone(), place, reason.into())
    }

    /// Has a round decided once more that was set aside, because a payload could not be read or a predicate has panicked. Its
    /// deadline is what it was.
    ///
    /// # Errors
    ///
    /// [`EmitError::Aside`] if it still cannot be decided, [`EmitError::NoRound`] if it is over.
    pub async fn retry(&self, round: RoundId) -> Result<RoundId, EmitError> {
        self.ask(Place::Round(number(round)), Ask::Retry).await
    }

    async fn ask(&self, place: Place, ask: Ask) -> Result<RoundId, EmitError> {
        let (answer, answered) = oneshot::channel();
        if self.core.ask(place, ask, Reply::Round(answer)).is_err() {
            return Err(EmitError::Busy { limit: self.core.queue.bound });
        }
        answered.await.unwrap_or(Err(EmitError::BrokerGone))
    }

    /// Waits for the outcome of a round, for as long as it is open, and returns it for as long as
    /// [outcomes are kept](crate::DurableBuilder::keep_outcomes). Any process may ask, also after a restart.
    ///
    /// # Errors
    ///
    /// - [`DurableError::NoRound`] if there is no such round, or its outcome is kept no longer.
    /// - [`DurableError::Unreadable`] if a payload is of another type.
    /// - [`DurableError::Database`].
    pub async fn outcome(&self, round: RoundId) -> Result<Outcome<P>, DurableError> {
        // Who waits is there before it is looked.
        let (answer, answered) = oneshot::channel();
        self.core.waiters.add(round, Waiter::Outcome(answer));
        match self.core.store.round(number(round)).await? {
            Some(Kept::Over(past)) => {
                let ending = Ending::read(&past.outcome);
                let ending = ending.map_err(|error| DurableError::Unreadable { round, why: error.to_string() })?;
                self.made(round, &past.key, &ending)
            }
            Some(Kept::Open(..)) => match answered.await {
                Ok(Ok(outcome)) => Ok(outcome),
                Ok(Err(why)) => Err(DurableError::Unreadable { round, why: why.to_string() }),
                Err(_) => Err(DurableError::NoRound),
            },
            None => Err(DurableError::NoRound),
        }
    }

    /// Waits for the outcome of the latest round of this key, as [`outcome`](Self::outcome) does.
    ///
    /// # Errors
    ///
    /// Those of [`outcome`](Self::outcome).
    pub async fn outcome_for(&self, key: impl Into<RoundKey>) -> Result<Outcome<P>, DurableError> {
        let latest = self.history(key, 1).await?.pop().ok_or(DurableError::NoRound)?;
        self.outcome(latest.round).await
    }

    /// Stops the broker in this process, and returns once what it had is free for other processes: what it had taken up is written, and what
    /// waits for consumers and parties of this process is carried to those of others at once, not after
    /// [`noticed_within`](crate::DurableBuilder::noticed_within). Await it before `main` returns. Rounds stay as they are.
    ///
    /// A consumer that is at work goes on, and what it was handed is handed to another one as well. Returns after 20 s at the latest, whatever
    /// is under way.
    pub async fn close(self) {
        self.address.stop();
        let ended = async {
            // Those that were told before it have been handled.
            let _ = self.address.inspect().await;
            self.core.clone().drain().await;
            self.core.carrying.ended().await;
        };
        if timeout(CLOSING, ended).await.is_err() {
            log::warn!(target: "convoke::rounds", "{}: something of it is under way still: others have it when its lease ends", self.core.store.name());
        }
    }

    fn made(&self, round: RoundId, key: &str, ending: &Ending) -> Result<Outcome<P>, DurableError> {
        let outcome = ending.outcome(&self.core.broker, round, key::read(key));
        outcome.map_err(|why| DurableError::Unreadable { round, why })
    }

    /// Returns why the round of this key is not over: since when it is open, who has kept the promise, and who is missing. `None`
    /// if there is none.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn why(&self, key: impl Into<RoundKey>) -> Result<Option<DurableRound>, DurableError> {
        let latest = self.history(key, 1).await?.pop();
        Ok(latest.filter(|round| !matches!(round.state, DurableState::Resolved | DurableState::Cancelled(_))))
    }

    /// Returns the rounds of a key, the latest first, at most so many.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn history(&self, key: impl Into<RoundKey>, most: usize) -> Result<Vec<DurableRound>, DurableError> {
        let key = key::write(Some(&key.into())).map_err(|error| DurableError::Rules(error.to_string()))?;
        let kept = self.core.store.history(&key, i64::MAX, most).await?;
        Ok(kept.into_iter().map(|kept| self.describe(kept)).collect())
    }

    /// Returns the rounds that are not over behind this number, in the order of their numbers, at most so many.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn rounds(&self, after: Option<RoundId>, most: usize) -> Result<Vec<DurableRound>, DurableError> {
        let kept = self.core.store.open(after.map_or(0, number), most).await?;
        Ok(kept.into_iter().map(|kept| self.describe(kept)).collect())
    }

    fn describe(&self, kept: Kept) -> DurableRound {
        Seeing { broker: &self.core.broker, law: &self.core.law }.describe(kept)
    }

    /// Removes a consumer for good: rounds that close from now on do not wait for it. Those that wait for it already stay in its
    /// outbox. Returns whether there was one.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn forget(&self, consumer: &str) -> Result<bool, DurableError> {
        Ok(self.core.store.remove_consumer(consumer).await?)
    }

    /// Returns the names of the consumers that hear of rounds, in whatever process.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn consumers(&self) -> Result<Vec<Arc<str>>, DurableError> {
        Ok(self.core.store.consumers().await?)
    }

    /// Returns what parties have said of themselves when they joined, in whatever process, in the order of their names. Who joins by a
    /// name alone says nothing, and is not among them.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn parties(&self) -> Result<Vec<DurableParty>, DurableError> {
        Ok(self.core.store.parties().await?.into_iter().map(DurableParty::of).collect())
    }

    /// Takes back what a party has said of itself: in rounds that open from now on it has no deadline of its own, and is a party if it is
    /// expected or has emitted. Returns whether it had said something.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn forget_party(&self, name: &str) -> Result<bool, DurableError> {
        Ok(self.core.store.remove_party(name).await?)
    }

    /// Returns how many rounds there are. Beyond 100,000 of a kind nobody counts.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn figures(&self) -> Result<RoundFigures, DurableError> {
        Ok(self.core.store.figures(100_000).await?)
    }
}

impl<P: Payload> Deref for Durable<P> {
    type Target = Addr<Broker<P>>;

    fn deref(&self) -> &Addr<Broker<P>> {
        &self.address
    }
}

impl<P: Payload> Clone for Durable<P> {
    fn clone(&self) -> Self {
        Self { address: self.address.clone(), core: self.core.clone() }
    }
}

impl<P: Payload> fmt::Debug for Durable<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable").field("name", &self.core.broker).finish_non_exhaustive()
    }
}

pub(super) fn number(round: RoundId) -> i64 {
    i64::try_from(round.get()).unwrap_or(i64::MAX)
}
