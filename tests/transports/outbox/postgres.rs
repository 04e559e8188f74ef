//! What only PostgreSQL does with an outbox: locks of keys, isolation, transactions that have failed, other processes that are
//! woken, snapshots that keep vacuum back.

use std::process::Command;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::{ErrorKind, Memory, MemoryQueue, Postgres, PostgresDatabase, Source};
use convoke::{
    Envelope, OpenTasks, Outbox, OutboxBuilder, OutboxError, Outgoing, Route, SqlValue, Statement, StoreBuilder,
};
use serde::{Deserialize, Serialize};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Transaction};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::{Base, all_over};
use crate::transports::servers::is_ci;
use crate::transports::servers::postgres::PostgresServer;

/// A database of its own in a server that all tests share which run at the same time.
pub(crate) struct Database {
    pub(crate) db: PostgresDatabase,
    /// Where it is.
    pub(crate) url: String,
    server: Arc<PostgresServer>,
}

impl Database {
    /// In a server that no other test has, with these settings.
    pub(crate) async fn alone(settings: &[&str]) -> Self {
        let server = Arc::new(PostgresServer::own(settings).await.unwrap());
        let url = server.url().to_owned();
        let db = Postgres::connect(&url).await.unwrap();
        db.migrate().await.unwrap();
        Self { db, url, server }
    }

    pub(crate) fn server(&self) -> &PostgresServer {
        &self.server
    }
}

/// Returns the server, which ends with the last who has it.
async fn shared() -> Arc<PostgresServer> {
    static SERVER: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
    let mut there = SERVER.lock().await;
    if let Some(server) = there.upgrade() {
        return server;
    }
    let server = Arc::new(PostgresServer::own(&["fsync=off", "max_connections=300"]).await.unwrap());
    *there = Arc::downgrade(&server);
    server
}

impl Base for Database {
    type Database = PostgresDatabase;
    type Transaction = Transaction<'static, sqlx::Postgres>;
    type Plain = PoolConnection<sqlx::Postgres>;

    async fn new() -> Self {
        let server = shared().await;
        let name = format!("test_{:x}", fastrand::u64(..));
        let mut connection = PgConnection::connect(server.url()).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
        let url = format!("{}{name}", server.url().trim_end_matches("postgres"));
        let db = Postgres::connect(&url).await.unwrap();
        db.migrate().await.unwrap();
        Self { db, url, server }
    }

    fn outbox(&self, name: &str) -> OutboxBuilder<PostgresDatabase> {
        self.db.outbox(name)
    }

    fn store(&self, name: &str) -> StoreBuilder<PostgresDatabase> {
        self.db.store(name)
    }

    fn database(&self) -> &PostgresDatabase {
        &self.db
    }

    fn tasks(&self) -> OpenTasks<PostgresDatabase> {
        self.db.tasks()
    }

    async fn begin(&self) -> Self::Transaction {
        self.db.begin().await.unwrap()
    }

    async fn commit(transaction: Self::Transaction) {
        transaction.commit().await.unwrap();
    }

    async fn rollback(transaction: Self::Transaction) {
        transaction.rollback().await.unwrap();
    }

    async fn plain(&self) -> Self::Plain {
        self.db.pool().acquire().await.unwrap()
    }

    async fn run(transaction: &mut Self::Transaction, statement: Statement) {
        let mut query = sqlx::query(AssertSqlSafe(statement.sql.into_owned())).persistent(false);
        for value in statement.values {
            query = match value {
                SqlValue::Text(text) => query.bind(text),
                SqlValue::Integer(number) => query.bind(number),
                SqlValue::Bytes(bytes) => query.bind(bytes),
                _ => unreachable!("a type that is new"),
            };
        }
        query.execute(&mut **transaction).await.unwrap();
    }
}

all_over! { [actix_rt::test] Database }

const LONG: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    key: String,
    number: i64,
}

fn placed(key: &str, number: i64) -> OrderPlaced {
    OrderPlaced { key: key.to_owned(), number }
}

async fn server() -> PostgresServer {
    PostgresServer::own(&["fsync=off"]).await.unwrap()
}

async fn database(server: &PostgresServer) -> PostgresDatabase {
    let db = Postgres::connect(server.url()).schema("shop").connections(20).await.unwrap();
    db.migrate().await.unwrap();
    db
}

async fn outbox(db: &PostgresDatabase) -> Outbox<PostgresDatabase> {
    let key =
        |envelope: &Envelope| envelope.payload.get("key")?.as_str().filter(|key| !key.is_empty()).map(str::to_owned);
    db.outbox("Shop").ordered_by(key).await.unwrap()
}

async fn run(db: &PostgresDatabase, sql: &'static str) {
    sqlx::raw_sql(sql).execute(db.pool()).await.unwrap();
}

