//! An outbox that is open, and how its relays and who repairs it reach its rows.
//!
//! `PostgresDatabase::outbox → open → PostgresOutbox → { insert, take, lanes, bury, park, redrive } → a function of the schema`

use std::any::Any;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use tokio::sync::watch;

use super::starts::Starts;
use super::{insert, take};
use crate::Uuid;
use crate::outbox::{
    Dead, FirstDead, Keeping, Keeps, Lanes, Opened, OutboxBuilder, OutboxDatabase, OutboxFigures, Rows, Rules,
    Statement, Taken,
};
use crate::sql::postgres::{Form, PostgresDatabase, array, describe, quoted};
use crate::transport::{BoxFuture, ErrorKind, Packet, TransportError};

/// How soon a look is worth it after a publish, whose commit needs a round trip at least.
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// The rows of one outbox of a PostgreSQL.
pub(super) struct PostgresOutbox {
    pub(super) database: PostgresDatabase,
    /// As in errors.
    pub(super) at: Arc<str>,
    /// Its name.
    pub(super) outbox: Arc<str>,
    /// Which database it is, as that says of itself.
    id: Mutex<Arc<str>>,
    rules: Arc<Rules>,
    pub(super) starts: Starts,
    /// How bodies are to be written, by what was taken before.
    form: Mutex<Form>,
    bell: watch::Receiver<()>,
}

impl PostgresDatabase {
    /// Describes the outbox of this name, which is the name of the publisher of its events. See
    /// [`Outbox`](crate::Outbox).
    ///
    /// To publish is one statement. An event with a key takes a lock of it, by `pg_advisory_xact_lock`, before it has its
    /// place among the events of that key, and the lock is held until the transaction ends: another transaction that
    /// publishes with the same key waits until then, for no longer than the deadline of the database or its own
    /// `lock_timeout`. So transactions should be short, or publish last. The order holds under every isolation, also
    /// `REPEATABLE READ` and `SERIALIZABLE`. An event without a key locks nothing. Each key of a transaction is a lock of
    /// the server's table of locks, for which `max_locks_per_transaction` makes room.
    ///
    /// The transaction has to be begun through sqlx: of a `BEGIN` that was sent as text, sqlx does not know. One that a text
    /// has ended is refused: whether it has is known at once in a transaction of [`begin`](Self::begin), and in one that has
    /// written something; in any other the server is asked, which is two round trips more for its first event. A relay looks
    /// as soon as something is published in its process, and elsewhere by a `NOTIFY`, which is never sent in your
    /// transaction; behind a pooler in transaction mode it is [polled](crate::Relay::poll_every).
    pub fn outbox(&self, name: impl Into<String>) -> OutboxBuilder<Self> {
        OutboxBuilder::new(self, name.into())
    }
}

impl OutboxDatabase for PostgresDatabase {
    type Connection = PgConnection;
}

impl Keeps<PgConnection> for PostgresDatabase {
    fn open(&self, outbox: Arc<str>) -> BoxFuture<'_, Opened<PgConnection>> {
        Box::pin(async move {
            let at: Arc<str> = format!("postgres outbox {outbox}").into();
            self.check(&at).await?;
            let bell = self.bells().watch(&bell(&outbox));
            let id = id_of(self, &at).await?;
            let rules = Rules::of(format!("postgres {id} {} {outbox}", self.schema()));
            let open = PostgresOutbox {
                database: self.clone(),
                at,
                outbox,
                id: Mutex::new(id),
                rules,
                starts: Starts::default(),
                form: Mutex::default(),
                bell,
            };
            Ok(Arc::new(open) as Arc<dyn Keeping<PgConnection>>)
        })
    }
}

/// Which database it is, as that says of itself.
async fn id_of(database: &PostgresDatabase, at: &Arc<str>) -> Result<Arc<str>, TransportError> {
    let sql = format!("SELECT id FROM {}.convoke_database", database.schema());
    let rows = database.rows(at, database.deadline(), &sql).await?;
    let id = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get::<String, _>(0));
    id.map(Into::into).map_err(|error| describe(at, &error))
}

/// The name by which it rings, which no queue can have.
fn bell(outbox: &str) -> String {
    format!("outbox {outbox}")
}

/// A number as a `LIMIT`.
fn written(most: usize) -> i64 {
    most.try_into().unwrap_or(i64::MAX)
}

