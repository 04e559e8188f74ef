//! What a suite is tried on: a server, and what it tells.

use std::any::Any;
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use convoke::look::Address;
use convoke::transport::Memory;
use tokio::sync::Mutex;

use crate::transports::servers::aws::AwsServer;
use crate::transports::servers::is_ci;
use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::rabbitmq::RabbitMqServer;
use crate::transports::servers::redis::RedisServer;
use crate::transports::servers::sqlite::Folder;

/// A server, of which each test has queues of its own.
pub(super) struct Place {
    url: String,
    /// What it tells and does.
    pub(super) lists: bool,
    pub(super) tells_delayed: bool,
    pub(super) tells_in_flight: bool,
    pub(super) tells_parked: bool,
    pub(super) tells_oldest: bool,
    pub(super) has_groups: bool,
    pub(super) is_leased: bool,
    _holds: Box<dyn Any>,
}

/// The server, unless it cannot be had.
pub(super) fn had<E: Display>(name: &str, place: Result<Place, E>) -> Option<Place> {
    match place {
        Ok(place) => Some(place),
        Err(error) => {
            assert!(!is_ci(), "{name} could not be tried, and under CI that is a failure: {error}");
            println!("{name} is not tried: {error}");
            None
        }
    }
}

/// One for all tests that run at the same time; it ends with the last who has it.
async fn shared<S, E>(there: &Mutex<Weak<S>>, start: impl AsyncFnOnce() -> Result<S, E>) -> Result<Arc<S>, E> {
    let mut there = there.lock().await;
    if let Some(server) = there.upgrade() {
        return Ok(server);
    }
    let server = Arc::new(start().await?);
    *there = Arc::downgrade(&server);
    Ok(server)
}

/// A name that no other test has.
pub(super) fn name(of: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("{of}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Place {
    fn of(url: String, holds: impl Any) -> Self {
        Self {
            url,
            lists: true,
            tells_delayed: true,
            tells_in_flight: true,
            tells_parked: false,
            tells_oldest: false,
            has_groups: false,
            is_leased: false,
            _holds: Box::new(holds),
        }
    }

    pub(super) fn address(&self, name: &str) -> Address {
        self.url.parse::<Address>().unwrap().named(name)
    }

    /// The same without a name.
    pub(super) fn server(&self) -> Address {
        self.url.parse().unwrap()
    }

    pub(super) async fn memory() -> Result<Self, String> {
        let name = name("shop");
        let database = Memory::database_named(&name);
        Ok(Self { tells_parked: true, has_groups: true, ..Self::of(format!("memory:{name}"), database) })
    }

    pub(super) async fn sqlite() -> Result<Self, String> {
        let folder = Folder::new().map_err(|error| error.to_string())?;
        let url = format!("sqlite:{}", folder.file("shop.db").display());
        Ok(Self { tells_parked: true, has_groups: true, ..Self::of(url, folder) })
    }

    pub(super) async fn postgres() -> Result<Self, String> {
        static SERVER: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
        let server = shared(&SERVER, PostgresServer::start).await.map_err(|error| error.to_string())?;
        // A schema of its own, so that all of its queues are those of the test.
        let schema = name("look").replace('-', "_");
        let url = server.url();
        let url = format!("{url}{}schema={schema}", if url.contains('?') { '&' } else { '?' });
        let place = Self { tells_parked: true, tells_oldest: true, has_groups: true, ..Self::of(url, server) };
        let database = convoke::transport::Postgres::connect(place.server().url()).schema(&schema).await;
        database.map_err(|error| error.to_string())?.migrate().await.map_err(|error| error.to_string())?;
        Ok(place)
    }

    pub(super) async fn redis() -> Result<Self, String> {
        static SERVER: Mutex<Weak<RedisServer>> = Mutex::const_new(Weak::new());
        let server = shared(&SERVER, RedisServer::start).await.map_err(|error| error.to_string())?;
        let url = server.url().to_owned();
        Ok(Self { tells_oldest: true, has_groups: true, ..Self::of(url, server) })
    }

    pub(super) async fn rabbitmq() -> Result<Self, String> {
        static SERVER: Mutex<Weak<RabbitMqServer>> = Mutex::const_new(Weak::new());
        let server = shared(&SERVER, RabbitMqServer::start).await?;
        let url = server.url().to_owned();
        let place = Self { lists: false, tells_delayed: false, tells_in_flight: false, ..Self::of(url, server) };
        Ok(Self { is_leased: true, ..place })
    }

    pub(super) async fn sqs() -> Result<Self, String> {
        static SERVER: Mutex<Weak<AwsServer>> = Mutex::const_new(Weak::new());
        static ACCOUNTS: AtomicUsize = AtomicUsize::new(0);
        let server = shared(&SERVER, AwsServer::start).await?;
        // The key of a stand-in is its account: one for each test.
        let account =
            (std::process::id() as usize % 100_000) * 10_000 + ACCOUNTS.fetch_add(1, Ordering::Relaxed) + 77_000;
        let url = format!("sqs://{account:012}:geheim@eu-central-1?endpoint={}", server.endpoint());
        Ok(Self { is_leased: true, ..Self::of(url, server) })
    }
}
