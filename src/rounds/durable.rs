//! What users hold of a durable broker.
//!
//! `Broker → DurableBroker::durable → DurableBuilder → await → Durable → Emitter::join, Consumer::join; outcome, why, history`

use std::collections::HashMap;
use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix::Addr;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::bench::{Ask, Law, id, replay, since};
use super::deliver::{ToConsumer, patience};
use super::engine::Core;
use super::error::DurableError;
use super::key;
use super::queue::{Reply, Waiter};
use super::store::{Enrolled, Kept, Place, RoundDatabase, RoundFigures, Stage};
use crate::__private::rounds::{Asked, Attending, Charter, Course, Desk, DeskBroker, Ending, What};
use crate::__private::{catch, is_arbiter};
use crate::transport::TransportError;
use crate::{
    Broker, Early, EmitError, JoinError, OutboxDatabase, Outcome, Payload, Relay, RelayService, Retry, RoundId,
    RoundKey, Route, ServiceHandle, Uuid,
};

/// How long names may be: they stand in the name of an outbox.
const MOST_NAME: usize = 32;
const MOST_CONSUMER: usize = 38;

const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const POLL_EVERY: Duration = Duration::from_millis(500);
const GRACE: Duration = Duration::from_secs(5);
/// How large the payload of a signal may be.
const MOST_BYTES: usize = 256 * 1024;

/// Has the rounds of a [`Broker`] kept in a database.
pub trait DurableBroker<P: Payload>: Sized {
    /// Makes the broker a durable one: its signals are rows of this database, so that its rounds outlive this process and reach
    /// over others. Awaiting it opens the broker of this name. See [`Durable`].
    ///
    /// The name has 1 to 32 letters, digits, `-`, `_` and `.`.
    fn durable<D: RoundDatabase>(self, db: &D, name: impl Into<String>) -> DurableBuilder<P, D>;
}

impl<P: Payload> DurableBroker<P> for Broker<P> {
    fn durable<D: RoundDatabase>(self, db: &D, name: impl Into<String>) -> DurableBuilder<P, D> {
        DurableBuilder {
            broker: self,
            db: db.clone(),
            name: name.into(),
            early: Early::default(),
            replaces: false,
            keep: KEEP,
            poll_every: POLL_EVERY,
            retry: Retry::exponential(Duration::from_millis(200)).attempts(5),
        }
    }
}

/// Describes a [`Durable`] broker before it is opened.
#[must_use = "it is opened when it is awaited"]
pub struct DurableBuilder<P: Payload, D> {
    broker: Broker<P>,
    db: D,
    name: String,
    early: Early,
    replaces: bool,
    keep: Duration,
    poll_every: Duration,
    retry: Retry,
}

impl<P: Payload, D> DurableBuilder<P, D> {
    /// Sets what becomes of a signal for whose key no round is open. The default is [`Early::Opens`].
    pub fn early(mut self, early: Early) -> Self {
        self.early = early;
        self
    }

