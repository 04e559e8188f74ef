//! What a promise is tried on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Uuid;
use crate::durable::store::{
    Case, Enrolled, Judge, Kept, Next, Opening, Past, Place, Road, Round, RoundDatabase, RoundStore, Row, Ruling, Stage,
};
use crate::outbox::OutboxBuilder;
use crate::sql::memory::MemoryDatabase;
use crate::transport::Packet;

/// Whoever waits for longer has failed.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// What is not to be over while a test runs, in µs.
pub(super) const HOUR: i64 = 3_600_000_000;

/// A database, and the rounds of a broker in it, which has rules.
pub(super) struct Room<D: RoundDatabase> {
    pub(super) database: D,
    pub(super) rounds: Arc<dyn RoundStore>,
    /// The number of its rules.
    pub(super) rules: i64,
    _holds: Option<Box<dyn std::any::Any + Send + Sync>>,
}

impl<D: RoundDatabase> Room<D> {
    /// What it holds goes with it.
    pub(super) async fn of(database: D, holds: Option<Box<dyn std::any::Any + Send + Sync>>) -> Self {
        let rounds = database.open_rounds("approvals".into()).await.unwrap();
        let rules = enrolled(&*rounds, "{\"release\":\"all\"}").await;
        Self { database, rounds, rules, _holds: holds }
    }

    /// The same rounds, as another process has them open.
    pub(super) async fn another(&self) -> Arc<dyn RoundStore> {
        self.database.open_rounds("approvals".into()).await.unwrap()
    }

    /// A round of this key is opened that somebody looks at only in an hour, or the one that there is gets another signal. Returns
    /// its number.
    pub(super) async fn signal(&self, key: &str) -> i64 {
        signal(&*self.rounds, self.rules, key).await
    }

