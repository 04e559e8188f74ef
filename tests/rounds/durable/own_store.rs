//! A store that is none of ours: the suite is passed by one that keeps the contract, and finds each that does not.

use std::sync::Arc;
use std::time::Duration;

use convoke::RoundDatabase;
use convoke::rounds::conformance::{Fixture, Suite};
use convoke::rounds::round_store::{
    Case, Due, Enrolled, Judge, Kept, OpenedRounds, Party, Past, Place, Road, RoundFigures, RoundStore, Ruling,
};
use convoke::transport::{BoxFuture, Memory, MemoryDatabase, TransportError};
use tokio::sync::watch;

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Nothing,
    /// It does a work once more.
    WorksTwice,
    /// It shows no round that is over.
    ForgetsTheLast,
    /// It shows rows in another order.
    TurnsRows,
    /// It does not say what is due.
    SleepsThroughDeadlines,
    /// It keeps what is old.
    Hoards,
    /// It takes other rules as if they were the same.
    TakesAnyRules,
    /// It tells nobody that something has changed.
    IsMute,
    /// The latest round of a key comes last.
    TurnsHistory,
    /// It has consumers hear that were removed.
    KeepsConsumers,
}

#[derive(Clone, Debug)]
struct Database {
    inner: MemoryDatabase,
    lie: Lie,
}

impl RoundDatabase for Database {
    fn open_rounds(&self, broker: Arc<str>) -> BoxFuture<'_, OpenedRounds> {
        Box::pin(async move {
            let rounds = Rounds { inner: self.inner.open_rounds(broker).await?, lie: self.lie };
            Ok(Arc::new(rounds) as Arc<dyn RoundStore>)
        })
    }
}

struct Rounds {
    inner: Arc<dyn RoundStore>,
    lie: Lie,
}

/// Shows a judge something else than there is.
struct Shows<'a>(&'a dyn Judge, Lie);

impl Judge for Shows<'_> {
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling> {
        let mut shown = Case {
            round: case.round.clone(),
            rules: case.rules.clone(),
            rows: case.rows.clone(),
            number: case.number,
            last: case.last.clone(),
            consumers: case.consumers,
            parties: case.parties,
            now: case.now,
        };
        match self.1 {
            Lie::ForgetsTheLast => shown.last = None,
            Lie::TurnsRows => shown.rows.reverse(),
            _ => {}
        }
        self.0.judge(place, &shown)
    }

    fn void(&self, place: usize) {
        self.0.void(place);
    }
}

type Answer<'a, T> = BoxFuture<'a, Result<T, TransportError>>;

impl RoundStore for Rounds {
    fn name(&self) -> &Arc<str> {
        self.inner.name()
    }

    fn enroll<'a>(&'a self, rules: &'a str, replaces: bool) -> Answer<'a, Enrolled> {
        self.inner.enroll(rules, replaces || self.lie == Lie::TakesAnyRules)
    }

