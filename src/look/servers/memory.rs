//! A database in this process.
//!
//! `memory:shop → MemoryDatabase → MemoryQueue → figures, letters, a tap`

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::placed::{Buried, Placed};
use super::{missing, without_letters};
use crate::look::{Hears, Looks, Pile, QueueFigures};
use crate::sql::memory::MemoryDatabase;
use crate::transport::{Address, BoxFuture, ErrorKind, MemoryQueue, Packet, Parking, Tap, TransportError};

/// How long is listened before it is said that nothing has come, and how much is heard at once.
const WAIT: Duration = Duration::from_secs(1);
const MOST: usize = 1_000;

pub(super) struct MemoryLook {
    at: Arc<str>,
    database: MemoryDatabase,
}

impl MemoryLook {
    pub(super) fn find(address: &Address) -> Result<Self, TransportError> {
        let database = MemoryDatabase::find(address.path()).ok_or_else(|| {
            let text = "there is no database of this name in this process: make it by `Memory::database_named`";
            TransportError::new(ErrorKind::Missing, address.to_string(), text)
        })?;
        Ok(Self { at: "memory".into(), database })
    }

    fn named(&self, name: &str) -> Result<MemoryQueue, TransportError> {
        self.database.queue_named(name).ok_or_else(|| missing(&self.at, name))
    }
}

fn figures(name: &str, queue: &MemoryQueue) -> Result<QueueFigures, TransportError> {
    let there = queue.figures()?;
    let mut figures = QueueFigures::new(name);
    (figures.waiting, figures.delayed, figures.in_flight) =
        (Some(there.waiting), Some(there.delayed), Some(there.in_flight));
    (figures.dead, figures.parked) = (Some(there.dead), Some(there.parked));
    Ok(figures)
}

impl Looks for MemoryLook {
    fn at(&self) -> &Arc<str> {
        &self.at
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueFigures>, TransportError>> {
        let all = self.database.queues();
        let all = all.iter().map(|(name, queue)| figures(name, queue)).collect::<Result<_, _>>().map(without_letters);
        Box::pin(async { all })
    }

    fn queue<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<QueueFigures, TransportError>> {
        Box::pin(async move { figures(name, &self.named(name)?) })
    }

    fn pile(&self, queue: &str, dead: Option<&str>) -> Box<dyn Pile> {
        let (database, queue, dead) = (self.database.clone(), queue.to_owned(), dead.map(str::to_owned));
        Box::new(Placed(MemoryPile { database, queue, dead }))
    }

    fn tail<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>> {
        Box::pin(async move { Ok(Box::new(Listening(self.named(queue)?.tap()?)) as Box<dyn Hears>) })
    }
}

struct MemoryPile {
    database: MemoryDatabase,
    queue: String,
    /// Where the letters are, if somebody has said so: a queue in memory has no other place for them.
    dead: Option<String>,
}

impl MemoryPile {
    fn queue(&self) -> Result<Option<MemoryQueue>, TransportError> {
        let Some(dead) = &self.dead else { return Ok(self.database.queue_named(&self.queue)) };
        let text = "a queue in memory has its own queue of dead letters, and no other: leave the name out";
        Err(TransportError::new(ErrorKind::Unsupported, format!("memory:{dead}"), text))
    }
}

impl Buried for MemoryPile {
    fn page(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<(u64, Packet)>, TransportError>> {
        Box::pin(async move { self.queue()?.map_or(Ok(Vec::new()), |queue| queue.letters(after, most)) })
    }

    fn redrive(&self, number: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move { self.queue()?.map_or(Ok(false), |queue| queue.redrive_letter(number)) })
    }

    fn discard(&self, number: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move { self.queue()?.map_or(Ok(false), |queue| queue.discard_letter(number)) })
    }

    fn parking(&self) -> BoxFuture<'_, Result<Option<Parking>, TransportError>> {
        Box::pin(async { Ok(self.queue()?.map(|queue| queue.parking())) })
    }
}

struct Listening(Arc<Tap>);

impl Hears for Listening {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Packet>, TransportError>> {
        Box::pin(async { Ok(timeout(WAIT, self.0.next(MOST)).await.unwrap_or_default()) })
    }
}
