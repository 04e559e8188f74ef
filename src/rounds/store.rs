//! What durable rounds need of a database: rows of rounds and of their signals, and a transaction in which somebody judges them.
//!
//! ```text
//! Place (a key, or a round) ──▶ RoundStore::work: lock, read ──▶ Case ──▶ Judge ──▶ Ruling ──▶ write, commit
//! ```
//!
//! A store decides nothing and counts nothing: it shows what has committed, and writes what was ruled, all of it or nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Uuid;
pub use crate::durable::plan::channel_of;
use crate::outbox::Rows;
use crate::transport::{BoxFuture, Packet, Source, TransportError};

/// What can keep durable rounds: `SqliteDatabase`, `PostgresDatabase`, `RedisRounds`, [`MemoryDatabase`](crate::transport::MemoryDatabase), and
/// [a store of your own](crate::guide::durable#a-store-of-your-own).
///
/// A clone is the same database.
pub trait RoundDatabase: Clone + fmt::Debug + Send + Sync + 'static {
    /// Opens the rounds of the broker of this name: looks whether the tables are there, and makes the broker if there is none. Opened
    /// twice, they are the same rounds, as two processes have them.
    ///
    /// # Errors
    ///
    /// - `Missing` if there are no tables.
    /// - `Unsupported` if the database would lose rounds as it is set.
    /// - `Unreachable` after the deadline, `Denied` for credentials and rights.
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds>;

    /// Opens the rounds of the broker of this name if there is one, and makes nothing: for [who looks](crate::RoundsLook). With the number
    /// and the text of the rules by which it opens rounds, if it has some. The default says that such a database cannot be looked at.
    ///
    /// # Errors
    ///
    /// Those of [`open_rounds`](Self::open_rounds).
    fn find_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        Box::pin(async move { Err(unseen(format!("rounds {broker}"))) })
    }

    /// Returns the names of the brokers behind this one, in their order, at most so many. The default says that such a database cannot be
    /// looked at.
    ///
    /// # Errors
    ///
    /// Those of [`open_rounds`](Self::open_rounds).
    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        let _ = (behind, most);
        Box::pin(async { Err(unseen("rounds".to_owned())) })
    }
}

/// What comes of opening the rounds of a broker.
pub type OpenedRounds = Result<Arc<dyn RoundStore>, TransportError>;

/// What comes of looking for them: the rounds, and the number and the text of the rules by which the broker opens others.
pub type FoundRounds = Result<Option<(Arc<dyn RoundStore>, Option<(i64, Arc<str>)>)>, TransportError>;

fn unseen(at: String) -> TransportError {
    let text =
        "this database does not say which rounds it has: it has to have `find_rounds` and `brokers` to be looked at";
    TransportError::new(crate::transport::ErrorKind::Unsupported, at, text)
}

