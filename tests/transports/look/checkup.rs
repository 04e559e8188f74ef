//! What is found of real servers: that what is right is right, and what is wrong is named.

use convoke::look::{Address, Checkup, Finding, Gravity};
use convoke::transport::{ErrorKind, Postgres, RabbitMq, Sqlite, Sqs};

use crate::transports::servers::aws::{AwsServer, config_of};
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::{DURABLE, RedisServer};
use crate::transports::servers::sqlite::Folder;

async fn look(url: &str) -> Vec<Finding> {
    let address: Address = url.parse().unwrap();
    Checkup::new().of(&address).await.unwrap()
}

/// How serious the worst finding about this is.
#[track_caller]
fn about(findings: &[Finding], about: &str) -> Gravity {
    let of_it = findings.iter().filter(|finding| finding.about() == about).map(Finding::gravity);
    of_it.max().unwrap_or_else(|| panic!("nothing about {about}: {findings:#?}"))
}

#[actix_rt::test]
async fn a_postgres_whose_settings_lose_nothing_is_right() {
    let server = PostgresServer::own(&["fsync=on", "full_page_writes=on", "synchronous_commit=on"]).await.unwrap();
    let db = Postgres::connect(server.url()).await.unwrap();
    let before = look(server.url()).await;
    assert_eq!(about(&before, "durability"), Gravity::Right);
    assert!(before.iter().all(|finding| finding.about() != "index"), "without tables there is no index to miss");
    db.migrate().await.unwrap();
    let findings = look(server.url()).await;
    for right in ["server", "durability", "vacuum", "connections", "clock"] {
        assert_eq!(about(&findings, right), Gravity::Right, "{findings:#?}");
    }
    assert!(findings.iter().all(|finding| finding.about() != "index"), "a migration makes all of them: {findings:#?}");
    sqlx::query("DROP INDEX convoke_job_ready").persistent(false).execute(db.pool()).await.unwrap();
    let findings = look(server.url()).await;
    assert_eq!(about(&findings, "index"), Gravity::Risk);
    assert!(findings.iter().any(|finding| finding.says().contains("convoke_job_ready")), "{findings:#?}");
}

#[actix_rt::test]
async fn a_postgres_that_may_lose_or_takes_no_writes_is_told_so() {
    let settings = ["fsync=off", "autovacuum=off", "default_transaction_read_only=on"];
    let server = PostgresServer::own(&settings).await.unwrap();
    let findings = look(server.url()).await;
    assert_eq!(findings.first().map(Finding::about), Some("writes"), "the most serious comes first");
    assert_eq!(about(&findings, "writes"), Gravity::Broken);
    assert_eq!(about(&findings, "durability"), Gravity::Risk);
    assert_eq!(about(&findings, "vacuum"), Gravity::Risk);
}

#[actix_rt::test]
async fn a_redis_says_whether_it_keeps_what_it_confirms() {
    let careless =
        RedisServer::own(&["--appendonly", "no", "--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"])
            .await
            .unwrap();
    let findings = look(careless.url()).await;
    assert_eq!(about(&findings, "appendonly"), Gravity::Risk);
    assert_eq!(about(&findings, "eviction"), Gravity::Risk);
    assert_eq!(about(&findings, "memory"), Gravity::Right);
    assert_eq!(about(&findings, "clock"), Gravity::Right);
    let careful = RedisServer::own(DURABLE).await.unwrap();
    let findings = look(careful.url()).await;
    assert!(findings.iter().all(|finding| finding.gravity() < Gravity::Risk), "{findings:#?}");
}

#[actix_rt::test]
async fn a_rabbitmq_says_whether_the_queue_is_there() {
    let server = RabbitMqServer::start().await.unwrap();
    let url = format!("{}#checked", server.url());
    assert_eq!(about(&look(&url).await, "queue"), Gravity::Broken);
    let _queue = RabbitMq::queue("checked").at(server.url()).create_if_missing().await.unwrap();
    let findings = look(&url).await;
    assert!(findings.iter().all(|finding| finding.gravity() < Gravity::Risk), "{findings:#?}");
    assert_eq!(about(&findings, "dead letters"), Gravity::Right);
}

#[actix_rt::test]
async fn an_sqs_says_what_becomes_of_what_fails() {
    let server = AwsServer::start().await.unwrap();
    // The key of the stand-in is its account.
    let config = config_of(server.endpoint(), 77);
    let _dead = Sqs::queue("checked-dead").config(&config).create_if_missing().await.unwrap();
    let bare = Sqs::queue("checked").config(&config).create_if_missing().await.unwrap();
    drop(bare);
    let url = format!("sqs://{}?endpoint={}#checked", "000000000077:any@eu-central-1", server.endpoint());
    assert_eq!(about(&look(&url).await, "queue"), Gravity::Right);
}

#[actix_rt::test]
async fn a_file_is_looked_at_and_not_made() {
    let folder = Folder::new().unwrap();
    let file = folder.file("shop.db");
    let url = format!("sqlite:{}", file.display());
    let error = Checkup::new().of(&url.parse::<Address>().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert!(!file.exists(), "looking has made it");
    let db = Sqlite::open(&file).await.unwrap();
    let findings = look(&url).await;
    assert!(findings.iter().all(|finding| finding.gravity() < Gravity::Risk), "{findings:#?}");
    assert_eq!(about(&look(&format!("{url}#orders")).await, "queue"), Gravity::Broken, "nobody has opened it");
    // What is damaged is broken, and named first: the second page on, each is the root of a table or an index.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(db.pool()).await.unwrap();
    db.pool().close().await;
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..4 * 4096].fill(0x5a);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(look(&url).await.first().map(Finding::about), Some("damage"));
}
