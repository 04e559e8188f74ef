//! A relay before which a million rows wait needs about as much memory as one that has nothing to do: in `tests/run` they are
//! 20,000.
//!
//! `child: a relay, idle → VmRSS ─▶ parent: rows by SQL ─▶ child: some are at a server that hangs → it takes all → VmHWM`

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use convoke::prelude::*;
use convoke::transport::{Abilities, BoxFuture, Packet, Postgres, Publisher, Sqlite, TransportError};
use convoke::{Outbox, OutboxDatabase, Outgoing};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::super::until;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::sqlite::Folder;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_BACKLOG_CHILD";
/// So much more than idle is allowed.
const MOST_KIB: u64 = 32 * 1024;
/// So many are published; the others are copies of them. Each has a key, and its lane.
const PUBLISHED: u64 = 40;
const BYTES: usize = 900;

fn rows() -> u64 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 1_000_000 } else { 20_000 }
}

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
#[event(topic = "backlog/grown")]
struct Grown {
    key: u64,
    text: String,
}

/// A server that hangs until it is let go.
#[derive(Clone)]
struct Gate {
    is_open: watch::Sender<bool>,
    taken: std::sync::Arc<[AtomicU64; 2]>,
}

impl Gate {
    fn asked(&self) -> u64 {
        self.taken[0].load(Ordering::Relaxed)
    }

    fn took(&self) -> u64 {
        self.taken[1].load(Ordering::Relaxed)
    }
}

impl Publisher for Gate {
    fn name(&self) -> &str {
        "gate"
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = Abilities::default();
        abilities.takes_in_order = true;
        abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            self.taken[0].fetch_add(1, Ordering::Relaxed);
            let mut is_open = self.is_open.subscribe();
            is_open.wait_for(|is_open| *is_open).await.unwrap();
            self.taken[1].fetch_add(packets.len() as u64, Ordering::Relaxed);
            vec![Ok(()); packets.len()]
        })
    }
}

/// A line of what the system says of this process, in KiB.
fn kib(line: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|all| all.strip_prefix(line))?;
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()
}

async fn open<D: OutboxDatabase>(outbox: convoke::OutboxBuilder<D>) -> Outbox<D> {
    outbox.ordered_by(|event| event.payload.get("key").map(ToString::to_string)).await.unwrap()
}

fn events() -> impl Iterator<Item = Outgoing> {
    (0..PUBLISHED).map(|key| Outgoing::new(Grown { key, text: "x".repeat(BYTES) }))
}

/// Says how much it has when it is idle, waits for a line, has all leave, and says how much it had at most.
async fn live<D: OutboxDatabase>(outbox: Outbox<D>) {
    let gate = Gate { is_open: watch::channel(true).0, taken: Default::default() };
    let _relay = outbox.relay(Route::new("Shop/**", gate.clone())).supervised(&EventBus::default()).await.unwrap();
    // One has left: what is made once is made.
    until("the first have left", async || gate.took() == PUBLISHED).await;
    until("nothing is ready", async || outbox.figures().await.unwrap().ready == 0).await;
    gate.is_open.send_replace(false);
    let asked = gate.asked();
    println!("idle {}", kib("VmRSS:").unwrap());
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let rows: u64 = line.await.unwrap().unwrap().trim().parse().unwrap();
    until("the server is asked", async || gate.asked() > asked).await;
    gate.is_open.send_replace(true);
    let mut before = 0;
    while gate.took() < PUBLISHED + rows {
        // However many there are: it goes on.
        until("one more has left", async || gate.took() > before).await;
        before = gate.took();
    }
    until("nothing is ready", async || outbox.figures().await.unwrap().ready == 0).await;
    println!("most {}", kib("VmHWM:").unwrap());
}

/// Runs the test in a process of its own, and has the rows made when that is idle.
async fn measure(database: &str, test: &str, place: &str, copy: impl AsyncFnOnce(u64)) {
    if kib("VmHWM:").is_none() {
        return println!("{database}: not tried: this system does not say what a process needs");
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]).env(CHILD, place);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut told, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(said).lines();
    let mut wait_for = |what: &str| {
        let number = lines.find_map(|line| line.unwrap().split_once(what)?.1.trim().parse::<u64>().ok());
        number.unwrap_or_else(|| panic!("{database}: the child has not said what it has: {what}"))
    };
    let idle = wait_for("idle ");
    let rows = rows();
    copy(rows / PUBLISHED).await;
    writeln!(told, "{rows}").unwrap();
    let most = wait_for("most ");
    assert!(child.wait().unwrap().success());
    let more = most.saturating_sub(idle);
    println!(
        "figure: {database}: a relay with {rows} rows waiting had at most {more} KiB more than idle, which were {idle} KiB"
    );
    assert!(more <= MOST_KIB, "{more} KiB more than idle");
}

#[test]
fn a_relay_over_sqlite_needs_no_more_memory_with_a_million_rows_waiting() {
    if let Ok(place) = std::env::var(CHILD) {
        return actix_rt::System::new().block_on(async {
            live(open(Sqlite::open(&place).await.unwrap().outbox("Shop")).await).await;
        });
    }
    let folder = Folder::new().unwrap();
    let place = folder.file("shop.db").display().to_string();
    let test = concat!(module_path!(), "::a_relay_over_sqlite_needs_no_more_memory_with_a_million_rows_waiting");
    actix_rt::System::new().block_on(async {
        let db = Sqlite::open(&place).await.unwrap();
        let outbox = open(db.outbox("Shop")).await;
        let mut first = db.begin().await.unwrap();
        outbox.publish_all(&mut first, events()).await.unwrap();
        first.commit().await.unwrap();
        let copy = async |times: u64| {
            let mut tx = db.begin().await.unwrap();
            outbox.publish_all(&mut tx, events()).await.unwrap();
            let columns = "outbox, lane, published, packet, topic, key, attributes, body";
            let copy = format!(
                "WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < {times}) \
                 INSERT INTO convoke_outbox ({columns}) SELECT {columns} FROM convoke_outbox CROSS JOIN numbers"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
        };
        measure("sqlite", test, &place, copy).await;
    });
}

#[test]
fn a_relay_over_postgres_needs_no_more_memory_with_a_million_rows_waiting() {
    if let Ok(place) = std::env::var(CHILD) {
        return actix_rt::System::new().block_on(async {
            live(open(Postgres::connect(&place).await.unwrap().outbox("Shop")).await).await;
        });
    }
    let test = concat!(module_path!(), "::a_relay_over_postgres_needs_no_more_memory_with_a_million_rows_waiting");
    actix_rt::System::new().block_on(async {
        let server = PostgresServer::own(&["fsync=off"]).await.unwrap();
        let db = Postgres::connect(server.url()).await.unwrap();
        db.migrate().await.unwrap();
        let outbox = open(db.outbox("Shop")).await;
        let mut first = db.begin().await.unwrap();
        outbox.publish_all(&mut first, events()).await.unwrap();
        first.commit().await.unwrap();
        let copy = async |times: u64| {
            let mut tx = db.begin().await.unwrap();
            outbox.publish_all(&mut tx, events()).await.unwrap();
            let columns = "lane, key_hash, outbox, packet, topic, key, attributes, is_text, body";
            let copy = format!(
                "INSERT INTO convoke_outbox ({columns}) SELECT {columns} FROM convoke_outbox, generate_series(2, {times})"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
        };
        measure("postgres", test, server.url(), copy).await;
    });
}