/// The rounds of one broker.
///
/// A round is *awaited* (signals wait for it to be opened), *open*, *aside* (a row of it cannot be read: nobody decides it until somebody
/// repairs or aborts it), *resolved* or *cancelled*. There is at most one of a key that is awaited or open. Its number is never
/// used again, and is larger than those of all rounds of this broker before it.
///
/// All times are microseconds since 1970 by the clock of the database.
pub trait RoundStore: Send + Sync + 'static {
    /// As in `postgres rounds approvals`.
    fn name(&self) -> &Arc<str>;

    /// Notes by which rules this broker opens rounds from now on. Rules that are those of the broker already, and the first that
    /// it gets, are taken; others only if it `replaces` those that there are. Two that do this at once wait for each other.
    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> BoxFuture<'a, Result<Enrolled, TransportError>>;

    /// Deletes rules that nobody needs: by which the broker does not open rounds now, by which no round goes that is not over, and that nobody
    /// has enrolled for this long. Returns how many it were. Whoever opens rounds by others than those that were enrolled last enrolls
    /// them again before that.
    fn forget_rules(&self, older: Duration) -> BoxFuture<'_, Result<u64, TransportError>>;

    /// Has rounds judged, in one transaction: locks each place, in an order that is the same for all who do so; reads it; has it
    /// judged; and writes what was ruled. Events that a ruling has heard are in the outboxes of their consumers by the same
    /// transaction.
    ///
    /// A store that cannot lock writes what was ruled on a place only if nobody has written there since it was read, and reads and has
    /// it judged again if somebody has. What was ruled on one place is written whole or not at all.
    ///
    /// The judge may be asked of a place more than once, if the transaction is begun again: its last answer counts. It is asked
    /// of a place for which there is no round as well. A round by its number that is over, or that somebody else works on, or that is
    /// that of a place before it, is passed over without a word.
    ///
    /// # Errors
    ///
    /// - `Refused` if a place is there twice.
    /// - `Unreachable` if there is no answer within the deadline. What was ruled may have been written then: a [`Row`] has a
    ///   token by which it is known.
    /// - `Missing` if there are no tables any more.
    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Returns the numbers of rounds that somebody has to look at by now, the longest due first, at most so many: those whose
    /// `look_at` is reached. Of rounds by one of these rules, which the caller cannot decide, only those whose `due_at` is over
    /// for this long; when the next one of those will be is not told.
    fn due<'a>(
        &'a self,
        foreign: &'a [i64],
        grace: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Due, TransportError>>;

    /// Returns which of these rounds are over, with their outcomes.
    fn ended<'a>(&'a self, rounds: &'a [i64]) -> BoxFuture<'a, Result<Vec<Past>, TransportError>>;

    /// Returns a round as it is now, with its signals if it is not over.
    fn round(&self, round: i64) -> BoxFuture<'_, Result<Option<Kept>, TransportError>>;

    /// Returns the rounds of a key before this number, the latest first, at most so many, as [`round`](Self::round) does.
    fn history<'a>(
        &'a self,
        key: &'a str,
        before: i64,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Kept>, TransportError>>;

    /// Returns the rounds that are awaited, open or aside behind this number, in the order of their numbers, at most so many.
    fn open(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Kept>, TransportError>>;

    /// Notes that the broker has a consumer of this name: it hears of every round that closes from now on.
    fn add_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Has rounds that close from now on go to this consumer no longer. Returns whether there was one.
    fn remove_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>>;

    /// Returns the names of the consumers, in their order.
    fn consumers(&self) -> BoxFuture<'_, Result<Vec<Arc<str>>, TransportError>>;

    /// Notes what a party says of itself, in place of what was noted of that name: whoever begins to work from now on sees it.
    fn add_party<'a>(&'a self, party: &'a Party) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Removes what was noted of a party. Returns whether there was something.
    fn remove_party<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>>;

    /// Returns the parties of whom something is noted, in the order of their names.
    fn parties(&self) -> BoxFuture<'_, Result<Vec<Party>, TransportError>>;

    /// Deletes rounds that have been over for this long, the oldest first, at most so many. Returns how many it were.
    fn purge(&self, older: Duration, most: usize) -> BoxFuture<'_, Result<u64, TransportError>>;

    /// Returns how many rounds there are, without counting beyond `most` of a kind.
    fn figures(&self, most: u64) -> BoxFuture<'_, Result<RoundFigures, TransportError>>;

    /// What changes when something may have become different. It is only a hint.
    fn bell(&self) -> watch::Receiver<()>;

    /// Whether other processes may write too, of which the bell does not tell for certain.
    fn is_shared(&self) -> bool {
        true
    }

    /// Which outbox has the rounds that a consumer of this name is to hear of.
    fn outbox_of(&self, consumer: &str) -> String;

    /// Which outbox has what a party of this name is to be asked.
    fn summons_of(&self, party: &str) -> String {
        self.outbox_of(&channel_of(party))
    }

    /// Opens what has the rounds that a consumer of this name is to hear of, for a process that has such a consumer. What a queue has lent to
    /// one that dies it lends to another one after this lease.
    fn road<'a>(&'a self, channel: &'a str, lease: Duration) -> BoxFuture<'a, Result<Road, TransportError>>;
}

