//! Databases of another version: an error that names it, and nothing is changed.

use convoke::look::{Address, Server};
use convoke::transport::{AnyQueue, ErrorKind, Publisher, Sqlite};
use sqlx::{AssertSqlSafe, Executor as _, Row as _};

use super::place::had;
use super::{Place, packet};
use crate::transports::servers::sqlite::Folder;

/// The version of the tables, and how they may be looked at then.
const VERSIONS: [(&str, ErrorKind, &str); 2] = [
    ("version = 99, oldest = 98", ErrorKind::Refused, "update this one"),
    ("version = 1, oldest = 1", ErrorKind::Missing, "migrate"),
];

async fn refused(address: &Address, kind: ErrorKind, text: &str) {
    for error in [Server::connect(address).await.unwrap_err(), AnyQueue::existing(address).await.unwrap_err()] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[actix_rt::test]
async fn a_file_of_another_version_is_an_error_and_stays_as_it_is() {
    let folder = Folder::new().unwrap();
    let path = folder.file("shop.db");
    let address: Address = format!("sqlite:{}#orders", path.display()).parse().unwrap();
    // No file, no database, and a database of somebody else.
    let error = Server::connect(&address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert!(!path.exists(), "it was made by looking");
    std::fs::write(&path, "no database").unwrap();
    assert_eq!(Server::connect(&address).await.unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(std::fs::read(&path).unwrap(), b"no database");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "").unwrap();
    let error = Server::connect(&address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"", "no table was made");
    std::fs::remove_file(&path).unwrap();

    let orders = Sqlite::queue("orders").at(&path).await.unwrap();
    for taken in orders.publish(&[packet(1)]).await {
        taken.unwrap();
    }
    for (version, kind, text) in VERSIONS {
        orders.pool().execute(AssertSqlSafe(format!("UPDATE convoke_schema SET {version}"))).await.unwrap();
        refused(&address, kind, text).await;
        let row = orders.pool().fetch_one("SELECT version FROM convoke_schema").await.unwrap();
        assert!(version.contains(&format!("version = {},", row.get::<i64, _>(0))), "it was migrated by looking");
    }
}

#[actix_rt::test]
async fn a_postgresql_of_another_version_is_an_error_and_stays_as_it_is() {
    let Some(place) = had("postgres", Place::postgres().await) else { return };
    let address = place.address("orders");
    let queue = AnyQueue::at(&address).await.unwrap();
    for taken in queue.publish(&[packet(1)]).await {
        taken.unwrap();
    }
    let schema = address.schema().unwrap().to_owned();
    let nowhere: Address = format!("{}?schema=nobody_{schema}#orders", address.url()).parse().unwrap();
    refused(&nowhere, ErrorKind::Missing, "tables").await;
    let pool = sqlx::PgPool::connect(address.url()).await.unwrap();
    let there =
        pool.fetch_one(AssertSqlSafe(format!("SELECT to_regnamespace('nobody_{schema}') IS NULL"))).await.unwrap();
    assert!(there.get::<bool, _>(0), "a schema was made by looking");
    for (version, kind, text) in VERSIONS {
        pool.execute(AssertSqlSafe(format!("UPDATE {schema}.convoke_schema SET {version}"))).await.unwrap();
        refused(&address, kind, text).await;
        let row = pool.fetch_one(AssertSqlSafe(format!("SELECT version FROM {schema}.convoke_schema"))).await.unwrap();
        assert!(version.contains(&format!("version = {},", row.get::<i64, _>(0))), "it was migrated by looking");
    }
}