fn kind<T: std::fmt::Debug>(result: Result<T, OutboxError>) -> ErrorKind {
    match result.unwrap_err() {
        OutboxError::Transport(error) => error.kind(),
        other => panic!("{other}"),
    }
}

/// Keys and numbers, in the order in which they come.
async fn come(queue: &mut MemoryQueue, count: usize) -> Vec<(String, i64)> {
    let all = async {
        let mut all = Vec::new();
        while all.len() < count {
            for delivery in queue.receive(count - all.len()).await.unwrap() {
                let body: serde_json::Value = serde_json::from_slice(&delivery.packet().body).unwrap();
                let payload = &body["payload"];
                all.push((payload["key"].as_str().unwrap().to_owned(), payload["number"].as_i64().unwrap()));
                delivery.ack().await.unwrap();
            }
        }
        all
    };
    timeout(LONG, all).await.expect("it never came")
}

async fn opened(name: &str) -> MemoryQueue {
    let mut queue = Memory::queue(name);
    queue.open(1000).await.unwrap();
    queue
}

#[actix_rt::test]
async fn a_key_is_locked_until_the_commit_under_every_isolation() {
    let server = server().await;
    let db = database(&server).await;
    let (outbox, bus, mut queue) = (outbox(&db).await, EventBus::default(), opened("isolation").await);
    let _relay = outbox.relay(Route::new("Shop/*", queue.clone())).supervised(&bus).await.unwrap();
    for (first, isolation) in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"].into_iter().enumerate() {
        let first = first as i64 * 10;
        let begin = || db.pool().begin_with(AssertSqlSafe(format!("BEGIN ISOLATION LEVEL {isolation}")));
        let (mut one, mut two, mut other) = (begin().await.unwrap(), begin().await.unwrap(), begin().await.unwrap());
        // Their snapshots are older than all that is written here.
        for tx in [&mut one, &mut two, &mut other] {
            sqlx::raw_sql("SELECT count(*) FROM shop.convoke_schema").execute(&mut **tx).await.unwrap();
        }
        outbox.publish(&mut one, placed("a", first + 1)).await.unwrap();
        // Another key waits for nobody, nor does who has none.
        outbox.publish_all(&mut other, [placed("b", first), placed("", first)]).await.unwrap();
        let second = async {
            outbox.publish(&mut two, placed("a", first + 2)).await.unwrap();
            two.commit().await.unwrap();
        };
        let mut second = std::pin::pin!(second);
        assert!(timeout(SECOND / 5, &mut second).await.is_err(), "{isolation}: it did not wait for the key");
        one.commit().await.unwrap();
        second.await;
        other.commit().await.unwrap();
        let came = come(&mut queue, 4).await;
        let of_a: Vec<_> = came.iter().filter(|one| one.0 == "a").map(|one| one.1).collect();
        assert_eq!(of_a, [first + 1, first + 2], "{isolation}");
    }
    // A savepoint that is rolled back takes its event with it, and the lock.
    let mut tx = db.begin().await.unwrap();
    let mut savepoint = tx.begin().await.unwrap();
    outbox.publish(&mut savepoint, placed("a", 90)).await.unwrap();
    savepoint.rollback().await.unwrap();
    let mut free = db.begin().await.unwrap();
    outbox.publish(&mut free, placed("a", 91)).await.unwrap();
    free.commit().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(come(&mut queue, 1).await, [("a".to_owned(), 91)]);
}

#[actix_rt::test]
async fn keys_in_another_order_may_deadlock_and_one_call_with_all_of_them_does_not() {
    let server = server().await;
    let db = database(&server).await;
    let outbox = outbox(&db).await;
    let (mut one, mut two) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    outbox.publish(&mut one, placed("a", 1)).await.unwrap();
    outbox.publish(&mut two, placed("b", 2)).await.unwrap();
    let both = futures_util::future::join(outbox.publish(&mut one, placed("b", 3)), async {
        let result = outbox.publish(&mut two, placed("a", 4)).await;
        // Who was undone gives the other its key.
        if result.is_err() {
            two.rollback().await.unwrap();
        }
        result
    });
    let (one, two) = timeout(LONG, both).await.unwrap();
    let undone = one.err().or(two.err()).expect("one of them is undone");
    assert!(undone.to_string().contains("begin it again"), "{undone}");
    assert_eq!(kind::<()>(Err(undone)), ErrorKind::Unreachable);

    let keys: Vec<_> = (0..20).map(|key| format!("k{key}")).collect();
    let publishers = (0..8).map(async |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..10 {
            let mut keys = keys.clone();
            random.shuffle(&mut keys);
            let mut tx = db.begin().await.unwrap();
            outbox.publish_all(&mut tx, keys.iter().map(|key| placed(key, 1))).await.unwrap();
            tx.commit().await.unwrap();
        }
    });
    timeout(LONG, futures_util::future::join_all(publishers)).await.unwrap();
}

