//! PostgreSQL: the fixture of the suite, and what only PostgreSQL does: tables that have to be made, a pooler, snapshots
//! that keep vacuum back, an inbox in the handler's transaction, backends that are terminated.

/// Tables that are missing, too new or made twice, names that are wrong, and an address where nobody is.
mod tables;
/// Order, de-duplication, groups, and who is woken.
mod queues;
/// Dead letters in their places.
mod parking;
/// A server that goes away, a network that falls silent, a pool without room, a pooler between.
mod outages;
/// A transaction that stays open, and what a look costs then.
mod kept_back;
/// What is counted, however much there is.
mod figures;
/// Statements with a name, where no pooler stands between.
mod names;
/// Half an hour of that.
mod soak;

pub(crate) use outages::pooler;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, GROUPS, Server, Wants};
use convoke::transport::{
    BoxFuture, Delivery, ErrorKind, Packet, Postgres, PostgresDatabase, Publisher, Source, TransportError,
};
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
            let builder = self.database().await?.queue(&wants.name).lease(wants.lease).deadline(15 * SECOND);
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

const SECOND: Duration = Duration::from_secs(1);

async fn server() -> PostgresServer {
    PostgresServer::own(&[]).await.unwrap()
}

/// The address of another database of the server.
fn other_database(server: &PostgresServer, name: &str) -> String {
    format!("{}{name}", server.url().trim_end_matches("postgres"))
}

/// A schema of its own in the server, with its tables.
async fn database(server: &PostgresServer, schema: &str) -> PostgresDatabase {
    let database = Postgres::connect(server.url()).schema(schema).await.unwrap();
    database.migrate().await.unwrap();
    database
}

async fn opened(queue: &Postgres) -> Postgres {
    let mut subscriber = queue.clone();
    subscriber.open(100).await.unwrap();
    subscriber
}

fn packet(id: impl ToString) -> Packet {
    Packet::new(id.to_string(), format!("body of {}", id.to_string()))
}

fn keyed(id: impl ToString, key: &str) -> Packet {
    let mut packet = packet(id);
    packet.key = Some(key.to_owned());
    packet
}

async fn publish(queue: &Postgres, packets: &[Packet]) {
    for taken in queue.publish(packets).await {
        taken.unwrap();
    }
}

/// Receives until there are so many.
async fn receive(subscriber: &mut Postgres, count: usize) -> Vec<Delivery> {
    let all = async {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(subscriber.receive(count - all.len()).await.unwrap());
        }
        all
    };
    tokio::time::timeout(LONG, all).await.expect("it never came")
}

async fn nothing(subscriber: &mut Postgres) {
    assert_eq!(ids(&subscriber.receive(100).await.unwrap()), [""; 0]);
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| delivery.packet().id.clone()).collect()
}

async fn ack(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.ack().await.unwrap();
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, TransportError>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn run(database: &PostgresDatabase, sql: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(database.pool()).await.unwrap();
}

async fn count(database: &PostgresDatabase, what: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
    sqlx::query_scalar(sql).persistent(false).fetch_one(database.pool()).await.unwrap()
}
