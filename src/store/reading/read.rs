//! Which records are read, and in which order.
//!
//! `Store::read → Read → after, until, since, before, about, backward, limit → start → reading.rs`

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use super::reading::Reading;
use super::recorded::{Lens, Recorded};
use crate::store::{LAST_POSITION, Position, Records, StoreError, digest_of, entity_of};
use crate::transport::{ErrorKind, TransportError};
use crate::{Pattern, Patterns};

/// Says which records are read, from the first to the last unless it is told otherwise. Created by
/// [`Store::read`](crate::Store::read).
///
/// ```no_run
/// # use convoke::transport::SqliteDatabase;
/// # use convoke::{Store, StoreError};
/// # async fn look(orders: Store<SqliteDatabase>) -> Result<(), StoreError> {
/// // What has happened last to an order.
/// let last = orders.read("orders/*").about("Order", 7).backward().limit(1).all().await?;
///
/// // Everything, a page at a time.
/// let mut reading = orders.read("**").start();
/// while let Some(record) = reading.next().await? {
///     println!("{}", record.topic());
/// }
/// # Ok(())
/// # }
/// ```
///
/// What it reads was there when it began: the last record is looked up then, and what is appended later is not read, unless
/// it [follows](Self::follow).
#[derive(Clone)]
#[must_use = "nothing is read before `start` or `all`"]
pub struct Read {
    pub(super) records: Arc<dyn Records>,
    pub(super) name: Arc<str>,
    pub(super) lens: Arc<Lens>,
    pub(super) patterns: Result<Vec<Pattern>, StoreError>,
    pub(super) entity: Option<String>,
    pub(super) after: Position,
    pub(super) until: Option<Position>,
    pub(super) since: Option<SystemTime>,
    pub(super) before: Option<SystemTime>,
    pub(super) backward: bool,
    pub(super) follow: bool,
    pub(super) limit: u64,
}

impl Read {
    pub(crate) fn new(records: Arc<dyn Records>, name: Arc<str>, lens: Arc<Lens>, topics: impl Patterns) -> Self {
        Self {
            records,
            name,
            lens,
            patterns: some(topics),
            entity: None,
            after: Position::START,
            until: None,
            since: None,
            before: None,
            backward: false,
            follow: false,
            limit: u64::MAX,
        }
    }

    /// Reads only records behind this position, which is that of the last record that you have. The default is
    /// [`Position::START`].
    pub fn after(mut self, position: Position) -> Self {
        self.after = position;
        self
    }

    /// Reads only records up to this position, and the one at it too. The default is the last record.
    pub fn until(mut self, position: Position) -> Self {
        self.until = Some(position);
        self
    }

    /// Reads only records that were appended at this time or later, by the clock of the database.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Reads only records that were appended before this time.
    pub fn before(mut self, time: SystemTime) -> Self {
        self.before = Some(time);
        self
    }

    /// Reads only records about this thing: [`Metadata::entity`](crate::Metadata::entity) and
    /// [`Metadata::entity_id`](crate::Metadata::entity_id). They are found by an index.
    pub fn about(mut self, entity: &str, id: impl Display) -> Self {
        self.entity = Some(entity_of(entity, &id.to_string()));
        self
    }

    /// Reads from the last record to the first.
    pub fn backward(mut self) -> Self {
        self.backward = true;
        self
    }

    /// Goes on with what is appended later, and never ends. A reading that goes backward does not follow, nor one that has an
    /// [end](Self::until).
    pub fn follow(mut self) -> Self {
        self.follow = true;
        self
    }

    /// Ends behind so many records.
    pub fn limit(mut self, most: u64) -> Self {
        self.limit = most;
        self
    }

    /// Starts to read, a page at a time: at most 1,000 records, or 4 MiB of them, are in memory.
    pub fn start(self) -> Reading {
        Reading::new(self)
    }

    /// Reads all of them into memory: set a [limit](Self::limit) where you do not know how many these are.
    ///
    /// # Errors
    ///
    /// Those of [`Reading::next`].
    pub async fn all(self) -> Result<Vec<Recorded>, StoreError> {
        let (mut reading, mut all) = (self.once().start(), Vec::new());
        while let Some(record) = reading.next().await? {
            all.push(record);
        }
        Ok(all)
    }

