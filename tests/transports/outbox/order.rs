//! What goes before what.

use std::collections::HashSet;

use super::{Base, Mode, Taker, empty, moved, publish, relay, shop};

pub(crate) async fn events_of_a_key_leave_in_the_order_of_their_commits<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    for step in 0..40 {
        publish(&base, &outbox, (0..5).map(|order| moved(order, step))).await;
    }
    taker.has(200).await;
    assert!(taker.steps().values().all(|steps| steps.iter().copied().eq(0..40)));
    empty::<B>(&outbox).await;
}

pub(crate) async fn none_is_overtaken_by_one_behind_it_while_a_server_takes_only_some<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Moody);
    publish(&base, &outbox, (0..300).map(|number| moved(number % 30, number / 30))).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    taker.has(300).await;
    assert!(taker.steps().values().all(|steps| steps.iter().copied().eq(0..10)));
    empty::<B>(&outbox).await;
}

pub(crate) async fn two_relays_that_come_and_go_keep_the_order_of_each_key<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.set(Mode::Moody);
    let _one = relay::<B>(&outbox, &taker).await;
    for step in 0..60 {
        // The other one comes and goes.
        let other = if step % 6 == 0 { Some(relay::<B>(&outbox, &taker).await) } else { None };
        publish(&base, &outbox, (0..20).map(|order| moved(order, step))).await;
        if let Some(other) = other {
            assert_eq!(other.stop().await.error, None);
        }
    }
    taker.has(1_200).await;
    let ids: HashSet<_> = taker.packets().into_iter().map(|packet| packet.id).collect();
    assert_eq!(ids.len(), 1_200);
    assert!(taker.steps().values().all(|steps| steps.iter().copied().eq(0..60)));
    empty::<B>(&outbox).await;
}
