//! What work that was summoned can learn: whether it is still wanted, what it is for, and what others have said; and how
//! long it lives.

use std::future::pending;
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{RoundId, testing};

use crate::common::{
    Notes, SECOND, after, assert_lost, at_once, cause, join_all, missing, ms, on_a_system, settled, sleep,
};

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

/// Work that never ends, and notes of which round it was when it is dropped.
fn hangs(ended: &Notes<RoundId>) -> Emitter<&'static str> {
    struct Ends(RoundId, Notes<RoundId>);

    impl Drop for Ends {
        fn drop(&mut self) {
            self.1.add(self.0);
        }
    }

    let ended = ended.clone();
    Emitter::new("payment").on_summons(move |pledge: Pledge<&'static str>| {
        let ends = Ends(pledge.round(), ended.clone());
        async move {
            pending::<()>().await;
            drop((pledge, ends));
        }
    })
}

#[convoke::test]
async fn work_that_never_ends_outlives_its_round_and_not_its_emitter() {
    for end in ["dropped", "left", "the broker of one for ever"] {
        let broker = Shop::new(SECOND).start();
        let [shop] = join_all(&broker, ["shop"]).await;
        let ended = Notes::new();
        let payment = Emitter::join(&broker, hangs(&ended)).await.unwrap();
        for _ in 0..2 {
            assert_eq!(missing(&after(SECOND, shop.emit("order")).await.unwrap()), ["payment"]);
        }
        sleep(60 * SECOND).await;
        assert_eq!(ended.len(), 0, "it may still clean up what it has begun");
        match end {
            "dropped" => drop(payment),
            "left" => payment.leave(),
            _ => {
                let _ = payment.forever();
                settled().await;
                assert_eq!(ended.len(), 0);
                broker.stop();
            }
        }
        settled().await;
        assert_eq!(ended.take().iter().map(|round| round.get()).collect::<Vec<_>>(), [1, 2], "{end}");
    }
}

#[convoke::test]
async fn work_goes_on_after_its_promise_while_somebody_holds_its_emitter() {
    let broker = Shop::new(SECOND).start();
    let [shop] = join_all(&broker, ["shop"]).await;
    let written = Notes::new();
    let notes = written.clone();
    let emitter = Emitter::new("payment").on_summons(move |pledge: Pledge<_>| {
        let notes = notes.clone();
        async move {
            pledge.keep("paid");
            sleep(SECOND).await;
            notes.add("a receipt");
        }
    });
    let payment = Emitter::join(&broker, emitter).await.unwrap();
    assert!(at_once(shop.emit("order")).await.unwrap().is_resolved());
    let address = payment.addr().clone();
    payment.leave();
    sleep(SECOND).await;
    settled().await;
    assert_eq!(written.take(), ["a receipt"]);
    drop(address);
}

#[convoke::test]
async fn what_is_left_alive_says_which_rounds_its_work_hangs_at() {
    let broker = Shop::new(SECOND).start();
    let [shop] = join_all(&broker, ["shop"]).await;
    let payment = Emitter::join(&broker, hangs(&Notes::new())).await.unwrap();
    let named = || testing::alive().into_iter().find(|label| label.starts_with("the emitter `payment`")).unwrap();
    assert_eq!(named(), "the emitter `payment`");
    for text in ["round #1", "2 rounds, the first of them #1", "3 rounds, the first of them #1"] {
        assert!(after(SECOND, shop.emit("order")).await.unwrap().is_cancelled());
        assert_eq!(named(), format!("the emitter `payment` (`on_summons` has not ended for {text})"));
    }
    drop(payment);
}

/// Notes, whenever it is woken, what its pledge says.
#[derive(Default)]
struct Looks {
    pledge: Mutex<Option<Pledge<&'static str>>>,
    /// Each time what the round is about, and whether it is open.
    seen: Mutex<Vec<(Option<&'static str>, bool)>>,
}

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let pledge = self.pledge.lock().unwrap();
        self.seen.lock().unwrap().extend(pledge.as_ref().map(|pledge| (pledge.subject(), pledge.is_open())));
    }
}

