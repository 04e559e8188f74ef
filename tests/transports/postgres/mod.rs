//! PostgreSQL: the fixture of the suite, and what only PostgreSQL does: tables that have to be made, a pooler, snapshots
//! that keep vacuum back, an inbox in the handler's transaction, backends that are terminated.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, GROUPS, Server, Wants};
use convoke::transport::{BoxFuture, Postgres, PostgresDatabase, Source, TransportError};
use tokio::sync::OnceCell;

use crate::transports::servers::Unavailable;
use crate::transports::servers::postgres::PostgresServer;

/// All channels are queues of one database.
pub(crate) struct PostgresFixture {
    server: PostgresServer,
    database: OnceCell<PostgresDatabase>,
}

impl PostgresFixture {
    pub(crate) async fn start() -> Result<Self, Unavailable> {
        Ok(Self { server: PostgresServer::start().await?, database: OnceCell::new() })
    }

    async fn database(&self) -> Result<&PostgresDatabase, TransportError> {
        self.database
            .get_or_try_init(async || {
                let database = Postgres::connect(self.server.url()).schema("conformance").connections(20).await?;
                database.migrate().await?;
                Ok(database)
            })
            .await
    }
}

impl Fixture for PostgresFixture {
    fn name(&self) -> &str {
        "postgres"
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            let builder = self.database().await?.queue(&wants.name).lease(wants.lease).deadline(LONG);
            let queue = builder.clone().await?;
            let mut groups = BTreeMap::new();
            for group in GROUPS.into_iter().filter(|_| wants.fan_out) {
                groups.insert(group, builder.clone().group(group).await?);
            }
            let (publisher, dead) = (Arc::new(queue.clone()), queue.dead_letters());
            let subscribe =
                move |group: &str| -> Box<dyn Source> { Box::new(groups.get(group).unwrap_or(&queue).clone()) };
            let dead: Box<dyn Fn() -> Box<dyn Source> + Send + Sync> = Box::new(move || Box::new(dead.clone()));
            Ok(Channel { publisher, subscribe: Box::new(subscribe), dead: Some(dead) })
        })
    }

    fn delete_all<'a>(&'a self, name: &'a str) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async move {
            let delete = "DELETE FROM conformance.convoke_delivery \
                WHERE lane IN (SELECT id FROM conformance.convoke_lane WHERE queue = $1)";
            let database = self.database().await.unwrap();
            sqlx::query(delete).persistent(false).bind(name.to_owned()).execute(database.pool()).await.unwrap();
        }))
    }

    fn server(&self) -> Option<&dyn Server> {
        self.server.ours()
    }
}

#[test]
fn conforms() {
    super::conform("postgres", async || PostgresFixture::start().await);
}

const LONG: Duration = Duration::from_secs(60);
