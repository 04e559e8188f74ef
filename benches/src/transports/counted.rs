//! What one asks of a PostgreSQL: how often, and how many of that are commits. A figure that a faster disk, or a server that
//! is farther away, does not change.
//!
//! `client → Counted (a run of bytes behind an answer is a round trip) → PostgreSQL`, `pg_stat_database → commits`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::harness::Failure;

/// A backend tells how many it has committed when it ends, or once in a while.
const LOOKS: u32 = 200;
const LOOK: Duration = Duration::from_millis(50);

/// Stands between a client and the server, and counts.
pub(crate) struct Counted {
    /// Of the server by this way.
    pub(crate) url: String,
    server: String,
    trips: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Counted {
    /// Before the server at this address, which has a port and no TLS.
    pub(crate) async fn before(server: &str) -> Result<Self, Failure> {
        let (before, rest) = server.rsplit_once('@').ok_or("an address of PostgreSQL needs a user")?;
        let (place, database) = rest.split_once('/').ok_or("an address of PostgreSQL needs a database")?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("{before}@{}/{database}", listener.local_addr()?);
        let (trips, place) = (Arc::new(AtomicU64::new(0)), place.to_owned());
        let task = tokio::spawn({
            let trips = trips.clone();
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (trips, place) = (trips.clone(), place.clone());
                    tokio::spawn(async move {
                        // Who closes first is nobody's fault.
                        let _ = carry(client, &place, &trips).await;
                    });
                }
            }
        });
        Ok(Self { url, server: server.to_owned(), trips, task })
    }

    /// How often it was asked so far.
    pub(crate) fn trips(&self) -> u64 {
        self.trips.load(Ordering::Relaxed)
    }

    /// How many were committed so far in its database, by those whose connections have ended. To ask commits nothing there.
    pub(crate) async fn commits(&self) -> Result<i64, Failure> {
        let (front, database) = self.server.rsplit_once('/').ok_or("an address of PostgreSQL needs a database")?;
        let mut elsewhere = PgConnection::connect(&format!("{front}/template1")).await?;
        let alive = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'";
        for _ in 0..LOOKS {
            if sqlx::query_scalar::<_, i64>(alive).bind(database).fetch_one(&mut elsewhere).await? == 0 {
                break;
            }
            sleep(LOOK).await;
        }
        sleep(LOOK).await;
        let commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1";
        Ok(sqlx::query_scalar(commits).bind(database).fetch_one(&mut elsewhere).await?)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(client: TcpStream, server: &str, trips: &AtomicU64) -> std::io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let is_answered = AtomicBool::new(true);
    let asks = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = from_client.read(&mut bytes).await?;
            if count == 0 {
                return to_server.shutdown().await;
            }
            if is_answered.swap(false, Ordering::Relaxed) {
                trips.fetch_add(1, Ordering::Relaxed);
            }
            to_server.write_all(&bytes[..count]).await?;
        }
    };
    let answers = async {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            let count = from_server.read(&mut bytes).await?;
            if count == 0 {
                return to_client.shutdown().await;
            }
            is_answered.store(true, Ordering::Relaxed);
            to_client.write_all(&bytes[..count]).await?;
        }
    };
    tokio::try_join!(asks, answers).map(drop)
}
