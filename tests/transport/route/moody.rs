//! Routes whose publisher panics, says too little, refuses or hangs.

use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::transport::{Abilities, BoxFuture, ErrorKind, Memory, MemoryQueue, Packet, Publisher, TransportError};

use super::away::{OrderPlaced, dead, left, shop};
use crate::common::{SECOND, after, ms, sleep};

/// Does at the first calls as it is told, and takes what comes after them.
#[derive(Clone)]
struct Moody(Arc<Mutex<Vec<Mood>>>, MemoryQueue);

#[derive(Clone, Copy)]
enum Mood {
    PanicsInTheCall,
    Panics,
    SaysLess,
    Refuses,
    Hangs,
}

impl Moody {
    fn new(moods: impl IntoIterator<Item = Mood>) -> Self {
        let mut moods: Vec<_> = moods.into_iter().collect();
        moods.reverse();
        Self(Arc::new(Mutex::new(moods)), Memory::queue("out"))
    }
}

impl Publisher for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn abilities(&self) -> Abilities {
        Publisher::abilities(&self.1)
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        let mood = self.0.lock().unwrap().pop();
        assert!(!matches!(mood, Some(Mood::PanicsInTheCall)), "as told");
        Box::pin(async move {
            sleep(ms(30)).await;
            match mood {
                None | Some(Mood::PanicsInTheCall) => self.1.publish(packets).await,
                Some(Mood::Panics) => panic!("as told"),
                Some(Mood::SaysLess) => self.1.publish(&packets[..packets.len() - 1]).await,
                Some(Mood::Refuses) => {
                    let refused = TransportError::new(ErrorKind::Unreachable, "moody", "the connection was refused");
                    vec![Err(refused); packets.len()]
                }
                Some(Mood::Hangs) => std::future::pending().await,
            }
        })
    }
}

#[convoke::test]
async fn a_publisher_that_panics_or_says_too_little_fails_what_it_had_and_nothing_else() {
    let silent = "failed: moody: it did not say whether it took a packet";
    for (mood, text) in [
        (Mood::PanicsInTheCall, "failed: moody: panicked: as told"),
        (Mood::Panics, "failed: moody: panicked: as told"),
        (Mood::SaysLess, silent),
    ] {
        let (bus, moody) = (shop(), Moody::new([mood]));
        let _out = Route::new("**", moody.clone()).open(&bus).unwrap();
        bus.publish(OrderPlaced { id: 0 }).unwrap();
        sleep(ms(1)).await;
        for id in 1..6 {
            bus.publish(OrderPlaced { id }).unwrap();
        }
        bus.drain().await;
        assert_eq!(dead(&bus), [0]);
        assert_eq!(bus.dead_letters().list()[0].reason.to_string(), text);
        assert_eq!(left(&moody.1), [1, 2, 3, 4, 5]);
    }
    // Of many, those have left that it says so of.
    let (bus, moody) = (shop(), Moody::new([Mood::SaysLess; 2]));
    let _out = Route::new("**", moody.clone()).open(&bus).unwrap();
    for id in 0..5 {
        bus.publish(OrderPlaced { id }).unwrap();
    }
    bus.drain().await;
    let letters = bus.dead_letters().list();
    assert!(letters.iter().all(|letter| letter.reason.to_string() == silent), "{letters:?}");
    let mut all = [left(&moody.1), dead(&bus)].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..5) && !letters.is_empty());
}

#[convoke::test]
async fn a_publisher_that_hangs_once_holds_a_route_up_once() {
    let (bus, moody) = (shop(), Moody::new([Mood::Hangs]));
    let _out = Route::new("**", moody.clone()).open(&bus).unwrap();
    let first = bus.emit(OrderPlaced { id: 1 });
    let behind = async {
        sleep(ms(1)).await;
        bus.emit(OrderPlaced { id: 2 }).await
    };
    let late = async {
        sleep(40 * SECOND).await;
        bus.emit(OrderPlaced { id: 3 }).await
    };
    let (first, behind, late) = tokio::join!(first, behind, late);
    let text = "failed: moody: nobody said within 30s whether the server has ";
    assert!(first.to_string().ends_with(&format!("{text}it")), "{first}");
    assert!(behind.to_string().ends_with(&format!("{text}what goes before it")), "{behind}");
    late.ok().unwrap();
    after(ms(30), bus.emit(OrderPlaced { id: 4 })).await.ok().unwrap();
    assert_eq!(left(&moody.1), [3, 4]);
}

#[convoke::test]
async fn who_waits_behind_others_hears_what_is_wrong_with_the_server() {
    let (bus, moody) = (shop(), Moody::new([Mood::Refuses, Mood::Hangs]));
    let _out = Route::new("**", moody.clone()).timeout(SECOND).open(&bus).unwrap();
    let behind = async {
        sleep(ms(1)).await;
        bus.emit(OrderPlaced { id: 2 }).await
    };
    let (first, behind) = tokio::join!(bus.emit(OrderPlaced { id: 1 }), behind);
    assert!(first.to_string().ends_with("moody: the connection was refused; it was tried for 1s"), "{first}");
    assert!(
        behind.to_string().ends_with("moody: the connection was refused; it waited behind others for 1s"),
        "{behind}"
    );
}
