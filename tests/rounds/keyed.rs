//! Rounds by key: one for each key at the same time, up to a limit.

use std::sync::Arc;

use convoke::prelude::*;
use uuid::Uuid;

use crate::common::{SECOND, after, assert_lost, at_once, cause, join_all, ms, settled, sleep};

#[convoke::test]
async fn a_key_is_made_from_an_integer_a_uuid_or_a_string() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let uuid = Uuid::from_u128(17);
    let keys: [(RoundKey, RoundKey, &str); 10] = [
        (7_u8.into(), 7_i64.into(), "7"),
        (8_u16.into(), 8_isize.into(), "8"),
        (9_u32.into(), 9_i32.into(), "9"),
        (u64::MAX.into(), u64::MAX.into(), "18446744073709551615"),
        (10_usize.into(), 10_i16.into(), "10"),
        ((-7_i8).into(), (-7_i64).into(), "-7"),
        (i64::MIN.into(), i64::MIN.into(), "-9223372036854775808"),
        (uuid.into(), uuid.into(), "00000000-0000-0000-0000-000000000011"),
        ("7".into(), String::from("7").into(), "7"),
        (Arc::<str>::from("order").into(), "order".into(), "order"),
    ];
    let rounds = keys.clone().map(|(key, ..)| one.emit_for(key, 1));
    settled().await;
    assert_eq!(broker.inspect().await.unwrap().open_count, keys.len(), "no two of them are the same key");
    for ((key, same, text), round) in keys.into_iter().zip(rounds) {
        two.do_emit_for(&same, 2).unwrap();
        let outcome = at_once(round).await.unwrap();
        assert_eq!((outcome.key(), outcome.payloads()), (Some(&key), &[1, 2][..]));
        assert_eq!(outcome.key().unwrap().to_string(), text);
    }
}

#[convoke::test]
async fn there_is_one_round_for_a_key_at_a_time_and_one_without() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let rounds = [one.emit(0), one.emit_for("a", 0), one.emit_for("b", 0)];
    assert!(matches!(at_once(one.emit_for("a", 1)).await, Err(EmitError::AlreadyKept { .. })));
    assert!(matches!(at_once(one.emit(1)).await, Err(EmitError::AlreadyKept { .. })));
    two.do_emit_for("b", 2).unwrap();
    two.do_emit(3).unwrap();
    two.do_emit_for("a", 4).unwrap();
    let mut payloads = Vec::new();
    for round in rounds {
        payloads.push(at_once(round).await.unwrap().payloads()[1]);
    }
    assert_eq!(payloads, [3, 4, 2]);
}

#[convoke::test]
async fn a_key_is_free_again_when_its_round_is_over() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    for number in 1..=3 {
        two.do_emit_for("a", 2).unwrap();
        assert_eq!(at_once(one.emit_for("a", 1)).await.unwrap().round().get(), number);
    }
}

#[convoke::test]
async fn each_key_has_its_own_deadline() {
    let broker = Broker::new(SECOND).start();
    let [one, _two] = join_all(&broker, ["one", "two"]).await;
    let a = one.emit_for("a", 1);
    sleep(ms(300)).await;
    let b = one.emit_for("b", 1);
    assert_eq!(after(ms(700), a).await.unwrap().elapsed(), SECOND);
    assert_eq!(after(ms(300), b).await.unwrap().elapsed(), SECOND);
}

#[convoke::test]
async fn a_signal_beyond_the_limit_of_open_rounds_is_an_error_until_one_closes() {
    let broker = Broker::new(SECOND).max_open(2).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let (a, unkeyed) = (one.emit_for("a", 1), one.emit(1));
    let error = at_once(one.emit_for("b", 1)).await.unwrap_err();
    assert_eq!(error, EmitError::TooManyRounds { limit: 2 });
    // A signal for a round that is open is no new one.
    two.do_emit_for("a", 2).unwrap();
    assert!(at_once(a).await.unwrap().is_resolved());
    let b = one.emit_for("b", 1);
    two.do_emit_for("b", 2).unwrap();
    assert!(at_once(b).await.unwrap().is_resolved());
    assert!(after(SECOND, unkeyed).await.unwrap().is_cancelled());
}