/// By which way a process gets what waits for a name.
pub enum Road {
    /// By the rows of an outbox, which a relay takes.
    #[doc(hidden)]
    Rows(Arc<dyn Rows>),
    /// By a queue, whose server lends what is in it.
    Queue(Box<dyn Source>),
}

impl fmt::Debug for Road {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(rows) => f.debug_tuple("Rows").field(rows.name()).finish(),
            Self::Queue(source) => f.debug_tuple("Queue").field(&source.name()).finish(),
        }
    }
}

/// What a party says of itself when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Its name.
    pub name: Arc<str>,
    /// What goes with it, as whoever judges reads it.
    pub terms: String,
    /// Whether it has an outbox, with what it is to be asked.
    pub asked: bool,
}

/// What came of [`RoundStore::enroll`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolled {
    /// The number of these rules.
    As(i64),
    /// The broker has these other rules.
    Other(String),
}

/// Where signals go.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The round of this key that is awaited or open, or the next one.
    Key(String),
    /// This round, if it is not over.
    Round(i64),
}

/// Who decides what becomes of rounds. It is called within a transaction: it must not wait for anything.
pub trait Judge: Send + Sync {
    /// Rules on the place of this number of those that the work is about; `None` leaves it as it is.
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling>;

    /// Hears that what it has ruled on a place was not written, for somebody else has written there meanwhile. It is asked again,
    /// unless the round is over by then and was named by its number. A database that locks what it shows never says so.
    fn void(&self, place: usize) {
        let _ = place;
    }
}

/// What there is at a place, as it has committed, and now nobody else can change.
#[derive(Debug)]
pub struct Case<'a> {
    /// The round that is awaited or open, or the one that was named.
    pub round: Option<Round>,
    /// By which rules it goes.
    pub rules: Option<Arc<str>>,
    /// Its signals, in the order of their numbers.
    pub rows: Vec<Row>,
    /// The number that the next round of this key would have. A store may leave it 0 where there is a round, and have the place judged
    /// again with one if a ruling opens the next.
    pub number: i64,
    /// The last round of the key that is over.
    pub last: Option<Past>,
    /// The names of the consumers, in their order.
    pub consumers: &'a [Arc<str>],
    /// The parties of whom something is noted, in the order of their names.
    pub parties: &'a [Party],
    /// What time it is.
    pub now: i64,
}

/// A round that is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub key: String,
    /// How it is.
    pub stage: Stage,
    /// The number of its rules.
    pub rules: i64,
    /// When it opened, or since when it is awaited.
    pub opened_at: i64,
    /// When its next deadline is.
    pub due_at: i64,
    /// How often it was written.
    pub generation: i64,
    /// Why it is aside.
    pub reason: Option<String>,
}

/// How a round is that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Signals wait for it.
    Awaited,
    /// It is open.
    Open,
    /// It cannot be read.
    Aside,
}

/// A signal, a veto, or what else a party has said, in a round.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place in the round; the first is 1.
    pub number: i32,
    /// What it is, as whoever judges reads it.
    pub kind: i16,
    /// Who said it.
    pub name: Arc<str>,
    /// When it counts.
    pub at: i64,
    /// By which whoever wrote it knows it again.
    pub token: Uuid,
    /// What goes with its name, as whoever judges reads it: `None` for nothing.
    pub terms: Option<String>,
    /// The payload, or the reason.
    pub body: Vec<u8>,
}

/// Omits the body, which may be personal.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Row");
        shown.field("number", &self.number).field("kind", &self.kind).field("name", &self.name);
        shown.field("at", &self.at).field("token", &self.token).finish_non_exhaustive()
    }
}

/// A round that is over.
#[derive(Clone, PartialEq, Eq)]
pub struct Past {
    /// Its number.
    pub id: i64,
    /// What it was about.
    pub key: String,
    /// Whether it was resolved.
    pub resolved: bool,
    /// When it closed.
    pub closed_at: i64,
    /// What became of it.
    pub outcome: Arc<str>,
}

