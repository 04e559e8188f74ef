//! What users hold of a projection.
//!
//! `db.projection(name, records, project) → await → Projection → catch_up | rebuild | supervised`

use std::cell::Cell;
use std::fmt;
use std::future::IntoFuture;
use std::rc::Rc;
use std::sync::Arc;

use super::editions::ProjectionDatabase;
use super::editions::sealed::Editions;
use super::error::{ProjectionError, ProjectionFault};
use super::project::{Edition, Project};
use crate::__private::Shown;
use crate::store::{Position, Progress, Read, StoreDatabase};
use crate::transport::{ErrorKind, TransportError};

/// The longest name.
const MAX_NAME: usize = 80;

/// Describes a [`Projection`] before it is opened. Created by `projection` of a database; awaiting it opens it.
#[must_use = "it is opened when it is awaited"]
pub struct ProjectionBuilder<D, P> {
    database: D,
    name: String,
    records: Read,
    version: u32,
    project: P,
}

impl<D: ProjectionDatabase, P: Project<D::Connection>> ProjectionBuilder<D, P> {
    pub(super) fn new(database: &D, name: String, records: Read, project: P) -> Self {
        Self { database: database.clone(), name, records, version: 1, project }
    }

    /// Sets which version of its rows this is, and so of [`apply`](Project::apply): another one each time that its rows would be
    /// other ones. The default is 1.
    ///
    /// It is kept beside the position. Where it differs, [`catch_up`](Projection::catch_up) is
    /// [`ProjectionFault::OtherRecords`], and a [`rebuild`](Projection::rebuild) that was begun by another version does not go on
    /// where that was interrupted, but begins anew.
    pub fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
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
        if let Some(error) = self.records.wrong() {
            let at = format!("projection `{}`", Shown::name(&self.name));
            return Err(TransportError::new(ErrorKind::Unsupported, at, error.to_string()));
        }
        let name: Arc<str> = self.name.into();
        let editions = self.database.editions(name.clone()).await?;
        let reads = self.records.reads_in(self.version);
        let (records, project) = (self.records, Rc::new(self.project));
        Ok(Projection { name, editions, records, reads, asked: Rc::default(), project })
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
///   that begin or end somewhere, or go backward, or whose pattern is not valid: only topics, thing and time may be chosen.
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
/// time it reads is kept beside the position, and its [version](ProjectionBuilder::version): where one of them is changed, it has to
/// be [rebuilt](Self::rebuild).
pub struct Projection<D: StoreDatabase, P> {
    name: Arc<str>,
    pub(super) editions: Arc<dyn Editions<D::Connection>>,
    pub(super) records: Read,
    /// Of which records and in which version its rows are.
    pub(super) reads: i64,
    /// The last edition whose number was asked for here.
    pub(super) asked: Rc<Cell<i64>>,
    pub(super) project: Rc<P>,
}

impl<D: StoreDatabase, P> Clone for Projection<D, P> {
    fn clone(&self) -> Self {
        let Self { name, editions, records, reads, asked, project } = self;
        let (name, editions, records) = (name.clone(), editions.clone(), records.clone());
        Self { name, editions, records, reads: *reads, asked: asked.clone(), project: project.clone() }
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
    /// - [`ProjectionFault::OtherRecords`] if its rows were made of other topics, or of another thing or time, or by another
    ///   [version](ProjectionBuilder::version).
    /// - [`ProjectionFault::Database`] if the database of its rows fails.
    ///
    /// What was committed before stays; the next call goes on there.
    pub async fn catch_up(&self) -> Result<Progress, ProjectionError> {
        self.catch_up_while(&|_| true).await
    }

    /// The same for as long as this holds, which is looked at behind each transaction.
    pub(super) async fn catch_up_while(&self, goes_on: &dyn Fn(Progress) -> bool) -> Result<Progress, ProjectionError> {
        self.named(self.catch_up_present(goes_on).await)
    }

    pub(super) async fn catch_up_present(
        &self,
        goes_on: &dyn Fn(Progress) -> bool,
    ) -> Result<Progress, ProjectionFault> {
        loop {
            let head = self.records.head().await?;
            let Some(present) = self.editions.list().await?.into_iter().find(|built| built.is_present) else {
                self.make(1, true).await?;
                continue;
            };
            if present.store == self.records.tag() && present.reads != self.reads {
                return Err(ProjectionFault::OtherRecords);
            }
            if let Some(progress) = self.advance(present, head, goes_on, false).await? {
                return Ok(progress);
            }
        }
    }

    /// Builds another edition beside the present one, from the first record on, and replaces the present one by it once it is as
    /// far. Returns the new edition.
    ///
    /// One that was begun before goes on where it was: the rows that it has are not made again, so give the projection another
    /// [version](ProjectionBuilder::version) whenever `apply` changes. Two who rebuild at the same time build the same edition
    /// together. A projection of a store that was made again, or restored from an older copy, is rebuilt from what is there.
    ///
    /// Whoever reads the rows goes by [`edition`](Self::edition). In the transaction that replaces the old edition,
    /// [`retire`](Project::retire) removes its rows.
    ///
    /// # Errors
    ///
    /// Those of [`catch_up`](Self::catch_up), [`ProjectionFault::SharedRows`] and [`ProjectionFault::GivenUp`]. The present edition
    /// stays as it is then.
    pub async fn rebuild(&self) -> Result<Edition, ProjectionError> {
        self.rebuild_with(|_| {}).await
    }

    /// [Rebuilds](Self::rebuild) it, and reports after each transaction how far the new edition is.
    ///
    /// # Errors
    ///
    /// Those of [`rebuild`](Self::rebuild).
    pub async fn rebuild_with(&self, report: impl Fn(Progress)) -> Result<Edition, ProjectionError> {
        let report = |progress| {
            report(progress);
            true
        };
        self.named(self.rebuild_beside(&report).await)
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

impl<D: StoreDatabase, P> fmt::Debug for Projection<D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projection").field("name", &self.name).field("records", &self.records).finish_non_exhaustive()
    }
}