    /// Has the rules of this broker replace those that there are under its name: rounds that open from now on go by them, in
    /// every process, and rounds that are open keep theirs. Without it, other rules are an error, for two programs would
    /// each decide in their own way.
    pub fn replaces_rules(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// Sets for how long outcomes are kept. The default is 30 days.
    pub fn keep_outcomes(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Sets how often this process looks for deadlines that have passed and for what others have written. The default is 500 ms,
    /// and the least is 1 ms. What a database tells of is seen sooner.
    pub fn poll_every(mut self, poll: Duration) -> Self {
        self.poll_every = poll.max(Duration::from_millis(1));
        self
    }

    /// Sets how often, and after which waits, a consumer that has failed is handed its round again. The default is 5 attempts,
    /// the second after 0.2 s or less, each of the others after twice as long. Behind the last one the round is a dead letter of
    /// the consumer's outbox.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl<P: Payload + Serialize + DeserializeOwned, D: RoundDatabase> DurableBuilder<P, D> {
    async fn open(self) -> Result<Durable<P>, DurableError> {
        let Self { broker, db, name, early, replaces, keep, poll_every, retry } = self;
        if !is_arbiter() {
            return Err(DurableError::NoArbiter);
        }
        check_name("a durable broker", &name, MOST_NAME)?;
        let charter = Arc::new(Charter::of(&broker, early).map_err(|error| DurableError::Rules(error.to_string()))?);
        let name: Arc<str> = name.into();
        let broker = broker.named(&*name);
        let store = db.open_rounds(name.clone()).await?;
        let rules = match enroll(&*store, &charter, &broker, replaces).await? {
            Enrolled::As(rules) => rules,
            Enrolled::Other(other) => {
                return Err(DurableError::OtherRules { broker: name, ours: charter.to_text(), theirs: other });
            }
        };
        let predicates = DeskBroker::predicates(&broker);
        let (bound, limit) = DeskBroker::limits(&broker);
        let law = Law::new(name.clone(), rules, charter, predicates, GRACE);
        let core = Core::new(DeskBroker::id(&broker).clone(), store, law, bound, poll_every, keep);
        let relays = Relays::new(db, core.clone(), limit, retry);
        let (known, here) = oneshot::channel();
        let desk = Clerk { core: core.clone(), relays: std::rc::Rc::new(relays), here };
        let address = DeskBroker::start(broker, Box::new(desk));
        let _ = known.send(address.downgrade());
        core.run();
        Ok(Durable { address, core })
    }
}

/// Notes the rules, which take the place of others if those have a predicate of which this process has the version too.
async fn enroll<P: Payload>(
    store: &dyn super::store::RoundStore,
    charter: &Charter,
    broker: &Broker<P>,
    replaces: bool,
) -> Result<Enrolled, TransportError> {
    let enrolled = store.enroll(&charter.to_text(), replaces).await?;
    let Enrolled::Other(other) = &enrolled else { return Ok(enrolled) };
    let knows_other = Charter::read(other).is_ok_and(|other| {
        let predicates = DeskBroker::predicates(broker);
        other.predicate().is_some_and(|(name, version)| {
            predicates.knows(name, version)
                && charter.predicate().is_some_and(|(ours, newer)| ours == name && newer > version)
        })
    });
    match knows_other {
        true => store.enroll(&charter.to_text(), true).await,
        false => Ok(enrolled),
    }
}

impl<P: Payload + Serialize + DeserializeOwned, D: RoundDatabase> IntoFuture for DurableBuilder<P, D> {
    type Output = Result<Durable<P>, DurableError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output>>>;

    /// Opens the broker.
    ///
    /// # Errors
    ///
    /// - [`DurableError::Rules`] if its rules are none of a durable broker, and says why.
    /// - [`DurableError::OtherRules`] if there is a broker of this name with other rules.
    /// - [`DurableError::Name`] for a name that is not valid.
    /// - [`DurableError::Database`], with `Missing` if there are no tables: call `migrate()`.
    /// - [`DurableError::NoArbiter`] outside an actix system.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<P: Payload, D> fmt::Debug for DurableBuilder<P, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableBuilder").field("name", &self.name).field("early", &self.early).finish_non_exhaustive()
    }
}

fn check_name(of: &'static str, name: &str, most: usize) -> Result<(), DurableError> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    if !name.is_empty() && name.len() <= most && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(DurableError::Name { of, name: name.to_owned(), most })
}

/// Takes what the members of the broker say.
struct Clerk<P: Payload> {
    core: Arc<Core<P>>,
    relays: std::rc::Rc<dyn Delivering<P>>,
    here: oneshot::Receiver<actix::WeakAddr<Broker<P>>>,
}

impl<P: Payload + Serialize + DeserializeOwned> Desk<P> for Clerk<P> {
    fn take(&mut self, asked: Asked<P>) -> Result<(), (Asked<P>, usize)> {
        let bound = self.core.queue.bound;
        if self.core.queue.is_full() {
            return Err((asked, bound));
        }
        let (name, weight, token) = (asked.name.clone(), asked.weight, Uuid::now_v7());
        let key = key::write(asked.key.as_ref());
        let (what, answers) = asked.divide();
        // The payload is the user's, and so is how it becomes JSON.
        let ask = key.and_then(|key| {
            let ask = match what {
                What::Signal(payload) => Ask::Signal { name, payload: write(payload)?, weight, token },
                What::Veto(reason) => Ask::Veto { name, reason, token },
            };
            Ok((key, ask))
        });
        match ask {
            Ok((key, ask)) => {
                if let Err(reply) = self.core.ask(Place::Key(key), ask, Reply::Member(answers)) {
                    reply.refused(EmitError::Busy { limit: bound });
                }
            }
            Err(error) => answers.refused(error),
        }
        Ok(())
    }

