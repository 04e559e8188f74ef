//! The rounds of a broker in a file, as they are open.
//!
//! `open_rounds → SqliteRounds → work.rs, look.rs, names.rs`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{Connection, SqliteConnection};
use tokio::sync::watch;
use tokio::time::timeout;

use super::names::Names;
use super::{look, names, work};
use crate::durable::plan::outbox_of;
use crate::durable::{
    Due, Enrolled, FoundRounds, Judge, Kept, OpenedRounds, Party, Past, Place, Road, RoundDatabase, RoundFigures,
    RoundStore,
};
use crate::outbox::{Keeping, Keeps};
use crate::sql::Bell;
use crate::sql::sqlite::{SqliteDatabase, Store, describe, late};
use crate::transport::{BoxFuture, TransportError};

impl RoundDatabase for SqliteDatabase {
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds> {
        Box::pin(async move {
            let rounds = SqliteRounds::of(self, broker).await?;
            rounds.in_time(names::register(&rounds)).await?;
            Ok(Arc::new(rounds) as Arc<dyn RoundStore>)
        })
    }

    fn find_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        Box::pin(async move {
            let rounds = SqliteRounds::of(self, broker).await?;
            let found = names::find_broker(&rounds).await?;
            Ok(found.map(|rules| (Arc::new(rounds) as Arc<dyn RoundStore>, rules)))
        })
    }

    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(async move {
            // None has such a name.
            let rounds = SqliteRounds::of(self, "".into()).await?;
            names::brokers(&rounds, behind, most).await
        })
    }
}

pub(super) struct SqliteRounds {
    pub(super) at: Arc<str>,
    pub(super) broker: Arc<str>,
    database: SqliteDatabase,
    pub(super) store: Store,
    names: Mutex<Names>,
    outboxes: Mutex<HashMap<Arc<str>, Outbox>>,
    bell: Arc<Bell>,
}

/// What a consumer is to hear of, or a party to be asked.
pub(super) type Outbox = Arc<dyn Keeping<SqliteConnection>>;

impl SqliteRounds {
    /// A handle that knows nothing yet.
    async fn of(database: &SqliteDatabase, broker: Arc<str>) -> Result<Self, TransportError> {
        let at: Arc<str> = format!("sqlite rounds {broker}").trim_end().into();
        let store = database.checked(&at).await?.clone();
        Ok(Self {
            bell: Bell::of(&format!("sqlite {:p} rounds {broker}", Arc::as_ptr(&store.hub))),
            at,
            broker,
            database: database.clone(),
            store,
            names: Mutex::default(),
            outboxes: Mutex::default(),
        })
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> TransportError {
        describe(&self.at, error)
    }

    /// What this handle knows of the broker, for a file that does not.
    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outbox of a consumer, or of a party by its channel, if it is open.
    pub(super) fn outbox(&self, channel: &str) -> Option<Outbox> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).get(channel).cloned()
    }

    /// Opens an outbox: never within a transaction, for it may have to write.
    pub(super) async fn open_outbox(&self, channel: &Arc<str>) -> Result<(), TransportError> {
        let outbox = Keeps::open(&self.database, outbox_of(&self.broker, channel).into()).await?;
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.clone(), outbox);
        Ok(())
    }

    /// Reads by one statement.
    pub(super) async fn read<T>(
        &self,
        what: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, TransportError> {
        let read = async {
            let mut reader = self.store.read().await?;
            what(&mut reader).await
        };
        let read = self.in_time(async { self.store.verified(read.await).map_err(|error| self.error(&error)) });
        read.await
    }

    /// Does something that writes, in one transaction.
    pub(super) async fn transact<T>(
        &self,
        what: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let sql = |error: sqlx::Error| self.error(&error);
        let mut writer = self.store.write().await.map_err(sql)?;
        let mut transaction = writer.connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
        // Of one that was given up before.
        self.names().ended(false);
        let done = what(&mut transaction).await;
        // What was written into a file that is no longer at its path is not confirmed.
        let done = self.store.verified(Ok(())).map_err(sql).and(done);
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // Before the next one who writes gets the connection, as far as that can be.
                let _ = transaction.rollback().await;
                return Err(error);
            }
        };
        let committed = transaction.commit().await;
        self.store.verified(committed).map_err(sql)?;
        self.names().ended(true);
        Ok(done)
    }

    pub(super) async fn in_time<T>(
        &self,
        what: impl Future<Output = Result<T, TransportError>>,
    ) -> Result<T, TransportError> {
        let deadline = self.store.deadline;
        timeout(deadline, what).await.unwrap_or_else(|_| Err(late(&self.at, deadline)))
    }

    pub(super) fn ring(&self) {
        self.bell.ring();
    }
}

/// In µs since 1970, by the clock that all processes on this machine share.
pub(super) fn now() -> i64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

impl RoundStore for SqliteRounds {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> BoxFuture<'a, Result<Enrolled, TransportError>> {
        Box::pin(self.in_time(names::enroll(self, rules, replaces)))
    }

    fn forget_rules(&self, older: Duration) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(names::forget_rules(self, older))
    }

    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.in_time(work::work(self, places, judge)))
    }

    fn due<'a>(
        &'a self,
        foreign: &'a [i64],
        grace: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Due, TransportError>> {
        Box::pin(look::due(self, foreign, grace, most))
    }

    fn ended<'a>(&'a self, rounds: &'a [i64]) -> BoxFuture<'a, Result<Vec<Past>, TransportError>> {
        Box::pin(look::ended(self, rounds))
    }

    fn round(&self, round: i64) -> BoxFuture<'_, Result<Option<Kept>, TransportError>> {
        Box::pin(look::round(self, round))
    }

    fn history<'a>(
        &'a self,
        key: &'a str,
        before: i64,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Kept>, TransportError>> {
        Box::pin(look::history(self, key, before, most))
    }

    fn open(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Kept>, TransportError>> {
        Box::pin(look::open(self, after, most))
    }

    fn add_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.in_time(names::add_consumer(self, name)))
    }

    fn remove_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.in_time(names::remove_consumer(self, name)))
    }

    fn consumers(&self) -> BoxFuture<'_, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(names::consumers(self))
    }

    fn add_party<'a>(&'a self, party: &'a Party) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.in_time(names::add_party(self, party)))
    }

    fn remove_party<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.in_time(names::remove_party(self, name)))
    }

    fn parties(&self) -> BoxFuture<'_, Result<Vec<Party>, TransportError>> {
        Box::pin(names::parties(self))
    }

    fn purge(&self, older: Duration, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(self.in_time(look::purge(self, older, most)))
    }

    fn figures(&self, most: u64) -> BoxFuture<'_, Result<RoundFigures, TransportError>> {
        Box::pin(look::figures(self, most))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }

    fn outbox_of(&self, consumer: &str) -> String {
        outbox_of(&self.broker, consumer)
    }

    fn road<'a>(&'a self, channel: &'a str, _: Duration) -> BoxFuture<'a, Result<Road, TransportError>> {
        Box::pin(async move {
            let outbox = Keeps::open(&self.database, outbox_of(&self.broker, channel).into()).await?;
            Ok(Road::Rows(outbox))
        })
    }
}