#[convoke::test]
async fn whoever_is_woken_by_the_end_finds_no_round_that_is_open_and_about_nothing() {
    let broker = Shop::new(SECOND).start();
    let [shop] = join_all(&broker, ["shop"]).await;
    let (_payment, pledges) = payment(&broker).await;
    let looks = Arc::new(Looks::default());
    let waker = Waker::from(looks.clone());
    let mut round = pin!(shop.emit("order 7"));
    assert!(round.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    settled().await;
    *looks.pledge.lock().unwrap() = pledges.pop();
    broker.abort("enough").await.unwrap();
    settled().await;
    assert!(matches!(round.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(Outcome::Cancelled(_)))));
    assert_eq!(*looks.seen.lock().unwrap(), [(None, false)]);
}

#[test]
fn on_another_thread_a_round_that_is_open_is_about_something() {
    on_a_system(async {
        let broker = Shop::new(60 * SECOND).start();
        let (given, taken) = mpsc::channel::<Pledge<&'static str>>();
        let looker = std::thread::spawn(move || {
            let mut looks = 0_u64;
            for pledge in taken {
                while pledge.subject().is_some() {
                    looks += 1;
                }
                assert!(!pledge.is_open(), "open, and about nothing, after {looks} looks");
            }
            looks
        });
        let emitter = Emitter::new("payment").on_summons(move |pledge| given.send(pledge).unwrap());
        let payment = Emitter::join(&broker, emitter).await.unwrap();
        let [shop] = join_all(&broker, ["shop"]).await;
        for _ in 0..2_000 {
            let round = shop.emit("order");
            tokio::task::yield_now().await;
            broker.abort("enough").await.unwrap();
            assert!(round.await.unwrap().is_cancelled());
        }
        drop(payment);
        // Its actor, which sends the pledges, ends on this arbiter.
        while !looker.is_finished() {
            actix::clock::sleep(ms(1)).await;
        }
        println!("figure: {} looks", looker.join().unwrap());
    });
}

#[test]
fn a_predicate_that_looks_at_a_pledge_of_its_round_ends_it_and_hangs_nobody() {
    let (told, outcomes) = mpsc::channel();
    std::thread::spawn(move || {
        on_a_system(async {
            // It is poisoned when the predicate panics.
            let pledges = Arc::new(Mutex::new(Vec::<Pledge<&'static str>>::new()));
            let seen = pledges.clone();
            let looks = Release::when(move |gathered| {
                let pledges = seen.lock().unwrap_or_else(PoisonError::into_inner);
                pledges.first().is_some_and(|pledge| pledge.so_far() == gathered.payloads())
            });
            let broker = Shop::new(60 * SECOND).release(looks).start();
            let emitter = Emitter::new("payment")
                .on_summons(move |pledge| pledges.lock().unwrap_or_else(PoisonError::into_inner).push(pledge));
            let _payment = Emitter::join(&broker, emitter).await.unwrap();
            let [shop, stock] = join_all(&broker, ["shop", "stock"]).await;
            let round = shop.emit("order 7");
            actix::clock::sleep(ms(20)).await;
            stock.do_emit("3 left").unwrap();
            told.send(cause(&round.await.unwrap())).unwrap();
            // The arbiter and its broker are as well as before.
            told.send(cause(&{
                let round = shop.emit_for(2, "order 8");
                actix::clock::sleep(ms(20)).await;
                broker.abort_for(2, "enough").await.unwrap();
                round.await.unwrap()
            }))
            .unwrap();
        });
    });
    let cause = || outcomes.recv_timeout(Duration::from_secs(20)).expect("the arbiter hangs");
    assert_eq!(cause(), Cause::SessionLost);
    assert_eq!(cause().to_string(), "aborted: enough");
}