    fn forget_rules(&self, older: Duration) -> Answer<'_, u64> {
        self.inner.forget_rules(older)
    }

    fn work<'a>(&'a self, places: &'a [Place], judge: &'a dyn Judge) -> Answer<'a, ()> {
        Box::pin(async move {
            let judge = Shows(judge, self.lie);
            if self.lie == Lie::WorksTwice {
                self.inner.work(places, &judge).await?;
            }
            self.inner.work(places, &judge).await
        })
    }

    fn due<'a>(&'a self, foreign: &'a [i64], grace: Duration, most: usize) -> Answer<'a, Due> {
        match self.lie {
            Lie::SleepsThroughDeadlines => Box::pin(async { Ok(Due::default()) }),
            _ => self.inner.due(foreign, grace, most),
        }
    }

    fn ended<'a>(&'a self, rounds: &'a [i64]) -> Answer<'a, Vec<Past>> {
        self.inner.ended(rounds)
    }

    fn round(&self, round: i64) -> Answer<'_, Option<Kept>> {
        self.inner.round(round)
    }

    fn history<'a>(&'a self, key: &'a str, before: i64, most: usize) -> Answer<'a, Vec<Kept>> {
        Box::pin(async move {
            let mut all = self.inner.history(key, before, most).await?;
            if self.lie == Lie::TurnsHistory {
                all.reverse();
            }
            Ok(all)
        })
    }

    fn open(&self, after: i64, most: usize) -> Answer<'_, Vec<Kept>> {
        self.inner.open(after, most)
    }

    fn add_consumer<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.inner.add_consumer(name)
    }

    fn remove_consumer<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        match self.lie {
            Lie::KeepsConsumers => Box::pin(async { Ok(true) }),
            _ => self.inner.remove_consumer(name),
        }
    }

    fn consumers(&self) -> Answer<'_, Vec<Arc<str>>> {
        self.inner.consumers()
    }

    fn add_party<'a>(&'a self, party: &'a Party) -> Answer<'a, ()> {
        self.inner.add_party(party)
    }

    fn remove_party<'a>(&'a self, name: &'a str) -> Answer<'a, bool> {
        self.inner.remove_party(name)
    }

    fn parties(&self) -> Answer<'_, Vec<Party>> {
        self.inner.parties()
    }

    fn purge(&self, older: Duration, most: usize) -> Answer<'_, u64> {
        match self.lie {
            Lie::Hoards => Box::pin(async { Ok(0) }),
            _ => self.inner.purge(older, most),
        }
    }

    fn figures(&self, most: u64) -> Answer<'_, RoundFigures> {
        self.inner.figures(most)
    }

    fn bell(&self) -> watch::Receiver<()> {
        match self.lie {
            Lie::IsMute => {
                let (sender, bell) = watch::channel(());
                // It never rings, and is not gone either.
                std::mem::forget(sender);
                bell
            }
            _ => self.inner.bell(),
        }
    }

    fn outbox_of(&self, consumer: &str) -> String {
        self.inner.outbox_of(consumer)
    }

    fn road<'a>(&'a self, channel: &'a str, lease: Duration) -> Answer<'a, Road> {
        self.inner.road(channel, lease)
    }
}

struct Store(Lie);

impl Fixture for Store {
    type Database = Database;

    fn name(&self) -> &str {
        "own"
    }

    fn database(&self) -> Answer<'_, Database> {
        Box::pin(async { Ok(Database { inner: Memory::database(), lie: self.0 }) })
    }
}

#[actix_rt::test]
async fn a_store_that_keeps_the_contract_passes() {
    let table = Suite::new().run(&Store(Lie::Nothing)).await;
    table.assert_passed();
    assert_eq!(table.rows().count(), Suite::cases().count());
}

#[actix_rt::test]
async fn a_store_that_does_not_is_found_and_the_case_says_by_what() {
    let lies = [
        (Lie::WorksTwice, "each_ruling_adds_behind_what_there_is"),
        (Lie::ForgetsTheLast, "the_next_round_of_a_key_knows_the_last"),
        (Lie::TurnsRows, "what_is_made_is_read_as_it_was_written"),
        (Lie::SleepsThroughDeadlines, "the_longest_due_comes_first"),
        (Lie::Hoards, "what_is_old_is_deleted_in_batches"),
        (Lie::TakesAnyRules, "the_first_rules_are_taken_and_others_have_to_replace_them"),
        (Lie::IsMute, "who_writes_rings"),
        (Lie::TurnsHistory, "a_key_has_a_history"),
        (Lie::KeepsConsumers, "a_consumer_hears_from_when_it_was_added_until_it_is_removed"),
    ];
    for (lie, case) in lies {
        let table = Suite::new().only(case).run(&Store(lie)).await;
        assert!(!table.is_passed(), "{lie:?} has passed {case}");
        assert_eq!(table.failures().map(|row| &*row.case).collect::<Vec<_>>(), [case]);
    }
}

#[actix_rt::test]
async fn a_broker_is_durable_over_it() {
    use convoke::prelude::*;

    let db = Database { inner: Memory::database(), lie: Lie::Nothing };
    let pairs = Broker::<u32>::new(Duration::from_secs(60)).expects(["a", "b"]).durable(&db, "pairs").await.unwrap();
    let (a, b) = (Emitter::join(&pairs, "a").await.unwrap(), Emitter::join(&pairs, "b").await.unwrap());
    let (one, other) = tokio::join!(a.emit_for(7, 1), b.emit_for(7, 2));
    let payloads = one.unwrap();
    assert_eq!(payloads.payloads(), other.unwrap().payloads());
}
