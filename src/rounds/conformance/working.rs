//! How rounds come about and are judged.

use std::sync::Mutex;

use super::fixture::Fixture;
use super::room::{HOUR, Room, by_key, closing, enrolled, judge, opening, row, signal, signaled};
use crate::durable::store::{Kept, Next, Opening, Place, Row, Ruling, Stage};
use crate::transport::ErrorKind;

pub(super) async fn what_is_made_is_read_as_it_was_written<F: Fixture>(room: &Room<'_, F>) {
    let bodies: [&[u8]; 6] =
        [b"", b"\0\xff'\"\\", "ä\u{1f980}".as_bytes(), &[7; 15_990], &[b'x'; 20_000], &[0; 300_000]];
    let keys = ["order 7", "'\"\\ ä\u{1f980} $1 ?1 {schema}", &"k".repeat(256)];
    let mut written = Vec::new();
    for (number, body) in (1..).zip(bodies) {
        let terms = (number % 2 == 0).then(|| "{\"weight\": 2, \"who\": \"'\\\\ä\\u0000\"}".to_owned());
        written.push(Row { kind: 3, at: -5, terms, ..row(number, "who's \"it\" ä", body) });
    }
    for key in keys {
        let written = Mutex::new(written.clone());
        room.work(&[by_key(key)], |case| Ruling {
            opens: Some(Opening { at: 17, ..opening(room.rules, 0) }),
            adds: written.lock().unwrap().clone(),
            next: Next::Waits { look_at: case.now + HOUR, due_at: case.now + 2 * HOUR },
            ..Ruling::default()
        })
        .await;
    }
    for key in keys {
        let Some(Kept::Open(round, rules, rows)) = room.rounds.history(key, i64::MAX, 5).await.unwrap().pop() else {
            panic!("it is not there")
        };
        assert_eq!(rows, written);
        assert_eq!(&*rules, "{\"release\":\"all\"}");
        assert_eq!((&*round.key, round.stage, round.rules, round.opened_at), (key, Stage::Open, room.rules, 17));
        assert_eq!((round.generation, &round.reason), (1, &None));
        let again = room.rounds.round(round.id).await.unwrap();
        assert_eq!(again, Some(Kept::Open(round.clone(), rules.clone(), rows)));
        // The judge sees the same.
        let look = judge(|_, case| {
            assert_eq!(case.round.as_ref(), Some(&round));
            assert_eq!((case.rules.as_deref(), &case.rows), (Some(&*rules), &written));
            assert!(case.last.is_none());
            None
        });
        room.rounds.work(&[by_key(key)], &look).await.unwrap();
    }
}

pub(super) async fn the_judge_is_asked_where_there_is_no_round<F: Fixture>(room: &Room<'_, F>) {
    let asked = Mutex::new(Vec::new());
    let look = judge(|place, case| {
        assert!(case.round.is_none() && case.rules.is_none() && case.rows.is_empty() && case.last.is_none());
        asked.lock().unwrap().push((place, case.number, case.now));
        (place == 1).then(Ruling::default)
    });
    room.rounds.work(&[by_key("a"), by_key("b"), Place::Round(7)], &look).await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert_eq!(asked.iter().map(|(place, ..)| *place).collect::<Vec<_>>(), [0, 1], "there is no round 7");
    assert!(
        asked[0].1 != asked[1].1 && asked.iter().all(|(_, number, now)| *number > 0 && *now > 1_600_000_000_000_000)
    );
    assert!(room.rounds.open(0, 10).await.unwrap().is_empty());
    room.rounds.work(&[], &look).await.unwrap();
}

