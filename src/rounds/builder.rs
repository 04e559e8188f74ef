//! How a durable broker is described before it is opened.
//!
//! `Broker → DurableBroker::durable → DurableBuilder → await: rules, store, clerk, engine → Durable`

use std::fmt;
use std::future::IntoFuture;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::durable::Durable;
use super::error::DurableError;
use super::running::{ATTEMPTS, Carries, Clerk, Core, LEASE, Law, Relays};
use super::store::{Enrolled, RoundDatabase, RoundStore};
use crate::__private::rounds::Charter;
use crate::__private::{DeskBroker, is_arbiter};
use crate::transport::TransportError;
use crate::{Broker, Early, Payload, Retry};

/// How long its name may be: it stands in the names of outboxes.
const MOST_NAME: usize = 32;

const KEEP: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const POLL_EVERY: Duration = Duration::from_millis(500);

/// How long beyond its deadline a round is cancelled whose predicate nobody has.
const GRACE: Duration = Duration::from_secs(5);

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
            lease: LEASE,
            attempts: ATTEMPTS,
            aborted_by: None,
            carries: Carries::default(),
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
    lease: Duration,
    attempts: u32,
    aborted_by: Option<Vec<Arc<str>>>,
    carries: Carries,
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

    /// Sets how many rounds each consumer of this process is handed at the same time, those among them that it is handed again. The
    /// default is 16, and the least is 1: then it is handed one after the other.
    pub fn consumers_at_once(mut self, rounds: usize) -> Self {
        self.carries.at_once = rounds.max(1);
        self
    }

    /// Sets how soon it is noticed that a process has died which was to hand rounds to a consumer or to ask a party: another one of those
    /// that have it goes on then, or a second later. A process that lives says so three times as often, and every 3 s at the least, for each
    /// of its consumers and of its parties that can be asked. Have all processes take the same. The default is 10 s, and the least is 1 s. Over
    /// SQLite the system says who has died, and nobody waits for this. A process that [ends in order](Durable::close) leaves nothing behind.
    pub fn noticed_within(mut self, lease: Duration) -> Self {
        self.carries.lease = lease.max(Duration::from_secs(1));
        self
    }
}

impl<P: Payload, D> DurableBuilder<P, D> {
    /// Has these alone abort rounds: whoever does says who that is, as in `approvals.abort(key, reason).by("legal")`. It is one of the rules,
    /// and holds for a round in every process. By default anyone may who has the broker. An empty list is an error.
    ///
    /// A name is what a program says of itself; who is behind it the program has to know.
    pub fn aborted_by<S: Into<Arc<str>>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.aborted_by = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how soon it is noticed that a process has died while it asked a party for its signal: another one of those that have the party
    /// asks it then, [within 10 s](Self::noticed_within), and has 20 s to do so. A process that lives says so three times as often. The default is 30 s, and the
    /// least is 10 ms.
    pub fn summons_lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(10));
        self
    }

    /// Sets how often a party is asked for its signal to a round if the processes that ask it die. Behind the last time it is lost in that
    /// round, and [`on_lost`](crate::Broker::on_lost) says what becomes of that. The default is 5, and the least is 1.
    pub fn summons_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }
}

impl<P: Payload + Serialize + DeserializeOwned, D: RoundDatabase> DurableBuilder<P, D> {
    async fn open(self) -> Result<Durable<P>, DurableError> {
        let Self { broker, db, name, early, replaces, keep, poll_every, retry, lease, attempts, aborted_by, carries } =
            self;
        if !is_arbiter() {
            return Err(DurableError::NoArbiter);
        }
        check_name("a durable broker", &name, MOST_NAME)?;
        if aborted_by.as_ref().is_some_and(Vec::is_empty) {
            let why = "`aborted_by` names nobody, and nobody could abort a round: name somebody, or leave it out";
            return Err(DurableError::Rules(why.to_owned()));
        }
        let charter = DeskBroker::charter(&broker, early).map_err(|error| DurableError::Rules(error.to_string()))?;
        let charter = Arc::new(charter.aborted_by(aborted_by.unwrap_or_default()));
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
        let law = Law::new(name.clone(), rules, charter, predicates, GRACE).lends(lease, attempts);
        let core = Core::new(DeskBroker::id(&broker).clone(), store, law, bound, poll_every, keep);
        let relays = Relays::new(core.clone(), limit, retry, carries);
        let (known, here) = oneshot::channel();
        let desk = Clerk::new(core.clone(), Rc::new(relays), here);
        let address = DeskBroker::start(broker, Box::new(desk));
        let _ = known.send(address.downgrade());
        core.run();
        Ok(Durable { address, core })
    }
}

/// Notes the rules, which take the place of others if those have a predicate of which this process has the version too.
async fn enroll<P: Payload>(
    store: &dyn RoundStore,
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
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    /// Opens the broker.
    ///
    /// # Errors
    ///
    /// - [`DurableError::Rules`] if its rules are none of a durable broker, and says why.
    /// - [`DurableError::OtherRules`] if there is a broker of this name with other rules.
    /// - [`DurableError::Name`] for a name that is not valid.
    /// - [`DurableError::Database`], with `Missing` if there are no tables: call `migrate()`; with `Unsupported` if a Redis has settings
    ///   by which it loses rounds, and says what to set.
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

pub(super) fn check_name(of: &'static str, name: &str, most: usize) -> Result<(), DurableError> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    if !name.is_empty() && name.len() <= most && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(DurableError::Name { of, name: name.to_owned(), most })
}
