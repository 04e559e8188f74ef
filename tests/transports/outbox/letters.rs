//! What a server has refused for good.

use convoke::prelude::*;
use convoke::transport::Abilities;
use convoke::{EnvelopeLimits, Outbox, RelayService, codec};

use super::{Base, Closed, Mode, Taker, empty, moved, publish, relay, shop, until};

pub(crate) async fn what_is_refused_is_dead_and_what_follows_is_parked_and_redriven_in_order<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.refuse([2]);
    publish(&base, &outbox, (1..=4).map(|step| moved(1, step))).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    // Other keys go on, and what comes later is parked too.
    publish(&base, &outbox, [moved(1, 5), moved(9, 1)]).await;
    until("it is parked", async || outbox.figures().await.unwrap().parked == 3).await;
    taker.has(2).await;
    assert_eq!((&taker.steps()[&1][..], &taker.steps()[&9][..]), (&[1][..], &[1][..]));
    // What has left is deleted a moment later.
    empty::<B>(&outbox).await;
    let figures = outbox.figures().await.unwrap();
    assert_eq!((figures.ready, figures.dead, figures.parked), (0, 1, 3));
    let letters = outbox.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), letters[0].parked), (1, 3));
    assert!(letters[0].reason.contains("as it was told"), "{}", letters[0].reason);
    let dead = codec::read(&letters[0].packet, EnvelopeLimits::default()).unwrap();
    assert_eq!(dead.payload["step"], 2);
    assert!(outbox.dead_letters_after(letters[0].position, 10).await.unwrap().is_empty());
    // It dies once more, and all the others are parked again.
    assert!(outbox.redrive(letters[0].position).await.unwrap());
    until("it is dead again", async || outbox.figures().await.unwrap().dead == 1).await;
    until("it is parked again", async || outbox.figures().await.unwrap().parked == 3).await;
    taker.refuse([]);
    assert!(outbox.redrive(letters[0].position).await.unwrap());
    publish(&base, &outbox, [moved(1, 6)]).await;
    taker.has(7).await;
    assert_eq!(taker.steps()[&1], [1, 2, 3, 4, 5, 6]);
    empty::<B>(&outbox).await;
    assert!(!outbox.redrive(letters[0].position).await.unwrap());
    assert!(!outbox.redrive(u64::MAX).await.unwrap());
    assert!(!outbox.discard(letters[0].position).await.unwrap());
}

pub(crate) async fn a_dead_letter_may_be_discarded<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.refuse([1]);
    publish(&base, &outbox, (1..=3).map(|step| moved(1, step))).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    until("it is parked", async || outbox.figures().await.unwrap().parked == 2).await;
    let letters = outbox.dead_letters(10).await.unwrap();
    assert!(outbox.discard(letters[0].position).await.unwrap());
    taker.has(2).await;
    assert_eq!(taker.steps()[&1], [2, 3]);
    empty::<B>(&outbox).await;
    assert_eq!(outbox.figures().await.unwrap().dead, 0);
}

pub(crate) async fn what_no_route_matches_is_a_dead_letter<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    let _relay = outbox.relay(Route::new("Shop/Moved", taker.clone())).supervised(&EventBus::default()).await.unwrap();
    let mut transaction = base.begin().await;
    outbox.publish(&mut transaction, Closed { text: String::new() }).await.unwrap();
    outbox.publish(&mut transaction, moved(1, 1)).await.unwrap();
    B::commit(transaction).await;
    taker.has(1).await;
    until("it is dead", async || outbox.figures().await.unwrap().dead == 1).await;
    let letters = outbox.dead_letters(10).await.unwrap();
    assert!(letters[0].reason.contains("no route of the relay matches `Shop/Closed`"), "{}", letters[0].reason);
}

pub(crate) async fn what_a_server_cannot_take_is_dead_before_it_is_sent<B: Base>() {
    let mut abilities = Abilities::default();
    // Of a server that takes the next of a key though it has refused one for good.
    (abilities.takes_in_order, abilities.max_bytes) = (true, 2_000);
    let (base, taker) = (B::new().await, Taker::with(abilities));
    let outbox = base.outbox("Shop").ordered_by(|_| Some("one".into())).await.unwrap();
    let mut transaction = base.begin().await;
    for text in ["a".to_owned(), "b".repeat(3_000), "c".to_owned()] {
        outbox.publish(&mut transaction, Closed { text }).await.unwrap();
    }
    B::commit(transaction).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    until("it is parked", async || outbox.figures().await.unwrap().parked == 1).await;
    taker.has(1).await;
    let letters = outbox.dead_letters(10).await.unwrap();
    assert!(letters[0].reason.contains("2000 are allowed"), "{}", letters[0].reason);
    assert_eq!(letters[0].parked, 1);
}