pub(super) async fn of_a_key_there_is_one_round_however_many_open_it<F: Fixture>(room: &Room<'_, F>) {
    let others = [room.another().await, room.another().await, room.another().await];
    for round in 0..20 {
        let key = format!("key {round}");
        let all = others.iter().chain([&room.rounds]);
        let signals = all.map(|rounds| signal(&**rounds, room.rules, &key));
        let numbers = futures_util::future::join_all(signals).await;
        assert!(numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
        let rows = room.rows(&key).await;
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(room.at(&key).await.generation, 4);
    }
}

pub(super) async fn numbers_rise_and_are_not_given_again<F: Fixture>(room: &Room<'_, F>) {
    let (another, mut last) = (room.another().await, 0);
    for round in 0..20 {
        let key = if round % 3 == 0 { "a" } else { "b" };
        // One that is not written.
        let not = Mutex::new(0);
        let look = judge(|_, case| {
            *not.lock().unwrap() = case.number;
            None
        });
        another.work(&[by_key(key)], &look).await.unwrap();
        let number = signal(if round % 2 == 0 { &*another } else { &*room.rounds }, room.rules, key).await;
        assert!(number > last && number < 1 << 53, "{number} behind {last}");
        assert!(number >= not.into_inner().unwrap());
        last = number;
        room.close(key, true).await;
        assert_eq!(room.past(key).await.id, number);
        // Also if nothing is left of it.
        room.rounds.purge(std::time::Duration::ZERO, 10).await.unwrap();
    }
}

pub(super) async fn each_ruling_adds_behind_what_there_is<F: Fixture>(room: &Room<'_, F>) {
    let id = room.signal("a").await;
    let before = room.at("a").await;
    for _ in 0..3 {
        assert_eq!(room.signal("a").await, id);
    }
    let (round, rows) = (room.at("a").await, room.rows("a").await);
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(round.generation, 4);
    assert_eq!(crate::durable::store::Round { generation: 1, ..round }, before);
    // Nothing is ruled, and nothing is written.
    room.work(&[by_key("a")], |_| Ruling::default()).await;
    assert_eq!(room.at("a").await.generation, 4);
    room.work(&[by_key("a")], |case| Ruling {
        next: Next::Waits { look_at: case.now + HOUR, due_at: 8 },
        ..Ruling::default()
    })
    .await;
    let round = room.at("a").await;
    assert_eq!((round.generation, round.due_at, round.stage), (5, 8, Stage::Open));
}

pub(super) async fn an_awaited_round_opens_by_the_rules_of_then<F: Fixture>(room: &Room<'_, F>) {
    room.work(&[by_key("a")], |case| Ruling {
        opens: Some(Opening { stage: Stage::Awaited, ..opening(room.rules, case.now) }),
        adds: vec![row(1, "early", b"bird")],
        next: Next::Waits { look_at: case.now + HOUR, due_at: case.now + HOUR },
        ..Ruling::default()
    })
    .await;
    let awaited = room.at("a").await;
    assert_eq!(awaited.stage, Stage::Awaited);
    let rules = enrolled(&*room.rounds, "{\"release\":\"any\"}").await;
    room.work(&[by_key("a")], |case| {
        assert_eq!((case.round.as_ref(), case.rows.len()), (Some(&awaited), 1));
        Ruling {
            opens: Some(opening(rules, 99)),
            adds: vec![row(2, "late", b"bird")],
            next: Next::Waits { look_at: case.now + HOUR, due_at: case.now + HOUR },
            ..Ruling::default()
        }
    })
    .await;
    let Some(Kept::Open(open, text, rows)) = room.rounds.round(awaited.id).await.unwrap() else { panic!("it is over") };
    assert_eq!((open.stage, open.rules, open.opened_at, open.generation), (Stage::Open, rules, 99, 2));
    assert_eq!((&*text, rows.len()), ("{\"release\":\"any\"}", 2));
}

pub(super) async fn many_places_are_judged_in_one_go<F: Fixture>(room: &Room<'_, F>) {
    let keys: Vec<String> = (0..300).map(|key| format!("key {}", (key * 7) % 300)).collect();
    let places: Vec<_> = keys.iter().map(|key| by_key(key)).collect();
    room.rounds.add_consumer("audit").await.unwrap();
    for generation in 1..=2 {
        let seen = Mutex::new(Vec::new());
        let all = judge(|place, case| {
            seen.lock().unwrap().push(place);
            assert!(case.round.as_ref().is_none_or(|round| round.key == keys[place]));
            assert_eq!(case.rows.len(), generation - 1);
            Some(signaled(case, room.rules))
        });
        room.rounds.work(&places, &all).await.unwrap();
        assert!(seen.into_inner().unwrap().into_iter().eq(0..300));
    }
    let open = room.rounds.open(0, 1000).await.unwrap();
    assert_eq!(open.len(), 300);
    // A third of each: one closes, one gets another signal, one is left as it is.
    let some = judge(|place, case| match place % 3 {
        0 => Some(closing(case, place % 2 == 0)),
        1 => Some(signaled(case, room.rules)),
        _ => None,
    });
    room.rounds.work(&places, &some).await.unwrap();
    assert_eq!((room.rounds.open(0, 1000).await.unwrap().len(), room.heard("audit").await), (200, 100));
    for (place, key) in keys.iter().enumerate() {
        match place % 3 {
            0 => assert_eq!(room.past(key).await.resolved, place % 2 == 0),
            more => assert_eq!(room.rows(key).await.len(), if more == 1 { 3 } else { 2 }),
        }
    }
}

pub(super) async fn a_round_by_its_number_is_judged_if_it_is_not_over<F: Fixture>(room: &Room<'_, F>) {
    let (a, b) = (room.signal("a").await, room.signal("b").await);
    room.close("b", true).await;
    let asked = Mutex::new(Vec::new());
    let add = judge(|place, case| {
        asked.lock().unwrap().push((place, case.round.clone().unwrap().id));
        Some(signaled(case, room.rules))
    });
    room.rounds.work(&[Place::Round(b), Place::Round(a + 1_000_000), Place::Round(a)], &add).await.unwrap();
    assert_eq!((asked.into_inner().unwrap(), room.rows("a").await.len()), (vec![(2, a)], 2));
    // Of one by its key and by its number the second is passed over: what becomes of it is one ruling.
    let count = Mutex::new(0);
    let add = judge(|_, case| {
        *count.lock().unwrap() += 1;
        Some(signaled(case, room.rules))
    });
    room.rounds.work(&[Place::Round(a), by_key("a")], &add).await.unwrap();
    assert_eq!((count.into_inner().unwrap(), room.rows("a").await.len()), (1, 3));
}

pub(super) async fn a_place_that_is_there_twice_is_refused<F: Fixture>(room: &Room<'_, F>) {
    let add = judge(|_, case| Some(signaled(case, room.rules)));
    let refused = room.rounds.work(&[by_key("a"), by_key("b"), by_key("a")], &add).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(room.rounds.open(0, 10).await.unwrap().is_empty());
}

pub(super) async fn works_in_any_order_do_not_wait_for_each_other<F: Fixture>(room: &Room<'_, F>) {
    let another = room.another().await;
    room.rounds.add_consumer("audit").await.unwrap();
    room.rounds.add_consumer("billing").await.unwrap();
    for turn in 0..20 {
        let keys: Vec<String> = (0..8).map(|key| format!("{turn} {key}")).collect();
        let one: Vec<_> = keys.iter().map(|key| by_key(key)).collect();
        let other: Vec<_> = one.iter().rev().cloned().collect();
        let add = judge(|_, case| Some(signaled(case, room.rules)));
        let (first, second) = tokio::join!(room.rounds.work(&one, &add), another.work(&other, &add));
        first.and(second).unwrap();
        // Whoever comes second finds no round any more, and opens none.
        let close = judge(|_, case| Some(closing(case, true)));
        let (first, second) = tokio::join!(room.rounds.work(&one, &close), another.work(&other, &close));
        first.and(second).unwrap();
        assert_eq!(room.heard("audit").await, 8 * (turn + 1));
        assert_eq!(room.heard("billing").await, 8 * (turn + 1));
    }
}

pub(super) async fn who_writes_rings<F: Fixture>(room: &Room<'_, F>) {
    let mut bell = room.another().await.bell();
    bell.mark_unchanged();
    room.signal("a").await;
    assert!(bell.has_changed().unwrap());
    bell.mark_unchanged();
    room.close("a", true).await;
    assert!(bell.has_changed().unwrap());
}

pub(super) async fn what_goes_with_a_name_may_become_something_else<F: Fixture>(room: &Room<'_, F>) {
    let (a, b) = (room.signal("a").await, room.signal("b").await);
    for _ in 0..2 {
        room.signal("a").await;
        room.signal("b").await;
    }
    let before = (room.rows("a").await, room.rows("b").await, room.at("a").await);
    let odd = "{\"until\": 7, \"who\": \"'\\\\ä\\u0000\"}".to_owned();
    // Of one that is not there nothing changes, and what is added is none of those that there are.
    let notes =
        vec![(2, Some(odd.clone())), (3, Some("x".into())), (4, Some("new".into())), (9, Some("nobody's".into()))];
    room.work(&[Place::Round(a)], |_| Ruling {
        notes: notes.clone(),
        adds: vec![Row { terms: Some("its own".into()), ..row(4, "legal", b"yes") }],
        ..Ruling::default()
    })
    .await;
    room.work(&[by_key("a")], |_| Ruling { notes: vec![(3, None)], ..Ruling::default() }).await;
    let after = room.rows("a").await;
    assert_eq!(after[0], before.0[0]);
    assert_eq!(after[1], Row { terms: Some(odd), ..before.0[1].clone() });
    assert_eq!(after[2], before.0[2]);
    assert_eq!(room.rows("b").await, before.1);
    // It was written twice, and is otherwise as it was.
    let round = room.at("a").await;
    assert_eq!(round.generation, before.2.generation + 2);
    assert_eq!(crate::durable::store::Round { generation: before.2.generation, ..round }, before.2);
    // A round that closes has nothing to be noted.
    room.work(&[by_key("b")], |case| Ruling { notes: notes.clone(), ..closing(case, true) }).await;
    assert_eq!(room.past("b").await.id, b);
}

/// Many new keys may be locked in another way than few, and both by several at once.
pub(super) async fn many_who_open_many_open_each_once<F: Fixture>(room: &Room<'_, F>) {
    let others = [room.another().await, room.another().await, room.another().await, room.another().await];
    for turn in 0..3 {
        let keys: Vec<String> = (0..200).map(|key| format!("{turn} {key}")).collect();
        let some = |keys: &[String]| keys.iter().map(|key| by_key(key)).collect::<Vec<_>>();
        let (mut up, few) = (some(&keys), some(&keys[90..110]));
        let (most, one) = (some(&keys[..150]), some(&keys[100..101]));
        up.reverse();
        let add = judge(|_, case| Some(signaled(case, room.rules)));
        let works = others.iter().zip([&up, &most, &few, &one]).map(|(rounds, places)| rounds.work(places, &add));
        for worked in futures_util::future::join_all(works).await {
            worked.unwrap();
        }
        let open = room.rounds.open(0, 1_000).await.unwrap();
        assert_eq!(open.len(), 200 * (turn + 1));
        let rows = open.iter().map(|kept| match kept {
            Kept::Open(_, _, rows) => rows.len(),
            Kept::Over(past) => panic!("{past:?}"),
        });
        assert_eq!(rows.sum::<usize>(), (200 + 150 + 20 + 1) * (turn + 1));
    }
}
