//! Rounds in memory, as they are open.
//!
//! `work → lock each place → Table::found → Judge → stage: what was ruled, and the packets in their outboxes → commit`

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{RwLock, watch};

use super::table::{Table, now};
use crate::__private::gives_way;
use crate::durable::plan::{Plan, channel_of, check_places, outbox_of};
use crate::durable::{
    Due, Enrolled, FoundRounds, Judge, Kept, OpenedRounds, Party, Past, Place, Road, RoundDatabase, RoundFigures,
    RoundStore,
};
use crate::outbox::Keeps;
use crate::sql::Bell;
use crate::sql::memory::{MemoryConnection, MemoryDatabase};
use crate::transport::{BoxFuture, TransportError};

impl RoundDatabase for MemoryDatabase {
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds> {
        let rounds: Arc<dyn RoundStore> = Arc::new(MemoryRounds {
            at: format!("memory rounds {broker}").into(),
            bell: Bell::of(&format!("memory {:p} rounds {broker}", Arc::as_ptr(self.core()))),
            table: self.shared(&broker, Mutex::<Table>::default),
            consumers: self.shared(&broker, Consumers::default),
            numbers: self.shared("rounds", Numbers::default),
            broker,
            database: self.clone(),
        });
        Box::pin(async { Ok(rounds) })
    }

    fn find_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, FoundRounds> {
        Box::pin(async move {
            let Some(rules) = self.all::<Mutex<Table>>().get(&broker).map(|table| lock(table).enrolled()) else {
                return Ok(None);
            };
            Ok(Some((self.open_rounds(broker).await?, rules)))
        })
    }

    fn brokers<'a>(&'a self, behind: &'a str, most: usize) -> BoxFuture<'a, Result<Vec<Arc<str>>, TransportError>> {
        let names = self.all::<Mutex<Table>>().into_keys();
        Box::pin(async move { Ok(names.filter(|name| **name > *behind).take(most).collect()) })
    }
}

/// Whoever works has read who hears of rounds and who the parties are: until he has committed nobody is added or removed.
#[derive(Default)]
struct Consumers(RwLock<()>);

/// The last number of a round in this database, whatever became of it.
#[derive(Default)]
struct Numbers(AtomicI64);

struct MemoryRounds {
    at: Arc<str>,
    broker: Arc<str>,
    database: MemoryDatabase,
    /// Read and changed only by whoever holds the gate of the database.
    table: Arc<Mutex<Table>>,
    consumers: Arc<Consumers>,
    numbers: Arc<Numbers>,
    bell: Arc<Bell>,
}

impl MemoryRounds {
    fn read<T>(&self, what: impl FnOnce(&mut Table) -> T) -> T {
        let _gate = self.database.gate();
        what(&mut lock(&self.table))
    }

    /// What is done at once, and cannot fail.
    fn with<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Table) -> T,
    ) -> BoxFuture<'static, Result<T, TransportError>> {
        let done = self.read(what);
        Box::pin(async move { Ok(done) })
    }

    /// Locks the places, keys before rounds and each in their order; `false` for one that is passed over.
    async fn lock_places(&self, places: &[Place], tx: &mut MemoryConnection) -> Result<Vec<bool>, TransportError> {
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|place| &places[*place]);
        let mut are_locked = vec![false; places.len()];
        for place in order {
            are_locked[place] = match &places[place] {
                Place::Key(key) => {
                    tx.lock(&self.at, &self.lock_of(key)).await?;
                    true
                }
                Place::Round(round) => match self.read(|table| table.key_of(*round)) {
                    Some(key) => tx.try_lock(&self.at, &self.lock_of(&key))?,
                    None => false,
                },
            };
        }
        Ok(are_locked)
    }

    fn lock_of(&self, key: &str) -> String {
        format!("rounds {} {key}", self.broker)
    }

    async fn judge(&self, places: &[Place], judge: &dyn Judge) -> Result<(), TransportError> {
        check_places(places, &self.at)?;
        let _consumers = self.consumers.0.read().await;
        let mut transaction = self.database.begin().await?;
        let are_locked = self.lock_places(places, &mut transaction).await?;
        gives_way().await;
        let (listed, now) = (self.read(|table| table.listed()), now());
        let mut plan = Plan::default();
        for (place, _) in are_locked.iter().enumerate().filter(|(_, is_locked)| **is_locked) {
            let draw = || self.numbers.0.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(found) = self.read(|table| table.found(&places[place], draw)) {
                plan.judge(place, found, judge, &listed, now);
            }
        }
        if plan.is_empty() {
            return Ok(());
        }
        gives_way().await;
        for (channel, packets) in std::mem::take(&mut plan.heard) {
            if let Some(outbox) = self.read(|table| table.outbox(&channel)) {
                outbox.insert(packets, &mut transaction).await?;
            }
        }
        let (table, bell, rings) = (self.table.clone(), self.bell.clone(), plan.rings());
        transaction.stage(move || lock(&table).write(plan));
        if rings {
            transaction.afterwards(move || bell.ring());
        }
        transaction.commit().await
    }
}

