//! The conformance suite itself: it finds what a transport does wrong, whatever that is, and says what it could not try.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use convoke::transport::conformance::{Channel, Fixture, Outcome, Suite, Table, Wants};
use convoke::transport::{
    Abilities, BoxFuture, DeadLetterRecord, Delivery, ErrorKind, Memory, MemoryQueue, Packet, Parking, Publisher,
    Receipt, Settlement, Source, TransportError,
};

/// What is wrong with a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// Of fifty packets one is confirmed, and gone.
    Loses,
    /// Each delivery is the first attempt.
    Forgets,
    /// A publish of more than one packet is never ready.
    Hangs,
    /// A receive panics once something has come.
    Panics,
    /// What is given back is gone.
    DropsReleases,
    /// It says that it keeps an order.
    Boasts,
    /// A channel cannot be made at all.
    Refuses,
    /// A receive has the server lend more than was asked for, and whoever stops does not give that back.
    Hoards,
}

struct Flawed(Wrong);

impl Fixture for Flawed {
    fn name(&self) -> &str {
        "flawed"
    }

    fn channel(&self, wants: Wants) -> BoxFuture<'_, Result<Channel, TransportError>> {
        let wrong = self.0;
        Box::pin(async move {
            if wrong == Wrong::Refuses {
                return Err(TransportError::new(ErrorKind::Refused, "flawed", "no rights: ask for some"));
            }
            let mut queue = Memory::queue(&wants.name).lease(wants.lease);
            if wrong == Wrong::Boasts {
                let mut abilities = Source::abilities(&queue);
                abilities.order = false;
                queue = queue.with_abilities(abilities);
            }
            let end = End { queue, wrong, count: Arc::default(), hoard: Arc::default() };
            let subscriber = end.clone();
            Ok(Channel {
                publisher: Arc::new(end),
                subscribe: Box::new(move |group| {
                    let queue = subscriber.queue.group(group);
                    Box::new(End { queue, hoard: Arc::default(), ..subscriber.clone() })
                }),
                dead: None,
            })
        })
    }
}

/// Either end of a channel.
#[derive(Clone)]
struct End {
    queue: MemoryQueue,
    wrong: Wrong,
    count: Arc<AtomicUsize>,
    hoard: Arc<Mutex<Vec<Delivery>>>,
}

impl End {
    fn abilities(&self) -> Abilities {
        let mut abilities = Source::abilities(&self.queue);
        abilities.order = true;
        abilities
    }
}

impl Publisher for End {
    fn name(&self) -> &str {
        Publisher::name(&self.queue)
    }

    fn abilities(&self) -> Abilities {
        self.abilities()
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            if self.wrong == Wrong::Hangs && packets.len() > 1 {
                std::future::pending::<()>().await;
            }
            let mut taken = Vec::new();
            for packet in packets {
                let is_lost = self.count.fetch_add(1, Ordering::Relaxed) % 50 == 49 && self.wrong == Wrong::Loses;
                taken.extend(if is_lost {
                    vec![Ok(())]
                } else {
                    self.queue.publish(std::slice::from_ref(packet)).await
                });
            }
            taken
        })
    }
}

impl Source for End {
    fn name(&self) -> &str {
        Source::name(&self.queue)
    }

    fn abilities(&self) -> Abilities {
        self.abilities()
    }

    fn open(&mut self, prefetch: usize) -> BoxFuture<'_, Result<(), TransportError>> {
        self.queue.open(prefetch)
    }

    fn receive(&mut self, most: usize) -> BoxFuture<'_, Result<Vec<Delivery>, TransportError>> {
        Box::pin(async move {
            let mut hoard: Vec<_> = std::mem::take(&mut *self.hoard.lock().unwrap());
            if hoard.is_empty() {
                hoard = self.queue.receive(if self.wrong == Wrong::Hoards { 1_000 } else { most }).await?;
            }
            let rest = hoard.split_off(hoard.len().min(most));
            self.hoard.lock().unwrap().extend(rest);
            let deliveries = hoard;
            assert!(deliveries.is_empty() || self.wrong != Wrong::Panics, "something has come");
            let wrong = self.wrong;
            let warp = |delivery: Delivery| {
                let attempt = if wrong == Wrong::Forgets { 1 } else { delivery.attempt() };
                let (packet, lease) = (delivery.packet().clone(), delivery.lease());
                let (source, place) = (delivery.source().to_owned(), delivery.place());
                let warped = Delivery::new(source, packet, attempt, Warped(Some(delivery), wrong));
                let warped = place.into_iter().fold(warped, |warped, (at, redriven)| warped.with_place(at, redriven));
                lease.into_iter().fold(warped, Delivery::with_lease)
            };
            Ok(deliveries.into_iter().map(warp).collect())
        })
    }

    fn parking(&self) -> Option<Parking> {
        Source::parking(&self.queue)
    }

    fn close(&mut self) -> BoxFuture<'_, Result<(), TransportError>> {
        self.queue.close()
    }
}

struct Warped(Option<Delivery>, Wrong);

impl Receipt for Warped {
    fn settle(mut self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        let how = if self.1 == Wrong::DropsReleases && how == Settlement::Release { Settlement::Ack } else { how };
        let delivery = self.0.take().unwrap();
        Box::pin(delivery.settle(how))
    }

