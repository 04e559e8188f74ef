//! What work that was summoned can learn: whether it is still wanted, what it is for, and what others have said.

use convoke::prelude::*;

use crate::common::{Notes, SECOND, after, assert_lost, at_once, join_all, missing, ms, settled, sleep};

type Shop = Broker<&'static str>;

/// A payment that puts its pledges aside.
async fn payment(broker: &actix::Addr<Shop>) -> (EmitterHandle<&'static str>, Notes<Pledge<&'static str>>) {
    let pledges = Notes::new();
    let notes = pledges.clone();
    let emitter = Emitter::new("payment").on_summons(move |pledge| notes.add(pledge));
    (Emitter::join(broker, emitter).await.unwrap(), pledges)
}

#[convoke::test]
async fn a_pledge_tells_what_the_opener_emitted_and_what_came_since() {
    let broker = Shop::new(SECOND).start();
    let [shop, stock] = join_all(&broker, ["shop", "stock"]).await;
    let (_payment, pledges) = payment(&broker).await;
    let round = shop.emit("order 7");
    settled().await;
    let pledge = pledges.pop().unwrap();
    assert_eq!((pledge.subject(), pledge.so_far()), (Some("order 7"), vec!["order 7"]));
    stock.do_emit("3 left").unwrap();
    settled().await;
    assert_eq!((pledge.subject(), pledge.so_far()), (Some("order 7"), vec!["order 7", "3 left"]));
    pledge.keep("paid");
    assert_eq!(at_once(round).await.unwrap().payloads(), ["order 7", "3 left", "paid"]);
}

#[convoke::test]
async fn a_predicate_and_a_replaced_signal_see_the_same_as_the_pledges() {
    let three = Release::when(|gathered| gathered.payloads() == ["3 left", "order 8", "paid"]);
    let broker = Shop::new(SECOND).repeat_emit(RepeatEmit::Replaces).release(three).start();
    let [shop, stock] = join_all(&broker, ["shop", "stock"]).await;
    let (_payment, pledges) = payment(&broker).await;
    let round = shop.emit("order 7");
    settled().await;
    stock.do_emit("3 left").unwrap();
    shop.do_emit("order 8").unwrap();
    settled().await;
    let pledge = pledges.pop().unwrap();
    assert_eq!((pledge.subject(), pledge.so_far()), (Some("3 left"), vec!["3 left", "order 8"]));
    pledge.keep("paid");
    assert!(at_once(round).await.unwrap().is_resolved());
}

#[convoke::test]
async fn work_learns_that_its_round_is_over_however_it_ends() {
    for end in ["veto", "abort", "timeout", "lost", "stop"] {
        let broker = Shop::new(SECOND).start();
        let [shop, stock] = join_all(&broker, ["shop", "stock"]).await;
        let (payment, pledges) = payment(&broker).await;
        let round = shop.emit("order 7");
        settled().await;
        let pledge = pledges.pop().unwrap();
        assert!(pledge.is_open());
        let learned = Notes::new();
        let notes = learned.clone();
        actix::spawn(async move {
            pledge.closed().await;
            assert!(!pledge.is_open());
            assert_eq!((pledge.subject(), pledge.so_far()), (None, vec![]));
            // It is at once now.
            pledge.closed().await;
            notes.add(pledge);
        });
        settled().await;
        assert_eq!(learned.len(), 0);
        match end {
            "veto" => drop(stock.veto("sold out")),
            "abort" => broker.abort("enough").await.unwrap(),
            "timeout" => sleep(SECOND).await,
            "lost" => drop(stock),
            _ => broker.stop(),
        }
        settled().await;
        assert_eq!(learned.len(), 1, "{end}");
        assert!(at_once(round).await.unwrap().is_cancelled());
        drop((payment, learned.take()));
    }
}

#[convoke::test]
async fn a_round_that_was_resolved_without_it_wants_no_more_work() {
    let broker = Shop::new(SECOND).release(Release::at_least(1)).start();
    let [shop] = join_all(&broker, ["shop"]).await;
    let emitter = Emitter::new("payment").on_summons(|_: Pledge<_>| panic!("the round was over before it was asked"));
    let _payment = Emitter::join(&broker, emitter).await.unwrap();
    assert!(at_once(shop.emit("order 7")).await.unwrap().is_resolved());
}

#[convoke::test]
async fn on_summons_may_be_asynchronous_and_its_rounds_run_beside_each_other() {
    let broker = Shop::new(SECOND).start();
    let [shop] = join_all(&broker, ["shop"]).await;
    let emitter = Emitter::new("payment").on_summons(async |pledge| {
        sleep(ms(300)).await;
        pledge.keep("paid");
    });
    let payment = Emitter::join(&broker, emitter).await.unwrap();
    let rounds = [1, 2, 3].map(|order| shop.emit_for(order, "order"));
    sleep(ms(300)).await;
    for round in rounds {
        assert_eq!(at_once(round).await.unwrap().payload("payment"), Some(&"paid"));
    }
    // It ends with its emitter, and the promise is lost at once.
    let round = shop.emit_for(4, "order");
    sleep(ms(100)).await;
    drop(payment);
    assert_lost(&at_once(round).await.unwrap(), "payment");
}

#[convoke::test]
async fn payment_does_not_charge_when_stock_has_vetoed() {
    let broker = Shop::new(SECOND).expects(["stock", "payment"]).start();
    let charged = Notes::new();
    let notes = charged.clone();
    let emitter = Emitter::new("payment").on_summons(move |pledge| {
        let notes = notes.clone();
        async move {
            tokio::select! {
                () = sleep(ms(300)) => {
                    notes.add(pledge.subject());
                    pledge.keep("paid");
                }
                () = pledge.closed() => {}
            }
        }
    });
    let _payment = Emitter::join(&broker, emitter).await.unwrap();
    let [stock] = join_all(&broker, ["stock"]).await;
    let round = stock.emit_for(1, "order 1");
    sleep(ms(100)).await;
    drop(stock.veto_for(1, "sold out"));
    assert!(at_once(round).await.unwrap().is_cancelled());
    sleep(SECOND).await;
    assert_eq!(charged.take(), []);
    assert!(after(ms(300), stock.emit_for(2, "order 2")).await.unwrap().is_resolved());
    assert_eq!(charged.take(), [Some("order 2")]);
}

#[convoke::test]
async fn a_pledge_in_another_thread_learns_it_too() {
    let broker = Shop::new(SECOND).start();
    let [shop] = join_all(&broker, ["shop"]).await;
    let (_payment, pledges) = payment(&broker).await;
    let round = shop.emit("order 7");
    settled().await;
    let pledge = pledges.pop().unwrap();
    let (pledge, subject) = std::thread::spawn(move || {
        let subject = pledge.subject();
        (pledge, subject)
    })
    .join()
    .unwrap();
    assert_eq!((subject, pledge.is_open()), (Some("order 7"), true));
    let outcome = after(SECOND, round).await.unwrap();
    assert_eq!((missing(&outcome), pledge.is_open()), (vec!["payment"], false));
}