    /// What is asked beside topics, thing and time: where it begins and ends, and in which order it goes.
    pub(crate) fn is_whole(&self) -> bool {
        let Self { after, until, backward, follow, limit, .. } = self;
        *after == Position::START && until.is_none() && !backward && !follow && *limit == u64::MAX
    }

    /// Looks whether it goes from a beginning to an end.
    pub(crate) fn check_forward(&self) -> Result<(), StoreError> {
        if !self.backward && !self.follow {
            return Ok(());
        }
        let text = "a replay goes forward and has an end: leave out `backward` and `follow`; who follows reads, and tells by itself";
        Err(TransportError::new(ErrorKind::Unsupported, self.records.name().clone(), text).into())
    }

    /// What is wrong with its patterns.
    pub(crate) fn wrong(&self) -> Option<&StoreError> {
        self.patterns.as_ref().err()
    }

    /// A digest of which records these are, and of the version of what is made of them. It is written.
    pub(crate) fn reads_in(&self, version: u32) -> i64 {
        match version {
            1 => self.reads(),
            version => digest_of([&self.reads().to_string(), &version.to_string()]),
        }
    }

    /// A digest of which records these are: topics, thing and time. The same in every process and every release: it is written.
    fn reads(&self) -> i64 {
        let mut topics: Vec<_> = self.patterns.iter().flatten().map(|pattern| pattern.as_str()).collect();
        topics.sort_unstable();
        topics.dedup();
        let time = |time: Option<SystemTime>| time.map_or(0, micros).to_string();
        let entity = self.entity.as_deref().unwrap_or_default();
        // A topic may have spaces in it, and no character that controls something.
        digest_of([topics.join("\u{1f}").as_str(), entity, &time(self.since), &time(self.before)])
    }

    /// The same, to the end that there is now.
    pub(crate) fn once(self) -> Self {
        Self { follow: false, ..self }
    }

    /// Behind which position it begins.
    pub(crate) fn begins_after(&self) -> Position {
        self.after
    }

    /// Which store it reads.
    pub(crate) fn tag(&self) -> u32 {
        self.lens.tag
    }

    pub(crate) fn store(&self) -> &str {
        &self.name
    }

    /// What changes when something may have been appended.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.records.bell()
    }

    /// The last record of the store.
    pub(crate) async fn head(&self) -> Result<Position, StoreError> {
        Ok(Position::new(self.lens.tag, self.records.head().await?))
    }

    /// From which record to which it reads, forward: empty if the first is behind the last.
    ///
    /// # Errors
    ///
    /// For a position that is none of the store.
    pub(super) async fn bounds(&self, head: u64) -> Result<(u64, u64), StoreError> {
        let tag = self.lens.tag;
        let number = |position: Position| match position.number_in(tag, &self.name)? {
            number if number > head => Err(StoreError::Ahead { position, last: Position::new(tag, head) }),
            number => Ok(number),
        };
        let mut first = number(self.after)? + 1;
        let mut last = self.until.map(number).transpose()?.unwrap_or(head);
        if let Some(since) = self.since {
            first = first.max(self.first_at(micros(since), head).await?);
        }
        if let Some(before) = self.before {
            last = last.min(self.first_at(micros(before), head).await? - 1);
        }
        Ok((first, last))
    }

    /// The first record that was appended at this time or later, by halving: times never go back.
    async fn first_at(&self, time: i64, head: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (1, (head + 1).min(LAST_POSITION));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.records.time_at(middle).await? {
                Some((_, at)) if at < time => low = middle + 1,
                // A record that is missing is named by who reads.
                _ => high = middle,
            }
        }
        Ok(low)
    }
}

/// The first whole microsecond that is not before this time: records have whole ones, so that what is before the one is before the
/// other.
fn micros(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos().div_ceil(1000).try_into().unwrap_or(i64::MAX))
}

/// One pattern or several. None would be every topic, which nobody means by an empty list.
pub(crate) fn some(topics: impl Patterns) -> Result<Vec<Pattern>, StoreError> {
    match topics.patterns()? {
        none if none.is_empty() => Err(StoreError::NoPattern),
        patterns => Ok(patterns),
    }
}

impl fmt::Debug for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Read")
            .field("store", &self.name)
            .field("patterns", &self.patterns)
            .field("after", &format_args!("{}", self.after))
            .field("backward", &self.backward)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
