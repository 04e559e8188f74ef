//! How a store is described before it is opened.
//!
//! `db.store("orders") → StoreBuilder → await → Store`

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use serde_json::Value;

use super::reading::Lens;
use super::records::StoreDatabase;
use super::store::Store;
use crate::__private::Shown;
use crate::EnvelopeLimits;
use crate::codec::Upcasts;
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// The longest name.
const MAX_NAME: usize = 80;

/// How many names stand in an error.
const NAMED: usize = 8;

/// Describes a [`Store`] before it is opened. Created by `store` of a database; awaiting it opens the store, and makes it if
/// there is none of this name.
#[must_use = "it is opened when it is awaited"]
pub struct StoreBuilder<D> {
    database: D,
    name: String,
    publisher: Option<String>,
    limits: EnvelopeLimits,
    upcasts: Upcasts,
    makes: bool,
    /// What is wrong with it.
    wrong: Option<String>,
}

impl<D: StoreDatabase> StoreBuilder<D> {
    pub(crate) fn new(database: &D, name: String) -> Self {
        let upcasts = Upcasts::default();
        Self {
            database: database.clone(),
            name,
            publisher: None,
            limits: EnvelopeLimits::default(),
            upcasts,
            makes: true,
            wrong: None,
        }
    }

    /// Sets the name under which events are published that are appended by this handle. The default is the name of the
    /// store.
    pub fn publisher(mut self, name: impl Into<String>) -> Self {
        self.publisher = Some(name.into());
        self
    }

    /// Opens the store only if there is one of this name, and makes none: for who looks.
    pub fn existing(mut self) -> Self {
        self.makes = false;
        self
    }

    /// Sets how large and how deep an event may be. The default is [`EnvelopeLimits::default`], 1 MiB. An event that exceeds
    /// the limits is an error of `append`; a record that does, which another program has appended, is an error when it is
    /// read as an event.
    pub fn limits(mut self, limits: EnvelopeLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Turns the payload of an event of an old version into one of the next version, when it is read: the records stay as
    /// they are. Upcasters follow each other, so that each need only know the next version.
    ///
    /// ```no_run
    /// # use convoke::transport::SqliteDatabase;
    /// # async fn open(db: SqliteDatabase) -> Result<(), Box<dyn std::error::Error>> {
    /// let orders = db
    ///     .store("orders")
    ///     .upcast("OrderPlaced", 1, |mut payload| {
    ///         payload["currency"] = "EUR".into(); // version 2 has one
    ///         payload
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The event is said by its name, or by its topic if that has a `/`: `"orders/placed"`. If there is one for both, that of the
    /// name is taken.
    ///
    /// One that panics makes the record [`StoreError::Unreadable`](super::StoreError::Unreadable). Two for the same event and
    /// version are an error when the store is opened.
    pub fn upcast(
        mut self,
        event: impl Into<String>,
        from: u32,
        upcast: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Self {
        if let Err(wrong) = self.upcasts.add(event.into(), from, upcast) {
            self.wrong = Some(wrong);
        }
        self
    }

    async fn open(self) -> Result<Store<D>, TransportError> {
        let at = || format!("store `{}`", Shown::name(&self.name));
        if let Some(wrong) = &self.wrong {
            return Err(TransportError::new(ErrorKind::Unsupported, at(), wrong));
        }
        let plain = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
        if self.name.is_empty() || self.name.len() > MAX_NAME || !self.name.chars().all(plain) {
            let text = format!("a store is named by 1 to {MAX_NAME} bytes of letters, digits, `-`, `_`, `.` and `:`");
            return Err(TransportError::new(ErrorKind::Unsupported, at(), text));
        }
        let name: Arc<str> = self.name.as_str().into();
        if !self.makes && self.database.stores(&name, 1).await?.first() != Some(&name) {
            let known = self.database.stores("", NAMED).await?;
            let known: Vec<_> = known.iter().map(|name| format!("`{}`", Shown::name(name))).collect();
            let text = match &known[..] {
                [] => "there is no such store, nor any other: look whether it is another database".to_owned(),
                known => format!("there is no such store; there is {}", known.join(", ")),
            };
            return Err(TransportError::new(ErrorKind::Missing, at(), text));
        }
        let records = self.database.open_records(name.clone()).await?;
        let lens = Lens { tag: records.tag(), limits: self.limits, upcasts: self.upcasts };
        Ok(Store::new(records, name.clone(), self.publisher.as_deref().unwrap_or(&name), Arc::new(lens)))
    }
}

/// Opens the store.
///
/// # Errors
///
/// - `Missing` if the tables are not there, or older than this program needs: call `migrate()` of the database; and if the store has
///   to be an [existing](StoreBuilder::existing) one, and is not there.
/// - `Refused` if the tables are too new for this program.
/// - `Unreachable` if there is no answer within the deadline.
/// - `Unsupported` for a name that is not valid: it has 1 to 80 bytes of letters, digits, `-`, `_`, `.` and `:`; and for two
///   upcasters that say the same, or one from version 0 or from the last one.
impl<D: StoreDatabase> IntoFuture for StoreBuilder<D> {
    type Output = Result<Store<D>, TransportError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl<D> fmt::Debug for StoreBuilder<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreBuilder").field("name", &self.name).field("upcasts", &self.upcasts).finish_non_exhaustive()
    }
}