impl PostgresOutbox {
    pub(super) fn id(&self) -> Arc<str> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<str>> {
        self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn form(&self) -> Form {
        *self.form.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_form(&self, form: Form) {
        *self.form.lock().unwrap_or_else(PoisonError::into_inner) = form;
    }

    async fn learn_id(&self) -> Result<(), TransportError> {
        let id = id_of(&self.database, &self.at).await?;
        *self.lock() = id;
        Ok(())
    }

    pub(super) fn ring(&self) {
        self.database.bells().hint(&bell(&self.outbox));
    }

    pub(super) async fn rows(&self, sql: &str) -> Result<Vec<PgRow>, TransportError> {
        self.database.rows(&self.at, self.database.deadline(), sql).await
    }

    /// Calls a function of the schema that knows the database by its id, with what stands behind the name of the outbox.
    async fn call(&self, function: &str, arguments: &str) -> Result<Vec<PgRow>, TransportError> {
        let (schema, id, name) = (self.database.schema(), quoted(&self.id()), quoted(&self.outbox));
        self.rows(&format!("SELECT * FROM {schema}.convoke_outbox_{function}_1({id}, {name}, {arguments})")).await
    }

    /// The first value of the first row.
    fn value<'r, T>(&self, rows: &'r [PgRow]) -> Result<T, TransportError>
    where
        T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let value = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get(0));
        value.map_err(|error| describe(&self.at, &error))
    }

    async fn redrive_some(&self, from: i64, to: i64, most: usize) -> Result<Vec<i64>, TransportError> {
        let (schema, name, most) = (self.database.schema(), quoted(&self.outbox), written(most));
        let sql = format!("SELECT {schema}.convoke_outbox_redrive_1({name}, {from}, {to}, {most})");
        let redriven = self.value::<Option<Vec<i64>>>(&self.rows(&sql).await?)?.unwrap_or_default();
        if !redriven.is_empty() {
            self.starts.forget();
            self.ring();
        }
        Ok(redriven)
    }

    async fn delete_dead(&self, position: i64) -> Result<bool, TransportError> {
        let (schema, name) = (self.database.schema(), quoted(&self.outbox));
        let sql = format!("SELECT {schema}.convoke_outbox_discard_1({name}, {position})");
        let was_there = self.value(&self.rows(&sql).await?)?;
        if was_there {
            self.starts.forget();
            self.ring();
        }
        Ok(was_there)
    }

    async fn share(&self, relay: Uuid, lease: Duration, busy: &[u16]) -> Result<Lanes, TransportError> {
        // They ask for it again and again: whoever waits for a ring hears other processes too.
        self.database.bells().listen();
        let (lease, busy) = (lease.as_secs_f64() * 1000.0, array(busy.iter()));
        let rows = match self.call("lanes", &format!("'{relay}', {lease}, '{busy}'")).await {
            Err(error) if error.kind() == ErrorKind::Lost => {
                self.learn_id().await?;
                self.starts.begin_anew();
                return Err(error);
            }
            rows => rows?,
        };
        let held: Vec<i16> = self.value(&rows)?;
        let share: i32 =
            rows.first().map_or(Ok(0), |row| row.try_get(1)).map_err(|error| describe(&self.at, &error))?;
        let held: Vec<u16> = held.into_iter().filter_map(|lane| lane.try_into().ok()).collect();
        self.starts.held(relay, &held);
        Ok(Lanes { held, share: share.try_into().unwrap_or_default() })
    }

    async fn counts(&self, most: u64) -> Result<OutboxFigures, TransportError> {
        let (schema, name) = (self.database.schema(), quoted(&self.outbox));
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let starts = array(self.starts.all().iter());
        let sql = format!("SELECT * FROM {schema}.convoke_outbox_figures_1({name}, {most}, '{starts}')");
        let rows = self.rows(&sql).await?;
        let figures = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| {
            let count = |column: usize| Ok::<u64, sqlx::Error>(row.try_get::<i64, _>(column)?.try_into().unwrap_or(0));
            let oldest = row.try_get::<Option<f64>, _>(3)?.map(take::millis);
            Ok(OutboxFigures { ready: count(0)?, dead: count(1)?, parked: count(2)?, oldest })
        });
        figures.map_err(|error| describe(&self.at, &error))
    }

    async fn keys_that_are_dead(&self, lanes: &[u16], most: usize) -> Result<FirstDead, TransportError> {
        let (schema, name, lanes) = (self.database.schema(), quoted(&self.outbox), array(lanes.iter()));
        self.firsts(&format!(
            "SET LOCAL enable_seqscan = off; SELECT key, min(position) FROM {schema}.convoke_outbox \
             WHERE outbox = {name} AND state = 1 AND lane = ANY ('{lanes}'::smallint[]) AND key IS NOT NULL \
             GROUP BY key LIMIT {}",
            written(most)
        ))
        .await
    }

    async fn dead_before(&self, positions: &[i64]) -> Result<FirstDead, TransportError> {
        let (schema, positions) = (self.database.schema(), array(positions.iter()));
        self.firsts(&format!(
            "SET LOCAL enable_seqscan = off; SELECT o.key, dead.position FROM {schema}.convoke_outbox AS o \
             CROSS JOIN LATERAL ( \
                 SELECT d.position FROM {schema}.convoke_outbox AS d WHERE d.outbox = o.outbox \
                     AND d.key_hash = o.key_hash AND d.state = 1 AND d.key = o.key ORDER BY d.position LIMIT 1 \
             ) AS dead WHERE o.position = ANY ('{positions}'::bigint[])"
        ))
        .await
    }

    async fn firsts(&self, sql: &str) -> Result<FirstDead, TransportError> {
        let rows = self.rows(sql).await?;
        let first = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
        rows.iter().map(first).collect::<Result<_, _>>().map_err(|error| describe(&self.at, &error))
    }
}

