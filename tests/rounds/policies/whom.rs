//! What a predicate sees of who has answered: by name, by weight, who owes and who has vetoed.

use std::time::Duration;

use convoke::prelude::*;
use convoke::{EmitterSpec, Gathered};
use uuid::Uuid;

use crate::common::{Notes, SECOND, after, at_once, cause, join_all, kept_by, ms, settled, sleep, timed_out};

fn released_when(predicate: impl Fn(&Gathered<'_, u32>) -> bool + Send + Sync + 'static) -> Broker<u32> {
    // Whoever was not needed for a round may open the next one.
    Broker::new(SECOND).late_window(Duration::ZERO).release(Release::when(predicate))
}

#[convoke::test]
async fn one_or_two_others_by_name() {
    let broker = released_when(|it| it.kept("chair") || it.kept("first") && it.kept("second")).start();
    let [chair, first, second, other] = join_all(&broker, ["chair", "first", "second", "other"]).await;
    other.do_emit(4).unwrap();
    first.do_emit(2).unwrap();
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, 1);
    assert_eq!(kept_by(&at_once(second.emit(3)).await.unwrap()), ["other", "first", "second"]);
    sleep(ms(1)).await;
    assert_eq!(kept_by(&at_once(chair.emit(1)).await.unwrap()), ["chair"]);
}

#[convoke::test]
async fn a_quorum_by_weight() {
    let broker = released_when(|it| it.weight() >= 3).start();
    let heavy = Emitter::join(&broker, Emitter::new("heavy").weight(2)).await.unwrap();
    let observer = broker.enlist(EmitterSpec::new("observer").weight(0)).await.unwrap();
    let huge = broker.enlist(EmitterSpec::new("huge").weight(u32::MAX)).await.unwrap();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    observer.do_emit(0).unwrap();
    heavy.do_emit(2).unwrap();
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, 1, "the observer adds nothing");
    assert_eq!(kept_by(&at_once(one.emit(1)).await.unwrap()), ["observer", "heavy", "one"]);
    sleep(ms(1)).await;
    assert_eq!(kept_by(&at_once(huge.emit(9)).await.unwrap()), ["huge"]);
    sleep(ms(1)).await;
    one.do_emit(1).unwrap();
    let outcome = after(SECOND, two.emit(1)).await.unwrap();
    assert_eq!(cause(&outcome), timed_out(["heavy", "observer", "huge"]), "two voices of weight 1 are not 3");
}

#[convoke::test]
async fn weights_that_are_as_large_as_they_can_be_do_not_overflow() {
    let broker = released_when(|it| it.weight() == 3 * u64::from(u32::MAX)).start();
    let mut voices = Vec::new();
    for name in ["one", "two", "three"] {
        voices.push(broker.enlist(EmitterSpec::new(name).weight(u32::MAX)).await.unwrap());
    }
    let rounds: Vec<_> = voices.iter().map(|voice| voice.emit(1)).collect();
    for round in rounds {
        assert!(at_once(round).await.unwrap().is_resolved());
    }
}

#[convoke::test]
async fn a_predicate_sees_what_each_has_said_who_owes_and_who_has_vetoed() {
    type Seen = (Vec<String>, Vec<(String, String)>, Option<u32>, Option<u32>, usize);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Seen>::new()));
    let notes = seen.clone();
    let broker = released_when(move |it| {
        notes.lock().unwrap().push((
            it.missing().into_iter().map(Into::into).collect(),
            it.vetoed().map(|(name, reason)| (name.into(), reason.into())).collect(),
            it.payload("stock").copied(),
            it.payload("tax").copied(),
            it.owing(),
        ));
        it.missing().is_empty()
    });
    let broker = broker.expects(["stock", "payment"]).on_veto(OnVeto::Tolerate(1)).start();
    // Two of the stock, which is expected, and two that share a name that is not.
    let [stock, other_stock, tax, other_tax] = join_all(&broker, ["stock", "stock", "tax", "tax"]).await;
    stock.do_emit(1).unwrap();
    settled().await;
    assert!(other_stock.emit(2).await.is_err(), "its name has answered");
    let round = tax.veto("closed");
    settled().await;
    drop(other_tax);
    let outcome = at_once(round).await.unwrap();
    assert!(outcome.is_cancelled(), "the other of that name is lost: {outcome}");
    let veto = vec![("tax".to_owned(), "closed".to_owned())];
    assert_eq!(
        *seen.lock().unwrap(),
        [
            (vec!["tax".to_owned(), "payment".to_owned()], vec![], Some(1), None, 3),
            (vec!["tax".to_owned(), "payment".to_owned()], veto, Some(1), None, 2),
        ]
    );
}

#[convoke::test]
async fn who_joins_while_the_round_is_open_is_known_by_name_and_weight() {
    let broker = released_when(|it| it.kept("late") && it.weight() == 8).start();
    let [one] = join_all(&broker, ["one"]).await;
    let first = one.emit(1);
    settled().await;
    let late = Emitter::join(&broker, Emitter::new("late").weight(7)).await.unwrap();
    assert!(at_once(late.emit(2)).await.unwrap().is_resolved());
    assert_eq!(at_once(first).await.unwrap().payloads(), [1, 2]);
}

#[convoke::test]
async fn what_was_kept_stays_kept_under_the_name_of_then() {
    let seen = Notes::new();
    let broker = released_when(|it| it.kept("legal") && it.kept("two")).start();
    let [two] = join_all(&broker, ["two"]).await;
    let id = Uuid::from_u128(7);
    let legal = Emitter::join(&broker, Emitter::new("legal").with_id(id)).await.unwrap();
    seen.add(legal.emit(1));
    settled().await;
    legal.leave();
    settled().await;
    let _renamed = Emitter::join(&broker, Emitter::new("sales").with_id(id)).await.unwrap();
    assert!(at_once(two.emit(2)).await.unwrap().is_resolved());
    assert!(at_once(seen.pop().unwrap()).await.unwrap().is_resolved());
}
