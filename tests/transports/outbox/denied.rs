//! A relay that may not publish: its events wait until somebody grants it the right, and none is a dead letter.

use convoke::prelude::*;
use convoke::transport::{ErrorKind, MemoryDatabase, Packet, Postgres, Publisher, Redis, Source, Sqlite};
use convoke::{Outbox, RelayHealth, RelayProbe};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

use super::{empty, moved, publish, quick, until};
use crate::transports::outbox::Base;
use crate::transports::outbox::memory::Here;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::redis::RedisServer;
use crate::transports::servers::sqlite::Folder;

/// An outbox of which the relay publishes by this publisher.
struct Shop {
    base: Here,
    outbox: Outbox<MemoryDatabase>,
    probe: RelayProbe,
    _relay: ServiceHandle<convoke::RelayService>,
}

impl Shop {
    async fn by(publisher: impl Publisher) -> Self {
        let base = Here::new().await;
        let outbox = super::shop(&base).await;
        let mut relay = outbox.relay(Route::new("Shop/**", publisher).retry(quick()));
        let probe = relay.probe();
        let _relay = relay.supervised(&EventBus::default()).await.unwrap();
        Self { base, outbox, probe, _relay }
    }

    /// Publishes two events of a key, which cannot leave for this reason.
    async fn is_held_up(&self, text: &str) {
        publish(&self.base, &self.outbox, [moved(1, 1), moved(1, 2)]).await;
        let is_said = |health: RelayHealth| health.trouble.is_some_and(|trouble| trouble.contains(text));
        until(text, async || is_said(self.probe.health())).await;
        let figures = self.outbox.figures().await.unwrap();
        assert_eq!((figures.ready, figures.dead, figures.parked), (2, 0, 0));
    }

    /// They leave.
    async fn goes_on(&self) {
        empty::<Here>(&self.outbox).await;
        assert_eq!(self.outbox.figures().await.unwrap().dead, 0);
        assert!(self.probe.health().connected);
    }
}

#[actix_rt::test]
async fn a_right_of_postgresql_that_is_revoked_holds_up_and_loses_nothing() {
    let server = PostgresServer::own(&["fsync=off"]).await.unwrap();
    let db = Postgres::connect(server.url()).schema("shop").await.unwrap();
    db.migrate().await.unwrap();
    let run = async |pool: &PgPool, sql: &str| {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
    };
    let grant = "GRANT USAGE ON SCHEMA shop TO guest; GRANT ALL ON ALL TABLES IN SCHEMA shop TO guest; \
         GRANT ALL ON ALL SEQUENCES IN SCHEMA shop TO guest";
    run(db.pool(), &format!("CREATE ROLE guest LOGIN; {grant}")).await;
    let guest = Postgres::connect(server.url().replace("postgres@", "guest@")).schema("shop").await.unwrap();
    let mut queue = guest.queue("orders").await.unwrap();
    let shop = Shop::by(queue.clone()).await;
    for revoke in ["REVOKE INSERT ON ALL TABLES IN SCHEMA shop FROM guest", "REVOKE USAGE ON SCHEMA shop FROM guest"] {
        run(db.pool(), revoke).await;
        shop.is_held_up("the user has no right").await;
        run(db.pool(), grant).await;
        shop.goes_on().await;
    }
    assert_eq!(queue.backlog().await.unwrap(), Some(4));
}

#[actix_rt::test]
async fn a_right_of_redis_that_is_withdrawn_holds_up_and_loses_nothing() {
    let server = RedisServer::own(&[]).await.unwrap();
    let mut admin = redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut set = async |rights: &[&str]| {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("shop").arg(rights);
        command.query_async::<()>(&mut admin).await.unwrap();
    };
    set(&["on", ">secret", "~*", "+@all"]).await;
    let url = server.url().replace("redis://", "redis://shop:secret@");
    let queue = Redis::stream("orders").at(url).create_if_missing().await.unwrap();
    let shop = Shop::by(queue.clone()).await;
    for withdrawn in [["-@all"], ["resetkeys"]] {
        set(&withdrawn).await;
        shop.is_held_up("the server does not let us in (NOPERM)").await;
        set(&["~*", "+@all"]).await;
        shop.goes_on().await;
    }
    let length: u64 = redis::cmd("XLEN").arg("orders").query_async(&mut admin).await.unwrap();
    assert_eq!(length, 4);
}

#[actix_rt::test]
async fn a_file_that_may_not_be_written_to_holds_up_and_loses_nothing() {
    let folder = Folder::new().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.file("orders.db")).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let db = Sqlite::over(&pool).await.unwrap();
    db.migrate().await.unwrap();
    let mut queue = db.queue("orders").await.unwrap();
    let shop = Shop::by(queue.clone()).await;
    sqlx::query("PRAGMA query_only = 1").execute(&pool).await.unwrap();
    assert_eq!(queue.publish(&[Packet::new("1", "body")]).await.remove(0).unwrap_err().kind(), ErrorKind::Denied);
    shop.is_held_up("the file may not be written to").await;
    sqlx::query("PRAGMA query_only = 0").execute(&pool).await.unwrap();
    shop.goes_on().await;
    assert_eq!(queue.backlog().await.unwrap(), Some(2));
}