impl Keeping<PgConnection> for PostgresOutbox {
    fn insert<'a>(
        &'a self,
        packets: Vec<Packet>,
        transaction: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            insert::insert(self, packets, transaction).await?;
            self.ring();
            Ok(())
        })
    }

    fn rules(&self) -> &Rules {
        &self.rules
    }

    fn statement(&self, packet: Packet) -> Statement {
        self.ring();
        insert::statement(self, packet)
    }

    fn known(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl Rows for PostgresOutbox {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn lanes<'a>(
        &'a self,
        relay: Uuid,
        lease: Duration,
        busy: &'a [u16],
    ) -> BoxFuture<'a, Result<Lanes, TransportError>> {
        Box::pin(self.share(relay, lease, busy))
    }

    fn leave<'a>(&'a self, relay: Uuid) -> BoxFuture<'a, Result<(), TransportError>> {
        let (schema, name) = (self.database.schema(), quoted(&self.outbox));
        let sql = format!("SELECT {schema}.convoke_outbox_leave_1({name}, '{relay}')");
        Box::pin(async move {
            self.starts.left(relay);
            self.rows(&sql).await.map(drop)
        })
    }

    fn take<'a>(
        &'a self,
        done: &'a [i64],
        lanes: &'a [u16],
        most: usize,
        bytes: usize,
    ) -> BoxFuture<'a, Result<Vec<Taken>, TransportError>> {
        Box::pin(take::take(self, done, lanes, most, bytes))
    }

    fn dead_keys<'a>(&'a self, lanes: &'a [u16], most: usize) -> BoxFuture<'a, Result<FirstDead, TransportError>> {
        Box::pin(self.keys_that_are_dead(lanes, most))
    }

    fn first_dead<'a>(&'a self, positions: &'a [i64]) -> BoxFuture<'a, Result<FirstDead, TransportError>> {
        Box::pin(self.dead_before(positions))
    }

    fn bury<'a>(&'a self, relay: Uuid, dead: &'a [(i64, String)]) -> BoxFuture<'a, Result<(), TransportError>> {
        let positions = array(dead.iter().map(|(position, _)| position));
        // PostgreSQL keeps no text with a character of the code 0.
        let reasons: Vec<_> = dead.iter().map(|(_, reason)| quoted(&reason.replace('\0', ""))).collect();
        let arguments = format!("'{relay}', '{positions}', ARRAY[{}]::text[]", reasons.join(", "));
        Box::pin(async move { self.call("bury", &arguments).await.map(drop) })
    }

    fn park<'a>(&'a self, relay: Uuid, positions: &'a [i64]) -> BoxFuture<'a, Result<Vec<i64>, TransportError>> {
        let arguments = format!("'{relay}', '{}'", array(positions.iter()));
        Box::pin(async move {
            let rows = self.call("park", &arguments).await?;
            let ready = self.value::<Option<Vec<i64>>>(&rows)?.unwrap_or_default();
            if !ready.is_empty() {
                // Somebody has made ready what is before them.
                self.starts.forget();
            }
            Ok(ready)
        })
    }

    fn figures<'a>(&'a self, most: u64) -> BoxFuture<'a, Result<OutboxFigures, TransportError>> {
        Box::pin(self.counts(most))
    }

    fn dead<'a>(&'a self, after: i64, most: usize) -> BoxFuture<'a, Result<Vec<Dead>, TransportError>> {
        Box::pin(take::dead(self, after, most))
    }

    fn redrive(&self, from: i64, to: i64, most: usize) -> BoxFuture<'_, Result<Vec<i64>, TransportError>> {
        Box::pin(self.redrive_some(from, to, most))
    }

    fn discard(&self, position: i64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.delete_dead(position))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.clone()
    }

    fn first_look(&self) -> Duration {
        FIRST_LOOK
    }
}
