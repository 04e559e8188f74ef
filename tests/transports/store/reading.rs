//! What is read, in which order, from where.

use std::time::{Duration, SystemTime};

use convoke::{Outgoing, Position, StoreError};
use futures_util::StreamExt;
use serde_json::json;

use super::{Base, LONG, Moved, elsewhere, filled, moved, noted, numbers, orders};

pub(super) async fn everything_is_read_in_order_forward_and_backward<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 4, 5).await;
    let all = store.read("**").all().await.unwrap();
    assert_eq!(numbers(&all), (1..=20).collect::<Vec<_>>());
    let backward = store.read("**").backward().all().await.unwrap();
    assert_eq!(numbers(&backward), (1..=20).rev().collect::<Vec<_>>());
    let at = |number: usize| all[number - 1].position();
    assert_eq!(numbers(&store.read("**").after(at(5)).until(at(8)).all().await.unwrap()), [6, 7, 8]);
    assert_eq!(numbers(&store.read("**").after(at(5)).until(at(8)).backward().all().await.unwrap()), [8, 7, 6]);
    assert_eq!(numbers(&store.read("**").after(at(20)).all().await.unwrap()), [0; 0]);
    assert_eq!(numbers(&store.read("**").after(at(8)).until(at(5)).all().await.unwrap()), [0; 0]);
    assert_eq!(numbers(&store.read("**").until(Position::START).all().await.unwrap()), [0; 0]);
    let stream: Vec<_> = store.read("**").start().stream().collect().await;
    assert_eq!(stream.len(), 20);
}

pub(super) async fn a_page_is_no_limit<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    // More than a page of records, of which some are more than a page of bytes.
    let large = "x".repeat(500_000);
    for step in 0..4 {
        store.append_all((0..600).map(|order| moved(order % 7, step))).await.unwrap();
        store.append_all((0..6).map(|_| noted(&large))).await.unwrap();
    }
    let last = 4 * 606;
    assert_eq!(numbers(&store.read("**").all().await.unwrap()), (1..=last).collect::<Vec<_>>());
    assert_eq!(numbers(&store.read("**").backward().all().await.unwrap()), (1..=last).rev().collect::<Vec<_>>());
    let notes: Vec<_> = (1..=last).filter(|number| (number - 1) % 606 >= 600).collect();
    assert_eq!(numbers(&store.read("notes/*").all().await.unwrap()), notes);
    assert_eq!(
        numbers(&store.read("notes/*").backward().all().await.unwrap()),
        notes.into_iter().rev().collect::<Vec<_>>()
    );
    let of_one = store.read("**").about("Order", 3).all().await.unwrap();
    assert_eq!(of_one.len(), 4 * 86);
    let backward = store.read("**").about("Order", 3).backward().all().await.unwrap();
    assert_eq!(numbers(&backward), numbers(&of_one).into_iter().rev().collect::<Vec<_>>());
}

pub(super) async fn only_topics_that_match_are_read<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let topics = ["a", "a/b", "a/b/c", "a.b/c", "ab/c", "x[1]/y?", "ü/b", "A/b", "a/b c/(d)"];
    store.append_all(topics.map(|topic| Outgoing::json(topic, json!(1)))).await.unwrap();
    let cases: [(&[&str], &[u64]); 11] = [
        (&["a/*"], &[2]),
        (&["a/**"], &[1, 2, 3, 9]),
        (&["**/c"], &[3, 4, 5]),
        (&["*/*"], &[2, 4, 5, 6, 7, 8]),
        (&["a.b/c"], &[4]),
        (&["x[1]/y?"], &[6]),
        (&["x[1]/*"], &[6]),
        (&["*/b", "a"], &[1, 2, 7, 8]),
        (&["a/b c/(d)"], &[9]),
        (&["ü/**"], &[7]),
        (&["nothing/**"], &[]),
    ];
    for (patterns, expected) in cases {
        assert_eq!(numbers(&store.read(patterns).all().await.unwrap()), expected, "{patterns:?}");
        let backward: Vec<_> = expected.iter().rev().copied().collect();
        assert_eq!(numbers(&store.read(patterns).backward().all().await.unwrap()), backward, "{patterns:?}");
    }
    assert!(matches!(store.read("a//b").all().await.unwrap_err(), StoreError::Topic(_)));
    assert_eq!(store.read(Vec::<&str>::new()).about("Order", 1).all().await.unwrap_err(), StoreError::NoPattern);
    // Rare among many.
    store.append_all((0..3000).map(|step| moved(1, step))).await.unwrap();
    store.append_all((0..3000).map(|step| moved(2, step))).await.unwrap();
    store.append_json("a/b", json!(2)).await.unwrap();
    assert_eq!(numbers(&store.read("a/b").all().await.unwrap()), [2, 6010]);
    assert_eq!(numbers(&store.read("a/b").backward().all().await.unwrap()), [6010, 2]);
}