    fn park(
        mut self: Box<Self>,
        record: DeadLetterRecord,
        _: Packet,
    ) -> BoxFuture<'static, Result<u64, TransportError>> {
        let delivery = self.0.take().unwrap();
        Box::pin(delivery.park(record.reason, record.errors))
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let delivery = self.0.as_mut().unwrap();
        Box::pin(delivery.extend(by))
    }
}

async fn run(wrong: Wrong, only: &str) -> Table {
    Suite::new().only(only).run(&Flawed(wrong)).await
}

/// What is said of a case.
fn outcome<'a>(table: &'a Table, case: &str) -> &'a Outcome {
    &table.rows().find(|row| row.case == case).unwrap().outcome
}

#[track_caller]
fn assert_failed(table: &Table, case: &str, said: &str) {
    match outcome(table, case) {
        Outcome::Failed { why } => assert!(why.contains(said), "it failed otherwise: {why}"),
        other => panic!("it has not failed: {other:?}"),
    }
}

#[convoke::test]
async fn a_transport_without_a_fault_passes_and_what_cannot_be_tried_is_named() {
    let table = Suite::new().run(&Flawed(Wrong::Nothing)).await;
    table.assert_passed();
    assert_eq!(table.rows().count(), Suite::cases().count(), "no case is left out");
    let missing = |case| match outcome(&table, case) {
        Outcome::NotApplicable { missing } => missing.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(missing("a_dead_letter_says_why"), "dead letters");
    assert_eq!(missing("a_server_killed_five_times_under_load_loses_nothing"), "server that the suite may kill");
    assert!(table.to_string().contains("n/a a_dead_letter_says_why: it has no dead letters"), "{table}");
}

#[convoke::test]
async fn what_is_lost_is_missed() {
    let table = run(Wrong::Loses, "hundred").await;
    assert!(!table.is_passed());
    assert_failed(&table, "a_hundred_messages_come_whole", "nothing has come");
    let table = run(Wrong::Loses, "fifty").await;
    assert_failed(&table, "fifty_subscribers_share_thousands", "490 of 500 have come");
    assert_failed(&run(Wrong::DropsReleases, "dropped_delivery").await, "a_dropped_delivery_comes_again", "nothing");
}

#[convoke::test]
async fn attempts_that_are_not_counted_are_noticed() {
    let table = run(Wrong::Forgets, "").await;
    let failed: Vec<_> = table.failures().map(|row| &*row.case).collect();
    for case in ["what_fails_comes_again", "attempts_survive_their_subscriber", "a_retry_waits_for_its_time"] {
        assert!(failed.contains(&case), "{case} has passed: {table}");
    }
}

#[convoke::test]
async fn what_is_not_given_back_is_missed() {
    let table = run(Wrong::Hoards, "who_stops").await;
    assert_failed(&table, "who_stops_lending_leaves_the_rest_to_others", "17 of 17 had not come after 5s");
}

#[convoke::test]
async fn an_order_that_is_not_kept_is_noticed() {
    let table = run(Wrong::Boasts, "of_a_key").await;
    assert_eq!(table.failures().count(), 2, "{table}");
}

#[convoke::test]
async fn what_hangs_or_panics_is_a_failure_and_the_others_go_on() {
    let table = run(Wrong::Hangs, "").await;
    assert_failed(&table, "a_hundred_messages_come_whole", "a publish has not returned in 60s: it needs a deadline");
    assert_eq!(outcome(&table, "a_dropped_delivery_comes_again"), &Outcome::Passed { note: String::new() });
    let table = run(Wrong::Panics, "").await;
    assert_failed(&table, "a_dropped_delivery_comes_again", "it panicked: something has come");
    assert_failed(&table, "fifty_subscribers_share_thousands", "a task panicked: something has come");
    assert_eq!(outcome(&table, "an_empty_queue_answers_in_time"), &Outcome::Passed { note: String::new() });
}

#[convoke::test]
async fn a_case_that_never_ends_says_what_it_was_at() {
    let limit = Duration::from_secs(30);
    let table = Suite::new().only("hundred_messages").deadline(limit).run(&Flawed(Wrong::Hangs)).await;
    assert_failed(&table, "a_hundred_messages_come_whole", "it has not ended after 30s: it was at work");
}

#[convoke::test]
async fn a_channel_that_cannot_be_made_is_a_failure() {
    let table = run(Wrong::Refuses, "hundred_messages").await;
    assert_failed(&table, "a_hundred_messages_come_whole", "no channel could be made: flawed: no rights: ask for some");
}

#[convoke::test]
async fn tables_of_several_transports_stand_side_by_side() {
    let mut joint = run(Wrong::Nothing, "channels_are_apart").await;
    joint.merge(&run(Wrong::Refuses, "channels_are_apart").await);
    joint.add_absent("redis", "redis-server is not installed");
    assert_eq!(joint.rows().count(), 1, "the later run of the same transport counts");
    let text = joint.to_string();
    assert!(
        text.starts_with("case                flawed\nchannels_are_apart  FAILED\nflawed: 0 passed, 1 failed"),
        "{text}"
    );
    assert!(text.ends_with("redis: NOT TRIED: redis-server is not installed\n"), "{text}");
}
