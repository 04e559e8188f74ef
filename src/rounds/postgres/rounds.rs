//! The rounds of a broker in a database, as they are open.
//!
//! `open_rounds → PostgresRounds → work.rs, look.rs, names.rs → a function of the schema`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Postgres};
use tokio::sync::watch;

use super::names::Names;
use super::{look, names, work};
use crate::durable::plan::outbox_of;
use crate::durable::{
    Due, Enrolled, FoundRounds, Judge, Kept, OpenedRounds, Party, Past, Place, Road, RoundDatabase, RoundFigures,
    RoundStore,
};
use crate::outbox::{Keeping, Keeps};
use crate::sql::postgres::{PostgresDatabase, describe};
use crate::transport::{BoxFuture, TransportError};

impl RoundDatabase for PostgresDatabase {
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds> {
        Box::pin(async move {
            let rounds = PostgresRounds::of(self, broker).await?;
            names::register(&rounds).await?;
            Ok(Arc::new(rounds) as Arc<dyn RoundStore>)
        })
    }

    fn find_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        Box::pin(async move {
            let rounds = PostgresRounds::of(self, broker).await?;
            let found = names::find_broker(&rounds).await?;
            Ok(found.map(|rules| (Arc::new(rounds) as Arc<dyn RoundStore>, rules)))
        })
    }

    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(async move {
            // None has such a name.
            let rounds = PostgresRounds::of(self, "".into()).await?;
            names::brokers(&rounds, behind, most).await
        })
    }
}

pub(super) struct PostgresRounds {
    pub(super) at: Arc<str>,
    pub(super) broker: Arc<str>,
    bell_name: String,
    pub(super) database: PostgresDatabase,
    names: Mutex<Names>,
    outboxes: Mutex<HashMap<Arc<str>, Outbox>>,
    bell: watch::Receiver<()>,
}

/// A statement that gets its values.
pub(super) type Asking = Query<'static, Postgres, PgArguments>;

/// What a consumer is to hear of, or a party to be asked.
pub(super) type Outbox = Arc<dyn Keeping<PgConnection>>;

impl PostgresRounds {
    /// A handle that knows nothing yet.
    async fn of(database: &PostgresDatabase, broker: Arc<str>) -> Result<Self, TransportError> {
        let at: Arc<str> = format!("postgres rounds {broker}").trim_end().into();
        database.check(&at).await?;
        // A name by which no queue can ring.
        let bell_name = format!("rounds {broker}");
        Ok(Self {
            bell: database.bells().watch(&bell_name),
            at,
            broker,
            bell_name,
            database: database.clone(),
            names: Mutex::default(),
            outboxes: Mutex::default(),
        })
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> TransportError {
        describe(&self.at, error)
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<PgRow>, TransportError> {
        self.database.rows(&self.at, self.database.deadline(), sql).await
    }

    /// Asks by a statement with values, which has a name on the server where the pool keeps such: it is asked again and again.
    pub(super) async fn asked(
        &self,
        sql: &str,
        bind: impl Fn(Asking) -> Asking + Send,
    ) -> Result<Vec<PgRow>, TransportError> {
        let asked = self.database.in_a_message(&self.at, self.database.deadline(), move |connection| {
            let query = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(connection.cached_statements_size() > 0);
            let query = bind(query);
            Box::pin(async move { Ok(query.fetch_all(connection).await?) })
        });
        asked.await
    }

    /// What this handle knows of the broker, for a database that does not.
    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outboxes(&self) -> MutexGuard<'_, HashMap<Arc<str>, Outbox>> {
        self.outboxes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outbox of a consumer, or of a party by its channel, if it is open.
    pub(super) fn outbox(&self, channel: &str) -> Option<Outbox> {
        self.outboxes().get(channel).cloned()
    }

    /// Opens an outbox: never within a transaction, for it needs a connection.
    pub(super) async fn open_outbox(&self, channel: &Arc<str>) -> Result<(), TransportError> {
        let outbox = Keeps::open(&self.database, outbox_of(&self.broker, channel).into()).await?;
        self.outboxes().insert(channel.clone(), outbox);
        Ok(())
    }

    /// Those of a database that was replaced are of no use.
    pub(super) fn forget_outboxes(&self) {
        self.outboxes().clear();
    }

    pub(super) fn ring(&self) {
        self.database.bells().ring(&self.bell_name, 1);
    }
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

impl RoundStore for PostgresRounds {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> BoxFuture<'a, Result<Enrolled, TransportError>> {
        Box::pin(names::enroll(self, rules, replaces))
    }

    fn forget_rules(&self, older: Duration) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(names::forget_rules(self, older))
    }

    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(work::work(self, places, judge))
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
        Box::pin(names::add_consumer(self, name))
    }

    fn remove_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(names::remove_consumer(self, name))
    }

    fn consumers(&self) -> BoxFuture<'_, Result<Vec<Arc<str>>, TransportError>> {
        Box::pin(names::consumers(self))
    }

    fn add_party<'a>(&'a self, party: &'a Party) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(names::add_party(self, party))
    }

    fn remove_party<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(names::remove_party(self, name))
    }

    fn parties(&self) -> BoxFuture<'_, Result<Vec<Party>, TransportError>> {
        Box::pin(names::parties(self))
    }

    fn purge(&self, older: Duration, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(look::purge(self, older, most))
    }

    fn figures(&self, most: u64) -> BoxFuture<'_, Result<RoundFigures, TransportError>> {
        Box::pin(look::figures(self, most))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.database.bells().listen();
        self.bell.clone()
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
