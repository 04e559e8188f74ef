//! A server that goes away, a network that falls silent, a pool without room, and a pooler between.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use convoke::transport::{ErrorKind, Postgres, Publisher, Source};
use sqlx::Connection;
use sqlx::PgConnection;
use tokio::time::{Instant, sleep};

use super::{SECOND, ack, count, database, ids, kind, opened, packet, publish, receive, server};
use crate::transports::servers::proxy::{Fault, Proxy};
use crate::transports::servers::{Process, TempDir, free_port, is_ci};

#[tokio::test]
async fn a_publish_outlives_a_restart_of_the_server() {
    let server = server().await;
    let ours = server.ours().unwrap();
    let queue = database(&server, "shop").await.queue("orders").await.unwrap();
    let mut subscriber = opened(&queue).await;
    ours.kill().await;
    let publishing = {
        let queue = queue.clone();
        // The first may meet a connection whose end it learns only then.
        tokio::spawn(async move {
            let first = queue.publish(&[packet(1)]).await.remove(0);
            if first.is_err() { queue.publish(&[packet(1)]).await.remove(0) } else { first }
        })
    };
    sleep(3 * SECOND).await;
    assert!(!publishing.is_finished(), "it has given up");
    ours.start().await;
    publishing.await.unwrap().unwrap();
    let end = Instant::now() + 30 * SECOND;
    loop {
        assert!(Instant::now() < end, "nothing has come");
        match subscriber.receive(10).await {
            Ok(lent) if lent.is_empty() => {}
            Ok(lent) => break ack(lent).await,
            Err(_) => subscriber.open(10).await.unwrap(),
        }
    }
}

#[tokio::test]
async fn backends_that_are_terminated_again_and_again_lose_nothing() {
    const PACKETS: usize = 600;
    let server = server().await;
    let db = database(&server, "shop").await;
    let queue = db.queue("orders").lease(2 * SECOND).await.unwrap();
    let killer = {
        let url = server.url().to_owned();
        tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            loop {
                let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
                sqlx::raw_sql(kill).execute(&mut connection).await.unwrap();
                sleep(Duration::from_millis(200)).await;
            }
        })
    };
    let publishing = {
        let queue = queue.clone();
        tokio::spawn(async move {
            for number in 0..PACKETS {
                while queue.publish(&[packet(number)]).await.remove(0).is_err() {}
            }
        })
    };
    let (mut seen, end) = (std::collections::BTreeSet::new(), Instant::now() + 60 * SECOND);
    let mut subscriber = queue.clone();
    while seen.len() < PACKETS {
        assert!(Instant::now() < end, "{} of {PACKETS} have come", seen.len());
        match subscriber.receive(20).await {
            Ok(lent) => {
                for delivery in lent {
                    let id = delivery.packet().id.clone();
                    if delivery.ack().await.is_ok() {
                        seen.insert(id);
                    } else if count_of(&db, &id).await == Some(0) {
                        // It was done, and the answer lost.
                        seen.insert(id);
                    }
                }
            }
            Err(_) => drop(subscriber.open(20).await),
        }
    }
    publishing.await.unwrap();
    killer.abort();
}

async fn count_of(db: &convoke::transport::PostgresDatabase, id: &str) -> Option<i64> {
    let sql = "SELECT count(*) FROM shop.convoke_delivery WHERE packet = $1";
    sqlx::query_scalar(sql).persistent(false).bind(id.to_owned()).fetch_one(db.pool()).await.ok()
}

#[tokio::test]
async fn a_network_that_falls_silent_is_an_error_within_the_deadline_and_no_connection_stays_lost() {
    let server = server().await;
    database(&server, "shop").await;
    let address = server.url().trim_start_matches("postgres://postgres@").trim_end_matches("/postgres");
    let proxy = Proxy::start(address).await.unwrap();
    let port = proxy.endpoint().rsplit(':').next().unwrap().to_owned();
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    let db = Postgres::connect(url).schema("shop").connections(2).deadline(SECOND).await.unwrap();
    let queue = db.queue("orders").deadline(SECOND).await.unwrap();
    publish(&queue, &[packet(1)]).await;
    let mut subscriber = opened(&queue).await;
    ack(receive(&mut subscriber, 1).await).await;

    proxy.aim("", Fault::Silence, usize::MAX);
    for _ in 0..3 {
        let start = Instant::now();
        assert_eq!(kind(queue.publish(&[packet(2)]).await.remove(0)), ErrorKind::Unreachable);
        assert!(start.elapsed() < 10 * SECOND, "it took {:?}", start.elapsed());
    }
    proxy.aim("", Fault::Silence, 0);
    let end = Instant::now() + 30 * SECOND;
    while queue.publish(&[packet(3)]).await.remove(0).is_err() {
        assert!(Instant::now() < end, "its connections stay lost");
    }
}