pub(crate) async fn a_relay_that_comes_later_parks_too<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.refuse([1]);
    publish(&base, &outbox, [moved(1, 1)]).await;
    let first = relay::<B>(&outbox, &taker).await;
    until("it is dead", async || outbox.figures().await.unwrap().dead == 1).await;
    assert_eq!(first.stop().await.error, None);
    publish(&base, &outbox, [moved(1, 2), moved(2, 2)]).await;
    let _second = relay::<B>(&outbox, &taker).await;
    taker.has(1).await;
    until("it is parked", async || outbox.figures().await.unwrap().parked == 1).await;
    assert_eq!(taker.steps()[&2], [2]);
}

/// Two events of a key die together: the server refuses the first, and the second is too large for it.
async fn two_of_a_key<B: Base>() -> (B, Taker, Outbox<B::Database>, ServiceHandle<RelayService>) {
    let mut abilities = Abilities::default();
    abilities.max_bytes = 2_000;
    let (base, taker) = (B::new().await, Taker::with(abilities));
    let outbox = shop(&base).await;
    taker.refuse([1]);
    let mut transaction = base.begin().await;
    for (step, text) in [(1, 0), (2, 3_000), (3, 0), (4, 0)] {
        let large = serde_json::json!({ "order": 1, "step": step, "text": "x".repeat(text) });
        outbox.publish_json(&mut transaction, "orders/moved", large).await.unwrap();
    }
    B::commit(transaction).await;
    let relay = relay::<B>(&outbox, &taker).await;
    until("it is parked", async || outbox.figures().await.unwrap().parked == 2).await;
    let letters = outbox.dead_letters(10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.parked).collect::<Vec<_>>(), [2, 2]);
    (base, taker, outbox, relay)
}

pub(crate) async fn the_first_of_two_dead_ones_of_a_key_does_not_wait_for_the_second<B: Base>() {
    let (base, taker, outbox, _relay) = two_of_a_key::<B>().await;
    let letters = outbox.dead_letters(10).await.unwrap();
    taker.refuse([]);
    assert!(outbox.redrive(letters[0].position).await.unwrap());
    taker.has(1).await;
    publish(&base, &outbox, [moved(1, 5)]).await;
    until("what comes later is parked behind the second", async || outbox.figures().await.unwrap().parked == 3).await;
    empty::<B>(&outbox).await;
    assert_eq!((&taker.steps()[&1][..], outbox.figures().await.unwrap().dead), (&[1][..], 1));
    assert!(outbox.discard(letters[1].position).await.unwrap());
    taker.has(4).await;
    assert_eq!(taker.steps()[&1], [1, 3, 4, 5]);
}

pub(crate) async fn the_second_of_two_dead_ones_of_a_key_waits_for_the_first<B: Base>() {
    let (base, taker, outbox, _relay) = two_of_a_key::<B>().await;
    let letters = outbox.dead_letters(10).await.unwrap();
    assert!(outbox.redrive(letters[1].position).await.unwrap());
    publish(&base, &outbox, [moved(2, 9)]).await;
    taker.has(1).await;
    let figures = outbox.figures().await.unwrap();
    assert_eq!((figures.dead, figures.parked), (1, 3), "it is parked behind the first");
    taker.refuse([]);
    assert_eq!(outbox.redrive_all().await.unwrap(), 1);
    taker.has(2).await;
    // It is too large still.
    until("the second is dead again", async || outbox.figures().await.unwrap().dead == 1).await;
    until("the others are parked again", async || outbox.figures().await.unwrap().parked == 2).await;
    assert_eq!(taker.steps()[&1], [1]);
}

pub(crate) async fn of_two_dead_ones_of_a_key_each_counts_once<B: Base>() {
    let (_base, taker, outbox, _relay) = two_of_a_key::<B>().await;
    taker.refuse([]);
    assert_eq!(outbox.redrive_all().await.unwrap(), 2);
    taker.has(1).await;
    until("the second is dead again", async || outbox.figures().await.unwrap().dead == 1).await;
    until("the others are parked again", async || outbox.figures().await.unwrap().parked == 2).await;
    assert_eq!(taker.steps()[&1], [1]);
}

pub(crate) async fn all_dead_letters_are_redriven<B: Base>() {
    let (base, taker) = (B::new().await, Taker::new());
    let outbox = shop(&base).await;
    taker.refuse([1]);
    publish(&base, &outbox, (0..300).map(|number| moved(number % 150, 1 + number / 150))).await;
    let _relay = relay::<B>(&outbox, &taker).await;
    until("all are settled", async || {
        let figures = outbox.figures().await.unwrap();
        (figures.dead, figures.parked) == (150, 150)
    })
    .await;
    taker.set(Mode::Moody);
    taker.refuse([]);
    assert_eq!(outbox.redrive_all().await.unwrap(), 150);
    taker.has(300).await;
    assert!(taker.steps().values().all(|steps| *steps == [1, 2]));
    empty::<B>(&outbox).await;
}
