//! Dead letters: read, deleted, paged.

use convoke::look::{LetterId, Reading};
use convoke::prelude::*;
use convoke::transport::{AnyQueue, DeadReason, ErrorKind, Source};
use serde::{Deserialize, Serialize};

use super::place::name;
use super::{Place, bodies, body, drain, kill, look, open, packet, pages, publish, until};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// A worker whose listener fails with this error, until it is told that all is well.
async fn worked_on(queue: &AnyQueue, error: Option<&'static str>) -> u64 {
    let bus = EventBus::default();
    let listen = move |_: &OrderPlaced| error.map_or(Ok(()), Err);
    let _listener = bus.on(listen.named("bill")).unwrap();
    let worker = Worker::new(queue.clone(), &bus).retry(Retry::never()).start().await.unwrap();
    until("it is worked on", async || worker.report().done + worker.report().dead > 0).await;
    let report = worker.drain().await.unwrap();
    report.done
}

pub(super) async fn a_letter_says_why_it_died_and_is_done_when_it_is_redriven(place: &Place) {
    let name = name("orders");
    let queue = open(place, &name).await;
    let out = EventBus::builder().publisher("Shop").build();
    let _route = Route::new("Shop/*", queue.clone()).open(&out).unwrap();
    out.emit(OrderPlaced { id: 7 }).await.ok().unwrap();
    assert_eq!(worked_on(&queue, Some("it has no price")).await, 0);

    let server = look(place, &name).await;
    until("it is dead", async || server.queue(&name).await.unwrap().dead == Some(1)).await;
    let letters = server.letters(&name);
    assert_eq!(letters.reading() == Reading::UnderALease, place.is_leased);
    let page = letters.page(None, 10).await.unwrap();
    let [letter] = &page[..] else { panic!("{page:?}") };
    let record = letter.record.as_ref().unwrap();
    assert_eq!((record.reason, record.attempts), (DeadReason::Exhausted, 1));
    assert!(record.errors.iter().any(|error| error.contains("it has no price")), "{record:?}");
    assert!(record.source.contains(&name), "{record:?}");
    assert!(!letter.in_place && letter.parked == 0);
    assert!(body(letter).contains("\"id\":7"), "{}", body(letter));
    // SQS has no place for it beside the body.
    assert!(["orders/placed", ""].contains(&letter.packet.topic.as_str()));
    // Its record is not an attribute of what comes back.
    assert!(letter.packet.attributes.iter().all(|(name, _)| name != convoke::transport::DEAD_LETTER));

    let typed: LetterId = letter.id.to_string().parse().unwrap();
    assert_eq!(letters.get(&typed).await.unwrap().as_ref(), Some(letter));
    assert!(letters.page(Some(&typed), 10).await.unwrap().is_empty());
    assert_eq!(letters.get(&"p999999".parse().unwrap()).await.unwrap(), None);
    // Whoever debugs it sees neither body nor key.
    assert!(!format!("{letter:?}").contains("\"id\":7"));

    assert!(letters.redrive(&typed).await.unwrap());
    assert!(!letters.redrive(&typed).await.unwrap(), "it is there no more");
    assert_eq!(letters.get(&typed).await.unwrap(), None);
    letters.close().await;
    until("it is back", async || {
        let figures = server.queue(&name).await.unwrap();
        (figures.waiting, figures.dead) == (Some(1), Some(0))
    })
    .await;
    assert_eq!(worked_on(&queue, None).await, 1);
    until("it is done", async || server.queue(&name).await.unwrap().waiting == Some(0)).await;
}

pub(super) async fn letters_are_read_page_by_page_and_each_once(place: &Place) {
    let name = name("orders");
    let queue = open(place, &name).await;
    let packets: Vec<_> = (0..25).map(packet).collect();
    kill(&queue, &packets).await;
    let server = look(place, &name).await;
    until("all are dead", async || server.queue(&name).await.unwrap().dead == Some(25)).await;
    for most in [1, 10, 25, 1000] {
        let letters = server.letters(&name);
        let all = pages(&letters, most).await;
        let mut read: Vec<_> = all.iter().map(body).collect();
        if place.is_leased {
            read.sort_unstable();
        }
        let mut expected = bodies(0..25);
        if place.is_leased {
            expected.sort_unstable();
        }
        assert_eq!(read, expected, "by {most}");
        // What was read under a lease is given back.
        letters.close().await;
        assert_eq!(server.queue(&name).await.unwrap().dead, Some(25));
    }
    assert!(server.letters(&name).page(None, 0).await.unwrap().is_empty());
    // Nothing was taken: whoever works on them gets each.
    if !place.is_leased {
        let mut dead = AnyQueue::at(&place.address(&format!("{name}-dead"))).await.unwrap();
        dead.open(100).await.unwrap();
        assert_eq!(drain(&mut dead).await.len(), 25);
        assert!(server.letters(&name).page(None, 10).await.unwrap().is_empty());
    }
}

pub(super) async fn what_is_discarded_is_gone(place: &Place) {
    let name = name("orders");
    let mut queue = open(place, &name).await;
    kill(&queue, &[packet(1), packet(2), packet(3)]).await;
    let server = look(place, &name).await;
    let letters = server.letters(&name);
    until("all are dead", async || server.queue(&name).await.unwrap().dead == Some(3)).await;
    let page = pages(&letters, 10).await;
    let second = page.iter().find(|letter| body(letter).contains('2')).unwrap();
    assert!(letters.discard(&second.id).await.unwrap());
    assert!(!letters.discard(&second.id).await.unwrap());
    assert!(!letters.redrive(&second.id).await.unwrap());
    for letter in pages(&letters, 10).await {
        assert!(letters.redrive(&letter.id).await.unwrap());
    }
    queue.open(10).await.unwrap();
    let mut back = drain(&mut queue).await;
    back.sort_unstable();
    assert_eq!(back, bodies([1, 3]));
}

pub(super) async fn a_letter_without_a_record_has_none(place: &Place) {
    let name = name("orders");
    let queue = open(place, &name).await;
    // As a server does it that counts by itself.
    if place.server().server() == convoke::look::ServerKind::Memory {
        return;
    }
    let dead = open(place, &format!("{name}-dead")).await;
    publish(&dead, &[packet(1)]).await;
    let server = look(place, &name).await;
    let letters = server.letters(&name);
    let mut page = Vec::new();
    until("it is there", async || {
        page = letters.page(None, 10).await.unwrap();
        !page.is_empty()
    })
    .await;
    assert_eq!((page.len(), &page[0].record, body(&page[0])), (1, &None, bodies([1]).remove(0)));
    assert!(letters.redrive(&page[0].id).await.unwrap());
    let mut queue = queue;
    queue.open(1).await.unwrap();
    assert_eq!(drain(&mut queue).await, bodies([1]));
}

pub(super) async fn a_queue_of_dead_letters_is_not_taken_for_another(place: &Place) {
    let name = name("orders");
    let _queue = open(place, &name).await;
    let server = look(place, &name).await;
    let letters = server.letters(&format!("{name}-dead"));
    let error = letters.page(None, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    let id: LetterId = "1".parse().unwrap();
    for error in [letters.get(&id).await.err(), letters.redrive(&id).await.err(), letters.discard(&id).await.err()] {
        assert_eq!(error.map(|error| error.kind()), Some(ErrorKind::Unsupported));
    }
}
