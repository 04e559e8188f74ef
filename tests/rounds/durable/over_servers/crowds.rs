//! Many rounds that are open, and nobody waits for them here: what they cost.
//!
//! `rounds that one has signed → bytes on disk, the memory of a process that looks on, what it costs to ask why → a process that is killed:
//! how long until another has them open`

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use convoke::Durable;
use futures_util::future::join_all;
use sqlx::AssertSqlSafe;

use super::{DAY, Site, approvals, board};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_ROUNDS_CROWD";

/// How much more a process may need that looks on while all are opened.
const GROWN: u64 = 16 << 20;

fn is_full() -> bool {
    std::env::var_os("CONVOKE_FULL").is_some()
}

/// A database of which a test asks more.
trait Crowded: Site {
    const OPEN: u64;

    /// What rounds need on the disk.
    async fn bytes(&self) -> i64;

    /// Finds a round by its key, as anybody would.
    async fn find(&self, key: &str);
}

impl Crowded for File {
    const OPEN: u64 = 100_000;

    async fn bytes(&self) -> i64 {
        let sql = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.unwrap()
    }

    async fn find(&self, key: &str) {
        let sql = "SELECT id, opened_at, due_at FROM convoke_round WHERE key = ?1 AND broker = 1 AND state <= 2";
        sqlx::query(sql).bind(key.to_owned()).fetch_one(self.db.pool()).await.unwrap();
    }
}

impl Crowded for Database {
    const OPEN: u64 = 1_000_000;

    async fn bytes(&self) -> i64 {
        let sql =
            "SELECT (pg_total_relation_size('convoke_round') + pg_total_relation_size('convoke_round_row'))::bigint";
        sqlx::query_scalar(sql).fetch_one(self.db.pool()).await.unwrap()
    }

    async fn find(&self, key: &str) {
        let sql = "SELECT id, opened_at, due_at FROM convoke_round WHERE key = $1 AND broker = 1 AND state <= 2";
        sqlx::query(sql).bind(key).fetch_one(self.db.pool()).await.unwrap();
    }
}

/// What a process needs, in bytes.
fn resident(child: &Child) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", child.id())).ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4_096)
}

fn child(test: &str, place: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
    command.env(CHILD, place).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Waits until a child has the broker open; returns what it says.
async fn says(child: &mut Child) -> String {
    use std::io::{BufRead, BufReader};
    let said = child.stdout.take().unwrap();
    let line = tokio::task::spawn_blocking(move || {
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        lines.find_map(|line| Some(line.split_once("open: ")?.1.to_owned())).unwrap()
    });
    line.await.unwrap()
}

/// In a child: has the broker open and looks on, until it is killed.
fn is_child<B: Site>() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        let began = Instant::now();
        let approvals = approvals::<B>(&B::open(&place).await, DAY).await.unwrap();
        let figures = approvals.figures().await.unwrap();
        let board = board(&approvals).await;
        // One of those that are open goes on.
        if figures.open > 0 {
            board[1].emit_for(0, "f".to_owned()).committed().await.unwrap();
        }
        println!("open: {} rounds, {:?} behind the start", figures.open, began.elapsed());
        std::future::pending::<()>().await;
    });
    true
}

/// Half of what something takes at most, of twenty.
async fn takes(mut what: impl AsyncFnMut(u64)) -> Duration {
    let mut took = Vec::new();
    for key in 0..20 {
        let began = Instant::now();
        what(key * 37).await;
        took.push(began.elapsed());
    }
    took.sort();
    took[took.len() / 2]
}

async fn sign(approvals: &Durable<String>, count: u64) {
    let [legal, ..] = board(approvals).await;
    for first in (0..count).step_by(10_000) {
        let keys = first..count.min(first + 10_000);
        for signed in join_all(keys.map(|key| legal.emit_for(key, "l".to_owned()).committed())).await {
            signed.unwrap();
        }
    }
}