    fn attend(&mut self, name: Arc<str>) -> Attending {
        if let Ok(address) = self.here.try_recv() {
            self.relays.clone().know(address);
        }
        let relays = self.relays.clone();
        Box::pin(async move { relays.attend(name).await })
    }

    fn leave(&mut self, name: &str) {
        self.relays.leave(name);
    }
}

fn write<P: Serialize>(payload: P) -> Result<String, EmitError> {
    let written = catch(|| serde_json::to_string(&payload));
    let text = match written {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            let why = format!("the payload cannot be written as JSON: {error}");
            return Err(EmitError::Unreadable(why.into()));
        }
        Err(why) => return Err(EmitError::Unreadable(format!("the payload has panicked: {why}").into())),
    };
    if text.len() > MOST_BYTES {
        let bytes = text.len();
        let why = format!(
            "a payload has at most {MOST_BYTES} bytes as JSON, and this one has {bytes}: keep it elsewhere, and emit where"
        );
        return Err(EmitError::Unreadable(why.into()));
    }
    Ok(text)
}

/// The relays of the consumers of this process, whatever their database is.
trait Delivering<P: Payload> {
    fn know(&self, address: actix::WeakAddr<Broker<P>>);

    fn attend(&self, name: Arc<str>) -> std::pin::Pin<Box<dyn Future<Output = Result<(), JoinError>> + '_>>;

    fn leave(&self, name: &str);
}

struct Relays<P: Payload, D> {
    db: D,
    core: Arc<Core<P>>,
    limit: Duration,
    retry: Retry,
    address: std::cell::RefCell<Option<actix::WeakAddr<Broker<P>>>>,
    /// By consumer.
    running: std::cell::RefCell<HashMap<Arc<str>, ServiceHandle<RelayService>>>,
}

impl<P: Payload + DeserializeOwned, D: RoundDatabase> Relays<P, D> {
    fn new(db: D, core: Arc<Core<P>>, limit: Duration, retry: Retry) -> Self {
        Self { db, core, limit, retry, address: None.into(), running: HashMap::new().into() }
    }

    async fn relay(&self, consumer: Arc<str>) -> Result<Relay, JoinError> {
        let database = |error: &dyn fmt::Display| JoinError::Database(error.to_string().into());
        check_name("a consumer of a durable broker", &consumer, MOST_CONSUMER).map_err(|error| database(&error))?;
        let store = &self.core.store;
        let outbox = store.outbox_of(&consumer);
        let rows =
            <D as crate::outbox::Keeps<<D as OutboxDatabase>::Connection>>::open(&self.db, outbox.as_str().into());
        let rows = rows.await.map_err(|error| database(&error))?;
        store.add_consumer(&consumer).await.map_err(|error| database(&error))?;
        let broker = self.address.borrow().clone().ok_or(JoinError::BrokerGone)?;
        let name = format!("{} for consumer {consumer}", store.name());
        let publisher = ToConsumer { name: name.clone(), consumer, broker, retry: self.retry };
        let limits = crate::EnvelopeLimits::default().bytes(usize::MAX).depth(usize::MAX).keys(usize::MAX);
        let route = Route::new("**", publisher).limits(limits).timeout(patience(self.limit, &self.retry));
        let rows: Arc<dyn crate::outbox::Rows> = rows;
        Ok(Relay::new(rows, outbox.into(), route).named(name))
    }
}

impl<P: Payload + DeserializeOwned, D: RoundDatabase> Delivering<P> for Relays<P, D> {
    fn know(&self, address: actix::WeakAddr<Broker<P>>) {
        *self.address.borrow_mut() = Some(address);
    }