    /// The same of one that somebody has to look at then, whose deadline that is.
    pub(super) async fn open_until(&self, key: &str, at: i64) -> i64 {
        let ruling = |case: &Case<'_>| Ruling {
            opens: case.round.is_none().then(|| opening(self.rules, case.now)),
            next: Next::Waits { look_at: at, due_at: at },
            ..Ruling::default()
        };
        self.work(&[by_key(key)], ruling).await;
        self.at(key).await.id
    }

    /// Has each place judged alike.
    pub(super) async fn work(&self, places: &[Place], ruling: impl Fn(&Case<'_>) -> Ruling + Send + Sync) {
        self.rounds.work(places, &judge(|_, case| Some(ruling(case)))).await.unwrap();
    }

    /// Closes the round of a key, with a packet for each consumer.
    pub(super) async fn close(&self, key: &str, resolved: bool) {
        self.work(&[by_key(key)], |case| closing(case, resolved)).await;
    }

    /// The round of a key that is not over.
    pub(super) async fn at(&self, key: &str) -> Round {
        self.seen(key).await.unwrap_or_else(|| panic!("there is no round of {key}"))
    }

    pub(super) async fn seen(&self, key: &str) -> Option<Round> {
        match self.rounds.history(key, i64::MAX, 1).await.unwrap().pop() {
            Some(Kept::Open(round, ..)) => Some(round),
            _ => None,
        }
    }

    pub(super) async fn rows(&self, key: &str) -> Vec<Row> {
        match self.rounds.history(key, i64::MAX, 1).await.unwrap().pop() {
            Some(Kept::Open(_, _, rows)) => rows,
            other => panic!("{other:?}"),
        }
    }

    /// The last round of a key, which is over.
    pub(super) async fn past(&self, key: &str) -> Past {
        match self.rounds.history(key, i64::MAX, 1).await.unwrap().pop() {
            Some(Kept::Over(past)) => past,
            other => panic!("{other:?}"),
        }
    }

    /// The numbers of the rounds of a key that are over, the latest first.
    pub(super) async fn past_ids(&self, key: &str) -> Vec<i64> {
        let all = self.rounds.history(key, i64::MAX, 100).await.unwrap();
        let past = all.into_iter().filter_map(|kept| match kept {
            Kept::Over(past) => Some(past.id),
            Kept::Open(..) => None,
        });
        past.collect()
    }

    /// How many packets a consumer is to hear of.
    pub(super) async fn heard(&self, channel: &str) -> u64 {
        match self.rounds.road(channel).await.unwrap() {
            Road::Rows(rows) => rows.figures(100_000).await.unwrap().ready,
            Road::Queue(mut queue) => {
                queue.open(1).await.unwrap();
                queue.backlog().await.unwrap().unwrap()
            }
        }
    }

    /// Waits until this holds.
    pub(super) async fn until(&self, mut holds: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + LONG;
        while !holds().await {
            assert!(Instant::now() < end, "it does not come about");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// What time it is to the database.
    pub(super) async fn now(&self) -> i64 {
        let now = std::sync::atomic::AtomicI64::new(0);
        let look = judge(|_, case| {
            now.store(case.now, std::sync::atomic::Ordering::Relaxed);
            None
        });
        self.rounds.work(&[by_key("what time is it")], &look).await.unwrap();
        now.into_inner()
    }
}

pub(super) async fn enrolled(rounds: &dyn RoundStore, rules: &str) -> i64 {
    match rounds.enroll(rules, true).await.unwrap() {
        Enrolled::As(number) => number,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn signal(rounds: &dyn RoundStore, rules: i64, key: &str) -> i64 {
    let number = std::sync::atomic::AtomicI64::new(0);
    let signal = judge(|_, case| {
        let id = case.round.as_ref().map_or(case.number, |round| round.id);
        number.store(id, std::sync::atomic::Ordering::Relaxed);
        Some(signaled(case, rules))
    });
    rounds.work(&[by_key(key)], &signal).await.unwrap();
    number.into_inner()
}

/// One more signal, in a round that is opened if there is none.
pub(super) fn signaled(case: &Case<'_>, rules: i64) -> Ruling {
    let number = i32::try_from(case.rows.len()).unwrap() + 1;
    let end = case.now + HOUR;
    Ruling {
        opens: case.round.is_none().then(|| opening(rules, case.now)),
        adds: vec![row(number, "legal", b"yes")],
        next: match &case.round {
            None => Next::Waits { look_at: end, due_at: end },
            Some(_) => Next::Stays,
        },
        ..Ruling::default()
    }
}

/// It is over, and each consumer is to hear of it.
pub(super) fn closing(case: &Case<'_>, resolved: bool) -> Ruling {
    let Some(round) = &case.round else { return Ruling::default() };
    let heard = case.consumers.iter().map(|consumer| (consumer.clone(), packet(round.id, &round.key))).collect();
    let next = Next::Closes { resolved, outcome: outcome(round.id), heard };
    Ruling { next, ..Ruling::default() }
}

pub(super) fn outcome(round: i64) -> String {
    format!("{{\"round\": \"{round}\", \"says\": \"'\\u0000 ä\"}}")
}

pub(super) fn opening(rules: i64, at: i64) -> Opening {
    Opening { rules, stage: Stage::Open, at }
}

pub(super) fn row(number: i32, name: &str, body: &[u8]) -> Row {
    Row { number, kind: 1, name: name.into(), at: 1, token: Uuid::now_v7(), terms: None, body: body.to_vec() }
}

pub(super) fn packet(round: i64, key: &str) -> Packet {
    let mut packet = Packet::new(format!("{round}"), "{}");
    (packet.topic, packet.key) = ("rounds/closed".into(), Some(key.into()));
    packet
}

pub(super) fn by_key(key: &str) -> Place {
    Place::Key(key.into())
}

/// A function that judges.
pub(super) struct Judging<F>(F);

impl<F: Fn(usize, &Case<'_>) -> Option<Ruling> + Send + Sync> Judge for Judging<F> {
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling> {
        self.0(place, case)
    }
}

pub(super) fn judge<F: Fn(usize, &Case<'_>) -> Option<Ruling> + Send + Sync>(judge: F) -> Judging<F> {
    Judging(judge)
}

/// What else a test does with a database.
pub(super) trait Hurts: RoundDatabase {
    /// Has this fail from now on: an insert, update or delete of one of the tables. Returns how to have it succeed again; `None`
    /// where there are no statements.
    async fn break_table(&self, what: &str, table: &str) -> Option<String>;

    async fn mend(&self, how: &str);

    /// Holds a key of this outbox until the transaction that is returned is dropped; `None` where whoever writes holds everything.
    async fn hold_key(&self, outbox: &str, key: &str) -> Option<Box<dyn std::any::Any>>;

    /// Puts an empty database in its place; false where there is none to be replaced.
    async fn replace(&self) -> bool;
}

pub(super) struct Memory;

impl Memory {
    pub(super) async fn room() -> Room<MemoryDatabase> {
        Room::of(crate::transport::Memory::database(), None).await
    }
}

impl Hurts for MemoryDatabase {
    async fn break_table(&self, _: &str, _: &str) -> Option<String> {
        None
    }

    async fn mend(&self, _: &str) {}

    async fn hold_key(&self, outbox: &str, key: &str) -> Option<Box<dyn std::any::Any>> {
        let outbox = OutboxBuilder::new(self, outbox.to_owned()).await.unwrap();
        let mut transaction = self.begin().await.unwrap();
        outbox.keeping().insert(vec![packet(0, key)], &mut transaction).await.unwrap();
        Some(Box::new(transaction))
    }

    async fn replace(&self) -> bool {
        false
    }
}

/// A folder that goes with this value.
pub(super) struct Folder(pub(super) std::path::PathBuf);

impl Folder {
    pub(super) fn new() -> Self {
        let folder = Self(std::env::temp_dir().join(format!("convoke-rounds-{}", Uuid::now_v7())));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(feature = "sqlite")]
pub(super) struct File;

#[cfg(feature = "sqlite")]
impl File {
    pub(super) async fn room() -> Room<crate::transport::SqliteDatabase> {
        let folder = Folder::new();
        let database = crate::transport::Sqlite::open(folder.0.join("rounds.db")).await.unwrap();
        Room::of(database, Some(Box::new(folder))).await
    }
}

#[cfg(feature = "sqlite")]
impl Hurts for crate::transport::SqliteDatabase {
    async fn break_table(&self, what: &str, table: &str) -> Option<String> {
        let sql = format!("CREATE TRIGGER broken BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'broken'); END");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(self.pool()).await.unwrap();
        Some("DROP TRIGGER broken".into())
    }

    async fn mend(&self, how: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(how.to_owned())).execute(self.pool()).await.unwrap();
    }

    async fn hold_key(&self, _: &str, _: &str) -> Option<Box<dyn std::any::Any>> {
        None
    }

    async fn replace(&self) -> bool {
        let list = "SELECT file FROM pragma_database_list WHERE name = 'main'";
        let file: String = sqlx::query_scalar(list).fetch_one(self.pool()).await.unwrap();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{file}{end}"));
        }
        true
    }
}

#[cfg(feature = "postgres")]
pub(super) struct Server;

#[cfg(feature = "postgres")]
impl Server {
    /// A schema of its own.
    pub(super) async fn room() -> Option<Room<crate::transport::PostgresDatabase>> {
        let url = std::env::var("CONVOKE_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty())?;
        let schema = format!("t{}", Uuid::now_v7().simple());
        let database = crate::transport::Postgres::connect(url).schema(schema).await.unwrap();
        database.migrate().await.unwrap();
        Some(Room::of(database, None).await)
    }
}

#[cfg(feature = "postgres")]
impl Hurts for crate::transport::PostgresDatabase {
    async fn break_table(&self, what: &str, table: &str) -> Option<String> {
        let schema = self.schema();
        let sql = format!(
            "CREATE OR REPLACE FUNCTION {schema}.broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$; \
             CREATE TRIGGER broken BEFORE {what} ON {schema}.{table} FOR EACH ROW EXECUTE FUNCTION {schema}.broken()"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(self.pool()).await.unwrap();
        Some(format!("DROP TRIGGER broken ON {schema}.{table}"))
    }

    async fn mend(&self, how: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(how.to_owned())).execute(self.pool()).await.unwrap();
    }

    async fn hold_key(&self, outbox: &str, key: &str) -> Option<Box<dyn std::any::Any>> {
        let outbox = OutboxBuilder::new(self, outbox.to_owned()).await.unwrap();
        let mut transaction = self.begin().await.unwrap();
        outbox.keeping().insert(vec![packet(0, key)], &mut transaction).await.unwrap();
        Some(Box::new(transaction))
    }

    async fn replace(&self) -> bool {
        let schema = self.schema();
        let sql = format!("DROP SCHEMA {schema} CASCADE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(self.pool()).await.unwrap();
        self.migrate().await.unwrap();
        true
    }
}