async fn play<B: Crowded>(test: &str, base: B) {
    let open = if is_full() { B::OPEN } else { 2_000 };
    let here = approvals::<B>(base.database(), DAY).await.unwrap();
    let mut beside = child(test, &base.place());
    says(&mut beside).await;
    let (empty, idle) = (base.bytes().await, resident(&beside));
    sign(&here, open).await;
    // Whoever looks on has looked since.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (bytes, grown) = (base.bytes().await - empty, resident(&beside));
    if let (Some(idle), Some(grown)) = (idle, grown) {
        println!(
            "figure: a process that looks on needs {idle} bytes beside no round and {grown} beside {open} that are open"
        );
        assert!(grown < idle + GROWN, "it has grown from {idle} to {grown} bytes beside {open} rounds");
    }
    println!(
        "figure: {} bytes on disk for each of {open} rounds that are open, with one signal",
        bytes / open.cast_signed()
    );
    let why = takes(async |key| assert_eq!(here.why(key).await.unwrap().unwrap().kept.len(), 1)).await;
    let found = takes(async |key| base.find(&format!("n{key}")).await).await;
    println!("figure: beside {open} that are open, why of a key takes {why:?}, and a SELECT by the key {found:?}");
    // Another comes in its place.
    beside.kill().unwrap();
    beside.wait().unwrap();
    let began = Instant::now();
    let mut another = child(test, &base.place());
    let said = says(&mut another).await;
    println!("figure: behind kill -9 another process has gone on {:?} behind its start; {said}", began.elapsed());
    assert!(said.starts_with(&format!("{} rounds", open.min(100_000))), "{said}");
    another.kill().unwrap();
    another.wait().unwrap();
    until("it is a row", async || here.why(0).await.unwrap().unwrap().kept.len() == 2).await;
}

#[test]
fn what_open_rounds_cost_over_sqlite() {
    if !is_child::<File>() {
        let test = concat!(module_path!(), "::what_open_rounds_cost_over_sqlite");
        actix_rt::System::new().block_on(async { play(test, <File as Site>::new().await).await });
    }
}

#[test]
fn what_open_rounds_cost_over_postgres() {
    if !is_child::<Database>() {
        let test = concat!(module_path!(), "::what_open_rounds_cost_over_postgres");
        actix_rt::System::new().block_on(async { play(test, <Database as Site>::new().await).await });
    }
}

/// What something reads of rounds and their signals, in pages, as the server counts it: with all that comes of it, and nothing of what
/// was before.
async fn pages(base: &Database, what: impl AsyncFnOnce()) -> i64 {
    let read = async || {
        // What is not yet told is with the connections, of which each tells its own.
        let mut all = vec![base.db.pool().acquire().await.unwrap()];
        while let Some(connection) = base.db.pool().try_acquire() {
            all.push(connection);
        }
        for connection in &mut all {
            sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut **connection).await.unwrap();
        }
        let sql = AssertSqlSafe(
            "SELECT sum(heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint FROM pg_statio_user_tables \
             WHERE relname IN ('convoke_round', 'convoke_round_row')"
                .to_owned(),
        );
        let mut connection = all.pop().unwrap();
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connection).await.unwrap()
    };
    // Whoever writes has somebody look, a little later.
    let settled = async || {
        let mut last = read().await;
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = read().await;
            if now == last {
                return now;
            }
            last = now;
        }
    };
    let before = settled().await;
    what().await;
    settled().await - before
}

/// However many rounds are open: whoever asks of one, or opens another, reads what is of that one.
#[actix_rt::test]
async fn beside_many_that_are_open_few_pages_are_read() {
    let base = <Database as Site>::new().await;
    let here = approvals::<Database>(&base.db, DAY).poll_every(DAY).await.unwrap();
    let [legal, ..] = board(&here).await;
    let why = async |from: u64| {
        pages(&base, async || {
            for key in from..from + 20 {
                here.why(key).await.unwrap().unwrap();
            }
        })
        .await
    };
    let another = async |from: u64| {
        pages(&base, async || {
            for key in from..from + 20 {
                legal.emit_for(key, "l".to_owned()).committed().await.unwrap();
            }
        })
        .await
    };
    // With the plans that connections keep.
    another(1_000_000).await;
    why(1_000_000).await;
    let (opened, asked) = (another(2_000_000).await, why(2_000_000).await);
    sign(&here, 20_000).await;
    let (opened_then, asked_then) = (another(3_000_000).await, why(3_000_000).await);
    let found = pages(&base, async || {
        for key in 0..20 {
            base.find(&format!("n{key}")).await;
        }
    });
    let found = found.await;
    println!(
        "figure: of 20 keys, pages that are read beside 40 and beside 20,000 open rounds: a new round {opened} and {opened_then}, why \
         {asked} and {asked_then}, a SELECT by key {found}: {:.1} times that",
        asked_then as f64 / found as f64
    );
    // An index has a level more, and a page may be split. To read them all would be some 300 pages for each of 20.
    assert!(
        opened_then <= 2 * opened + 100,
        "a new round reads {opened_then} pages beside 20,000, and {opened} beside none"
    );
    assert!(asked_then <= 2 * asked + 100, "why reads {asked_then} pages beside 20,000, and {asked} beside none");
    assert!(asked_then <= 3 * found + 100, "why reads {asked_then} pages, and a SELECT by key {found}");
}