#[convoke::test]
async fn a_round_with_a_consumer_at_work_counts_against_the_limit() {
    let broker = Broker::new(SECOND).max_open(1).start();
    let [one] = join_all(&broker, ["one"]).await;
    let consumer = Consumer::join(&broker, async |_: Resolved<u32>| sleep(ms(300)).await).await.unwrap();
    let outcome = at_once(one.emit(1)).await.unwrap();
    assert_eq!(at_once(one.emit(2)).await.unwrap_err(), EmitError::TooManyRounds { limit: 1 });
    after(ms(300), outcome.consumed()).await;
    settled().await;
    assert!(at_once(one.emit(3)).await.unwrap().is_resolved());
    drop(consumer);
    sleep(ms(300)).await;
}

#[convoke::test]
async fn a_hundred_keys_interleaved_end_each_with_its_own_payloads() {
    const KEYS: u32 = 100;
    let broker = Broker::new(SECOND).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let rounds: Vec<_> = (0..KEYS).map(|key| (key, one.emit_for(key, key))).collect();
    sleep(ms(10)).await;
    (0..KEYS).rev().for_each(|key| two.do_emit_for(key, 1_000 + key).unwrap());
    sleep(ms(10)).await;
    // 37 and 100 have no common divisor, so each key comes once. Every tenth is vetoed, every other tenth never kept.
    for key in (0..KEYS).map(|count| count * 37 % KEYS) {
        match key % 10 {
            3 => drop(three.veto_for(key, "sold out")),
            7 => {}
            _ => three.do_emit_for(key, 2_000 + key).unwrap(),
        }
    }
    for (key, round) in rounds {
        let outcome = match key % 10 {
            7 => continue,
            _ => at_once(round).await.unwrap(),
        };
        assert_eq!(outcome.key(), Some(&key.into()));
        if key % 10 == 3 {
            assert!(matches!(cause(&outcome), Cause::Vetoed { .. }));
        } else {
            assert_eq!(outcome.payloads(), [key, 1_000 + key, 2_000 + key]);
            assert_eq!(outcome.elapsed(), ms(20));
        }
    }
    let snapshot = broker.inspect().await.unwrap();
    assert_eq!((snapshot.open_count, snapshot.resolved, snapshot.cancelled), (10, 80, 10));
    sleep(SECOND).await;
    assert_eq!(broker.inspect().await.unwrap().cancelled, 20);
}

#[convoke::test]
async fn what_happens_to_one_key_is_none_of_the_others_business() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    let [a, b, c] = ["a", "b", "c"].map(|key| one.emit_for(key, 1));
    assert!(at_once(two.veto_for("a", "no")).await.unwrap().is_cancelled());
    broker.abort_for("b", "no").await.unwrap();
    two.do_emit_for("c", 2).unwrap();
    assert_eq!(at_once(a).await.unwrap().key(), Some(&"a".into()));
    assert_eq!(cause(&at_once(b).await.unwrap()), Cause::Aborted("no".into()));
    assert!(at_once(c).await.unwrap().is_resolved());
}

#[convoke::test]
async fn a_loss_concerns_every_open_round_that_waits_for_it() {
    let broker = Broker::new(SECOND).start();
    let [one, two, three] = join_all(&broker, ["one", "two", "three"]).await;
    let (kept, owed, unkeyed) = (one.emit_for("kept", 1), one.emit_for("owed", 1), one.emit(1));
    two.do_emit_for("kept", 2).unwrap();
    settled().await;
    drop(two);
    assert_lost(&at_once(owed).await.unwrap(), "two");
    assert_lost(&at_once(unkeyed).await.unwrap(), "two");
    three.do_emit_for("kept", 3).unwrap();
    assert_eq!(at_once(kept).await.unwrap().payloads(), [1, 2, 3]);
}

#[convoke::test]
async fn a_signal_is_late_only_for_the_key_it_owed() {
    let broker = Broker::new(SECOND).start();
    let [one, two] = join_all(&broker, ["one", "two"]).await;
    assert!(after(SECOND, one.emit_for("a", 1)).await.unwrap().is_cancelled());
    let b = two.emit_for("b", 2);
    let error = at_once(two.emit_for("a", 2)).await.unwrap_err();
    assert_eq!(error.to_string(), "round #1 of `a` went on without this signal: it came too late");
    one.do_emit_for("b", 1).unwrap();
    assert!(at_once(b).await.unwrap().is_resolved());
}
