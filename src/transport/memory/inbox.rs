//! Which events were done, in a database of this process, so that a mark can commit with what was done.
//!
//! `worker → seen → Marks ← mark_in ← the handler's transaction`

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{IntoFuture, Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::line::after;
use crate::sql::memory::{MemoryConnection, MemoryDatabase};
use crate::transport::contract::Inbox;
use crate::transport::{BoxFuture, TransportError, check_name_if_any, no_transaction};

const WINDOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An inbox in a [`MemoryDatabase`]: it remembers for a [window](Self::window) of time which events were handled, by their
/// [identities](crate::Metadata::identity). Its clones, and all inboxes of its name in the database, share what they
/// remember.
///
/// A handler marks the event in its own transaction, with what else it writes there: then both are there, or neither.
///
/// Awaiting it looks whether its name is valid, and returns it.
#[derive(Clone)]
pub struct MemoryDatabaseInbox {
    database: MemoryDatabase,
    at: Arc<str>,
    name: Arc<str>,
    window: Duration,
    marks: Arc<Mutex<Marks>>,
}

/// By id until when it is remembered; read and changed only by whoever holds the gate of the database.
#[derive(Debug, Default)]
struct Marks {
    until: HashMap<Arc<str>, Instant>,
    ends: VecDeque<(Instant, Arc<str>)>,
}

impl Marks {
    fn has(&self, id: &str, now: Instant) -> bool {
        self.until.get(id).is_some_and(|until| *until > now)
    }

    fn insert(&mut self, id: &str, window: Duration) {
        let now = Instant::now();
        while self.ends.front().is_some_and(|(until, _)| *until <= now) {
            let Some((until, id)) = self.ends.pop_front() else { break };
            // It may have been marked anew since.
            if self.until.get(&id) == Some(&until) {
                self.until.remove(&id);
            }
        }
        let (id, until) = (Arc::from(id), after(now, window));
        self.ends.push_back((until, Arc::clone(&id)));
        self.until.insert(id, until);
    }
}

impl MemoryDatabase {
    /// Returns the inbox of this name. Workers that each have to handle every event need inboxes of different names.
    pub fn inbox(&self, name: impl Into<String>) -> MemoryDatabaseInbox {
        let name: Arc<str> = name.into().into();
        let marks = self.shared(&name, Mutex::<Marks>::default);
        MemoryDatabaseInbox { database: self.clone(), at: "memory inbox".into(), name, window: WINDOW, marks }
    }
}

impl MemoryDatabaseInbox {
    /// Sets how long the inbox remembers an event. Choose more than the longest time between two deliveries of the same
    /// event. The default is 7 days.
    pub fn window(self, window: Duration) -> Self {
        Self { window, ..self }
    }

    /// Returns whether this event was marked within the window.
    ///
    /// # Errors
    ///
    /// None.
    pub async fn seen(&self, id: &str) -> Result<bool, TransportError> {
        Ok(self.has(id))
    }

    /// Marks this event as handled. Returns `true` if it was not marked before. A transaction that has marked it is waited
    /// for.
    ///
    /// # Errors
    ///
    /// `Unreachable` if a transaction that has marked it does not end within the deadline.
    pub async fn mark(&self, id: &str) -> Result<bool, TransportError> {
        let mut transaction = self.database.begin().await?;
        let is_new = self.mark_in(&mut transaction, id).await?;
        transaction.commit().await?;
        Ok(is_new)
    }

    /// Marks this event as handled within your transaction. Returns `true` if it was not marked before. If the
    /// transaction is rolled back, the event is not marked. Another transaction that has marked it is waited for.
    ///
    /// # Errors
    ///
    /// - `Missing` if the transaction is of another database.
    /// - `Unreachable` if the other transaction does not end within the deadline, or waits for this one.
    /// - `Refused` if there is no transaction on the connection, or it has failed before.
    pub async fn mark_in(&self, transaction: &mut MemoryConnection, id: &str) -> Result<bool, TransportError> {
        self.database.check(&self.at, transaction)?;
        if !transaction.is_in_transaction() {
            return Err(no_transaction(&self.at));
        }
        let lock = format!("inbox {} {id}", self.name);
        transaction.lock(&self.at, &lock).await?;
        if self.has(id) || !transaction.note(&lock) {
            return Ok(false);
        }
        let (marks, id, window) = (self.marks.clone(), id.to_owned(), self.window);
        transaction.stage(move || marks_of(&marks).insert(&id, window));
        Ok(true)
    }

    fn has(&self, id: &str) -> bool {
        let _gate = self.database.gate();
        marks_of(&self.marks).has(id, Instant::now())
    }
}

fn marks_of(marks: &Mutex<Marks>) -> MutexGuard<'_, Marks> {
    marks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inbox for MemoryDatabaseInbox {
    fn seen<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.seen(id))
    }

    fn mark<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.mark(id))
    }
}

/// Looks at its name.
///
/// # Errors
///
/// `Unsupported` for a name that is not valid: it has at most 80 bytes of letters, digits, `-`, `_`, `.` and `:`.
impl IntoFuture for MemoryDatabaseInbox {
    type Output = Result<Self, TransportError>;
    type IntoFuture = Ready<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        ready(check_name_if_any(&self.at, "an inbox", &self.name).map(|()| self))
    }
}

impl fmt::Debug for MemoryDatabaseInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("MemoryDatabaseInbox");
        shown.field("name", &self.name).field("window", &self.window).finish_non_exhaustive()
    }
}
