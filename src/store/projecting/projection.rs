//! What users hold of a projection.
//!
//! `db.projection(name, records, project) → await → Projection → catch_up | rebuild | supervised`

use std::fmt;
use std::future::IntoFuture;
use std::rc::Rc;
use std::sync::Arc;

use super::editions::sealed::Editions;
use super::editions::{Built, ProjectionDatabase};
use super::error::{ProjectionError, ProjectionFault};
use super::project::{Edition, Project, noting};
use crate::__private::{Shown, guarded};
use crate::Handled;
use crate::store::{Position, Progress, Read, Recorded, StoreDatabase, StoreError};
use crate::transport::{ErrorKind, TransportError};

/// How many records are applied by one transaction.
const BATCH: usize = 200;

/// The longest name.
const MAX_NAME: usize = 80;

/// Describes a [`Projection`] before it is opened. Created by `projection` of a database; awaiting it opens it.
#[must_use = "it is opened when it is awaited"]
pub struct ProjectionBuilder<D, P> {
    database: D,
    name: String,
    records: Read,
    project: P,
}

impl<D: ProjectionDatabase, P: Project<D::Connection>> ProjectionBuilder<D, P> {
    pub(super) fn new(database: &D, name: String, records: Read, project: P) -> Self {
        Self { database: database.clone(), name, records, project }
    }

    async fn open(self) -> Result<Projection<D, P>, TransportError> {
        let plain = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.chars().all(plain) {
            let text =
                format!("a projection is named by 1 to {MAX_NAME} bytes of letters, digits, `-`, `_`, `.` and `:`");
            let at = format!("projection `{}`", Shown::name(&self.name));
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        if !self.records.is_whole() {
            let text = "a projection reads all records of its topics, thing and time, from the first to the last and what comes \
                then: leave out `after`, `until`, `backward`, `follow` and `limit`";
            let at = format!("projection `{}`", Shown::name(&self.name));
            return Err(TransportError::new(ErrorKind::Unsupported, at, text));
        }
        let name: Arc<str> = self.name.into();
        let editions = self.database.editions(name.clone()).await?;
        Ok(Projection { name, editions, records: self.records.whole(), project: Rc::new(self.project) })
    }
}

/// Opens the projection. Nothing is made or applied yet.
///
/// # Errors
///
/// - `Missing` if the tables of the database are not there, or older than this program needs: call `migrate()` of it.
/// - `Refused` if they are too new for this program.
/// - `Unreachable` if there is no answer within the deadline.
/// - `Unsupported` for a name that is not valid: it has 1 to 80 bytes of letters, digits, `-`, `_`, `.` and `:`; and for records
///   that begin or end somewhere, or go backward: only topics, thing and time may be chosen.
impl<D: ProjectionDatabase, P: Project<D::Connection>> IntoFuture for ProjectionBuilder<D, P> {
    type Output = Result<Projection<D, P>, TransportError>;
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<D, P> fmt::Debug for ProjectionBuilder<D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProjectionBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Rows that follow from the events of a store, as [`Project`] makes them.
///
/// ```no_run
/// # use convoke::prelude::*;
/// # use convoke::transport::MemoryConnection;
/// # use convoke::{Edition, Project, Recorded, Store};
/// # use convoke::transport::MemoryDatabase;
/// # struct Totals;
/// # impl Project<MemoryConnection> for Totals {
/// #     async fn apply(&self, _: &mut MemoryConnection, _: &Recorded, _: Edition) -> Handled { Ok(()) }
/// # }
/// # async fn totals(db: MemoryDatabase, orders: Store<MemoryDatabase>, bus: EventBus) -> Result<(), Box<dyn std::error::Error>> {
/// let totals = db.projection("totals", orders.read("orders/*"), Totals).await?;
/// let progress = totals.catch_up().await?; // to the last record that there is now
/// assert_eq!(progress.left(), 0);
///
/// totals.rebuild().await?; // beside the present edition, which is then replaced
/// let _follows = totals.supervised(&bus).await?; // a service that catches up whenever something was appended
/// # Ok(())
/// # }
/// ```
///
/// A transaction applies up to 200 records and moves the position with them, unless another process has moved it. So each record is
/// applied once to an edition, whatever is killed when. The rows may be in another database than the store. Which topics, thing and
/// time it reads is kept beside the position: where that is changed, it has to be [rebuilt](Self::rebuild).
pub struct Projection<D: StoreDatabase, P> {
    name: Arc<str>,
    editions: Arc<dyn Editions<D::Connection>>,
    records: Read,
    project: Rc<P>,
}

impl<D: StoreDatabase, P> Clone for Projection<D, P> {
    fn clone(&self) -> Self {
        let Self { name, editions, records, project } = self;
        Self { name: name.clone(), editions: editions.clone(), records: records.clone(), project: project.clone() }
    }
}

impl<D: StoreDatabase, P: Project<D::Connection>> Projection<D, P> {
    /// Applies what the present edition has not seen, up to the last record that there is now. Makes the first edition if there is
    /// none.
    ///
    /// # Errors
    ///
    /// - [`ProjectionFault::Apply`] for the first record that [`apply`](Project::apply) fails or panics on, and
    ///   [`ProjectionFault::Tables`] if the first edition cannot be prepared.
    /// - [`ProjectionFault::Store`] for a record that cannot be read, and if the projection was made from another store.
    /// - [`ProjectionFault::OtherRecords`] if its rows were made of other topics, or of another thing or time.
    /// - [`ProjectionFault::Database`] if the database of its rows fails.
    ///
    /// What was committed before stays; the next call goes on there.
    pub async fn catch_up(&self) -> Result<Progress, ProjectionError> {
        self.named(self.catch_up_present().await)
    }