pub(super) async fn an_entity_is_read_alone<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 5, 4).await;
    let of_one = store.read("**").about("Order", 2).all().await.unwrap();
    assert_eq!(numbers(&of_one), [3, 8, 13, 18]);
    assert_eq!(of_one.iter().map(|record| record.event::<Moved>().unwrap().step).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let after = of_one[1].position();
    assert_eq!(numbers(&store.read("**").about("Order", 2).after(after).all().await.unwrap()), [13, 18]);
    assert_eq!(numbers(&store.read("**").about("Order", 2).after(after).backward().all().await.unwrap()), [18, 13]);
    assert_eq!(numbers(&store.read("orders/*").about("Order", 2).backward().limit(1).all().await.unwrap()), [18]);
    assert_eq!(numbers(&store.read("notes/*").about("Order", 2).all().await.unwrap()), [0; 0]);
    for (entity, id) in [("Order", "22"), ("order", "2"), ("Orders", "2"), ("Order2", ""), ("", "2")] {
        assert_eq!(numbers(&store.read("**").about(entity, id).all().await.unwrap()), [0; 0], "{entity} {id}");
    }
}

pub(super) async fn a_time_says_from_where_to_where<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    for step in 0..9 {
        store.append_all([moved(1, step), moved(2, step)]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let all = store.read("**").all().await.unwrap();
    for middle in [0, 3, 8, 17] {
        let time = all[middle].time();
        let later: Vec<_> = all.iter().filter(|record| record.time() >= time).cloned().collect();
        let earlier: Vec<_> = all.iter().filter(|record| record.time() < time).cloned().collect();
        assert_eq!(numbers(&store.read("**").since(time).all().await.unwrap()), numbers(&later));
        assert_eq!(numbers(&store.read("**").before(time).all().await.unwrap()), numbers(&earlier));
        // Records have whole microseconds, and a clock may have more.
        let behind = time + Duration::from_nanos(1);
        let until = all.iter().filter(|record| record.time() < behind).cloned().collect::<Vec<_>>();
        assert_eq!(numbers(&store.read("**").before(behind).all().await.unwrap()), numbers(&until));
        let after = all.iter().filter(|record| record.time() >= behind).cloned().collect::<Vec<_>>();
        assert_eq!(numbers(&store.read("**").since(behind).all().await.unwrap()), numbers(&after));
    }
    let (long_ago, far) = (SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(1_000_000));
    assert_eq!(store.read("**").since(long_ago).before(far).all().await.unwrap().len(), 18);
    assert_eq!(store.read("**").since(far).all().await.unwrap().len(), 0);
    assert_eq!(store.read("**").before(long_ago).all().await.unwrap().len(), 0);
}

pub(super) async fn a_position_of_another_store_or_of_the_future_is_an_error<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 2).await;
    let other = elsewhere(&base).await;
    for read in [store.read("**").after(other), store.read("**").until(other)] {
        let error = read.all().await.unwrap_err();
        assert!(matches!(&error, StoreError::Elsewhere { store, .. } if store == "orders"), "{error}");
    }
    let head = store.head().await.unwrap();
    let ahead: Position = head.to_string().replace("2@", "3@").parse().unwrap();
    for read in [store.read("**").after(ahead), store.read("**").until(ahead), store.read("a/*").after(ahead).follow()]
    {
        let error = read.start().next().await.unwrap_err();
        assert_eq!(error, StoreError::Ahead { position: ahead, last: head });
    }
}

pub(super) async fn who_follows_sees_what_comes<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 2).await;
    let mut reading = store.read("orders/*").follow().start();
    for expected in 1..=2 {
        assert_eq!(reading.next().await.unwrap().unwrap().position().number(), expected);
    }
    let writer = store.clone();
    let (next, _) = tokio::join!(tokio::time::timeout(LONG, reading.next()), async {
        writer.append(noted("not this one")).await.unwrap();
        writer.append(moved(1, 9)).await.unwrap();
    });
    assert_eq!(next.unwrap().unwrap().unwrap().position().number(), 4);
    // Nothing is lost if it is not waited for.
    let nothing = tokio::time::timeout(Duration::from_millis(5), reading.next()).await;
    assert!(nothing.is_err());
    store.append(moved(1, 10)).await.unwrap();
    let next = tokio::time::timeout(LONG, reading.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(next.position().number(), 5);
}

pub(super) async fn what_is_appended_later_is_not_read<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 1, 3).await;
    let mut reading = store.read("**").start();
    assert_eq!(reading.next().await.unwrap().unwrap().position().number(), 1);
    store.append(moved(1, 9)).await.unwrap();
    let mut rest = Vec::new();
    while let Some(record) = reading.next().await.unwrap() {
        rest.push(record);
    }
    assert_eq!(numbers(&rest), [2, 3]);
    assert!(reading.next().await.unwrap().is_none(), "it stays at its end");
}

pub(super) async fn a_limit_ends_it<B: Base>() {
    let base = B::new().await;
    let store = filled(&base, 2, 4).await;
    assert_eq!(numbers(&store.read("**").limit(3).all().await.unwrap()), [1, 2, 3]);
    assert_eq!(numbers(&store.read("**").limit(0).all().await.unwrap()), [0; 0]);
    assert_eq!(numbers(&store.read("orders/*").backward().limit(2).all().await.unwrap()), [8, 7]);
    assert_eq!(numbers(&store.read("**").about("Order", 1).limit(2).all().await.unwrap()), [2, 4]);
    assert_eq!(numbers(&store.read("**").follow().limit(3).all().await.unwrap()), [1, 2, 3]);
}
