//! The outbox in a database of this process, in virtual time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Memory, MemoryConnection, MemoryDatabase, MemoryTransaction};
use convoke::{OpenTasks, OutboxBuilder, Statement, StoreBuilder};

use super::{Base, Taker, all_over, empty, moved, publish, quick, relay, shop, until};

pub(crate) struct Here(pub(crate) MemoryDatabase);

/// What is in no transaction.
pub(crate) struct Plain(MemoryConnection);

impl std::ops::Deref for Plain {
    type Target = MemoryConnection;

    fn deref(&self) -> &MemoryConnection {
        &self.0
    }
}

impl std::ops::DerefMut for Plain {
    fn deref_mut(&mut self) -> &mut MemoryConnection {
        &mut self.0
    }
}

impl Base for Here {
    type Database = MemoryDatabase;
    type Transaction = MemoryTransaction;
    type Plain = Plain;

    async fn new() -> Self {
        Self(Memory::database())
    }

    fn outbox(&self, name: &str) -> OutboxBuilder<MemoryDatabase> {
        self.0.outbox(name)
    }

    fn store(&self, name: &str) -> StoreBuilder<MemoryDatabase> {
        self.0.store(name)
    }

    fn database(&self) -> &MemoryDatabase {
        &self.0
    }

    fn tasks(&self) -> OpenTasks<MemoryDatabase> {
        self.0.tasks()
    }

    async fn begin(&self) -> MemoryTransaction {
        self.0.begin().await.unwrap()
    }

    async fn commit(transaction: MemoryTransaction) {
        transaction.commit().await.unwrap();
    }

    async fn rollback(transaction: MemoryTransaction) {
        transaction.rollback().await.unwrap();
    }

    async fn plain(&self) -> Plain {
        Plain(self.0.connection())
    }

    async fn run(transaction: &mut MemoryTransaction, statement: Statement) {
        transaction.run(statement).await.unwrap();
    }
}

all_over! { [convoke::test] Here }

#[convoke::test]
async fn a_dead_letter_is_in_the_health_at_once() {
    let (base, taker) = (Here::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.refuse([1]);
    let mut relay = outbox.relay(Route::new("Shop/**", taker.clone()).retry(quick()));
    let probe = relay.probe();
    let _relay = relay.supervised(&EventBus::default()).await.unwrap();
    // It has counted once, and does so again after 15 s.
    tokio::time::sleep(Duration::from_secs(1)).await;
    publish(&base, &outbox, [moved(1, 1), moved(1, 2)]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let health = probe.health();
    assert_eq!((health.dead, health.parked), (1, 1));
    assert_eq!(outbox.dead_letters(10).await.unwrap().len(), 1);
}

/// More keys than a relay remembers.
#[convoke::test]
async fn of_more_dead_keys_than_are_remembered_nothing_is_overtaken_either() {
    const KEYS: u32 = 10_050;
    let (base, taker) = (Here::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.refuse([1]);
    publish(&base, &outbox, (0..KEYS).map(|key| moved(key, 1))).await;
    let _relay = relay::<Here>(&outbox, &taker).await;
    // Figures go no further than 10,000.
    let letters = async || outbox.dead_letters(usize::MAX).await.unwrap();
    until("all are dead", async || letters().await.len() == KEYS as usize).await;
    assert_eq!(outbox.figures().await.unwrap().dead, 10_000);
    publish(&base, &outbox, (0..KEYS).map(|key| moved(key, 2)).chain([moved(KEYS, 2)])).await;
    let parked = async || letters().await.iter().map(|letter| letter.parked).sum::<u64>();
    until("all are parked", async || parked().await == u64::from(KEYS)).await;
    taker.has(1).await;
    taker.refuse([]);
    assert_eq!(outbox.redrive_all().await.unwrap(), u64::from(KEYS));
    taker.has(2 * KEYS as usize + 1).await;
    assert!(taker.steps().iter().all(|(key, steps)| *steps == [1, 2] || *key == KEYS));
    empty::<Here>(&outbox).await;
    // They are few again, and are remembered again.
    tokio::time::sleep(Duration::from_secs(30)).await;
    taker.refuse([3]);
    publish(&base, &outbox, (0..10).flat_map(|key| [moved(key, 3), moved(key, 4)])).await;
    until("these are parked too", async || outbox.figures().await.unwrap().parked == 10).await;
}

/// What a test says in the end, if it fails.
fn end_of(test: impl Future<Output = ()>) -> Option<String> {
    let run = AssertUnwindSafe(|| convoke::testing::run("this test", || test));
    catch_unwind(run).err().map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
}

#[test]
fn a_dead_letter_that_nobody_has_looked_at_fails_the_test() {
    async fn one_dies(looks: bool) {
        let (base, taker) = (Here::new().await, Taker::new());
        let outbox = shop(&base).await;
        taker.refuse([1]);
        let _relay = relay::<Here>(&outbox, &taker).await;
        publish(&base, &outbox, [moved(1, 1)]).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        if looks {
            assert_eq!(outbox.figures().await.unwrap().dead, 1);
        }
    }
    let said = end_of(one_dies(false)).unwrap();
    assert!(said.contains("did not look at what has failed: `Shop` on Moved: dead: taker: as it was told"), "{said}");
    assert_eq!(end_of(one_dies(true)), None);
    let expected = async {
        convoke::testing::expect_failure("Shop");
        one_dies(false).await;
    };
    assert_eq!(end_of(expected), None);
}