    async fn catch_up_present(&self) -> Result<Progress, ProjectionFault> {
        loop {
            let head = self.records.head().await?;
            let Some(present) = self.editions.list().await?.into_iter().find(|built| built.is_present) else {
                self.make(1, true).await?;
                continue;
            };
            if present.store == self.records.tag() && present.reads != self.records.reads() {
                return Err(ProjectionFault::OtherRecords);
            }
            if let Some(progress) = self.advance(present, head, &|_| {}, false).await? {
                return Ok(progress);
            }
        }
    }

    /// Builds another edition beside the present one, from the first record on, and replaces the present one by it once it is as
    /// far. One that was begun before goes on where it was. Returns the new edition.
    ///
    /// Whoever reads the rows goes by [`edition`](Self::edition). In the transaction that replaces the old edition,
    /// [`retire`](Project::retire) removes its rows.
    ///
    /// # Errors
    ///
    /// Those of [`catch_up`](Self::catch_up), and [`ProjectionFault::SharedRows`]. The present edition stays as it is then.
    pub async fn rebuild(&self) -> Result<Edition, ProjectionError> {
        self.rebuild_with(|_| {}).await
    }

    /// [Rebuilds](Self::rebuild) it, and reports after each transaction how far the new edition is.
    ///
    /// # Errors
    ///
    /// Those of [`rebuild`](Self::rebuild).
    pub async fn rebuild_with(&self, report: impl Fn(Progress)) -> Result<Edition, ProjectionError> {
        self.named(self.rebuild_beside(&report).await)
    }