impl RoundStore for MemoryRounds {
    fn name(&self) -> &Arc<str> {
        &self.at
    }

    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> BoxFuture<'a, Result<Enrolled, TransportError>> {
        self.with(|table| table.enroll(rules, replaces))
    }

    fn forget_rules(&self, older: Duration) -> BoxFuture<'_, Result<u64, TransportError>> {
        self.with(|table| table.forget_rules(older))
    }

    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(self.judge(places, judge))
    }

    fn due<'a>(
        &'a self,
        foreign: &'a [i64],
        grace: Duration,
        most: usize,
    ) -> BoxFuture<'a, Result<Due, TransportError>> {
        self.with(|table| table.due(foreign, grace, most))
    }

    fn ended<'a>(&'a self, rounds: &'a [i64]) -> BoxFuture<'a, Result<Vec<Past>, TransportError>> {
        self.with(|table| table.ended(rounds))
    }

    fn round(&self, round: i64) -> BoxFuture<'_, Result<Option<Kept>, TransportError>> {
        self.with(|table| table.round(round))
    }

    fn history<'a>(
        &'a self,
        key: &'a str,
        before: i64,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Kept>, TransportError>> {
        self.with(|table| table.history(key, before, most))
    }

    fn open(&self, after: i64, most: usize) -> BoxFuture<'_, Result<Vec<Kept>, TransportError>> {
        self.with(|table| table.open(after, most))
    }

    fn add_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let outbox = Keeps::open(&self.database, self.outbox_of(name).into()).await?;
            let _consumers = self.consumers.0.write().await;
            self.read(|table| table.add_consumer(name, outbox));
            Ok(())
        })
    }

    fn remove_consumer<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let _consumers = self.consumers.0.write().await;
            Ok(self.read(|table| table.remove_consumer(name)))
        })
    }

    fn consumers(&self) -> BoxFuture<'_, Result<Vec<Arc<str>>, TransportError>> {
        self.with(|table| table.consumers())
    }

    fn add_party<'a>(&'a self, party: &'a Party) -> BoxFuture<'a, Result<(), TransportError>> {
        Box::pin(async move {
            let outbox = Keeps::open(&self.database, self.outbox_of(&channel_of(&party.name)).into()).await?;
            let _consumers = self.consumers.0.write().await;
            self.read(|table| table.add_party(party.clone(), outbox));
            Ok(())
        })
    }

    fn remove_party<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            let _consumers = self.consumers.0.write().await;
            Ok(self.read(|table| table.remove_party(name)))
        })
    }

    fn parties(&self) -> BoxFuture<'_, Result<Vec<Party>, TransportError>> {
        self.with(|table| table.listed().parties)
    }

    fn purge(&self, older: Duration, most: usize) -> BoxFuture<'_, Result<u64, TransportError>> {
        self.with(|table| table.purge(older, most))
    }

    fn figures(&self, most: u64) -> BoxFuture<'_, Result<RoundFigures, TransportError>> {
        self.with(|table| table.figures(most))
    }

    fn bell(&self) -> watch::Receiver<()> {
        self.bell.listen()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn outbox_of(&self, consumer: &str) -> String {
        outbox_of(&self.broker, consumer)
    }

    fn road<'a>(&'a self, channel: &'a str, _: Duration) -> BoxFuture<'a, Result<Road, TransportError>> {
        Box::pin(async move {
            let outbox = Keeps::open(&self.database, outbox_of(&self.broker, channel).into()).await?;
            Ok(Road::Rows(outbox))
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