#[tokio::test]
async fn a_pool_without_a_free_connection_is_an_error_that_says_so() {
    let server = server().await;
    database(&server, "shop").await;
    let db = Postgres::connect(server.url()).schema("shop").connections(2).deadline(SECOND).await.unwrap();
    let queue = db.queue("orders").deadline(SECOND).await.unwrap();
    let (one, two) = (db.begin().await.unwrap(), db.begin().await.unwrap());
    let refused = queue.publish(&[packet(1)]).await.remove(0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unreachable);
    drop((one, two));
    publish(&queue, &[packet(2)]).await;
    // One of a single connection has none to listen with, and works all the same.
    let single = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(server.url()).await.unwrap();
    let queue = Postgres::over(&single).schema("shop").await.unwrap().queue("single").await.unwrap();
    let mut subscriber = opened(&queue).await;
    assert!(subscriber.receive(1).await.unwrap().is_empty());
    publish(&queue, &[packet(3)]).await;
    ack(receive(&mut subscriber, 1).await).await;
}

/// Debian's, on a port of its own: each transaction may get another connection, and a session has no state.
pub(crate) struct Pooler {
    url: String,
    _process: Process,
    _folder: TempDir,
}

impl Pooler {
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

pub(crate) async fn pooler(server: &str) -> Option<Pooler> {
    pooler_with(server, "").await
}

/// One that has these settings too.
pub(super) async fn pooler_with(server: &str, settings: &str) -> Option<Pooler> {
    let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"].into_iter().find(|file| Path::new(file).is_file())?;
    let (folder, port) = (TempDir::new("pgbouncer"), free_port());
    let server_port = server.trim_end_matches("/postgres").rsplit(':').next().unwrap();
    let ini = format!(
        "[databases]\n* = host=127.0.0.1 port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 3\n\
         server_reset_query_always = 0\n{settings}\n"
    );
    // With `auth_type = any` the user of the server is named in the line of the database.
    let ini = ini.replace("* = host", "postgres = user=postgres dbname=postgres host");
    std::fs::write(folder.path().join("ini"), ini).unwrap();
    let mut command = Command::new(program);
    if rustix::process::geteuid().is_root() {
        command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).unwrap();
    }
    command.arg(folder.path().join("ini")).current_dir("/");
    let mut process = Process::start("pgbouncer", &mut command, folder.path()).unwrap();
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    // A client that asks for what a pooler does not know is refused.
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let options = options.extra_float_digits(None);
    process
        .wait_until_ready(async move || match PgConnection::connect_with(&options).await {
            Ok(connection) => connection.close().await.is_ok(),
            Err(_) => false,
        })
        .await;
    Some(Pooler { url, _process: process, _folder: folder })
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_may_stand_between() {
    let server = server().await;
    let direct = database(&server, "shop").await;
    let Some(pooler) = pooler(server.url()).await else {
        assert!(!is_ci(), "pgbouncer is not installed, and under CI that is a failure");
        return;
    };
    let db = Postgres::connect(pooler.url.as_str()).schema("shop").await.unwrap();
    db.migrate().await.unwrap();
    let queue = db.queue("orders").await.unwrap();
    let mut all = Vec::new();
    for publisher in 0..6 {
        let (queue, inbox) = (queue.clone(), db.inbox("billing").await.unwrap());
        all.push(tokio::spawn(async move {
            for number in 0..40 {
                let id = format!("{publisher}.{number}");
                publish(&queue, &[super::keyed(&id, &format!("k{publisher}")), packet(format!("{id}+"))]).await;
                assert!(inbox.mark(&id).await.unwrap());
                assert!(inbox.seen(&id).await.unwrap());
            }
        }));
    }
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let queue = queue.clone();
        subscribers.push(tokio::spawn(async move {
            let (mut subscriber, mut heard) = (opened(&queue).await, Vec::new());
            while let Ok(lent) = subscriber.receive(20).await {
                if lent.is_empty() {
                    break;
                }
                heard.extend(ids(&lent));
                ack(lent).await;
            }
            heard
        }));
    }
    for publisher in all {
        publisher.await.unwrap();
    }
    let mut heard = Vec::new();
    for subscriber in subscribers {
        heard.extend(subscriber.await.unwrap());
    }
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 480);
    assert_eq!(count(&direct, "shop.convoke_delivery").await, 0);
    assert_eq!(count(&db, "pg_prepared_statements").await, 0);
}