    async fn rebuild_beside(&self, report: &dyn Fn(Progress)) -> Result<Edition, ProjectionFault> {
        let mut must_ask = false;
        loop {
            let there = self.editions.list().await?;
            let Some(present) = there.iter().find(|built| built.is_present) else {
                // There is nothing beside which it would be built.
                self.make(1, true).await?;
                self.catch_up_present().await?;
                return Ok(Edition(1));
            };
            let next = there.iter().map(|built| built.edition).max().unwrap_or_default() + 1;
            let Some(beside) = there.iter().find(|built| !built.is_present) else {
                must_ask = self.make(next, false).await? == Some(false) && self.editions.has_tables();
                continue;
            };
            if beside.reads != self.records.reads() {
                // It was begun by a program that reads something else.
                self.give_up(*present, beside.edition, true).await?;
                continue;
            }
            let head = self.records.head().await?;
            match self.advance(*beside, head, report, must_ask).await {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(fault) => {
                    if fault == ProjectionFault::SharedRows {
                        self.give_up(*present, beside.edition, false).await?;
                    }
                    return Err(fault);
                }
            }
            if self.switch(*present, beside.edition).await? {
                return Ok(Edition(beside.edition));
            }
        }
    }

    /// Replaces the present edition, if the other one is as far.
    async fn switch(&self, present: Built, beside: i64) -> Result<bool, ProjectionFault> {
        let mut work = self.editions.begin().await?;
        let there = self.editions.lock(work.connection()).await?;
        let of = |edition: i64| there.iter().find(|built| built.edition == edition);
        let (Some(old), Some(new)) = (of(present.edition), of(beside)) else { return Ok(false) };
        if !old.is_present || new.position < old.position {
            return Ok(false);
        }
        let retired = self.project.retire(work.connection(), Edition(old.edition));
        told(retired).await.map_err(ProjectionFault::Tables)?;
        self.editions.switch(work.connection(), old.edition, new.edition).await?;
        work.commit().await?;
        Ok(true)
    }

    /// Forgets an edition that is not the present one. Its rows are removed, if it has some of its own.
    async fn give_up(&self, present: Built, beside: i64, has_rows: bool) -> Result<(), ProjectionFault> {
        let mut work = self.editions.begin().await?;
        let there = self.editions.lock(work.connection()).await?;
        let is = |edition: i64, present: bool| there.iter().any(|of| of.edition == edition && of.is_present == present);
        if !is(present.edition, true) || !is(beside, false) {
            return Ok(());
        }
        if has_rows {
            let retired = self.project.retire(work.connection(), Edition(beside));
            told(retired).await.map_err(ProjectionFault::Tables)?;
        }
        self.editions.switch(work.connection(), beside, present.edition).await?;
        Ok(work.commit().await?)
    }

    /// Makes an edition, unless somebody else does. Returns whether it was asked which one it is.
    async fn make(&self, edition: i64, is_present: bool) -> Result<Option<bool>, ProjectionFault> {
        let (store, reads) = (self.records.tag(), self.records.reads());
        let built = Built { edition, is_present, store, reads, position: 0 };
        let mut work = self.editions.begin().await?;
        if !self.editions.insert(work.connection(), built).await? {
            return Ok(None);
        }
        let prepared = self.project.prepare(work.connection(), Edition(edition));
        let (prepared, asked) = noting(told(prepared)).await;
        prepared.map_err(ProjectionFault::Tables)?;
        work.commit().await?;
        Ok(Some(asked))
    }

