//! SQLite: the fixture of the suite, and what only SQLite does: groups, the inbox, a file that is broken, locked or full,
//! and processes that are killed.

/// Queues: order, leases, groups and ends.
mod queues;
/// A file that is locked, new or wrong, and secrets.
mod failures;
/// One handle, from which queues and inboxes come.
mod databases;
/// Which events were done.
mod inbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, GROUPS, Wants};
use convoke::transport::{
    BoxFuture, DeadLetterRecord, DeadReason, Delivery, ErrorKind, Packet, Publisher, Source, Sqlite, SqliteInbox,
    TransportError, redrive,
};
use convoke::{Inbox, MemoryInbox};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::transports::servers::sqlite::Folder;

mod files;
mod kills;
mod lending;
mod model;
/// Files of older releases.
mod releases;

/// All channels are queues of one file. There is no server to kill: `kills` kills processes instead.
pub(crate) struct SqliteFixture {
    folder: Folder,
}

impl SqliteFixture {
    pub(crate) fn start() -> Result<Self, String> {
        let folder = Folder::new().map_err(|error| format!("there is no folder for temporary files: {error}"))?;
        Ok(Self { folder })
    }
}

impl Fixture for SqliteFixture {
    fn name(&self) -> &str {
        "sqlite"
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        Box::pin(async move {
            let builder =
                Sqlite::queue(&wants.name).at(self.folder.file("queues.db")).lease(wants.lease).deadline(LONG);
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
            let queue = Sqlite::queue(name).at(self.folder.file("queues.db")).deadline(LONG).await.unwrap();
            let delete = "DELETE FROM convoke_delivery WHERE lane IN (SELECT id FROM convoke_lane WHERE queue = ?1)";
            sqlx::query(delete).bind(name.to_owned()).execute(queue.pool()).await.unwrap();
        }))
    }
}

#[test]
fn conforms() {
    super::conform("sqlite", async || SqliteFixture::start());
}

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

fn folder() -> Folder {
    Folder::new().unwrap()
}

async fn queue(folder: &Folder) -> Sqlite {
    Sqlite::queue("orders").at(folder.file("orders.db")).await.unwrap()
}

async fn subscriber(queue: &Sqlite) -> Sqlite {
    let mut subscriber = queue.clone();
    subscriber.open(100).await.unwrap();
    subscriber
}

async fn publish(queue: &Sqlite, packets: &[Packet]) {
    for taken in queue.publish(packets).await {
        taken.unwrap();
    }
}

fn packet(id: impl ToString) -> Packet {
    Packet::new(id.to_string(), format!("body of {}", id.to_string()))
}

fn keyed(id: impl ToString, key: &str) -> Packet {
    let mut packet = packet(id);
    packet.key = Some(key.to_owned());
    packet
}

/// Receives until there are so many.
async fn receive(subscriber: &mut Sqlite, count: usize) -> Vec<Delivery> {
    let all = async {
        let mut all = Vec::new();
        while all.len() < count {
            all.extend(subscriber.receive(count - all.len()).await.unwrap());
        }
        all
    };
    tokio::time::timeout(LONG, all).await.expect("it never came")
}

async fn nothing(subscriber: &mut Sqlite) {
    let ids: Vec<_> = subscriber.receive(100).await.unwrap().iter().map(id).collect();
    assert_eq!(ids, [""; 0]);
}

fn id(delivery: &Delivery) -> String {
    delivery.packet().id.clone()
}

fn ids(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(id).collect()
}

async fn ack(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.ack().await.unwrap();
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, TransportError>) -> ErrorKind {
    result.unwrap_err().kind()
}

async fn count(queue: &Sqlite, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    sqlx::query_scalar(sql).fetch_one(queue.pool()).await.unwrap()
}