#[actix_rt::test]
async fn what_is_no_transaction_of_this_database_is_refused_by_name() {
    let server = server().await;
    let db = database(&server).await;
    let outbox = outbox(&db).await;
    let mut connection = db.pool().acquire().await.unwrap();
    let none = outbox.publish(&mut connection, placed("a", 1)).await;
    assert!(none.as_ref().unwrap_err().to_string().contains("there is no transaction"), "{none:?}");
    assert_eq!(kind(none), ErrorKind::Refused);
    let tx = connection.begin().await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(kind(outbox.publish(&mut connection, placed("a", 1)).await), ErrorKind::Refused);

    let mut failed = db.begin().await.unwrap();
    sqlx::raw_sql("SELECT 1 / 0").execute(&mut *failed).await.unwrap_err();
    let refused = outbox.publish(&mut failed, placed("a", 1)).await;
    assert!(refused.as_ref().unwrap_err().to_string().contains("has failed before"), "{refused:?}");
    assert_eq!(kind(refused), ErrorKind::Refused);

    run(&db, "CREATE DATABASE other").await;
    let url = format!("{}other", server.url().trim_end_matches("postgres"));
    let other = Postgres::connect(url).schema("shop").await.unwrap();
    let mut tx = other.begin().await.unwrap();
    let foreign = outbox.publish(&mut tx, placed("a", 1)).await;
    assert!(foreign.as_ref().unwrap_err().to_string().contains("has no outbox"), "{foreign:?}");
    assert_eq!(kind(foreign), ErrorKind::Missing);
    tx.rollback().await.unwrap();
    other.migrate().await.unwrap();
    let mut tx = other.begin().await.unwrap();
    let foreign = outbox.publish(&mut tx, placed("a", 1)).await;
    assert!(foreign.as_ref().unwrap_err().to_string().contains("of another database"), "{foreign:?}");
    assert_eq!(kind(foreign), ErrorKind::Missing);

    // Who has waited for a lock too long, and a transaction that only reads.
    let (mut holds, mut waits) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    outbox.publish(&mut holds, placed("a", 1)).await.unwrap();
    sqlx::raw_sql("SET LOCAL lock_timeout = 100").execute(&mut *waits).await.unwrap();
    assert_eq!(kind(outbox.publish(&mut waits, placed("a", 2)).await), ErrorKind::Unreachable);
    let mut reads = db.pool().begin_with("BEGIN READ ONLY").await.unwrap();
    assert_eq!(kind(outbox.publish(&mut reads, placed("c", 1)).await), ErrorKind::Unreachable);
    drop((holds, waits, reads));
    assert_eq!(outbox.figures().await.unwrap().ready, 0);
}

/// sqlx knows no more of it than before.
#[actix_rt::test]
async fn a_transaction_that_a_text_has_ended_is_none() {
    let server = server().await;
    let db = database(&server).await;
    let outbox = outbox(&db).await;
    // Of one pool statements have names on the server, of the other they have none.
    let pool = sqlx::PgPool::connect(server.url()).await.unwrap();
    for pool in [db.pool(), &pool] {
        for text in ["ROLLBACK", "COMMIT"] {
            // The second time the statement is there already, if it has a name.
            for _ in 0..2 {
                let mut tx = pool.begin().await.unwrap();
                outbox.publish(&mut tx, placed("a", 1)).await.unwrap();
                sqlx::query(text).execute(&mut *tx).await.unwrap();
                let ended = outbox.publish(&mut tx, placed("a", 2)).await;
                assert!(ended.as_ref().unwrap_err().to_string().contains("there is no transaction"), "{ended:?}");
                assert_eq!(kind(ended), ErrorKind::Refused);
                let several = outbox.publish_all(&mut tx, [placed("a", 3), placed("b", 4)].map(Outgoing::new)).await;
                assert_eq!(kind(several.map(|_| convoke::Uuid::nil())), ErrorKind::Refused);
                sqlx::query("BEGIN").execute(&mut *tx).await.unwrap();
                outbox.publish(&mut tx, placed("b", 5)).await.unwrap();
                let mut inner = tx.begin().await.unwrap();
                outbox.publish(&mut inner, placed("b", 6)).await.unwrap();
                inner.rollback().await.unwrap();
                tx.commit().await.unwrap();
            }
        }
    }
    // What was committed, and nothing by itself.
    assert_eq!(outbox.figures().await.unwrap().ready, 2 * (2 * 2 + 2));
}