    /// Applies what an edition has not seen, up to this position. `None` if somebody else has moved it meanwhile. `must_ask` says
    /// that nobody has asked yet which edition it is, and somebody has to with the first records.
    async fn advance(
        &self,
        built: Built,
        head: Position,
        report: &dyn Fn(Progress),
        mut must_ask: bool,
    ) -> Result<Option<Progress>, ProjectionFault> {
        let position = Position::new(built.store, built.position);
        if built.store != self.records.tag() {
            let store = self.records.store().to_owned();
            return Err(
                StoreError::Elsewhere { position: Position::new(built.store, built.position.max(1)), store }.into()
            );
        }
        if position.number() > head.number() {
            return Err(StoreError::Ahead { position, last: head }.into());
        }
        let (mut at, mut told) = (position, 0);
        if at == head {
            return Ok(Some(Progress { position: at, last: head, told }));
        }
        let mut reading = self.records.clone().after(at).until(head).start();
        loop {
            let mut records = Vec::with_capacity(BATCH);
            let mut failed = None;
            while records.len() < BATCH {
                match reading.next().await {
                    Ok(Some(record)) => records.push(record),
                    Ok(None) => break,
                    // What was read before is applied.
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let is_over = records.len() < BATCH && failed.is_none();
            let last = records.last().map(Recorded::position);
            // Behind the last record of its topics there is nothing for it up to the end.
            let to = if is_over { Some(head) } else { last };
            if let Some(to) = to {
                if !self.apply(built.edition, at, to, &records, must_ask).await? {
                    return Ok(None);
                }
                must_ask &= records.is_empty();
                at = to;
                told += records.len() as u64;
                report(Progress { position: at, last: head, told });
            }
            if let Some(failed) = failed {
                return Err(failed.into());
            }
            if is_over {
                return Ok(Some(Progress { position: at, last: head, told }));
            }
        }
    }

    /// Applies records, and moves the position with them, by one transaction. Says whether the position was there.
    ///
    /// If one of them fails, those before it are applied.
    async fn apply(
        &self,
        edition: i64,
        from: Position,
        to: Position,
        records: &[Recorded],
        must_ask: bool,
    ) -> Result<bool, ProjectionFault> {
        let mut work = self.editions.begin().await?;
        if !self.editions.advance(work.connection(), edition, from.number(), to.number()).await? {
            return Ok(false);
        }
        let mut is_asked = !must_ask || records.is_empty();
        for (place, record) in records.iter().enumerate() {
            let applied = told(self.project.apply(work.connection(), record, Edition(edition)));
            let (applied, asked) = noting(applied).await;
            is_asked |= asked;
            let Err(reason) = applied else { continue };
            drop(work);
            let before = &records[..place];
            if let Some(last) = before.last() {
                let again = Box::pin(self.apply(edition, from, last.position(), before, must_ask)).await?;
                if !again {
                    return Ok(false);
                }
            }
            return Err(ProjectionFault::Apply { position: record.position(), reason });
        }
        if !is_asked {
            return Err(ProjectionFault::SharedRows);
        }
        work.commit().await?;
        Ok(true)
    }

    /// Returns the present edition, by which its rows are read; `None` if there is none yet.
    ///
    /// A [rebuild](Self::rebuild) may replace it, and remove its rows, at any time: ask again for each transaction that reads.
    ///
    /// # Errors
    ///
    /// [`ProjectionFault::Database`].
    pub async fn edition(&self) -> Result<Option<Edition>, ProjectionError> {
        let there = self.named(self.editions.list().await.map_err(ProjectionFault::from))?;
        Ok(there.into_iter().find(|built| built.is_present).map(|built| Edition(built.edition)))
    }

    /// Returns how far the present edition is.
    ///
    /// # Errors
    ///
    /// [`ProjectionFault::Store`] and [`ProjectionFault::Database`].
    pub async fn progress(&self) -> Result<Progress, ProjectionError> {
        let progress = async {
            let there = self.editions.list().await?.into_iter().find(|built| built.is_present);
            let position = there.map_or(Position::START, |built| Position::new(built.store, built.position));
            Ok(Progress { position, last: self.records.head().await?, told: 0 })
        };
        self.named(progress.await)
    }

    /// Returns the name of the projection.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn records(&self) -> &Read {
        &self.records
    }

    fn named<T>(&self, result: Result<T, ProjectionFault>) -> Result<T, ProjectionError> {
        result.map_err(|fault| ProjectionError { projection: self.name.to_string(), fault })
    }
}

/// What the user's own has returned, or panicked with.
async fn told(future: impl Future<Output = Handled>) -> Result<(), String> {
    match guarded(future).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(why) => Err(format!("panicked: {}", Shown::text(&why))),
    }
}

impl<D: StoreDatabase, P> fmt::Debug for Projection<D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").field("name", &self.name).field("records", &self.records).finish_non_exhaustive()
    }
}
