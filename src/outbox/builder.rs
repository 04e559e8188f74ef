//! How an outbox is described before it is opened.
//!
//! `db.outbox("Shop") → OutboxBuilder → await → Outbox`

use std::fmt;
use std::future::IntoFuture;

use super::outbox::Outbox;
use super::rows::OutboxDatabase;
use super::rule::Rule;
use crate::__private::Shown;
use crate::transport::{BoxFuture, ErrorKind, TransportError};
use crate::{Envelope, EnvelopeLimits};

/// The longest name.
const MAX_NAME: usize = 80;

/// Describes an [`Outbox`] before it is opened. Created by `outbox` of a database; awaiting it opens the outbox.
#[must_use = "it is opened when it is awaited"]
pub struct OutboxBuilder<D> {
    database: D,
    name: String,
    rule: Option<Rule>,
    limits: EnvelopeLimits,
}

impl<D: OutboxDatabase> OutboxBuilder<D> {
    pub(crate) fn new(database: &D, name: String) -> Self {
        Self { database: database.clone(), name, rule: None, limits: EnvelopeLimits::default() }
    }

    /// Keeps the order of events with the same key: they leave in the order in which their transactions commit. You make
    /// the key from the event; an event without a key (`None`) has no order.
    ///
    /// What a server refuses for good becomes a dead letter of the outbox, and later events *with the same key* are
    /// parked behind it, until you [redrive](Outbox::redrive) or [discard](Outbox::discard) it. Events with other keys
    /// go on.
    ///
    /// A route hands the key on to its server, unless it has a [key of its own](crate::Route::ordered_by). All processes
    /// that publish by this outbox should make the same key. In one process there is one rule for an outbox: it holds for
    /// handles that are opened without one too, and to open it with another function is an error for as long as one of them
    /// is there. Of a PostgreSQL and a file of SQLite all handles count, whoever has made them.
    #[track_caller]
    pub fn ordered_by(mut self, key: impl Fn(&Envelope) -> Option<String> + Send + Sync + 'static) -> Self {
        self.rule = Some(Rule::new(key));
        self
    }

    /// Sets how large and how deep an event may be. The default is [`EnvelopeLimits::default`], 1 MiB, which is also the
    /// default of routes and workers. An event that exceeds the limits is an error of `publish`, before anything is
    /// written.
    pub fn limits(mut self, limits: EnvelopeLimits) -> Self {
        self.limits = limits;
        self
    }

    async fn open(self) -> Result<Outbox<D>, TransportError> {
        check_name(&self.name)?;
        let rows = self.database.open(self.name.as_str().into()).await?;
        if let Some(rule) = self.rule
            && let Err(other) = rows.rules().set(rule)
        {
            let text = format!(
                "it is open with another function of `ordered_by`, which {other} has given, and events of a key would have no \
                 order between the two: give both the same function"
            );
            return Err(TransportError::new(ErrorKind::Unsupported, rows.name().clone(), text));
        }
        Ok(Outbox::new(rows, &self.name, self.limits))
    }
}

/// Opens the outbox.
///
/// # Errors
///
/// - `Missing` if the tables are not there, or older than this program needs: call `migrate()` of the database.
/// - `Refused` if the tables are too new for this program.
/// - `Unreachable` if there is no answer within the deadline.
/// - `Unsupported` for a name that is not valid: it has 1 to 80 bytes of letters, digits, `-`, `_`, `.` and `:`; and for
///   another [`ordered_by`](OutboxBuilder::ordered_by) than that with which this process has it open.
impl<D: OutboxDatabase> IntoFuture for OutboxBuilder<D> {
    type Output = Result<Outbox<D>, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<D> fmt::Debug for OutboxBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxBuilder").field("name", &self.name).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// It stands in errors, logs and metrics, and in the metadata of events.
fn check_name(name: &str) -> Result<(), TransportError> {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
    if !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain) {
        return Ok(());
    }
    let text = format!("an outbox is named by 1 to {MAX_NAME} bytes of letters, digits, `-`, `_`, `.` and `:`");
    Err(TransportError::new(ErrorKind::Unsupported, format!("outbox `{}`", Shown::name(name)), text))
}
