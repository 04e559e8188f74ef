//! Many who append, with delays before their commits, and many who read meanwhile: no position is missed.

use std::time::Duration;

use convoke::prelude::*;
use convoke::{Position, Project, Store, StoreDatabase};
use futures_util::future::join_all;
use tokio::time::sleep;

use super::projecting::{Rows, Sums};
use super::{Base, Moved, moved, orders};
use crate::transports::outbox::Connection;
use crate::transports::outbox::memory::Here;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

const WRITERS: u32 = 16;
const READERS: u32 = 4;

fn appends() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 200_000 } else { 4_000 }
}

/// Follows the store from its beginning, and sees each position once, in order.
async fn follow<D: StoreDatabase>(store: Store<D>, last: u64) {
    let mut reading = store.read("**").follow().start();
    let mut steps = std::collections::HashMap::<u32, u32>::new();
    for expected in 1..=last {
        let record = reading.next().await.unwrap().unwrap();
        assert_eq!(record.position().number(), expected);
        let Moved { order, step } = record.event().unwrap();
        // What one writer appends comes in its order.
        let before = steps.insert(order, step);
        assert!(before.is_none_or(|before| before < step), "writer {order}: {step} behind {before:?}");
    }
}

/// Appends in one of three ways, of which one is rolled back now and then.
async fn write<B: Base>(base: &B, store: &Store<B::Database>, writer: u32, count: u32) {
    let mut random = fastrand::Rng::with_seed(writer.into());
    let mut step = 0;
    while step < count {
        match random.u8(..10) {
            0..5 => {
                store.append(moved(writer, step)).await.unwrap();
                step += 1;
            }
            5 => {
                let many = random.u32(1..=5).min(count - step);
                store.append_all((step..step + many).map(|step| moved(writer, step))).await.unwrap();
                step += many;
            }
            way => {
                let mut transaction = base.begin().await;
                store.append(moved(writer, step)).within(&mut transaction).await.unwrap();
                if random.u8(..4) == 0 {
                    sleep(Duration::from_micros(random.u64(..1500))).await;
                }
                if way == 9 {
                    B::rollback(transaction).await;
                } else {
                    B::commit(transaction).await;
                    step += 1;
                }
            }
        }
    }
}

async fn no_reader_misses_a_position<B: Base>() {
    let base = B::new().await;
    let store = orders(&base).await;
    let each = appends() / WRITERS;
    let last = u64::from(each * WRITERS);
    let readers = join_all((0..READERS).map(|_| follow(store.clone(), last)));
    let writers = join_all((0..WRITERS).map(|writer| write(&base, &store, writer, each)));
    tokio::join!(readers, writers);
    assert_eq!(store.verify().await.unwrap().number(), last);
    let of_one = store.read("**").about("Order", 3).after(Position::START).all().await.unwrap();
    assert_eq!(of_one.len(), each as usize);
}

#[actix_rt::test]
async fn over_sqlite_no_reader_misses_a_position() {
    no_reader_misses_a_position::<File>().await;
}

#[actix_rt::test]
async fn over_postgres_no_reader_misses_a_position() {
    no_reader_misses_a_position::<Database>().await;
}

/// Polls something for a moment, and drops it.
async fn dropped<T>(random: &mut fastrand::Rng, future: impl IntoFuture<Output = T>) -> Option<T> {
    tokio::time::timeout(Duration::from_micros(random.u64(..3000)), future.into_future()).await.ok()
}

/// What is given up half way leaves nothing half done, and takes nobody's place.
async fn whatever_is_dropped_half_way_leaves_nothing_half_done<B: Rows>()
where
    Sums: Project<Connection<B>>,
{
    let base = B::new().await;
    let store = orders(&base).await;
    let sums = Sums::default();
    let projection = base.projection(&store, sums.clone()).await;
    let mut random = fastrand::Rng::with_seed(4);
    let mut reading = store.read("**").follow().start();
    let mut read = 0;
    let bus = EventBus::default();
    let _heard = bus.on(|_: &Moved| ()).unwrap();
    for step in 0..600 {
        let _ = dropped(&mut random, store.append_all([moved(step % 5, step), moved(6, step)])).await;
        if let Some(mut transaction) = dropped(&mut random, base.begin()).await {
            let appended = dropped(&mut random, store.append(moved(7, step)).within(&mut transaction)).await;
            match appended {
                Some(Ok(_)) if random.bool() => B::commit(transaction).await,
                Some(Ok(_)) => B::rollback(transaction).await,
                _ => drop(transaction),
            }
        }
        while let Some(next) = dropped(&mut random, reading.next()).await {
            read += 1;
            assert_eq!(next.unwrap().unwrap().position().number(), read, "nothing is passed over");
        }
        if step % 7 == 0 {
            let _ = dropped(&mut random, projection.catch_up()).await;
        }
        if step % 50 == 0 {
            let _ = dropped(&mut random, projection.rebuild()).await;
            let _ = dropped(&mut random, store.replay("**").to(&bus)).await;
        }
    }
    let last = store.verify().await.unwrap();
    let edition = projection.rebuild().await.unwrap();
    projection.catch_up().await.unwrap();
    let mut all = std::collections::BTreeMap::new();
    for record in store.read("orders/*").until(last).all().await.unwrap() {
        let Moved { order, step } = record.event().unwrap();
        *all.entry(order).or_insert(0) += u64::from(step);
    }
    assert_eq!(base.sums(&sums, edition).await, all);
    let of_six = store.read("**").about("Order", 6).all().await.unwrap();
    let beside = store.read("**").all().await.unwrap();
    let others = beside.iter().filter(|record| record.event::<Moved>().unwrap().order < 6).count();
    assert_eq!(of_six.len(), others, "both or none");
    println!("figure: {} records of 600 appends that were dropped", last.number());
}

#[actix_rt::test]
async fn over_sqlite_whatever_is_dropped_half_way_leaves_nothing_half_done() {
    whatever_is_dropped_half_way_leaves_nothing_half_done::<File>().await;
}

#[actix_rt::test]
async fn over_postgres_whatever_is_dropped_half_way_leaves_nothing_half_done() {
    whatever_is_dropped_half_way_leaves_nothing_half_done::<Database>().await;
}

#[convoke::test]
async fn in_memory_whatever_is_dropped_half_way_leaves_nothing_half_done() {
    whatever_is_dropped_half_way_leaves_nothing_half_done::<Here>().await;
}