/// Omits the outcome, which has the payloads.
impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Past");
        shown.field("id", &self.id).field("key", &self.key).field("resolved", &self.resolved);
        shown.field("closed_at", &self.closed_at).finish_non_exhaustive()
    }
}

/// A round as somebody looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is not over: with its rules and its signals.
    Open(Round, Arc<str>, Vec<Row>),
    /// It is over.
    Over(Past),
}

/// What becomes of a place.
#[derive(Default)]
pub struct Ruling {
    /// Makes a round, where there is none, by the rules of this number; or opens the one that is awaited, or aside, as of then.
    pub opens: Option<Opening>,
    /// Adds these behind the rows that there are, numbered by whoever judges.
    pub adds: Vec<Row>,
    /// What goes from now on with the names in rows that there are, by their numbers; nothing else of them changes.
    pub notes: Vec<(i32, Option<String>)>,
    /// What becomes of the round.
    pub next: Next,
    /// What goes to the outbox of each of these parties, of those that have one.
    pub asks: Vec<(Arc<str>, Packet)>,
    /// The round of this key that opens as this one closes.
    pub then: Option<Then>,
    /// What the outcome of the last round is to be.
    pub amends: Option<String>,
}

/// A round that opens as the one before it of its key closes, with the number that the case has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Then {
    /// The number of its rules.
    pub rules: i64,
    /// When it opens.
    pub at: i64,
    /// Its rows, the first of number 1.
    pub rows: Vec<Row>,
    /// When somebody has to look at it.
    pub look_at: i64,
    /// When its next deadline is.
    pub due_at: i64,
}

/// How a round comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The number of its rules.
    pub rules: i64,
    /// Awaited, or open.
    pub stage: Stage,
    /// When it opens.
    pub at: i64,
}

/// What becomes of a round.
#[derive(Default)]
pub enum Next {
    /// It stays as it is. One that is made is looked at next.
    #[default]
    Stays,
    /// Somebody looks at it again at `look_at`; its deadline is `due_at`. One that is aside stays so.
    Waits {
        /// When somebody has to look at it.
        look_at: i64,
        /// When its next deadline is.
        due_at: i64,
    },
    /// It is over. Its rows are deleted: the outcome has what there is to know of them.
    Closes {
        /// Whether it was resolved.
        resolved: bool,
        /// What became of it, as JSON.
        outcome: String,
        /// What goes to the outbox of each of these consumers, of those that there are.
        heard: Vec<(Arc<str>, Packet)>,
    },
    /// It cannot be decided: nobody looks at it again by itself.
    Aside {
        /// Why.
        reason: String,
    },
    /// It is deleted, with its rows: nobody has opened it.
    Lapses,
}

/// Omits payloads and outcomes.
impl fmt::Debug for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Ruling");
        shown.field("opens", &self.opens).field("adds", &self.adds).field("next", &self.next).field("then", &self.then);
        shown.finish_non_exhaustive()
    }
}

/// Omits the outcome and the packets.
impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stays => f.write_str("Stays"),
            Self::Waits { look_at, due_at } => write!(f, "Waits {{ look_at: {look_at}, due_at: {due_at} }}"),
            Self::Closes { resolved, .. } => write!(f, "Closes {{ resolved: {resolved}, .. }}"),
            Self::Aside { reason } => write!(f, "Aside {{ reason: {reason:?} }}"),
            Self::Lapses => f.write_str("Lapses"),
        }
    }
}

/// What somebody has to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The numbers of rounds.
    pub rounds: Vec<i64>,
    /// How long it is until the next one, if there is one behind these and it is known.
    pub next: Option<Duration>,
}

/// How many rounds of a broker there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoundFigures {
    /// How many are open.
    pub open: u64,
    /// How many are awaited.
    pub awaited: u64,
    /// How many are aside.
    pub aside: u64,
    /// How many outcomes are kept.
    pub over: u64,
    /// For how long the longest due has been waiting for somebody who looks at it: the lag.
    pub overdue: Option<Duration>,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Awaited => "awaited",
            Self::Open => "open",
            Self::Aside => "aside",
        })
    }
}
