//! A predicate that panics, and a look at a round that is no look at what came after it.

use convoke::prelude::*;
use convoke::testing::{self, expect_failure};
use convoke::{OnLost, Release};

use super::{Look, end_of, red_until};
use crate::common::SECOND;

/// A round whose predicate panics, and its outcome.
async fn undecided() -> Outcome<u32> {
    let broker = Broker::new(SECOND).release(Release::when(|_| panic!("in the predicate"))).start();
    let stock = Emitter::join(&broker, "stock").await.unwrap();
    let _payment = Emitter::join(&broker, "payment").await.unwrap();
    stock.emit(3).await.unwrap()
}

#[test]
fn a_predicate_that_panics_is_seen_by_the_outcome_of_its_round() {
    let text = "`a predicate`: the predicate of `Release::when` panicked";
    let looks: [(_, Look<Outcome<u32>>); 4] = [
        ("its cause", |outcome| assert_eq!(outcome.cause().unwrap().to_string(), "the session was lost")),
        ("that it was cancelled", |outcome| assert!(outcome.is_cancelled())),
        ("that it was not resolved", |outcome| assert!(!outcome.is_resolved())),
        ("its text", |outcome| assert!(outcome.to_string().contains("the session was lost"))),
    ];
    for (what, look) in looks {
        println!("{what}");
        red_until(text, async |_| drop(undecided().await), async |_| look(undecided().await));
    }
    let expected = end_of(async |_| {
        expect_failure("a predicate");
        drop(undecided().await);
    });
    assert_eq!(expected, Ok(()));
}

#[test]
fn a_look_at_a_round_is_none_at_what_panicked_after_it() {
    let rounds = async |again: bool| {
        let broker = Broker::new(SECOND).on_lost(OnLost::Shrink).start();
        let stock = Emitter::join(&broker, "stock").await.unwrap();
        let (mut asked, mut held) = (0, Vec::new());
        let payment = Emitter::new("payment").on_summons(move |pledge: Pledge<u32>| {
            asked += 1;
            assert!(asked < 2, "at the second summons");
            held.push(pledge);
        });
        let _payment = Emitter::join(&broker, payment).await.unwrap();
        let first = stock.emit(1).await.unwrap();
        assert!(first.is_cancelled());
        assert!(stock.emit(2).await.unwrap().is_resolved());
        testing::settle().await;
        if again {
            assert!(first.to_string().contains("missing payment"), "{first}");
        }
    };
    for again in [false, true] {
        let end = end_of(async |_| rounds(again).await).unwrap_err();
        assert!(end.contains("`payment`: panicked: at the second summons"), "{end}");
    }
}

#[test]
fn who_is_missing_and_panics_when_it_is_told_so_is_seen() {
    let told = async || {
        let broker = Broker::new(SECOND).start();
        let stock = Emitter::join(&broker, "stock").await.unwrap();
        let payment = Emitter::<u32>::new("payment").on_outcome(|_| panic!("at the outcome"));
        let _payment = Emitter::join(&broker, payment).await.unwrap();
        let outcome = stock.emit(1).await.unwrap();
        testing::settle().await;
        assert!(outcome.is_cancelled());
    };
    red_until(
        "`payment`: panicked: at the outcome",
        async |_| told().await,
        async |_| {
            expect_failure("payment");
            told().await;
        },
    );
}