    fn attend(&self, name: Arc<str>) -> std::pin::Pin<Box<dyn Future<Output = Result<(), JoinError>> + '_>> {
        Box::pin(async move {
            let relay = self.relay(name.clone()).await?;
            let running = relay.start().await.map_err(|error| JoinError::Database(error.to_string().into()))?;
            self.running.borrow_mut().insert(name, running);
            Ok(())
        })
    }

    fn leave(&self, name: &str) {
        // Dropped, it is stopped: what it has not handed over is for another process, or for later.
        let stopped = self.running.borrow_mut().remove(name);
        drop(stopped);
    }
}

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
/// What a process does not do: summon emitters in others (`on_summons`), hold back a second signal for the next round, or keep the
/// own deadline of an emitter. Each of these is an error when it is set up.
pub struct Durable<P: Payload> {
    address: Addr<Broker<P>>,
    core: Arc<Core<P>>,
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
        self.ask(place, Ask::Open).await
    }

    /// Cancels the round of this key for everyone, for this reason. One that waits to be opened, and one that is aside, is
    /// cancelled too.
    ///
    /// # Errors
    ///
    /// [`EmitError::NoRound`] if there is none, and those of an emission.
    pub async fn abort(&self, key: impl Into<RoundKey>, reason: impl Into<Arc<str>>) -> Result<RoundId, EmitError> {
        let place = Place::Key(key::write(Some(&key.into()))?);
        self.ask(place, Ask::Abort(reason.into())).await
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
    /// [outcomes are kept](DurableBuilder::keep_outcomes). Any process may ask, also after a restart.
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
        Ok(kept.into_iter().map(|kept| self.described(kept)).collect())
    }

    /// Returns the rounds that are not over behind this number, in the order of their numbers, at most so many.
    ///
    /// # Errors
    ///
    /// [`DurableError::Database`].
    pub async fn rounds(&self, after: Option<RoundId>, most: usize) -> Result<Vec<DurableRound>, DurableError> {
        let kept = self.core.store.open(after.map_or(0, number), most).await?;
        Ok(kept.into_iter().map(|kept| self.described(kept)).collect())
    }

    fn described(&self, kept: Kept) -> DurableRound {
        match kept {
            Kept::Over(past) => {
                let ending = Ending::read(&past.outcome).ok();
                let names = |ending: &Ending| ending.signals.iter().map(|sign| sign.name.clone()).collect();
                let opened = ending.as_ref().map_or(past.closed_at, |ending| ending.opened);
                let cause = || {
                    let cause = ending.as_ref().map(|ending| ending.cause(&self.core.broker));
                    cause.unwrap_or_else(|| "its outcome cannot be read".to_owned())
                };
                DurableRound {
                    round: id(past.id),
                    key: key::read(&past.key),
                    state: if past.resolved { DurableState::Resolved } else { DurableState::Cancelled(cause()) },
                    opened: time(opened),
                    due: time(past.closed_at),
                    kept: ending.as_ref().map(names).unwrap_or_default(),
                    missing: ending.as_ref().map(|ending| ending.missing.clone()).unwrap_or_default(),
                }
            }
            Kept::Open(round, rules, rows) => {
                let state = match round.stage {
                    Stage::Awaited => DurableState::Awaited,
                    Stage::Open => DurableState::Open,
                    Stage::Aside => DurableState::Aside(round.reason.clone().unwrap_or_default()),
                };
                let charter = self.core.law.charter(Some(&rules));
                let course = charter.and_then(|charter| {
                    let mut course = <dyn Course>::begin(&charter, &self.core.law.predicates)?;
                    rows.iter().try_for_each(|row| replay(&mut *course, row, round.opened_at)).ok()?;
                    Some(course)
                });
                let (kept, missing) = match course {
                    Some(course) => (course.kept(), course.missing()),
                    None => (rows.iter().map(|row| row.name.clone()).collect(), Vec::new()),
                };
                DurableRound {
                    round: id(round.id),
                    key: key::read(&round.key),
                    state,
                    opened: time(round.opened_at),
                    due: time(round.due_at),
                    kept,
                    missing,
                }
            }
        }
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

/// A round of a durable broker, as somebody looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DurableRound {
    /// The number of the round.
    pub round: RoundId,
    /// What it is about; `None` for a round without a key.
    pub key: Option<RoundKey>,
    /// How it is.
    pub state: DurableState,
    /// When it opened, or since when it is awaited.
    pub opened: SystemTime,
    /// When its next deadline is, or when it closed.
    pub due: SystemTime,
    /// Who has kept the promise, in the order of the signals.
    pub kept: Vec<Arc<str>>,
    /// Who has not, as far as that is known.
    pub missing: Vec<Arc<str>>,
}

/// How a round of a durable broker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DurableState {
    /// Signals wait for it to be opened.
    Awaited,
    /// It is open.
    Open,
    /// It cannot be decided, for this reason, until somebody [retries](Durable::retry) or [aborts](Durable::abort) it.
    Aside(String),
    /// It was resolved.
    Resolved,
    /// It was cancelled, for this reason.
    Cancelled(String),
}

fn number(round: RoundId) -> i64 {
    i64::try_from(round.get()).unwrap_or(i64::MAX)
}

fn time(micros: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + since(0, micros)
}
