//! What goes back, in its order, however often it is interrupted.

use std::collections::BTreeMap;
use std::time::Duration;

use convoke::look::LetterId;
use convoke::transport::{DeadReason, Publisher, Source};
use tokio::time::timeout;

use super::place::name;
use super::{Place, bodies, body, drain, keyed, kill, look, open, packet, pages, publish, receive, until};

pub(super) async fn letters_of_one_key_come_back_in_their_order(place: &Place) {
    let name = name("orders");
    let mut queue = open(place, &name).await;
    if !Publisher::abilities(&queue).order {
        return;
    }
    let packets: Vec<_> = (0..9).map(|id| keyed(id, if id % 2 == 0 { "ann" } else { "bob" })).collect();
    kill(&queue, &packets).await;
    let server = look(place, &name).await;
    let letters = server.letters(&name);
    for letter in pages(&letters, 4).await {
        assert!(letters.redrive(&letter.id).await.unwrap());
    }
    queue.open(1).await.unwrap();
    let back = drain(&mut queue).await;
    for keys in [[0, 2, 4, 6, 8].as_slice(), &[1, 3, 5, 7]] {
        let expected = bodies(keys.iter().copied());
        let of_key: Vec<_> = back.iter().filter(|body| expected.contains(body)).cloned().collect();
        assert_eq!(of_key, expected);
    }
}

pub(super) async fn what_is_parked_comes_behind_its_letter(place: &Place) {
    let name = name("orders");
    let mut queue = open(place, &name).await;
    if !Publisher::abilities(&queue).park {
        return;
    }
    publish(&queue, &[keyed(1, "ann"), keyed(2, "ann"), keyed(3, "ann"), keyed(4, "bob")]).await;
    queue.open(10).await.unwrap();
    for delivery in receive(&mut queue, 2).await {
        delivery.park(DeadReason::Permanent, vec!["no such book".to_owned()]).await.unwrap();
    }
    let server = look(place, &name).await;
    let figures = server.queue(&name).await.unwrap();
    assert_eq!((figures.dead, figures.parked, figures.waiting), (Some(2), Some(2), Some(0)));
    let letters = server.letters(&name);
    // Beside them one that is not in its place.
    kill(&queue, &[packet(5)]).await;
    let all = pages(&letters, 2).await;
    let places: Vec<_> = all.iter().map(|letter| (body(letter), letter.in_place, letter.parked)).collect();
    let expected = [(5, false, 0), (1, true, 2), (4, true, 0)];
    let expected = expected.map(|(id, in_place, parked)| (bodies([id]).remove(0), in_place, parked));
    assert_eq!(places, expected);
    for letter in &all {
        assert_eq!(letters.get(&letter.id).await.unwrap().as_ref(), Some(letter));
    }
    assert!(letters.redrive(&all[1].id).await.unwrap());
    assert!(letters.discard(&all[2].id).await.unwrap());
    assert!(!letters.redrive(&all[2].id).await.unwrap());
    assert_eq!(drain(&mut queue).await, bodies(1..=3));
    let figures = server.queue(&name).await.unwrap();
    assert_eq!((figures.dead, figures.parked), (Some(1), Some(0)));
}

/// Each redrive is given up at some point: before it began, on its way, or just when it was done.
pub(super) async fn a_redrive_that_is_interrupted_loses_nothing(place: &Place) {
    const LETTERS: usize = 60;
    let name = name("orders");
    let mut queue = open(place, &name).await;
    let packets: Vec<_> = (0..LETTERS).map(packet).collect();
    kill(&queue, &packets).await;
    let server = look(place, &name).await;
    until("all are dead", async || server.queue(&name).await.unwrap().dead == Some(LETTERS as u64)).await;
    let mut given_up = 0;
    let first = server.letters(&name);
    let all = pages(&first, 1000).await;
    first.close().await;
    for (turn, letter) in all.into_iter().enumerate() {
        // Another one each time, as another run of a command has.
        let letters = server.letters(&name);
        let patience = Duration::from_micros(if place.is_leased { 2_000 } else { 40 }) * u32::try_from(turn).unwrap();
        given_up += usize::from(timeout(patience, letters.redrive(&letter.id)).await.is_err());
        if turn >= 8 && place.is_leased {
            break;
        }
    }
    // In memory it is one step, between whose beginning and end nobody comes.
    let is_one_step = place.server().server() == convoke::look::ServerKind::Memory;
    assert!(given_up > 0 || is_one_step, "none was interrupted");
    // And then it goes on.
    until("all are back", async || {
        let letters = server.letters(&name);
        let page = pages(&letters, 100).await;
        for letter in &page {
            // Another run that was given up may still be at it.
            letters.redrive(&letter.id).await.unwrap();
        }
        letters.close().await;
        // What a run that was given up has received is back only after its lease.
        page.is_empty() && server.queue(&name).await.unwrap().dead == Some(0)
    })
    .await;
    queue.open(100).await.unwrap();
    let mut counts = BTreeMap::new();
    for body in drain(&mut queue).await {
        *counts.entry(body).or_insert(0) += 1;
    }
    let mut expected = bodies(0..LETTERS);
    expected.sort_unstable();
    assert_eq!(counts.keys().cloned().collect::<Vec<_>>(), expected, "nothing is lost");
    if !place.is_leased {
        assert!(counts.values().all(|count| *count == 1), "nothing is double: {counts:?}");
    }
}

pub(super) async fn two_who_redrive_at_once_share_the_letters(place: &Place) {
    const LETTERS: usize = 30;
    // What is read under a lease nobody else sees meanwhile.
    if place.is_leased {
        return;
    }
    let name = name("orders");
    let mut queue = open(place, &name).await;
    kill(&queue, &(0..LETTERS).map(packet).collect::<Vec<_>>()).await;
    let (one, other) = (look(place, &name).await, look(place, &name).await);
    let all = async |server: &convoke::look::Server| {
        let letters = server.letters(&name);
        let mut moved = 0;
        for letter in pages(&letters, 7).await {
            moved += usize::from(letters.redrive(&letter.id).await.unwrap());
        }
        moved
    };
    let (one, other) = tokio::join!(all(&one), all(&other));
    assert_eq!(one + other, LETTERS);
    queue.open(100).await.unwrap();
    assert_eq!(drain(&mut queue).await.len(), LETTERS);
}

pub(super) async fn pages_go_on_behind_what_is_redriven(place: &Place) {
    const LETTERS: usize = 23;
    let name = name("orders");
    let mut queue = open(place, &name).await;
    kill(&queue, &(0..LETTERS).map(packet).collect::<Vec<_>>()).await;
    let server = look(place, &name).await;
    until("all are dead", async || server.queue(&name).await.unwrap().dead == Some(LETTERS as u64)).await;
    let letters = server.letters(&name);
    let mut after: Option<LetterId> = None;
    let mut moved = 0;
    loop {
        let page = letters.page(after.as_ref(), 5).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        for letter in page {
            assert!(letters.redrive(&letter.id).await.unwrap());
            moved += 1;
        }
    }
    assert_eq!(moved, LETTERS);
    queue.open(100).await.unwrap();
    assert_eq!(drain(&mut queue).await.len(), LETTERS);
}
