//! A PostgreSQL that goes away under an application that sells and relays: killed and started again, its backends terminated,
//! the network silent, a pool of one connection, a pooler between.
//!
//! `storm: tills and a relay, while something is done to the server → all that has committed leaves → Verdict`

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::Postgres;
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};

use super::child::{self, harmless};
use super::shop::{PostgresShop, Shop};
use super::verdict::Verdict;
use crate::transports::logged::{listen, logged_by_us};
use crate::transports::postgres::pooler;
use crate::transports::servers::is_ci;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::proxy::Proxy;
use crate::transports::servers::sqlite::Folder;

const SECOND: Duration = Duration::from_secs(1);

/// Sells at two tills and relays while `trouble` goes on. Afterwards all leaves within 30 s.
async fn storm(what: &str, shop: &PostgresShop, watch: &PostgresShop, file: &Path, trouble: impl Future<Output = ()>) {
    listen();
    let (bus, killer, start) = (EventBus::default(), harmless(), Instant::now());
    let _relay = child::relay(shop, file, &killer).supervised(&bus).await.unwrap();
    let is_over = Cell::new(false);
    let till = async || {
        while !is_over.get() {
            // A client may wait for an answer that never comes.
            let sold = timeout(5 * SECOND, child::sell(shop, &killer)).await;
            if !matches!(sold, Ok(Ok(()))) {
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    let trouble = async {
        trouble.await;
        is_over.set(true);
    };
    // Each till ends what it has begun: a commit that was sent may come about whenever that is.
    futures_util::future::join3(till(), till(), trouble).await;
    let calm = Instant::now();
    if !child::until_empty(watch, 30 * SECOND).await {
        panic!("something never leaves: {:#?}\n{}", watch.activity().await, logged_by_us());
    }
    let mut verdict = Verdict::new(file);
    verdict.check(watch).await;
    verdict.check_nothing_is_left(watch).await;
    println!("figure: {what}: {verdict}; {:?} of trouble, empty after {:?}", calm - start, calm.elapsed());
    verdict.check_something_happened(10, 0);
}

fn run(test: impl AsyncFnOnce(PostgresServer, &Path)) {
    let folder = Folder::new().unwrap();
    actix_rt::System::new().block_on(async {
        let server = PostgresServer::own(&["max_connections=60"]).await.unwrap();
        test(server, &folder.file("published")).await;
    });
}

#[test]
fn a_server_that_is_killed_and_started_again_under_load() {
    run(async |server, file| {
        let shop = PostgresShop::open(server.url()).await;
        let trouble = async {
            for _ in 0..3 {
                sleep(SECOND).await;
                server.ours().unwrap().kill().await;
                sleep(SECOND / 2).await;
                server.ours().unwrap().start().await;
            }
            sleep(SECOND).await;
        };
        storm("killed and started again", &shop, &shop, file, trouble).await;
    });
}

#[test]
fn backends_that_are_terminated_every_200_ms() {
    run(async |server, file| {
        let shop = PostgresShop::open(server.url()).await;
        let trouble = async {
            let mut connection = PgConnection::connect(server.url()).await.unwrap();
            for _ in 0..25 {
                sleep(SECOND / 5).await;
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
                sqlx::raw_sql(kill).execute(&mut connection).await.unwrap();
            }
        };
        storm("backends terminated", &shop, &shop, file, trouble).await;
    });
}

#[test]
fn a_network_that_is_half_open() {
    run(async |server, file| {
        let watch = PostgresShop::open(server.url()).await;
        let address = server.url().trim_start_matches("postgres://postgres@").trim_end_matches("/postgres");
        let proxy = Proxy::start(address).await.unwrap();
        let port = proxy.endpoint().rsplit(':').next().unwrap().to_owned();
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let shop = PostgresShop::over(Postgres::connect(url).deadline(SECOND).await.unwrap()).await;
        let trouble = async {
            for _ in 0..3 {
                sleep(SECOND).await;
                // Neither side is told: the server keeps what was begun, with its locks.
                proxy.forget();
                sleep(3 * SECOND).await;
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE state = 'idle in transaction' AND state_change < clock_timestamp() - interval '2 s'";
                let mut connection = PgConnection::connect(server.url()).await.unwrap();
                sqlx::raw_sql(end).execute(&mut connection).await.unwrap();
            }
            sleep(SECOND).await;
        };
        storm("half open", &shop, &watch, file, trouble).await;
    });
}

#[test]
fn a_pool_of_one_connection() {
    run(async |server, file| {
        let watch = PostgresShop::open(server.url()).await;
        let pool = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(server.url()).await.unwrap();
        let shop = PostgresShop::over(Postgres::over(&pool).await.unwrap()).await;
        storm("a pool of one", &shop, &watch, file, sleep(3 * SECOND)).await;
    });
}

#[test]
fn a_pooler_in_transaction_mode() {
    run(async |server, file| {
        let watch = PostgresShop::open(server.url()).await;
        let Some(pooler) = pooler(server.url()).await else {
            assert!(!is_ci(), "pgbouncer is not installed, and under CI that is a failure");
            return;
        };
        let shop = PostgresShop::open(pooler.url()).await;
        storm("a pooler", &shop, &watch, file, sleep(3 * SECOND)).await;
    });
}
