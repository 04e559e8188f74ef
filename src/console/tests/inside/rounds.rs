//! Rounds that wait, and brokers that do not answer.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use convoke::prelude::*;
use convoke_console::Shown;

use super::stage::{page, site, views};

const LONG: Duration = Duration::from_secs(600);

#[actix_web::test]
async fn an_open_round_says_who_has_answered_who_is_missing_and_why_it_waits() {
    let broker = Broker::<u32>::new(LONG).expects(["stock", "payment", "fraud"]).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let _payment = Emitter::join(&broker, "payment").await.unwrap();
    let waiting = actix_web::rt::spawn(stock.emit_for("order-7", 3));
    let shown = Shown::new("shop").broker("orders", &broker);
    let site = site(&shown, views).await;
    actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    let text = page(&site, "/rounds").await;
    assert!(text.contains("of order-7"), "{text}");
    assert!(text.contains("it waits for payment, and nobody has joined as fraud"), "{text}");
    for (party, class) in [("stock", "kept"), ("payment", "waits"), ("fraud", "nobody")] {
        let (_, row) = text.split_once(&format!("<th scope=\"row\">{party}</th>")).unwrap();
        assert!(row.starts_with(&format!("<td><svg class=\"party {class}\"")), "{party}: {row:.200}");
    }
    broker.abort_for("order-7", "no <i>more</i>").await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_cancelled());
    actix_web::rt::time::sleep(Duration::from_millis(950)).await;
    let text = page(&site, "/rounds/of?name=orders&key=order").await;
    assert!(text.contains("cancelled</span>") && text.contains("no &#60;i&#62;more&#60;/i&#62;"), "{text}");
    assert!(text.contains("missing: payment"), "{text}");
    assert!(!page(&site, "/rounds/of?name=orders&key=other").await.contains("cancelled</span>"));
    assert_eq!(site.get("/convoke/rounds/of?name=others").await.status, 404);
}

#[actix_web::test]
async fn who_is_always_last_is_told() {
    let broker = Broker::<u32>::new(LONG).expects(["quick", "slow"]).start();
    let quick = Emitter::join(&broker, "quick").await.unwrap();
    let slow = Emitter::join(&broker, "slow").await.unwrap();
    for _ in 0..3 {
        let (first, second) = tokio::join!(quick.emit(1), slow.emit(2));
        assert!(first.unwrap().is_resolved() && second.unwrap().is_resolved());
    }
    let site = site(&Shown::new("shop").broker("orders", &broker), views).await;
    let text = page(&site, "/rounds/of?name=orders").await;
    assert!(text.contains("slow <span class=\"badge warn\">most often last</span>"), "{text}");
    assert_eq!(text.matches("resolved</span>").count(), 3, "{text}");
}

/// A broker on an arbiter of its own, which stands still until this is dropped.
struct Blocked {
    _release: mpsc::Sender<()>,
}

async fn blocked() -> (Addr<Broker<u32>>, Blocked) {
    let (told, address) = tokio::sync::oneshot::channel();
    let (release, released) = mpsc::channel::<()>();
    let arbiter = Arbiter::new();
    arbiter.spawn_fn(move || drop(told.send(Broker::<u32>::new(LONG).start())));
    let broker = address.await.unwrap();
    let (begun, begins) = tokio::sync::oneshot::channel();
    arbiter.spawn_fn(move || {
        let _ = begun.send(());
        // An error is the end of who blocks it.
        let _ = released.recv();
    });
    begins.await.unwrap();
    (broker, Blocked { _release: release })
}

#[actix_web::test]
async fn an_arbiter_that_is_blocked_makes_its_own_card_late_and_no_other_page_slow() {
    let (stuck, blocks) = blocked().await;
    let alive = Broker::<u32>::new(LONG).start();
    let _stock = Emitter::join(&alive, "stock").await.unwrap();
    let shown = Shown::new("shop").broker("stuck", &stuck).broker("alive", &alive);
    let site = site(&shown, views).await;
    let began = Instant::now();
    let text = page(&site, "/rounds").await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let (of_stuck, of_alive) = text.split_once("name=alive").unwrap();
    assert!(of_stuck.contains("It has not answered for"), "{of_stuck}");
    assert!(
        !of_alive.contains("It has not answered for") && of_alive.contains("<dt>Open</dt><dd>0</dd>"),
        "{of_alive}"
    );
    // It is asked once, however often somebody looks, and answers when it can.
    for _ in 0..2 {
        assert!(page(&site, "/rounds").await.contains("It has not answered for"));
    }
    drop(blocks);
    let mut text = String::new();
    for _ in 0..100 {
        text = page(&site, "/rounds").await;
        if !text.contains("It has not answered for") {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!text.contains("It has not answered for"), "{text}");
}

#[actix_web::test]
async fn of_a_hundred_thousand_open_rounds_the_first_are_shown() {
    let broker = Broker::<u32>::new(LONG).expects(["stock", "payment"]).max_open(200_000).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let mut waiting = Vec::new();
    for order in 0..100_000_u64 {
        waiting.push(stock.emit_for(order, 1));
        if order % 500 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let site = site(&Shown::new("shop").broker("orders", &broker), views).await;
    let mut text = String::new();
    for _ in 0..200 {
        text = page(&site, "/rounds/of?name=orders").await;
        if text.contains("<dt>Open</dt><dd>100,000</dd>") {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(text.contains("<dt>Open</dt><dd>100,000</dd>"), "{:.3000}", text);
    assert_eq!(text.matches("<article class=\"round\">").count(), 100);
    assert!(text.len() < 300_000, "{} bytes", text.len());
    drop(waiting);
}