#[actix_rt::test]
async fn tables_of_the_release_before_are_named_and_migrated() {
    let server = server().await;
    let db = database(&server).await;
    run(&db, "UPDATE shop.convoke_schema SET version = 1, oldest = 1").await;
    let older = db.outbox("Shop").await.unwrap_err();
    assert_eq!(older.kind(), ErrorKind::Missing);
    assert!(older.to_string().contains("call `migrate()`"), "{older}");
}

#[actix_rt::test]
async fn another_process_is_woken() {
    let server = server().await;
    let (here, there) = (database(&server).await, database(&server).await);
    let (publishes, relays) = (outbox(&here).await, outbox(&there).await);
    let (bus, mut queue) = (EventBus::default(), opened("woken").await);
    let route = Route::new("Shop/*", queue.clone());
    let _relay = relays.relay(route).poll_every(LONG).supervised(&bus).await.unwrap();
    // It listens by now.
    sleep(SECOND).await;
    for number in 0..5 {
        let start = Instant::now();
        let mut tx = here.begin().await.unwrap();
        publishes.publish(&mut tx, placed("a", number)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(come(&mut queue, 1).await, [("a".to_owned(), number)]);
        assert!(start.elapsed() < 5 * SECOND, "nobody has woken it");
        sleep(SECOND / 10).await;
    }
}

#[actix_rt::test]
async fn looks_stay_short_while_somebody_keeps_vacuum_back() {
    const EVENTS: i64 = 20_000;
    let server = server().await;
    let db = database(&server).await;
    let (outbox, bus, mut queue) = (outbox(&db).await, EventBus::default(), opened("held").await);
    let mut idle = PgConnection::connect(server.url()).await.unwrap();
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").execute(&mut idle).await.unwrap();
    let _relay = outbox.relay(Route::new("Shop/*", queue.clone())).supervised(&bus).await.unwrap();
    let mut numbers = [0; 10];
    for round in 0..EVENTS / 1000 {
        let mut tx = db.begin().await.unwrap();
        let all = (0..1000).map(|place| placed(&format!("k{}", place % 10), round * 100 + place / 10));
        outbox.publish_all(&mut tx, all.collect::<Vec<_>>()).await.unwrap();
        tx.commit().await.unwrap();
        for (key, number) in come(&mut queue, 1000).await {
            let last = &mut numbers[key[1..].parse::<usize>().unwrap()];
            assert_eq!(number, *last, "out of order");
            *last += 1;
        }
    }
    let mut waits = Vec::new();
    for number in 0..20 {
        let mut tx = db.begin().await.unwrap();
        outbox.publish(&mut tx, placed("last", number)).await.unwrap();
        tx.commit().await.unwrap();
        let start = Instant::now();
        come(&mut queue, 1).await;
        waits.push(start.elapsed());
    }
    waits.sort_unstable();
    let dead: i64 = {
        let sql = "SELECT n_dead_tup FROM pg_stat_all_tables WHERE schemaname = 'shop' AND relname = 'convoke_outbox'";
        sqlx::query_scalar(sql).persistent(false).fetch_one(db.pool()).await.unwrap()
    };
    println!(
        "figure: with {dead} dead rows that vacuum may not take away, from commit to reader {:?} p50, {:?} p95",
        waits[10], waits[18]
    );
    assert!(waits[10] < SECOND, "each look steps over all that is gone");
    // All that is gone is in one lane, and the others are looked at beside.
    let mut waits = Vec::new();
    for number in 0..400 {
        let mut tx = db.begin().await.unwrap();
        outbox.publish_all(&mut tx, (0..20).map(|place| placed("hot", number * 20 + place))).await.unwrap();
        tx.commit().await.unwrap();
        let start = Instant::now();
        come(&mut queue, 20).await;
        waits.push(start.elapsed());
    }
    waits.sort_unstable();
    println!(
        "figure: beside a held snapshot, 20 events of one hot key from commit to reader {:?} p50, {:?} p95",
        waits[200], waits[380]
    );
    drop(idle);
}

/// The examples are packages of their own, which `tests/run` builds before it runs this.
#[actix_rt::test]
async fn the_examples_for_other_clients_run() {
    let server = server().await;
    for example in ["convoke-example-tokio-postgres", "convoke-example-diesel"] {
        let program = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join(example);
        if !program.is_file() {
            assert!(!is_ci(), "{example} was not built, and under CI that is a failure");
            println!("{example} was not built: cargo build -p {example}");
            continue;
        }
        let output = Command::new(program).env("DATABASE_URL", server.url()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // Without a key there is no order.
        let mut said: Vec<_> = said.lines().collect();
        said.sort_unstable();
        assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said, ["order 1 came", "order 3 came"], "{example}");
    }
}
