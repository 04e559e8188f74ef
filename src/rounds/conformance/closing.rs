//! What becomes of rounds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fixture::Fixture;
use super::room::{Room, by_key, closing, judge, opening, outcome, packet, row, signaled};
use crate::durable::store::{Case, Judge, Kept, Next, Opening, Past, Place, Ruling, Stage, Then};

pub(super) async fn what_closes_is_kept_without_its_signals_and_is_in_the_outbox<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    for (key, resolved) in [("a", true), ("b", false)] {
        let id = room.signal(key).await;
        room.signal(key).await;
        assert_eq!(room.rounds.ended(&[id]).await.unwrap(), []);
        let heard = room.heard("audit").await;
        let before = room.now().await;
        room.close(key, resolved).await;
        let past = room.past(key).await;
        assert!(past.closed_at >= before && past.closed_at <= room.now().await);
        let closed_at = past.closed_at;
        assert_eq!(past, Past { id, key: key.into(), resolved, closed_at, outcome: outcome(id).into() });
        assert_eq!(room.rounds.ended(&[id]).await.unwrap(), std::slice::from_ref(&past));
        assert_eq!(room.rounds.round(id).await.unwrap(), Some(Kept::Over(past)));
        assert_eq!(room.heard("audit").await, heard + 1);
        assert!(room.seen(key).await.is_none());
    }
    // Nothing is left of the signals: a round of the same key has none.
    room.signal("a").await;
    assert_eq!(room.rows("a").await.len(), 1);
    assert_eq!(room.heard("audit").await, 2);
}

pub(super) async fn a_round_may_close_as_it_opens<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    room.work(&[by_key("a")], |case| Ruling {
        opens: Some(opening(room.rules, case.now)),
        adds: vec![row(1, "all", b"")],
        next: Next::Closes {
            resolved: true,
            outcome: outcome(case.number),
            heard: vec![(case.consumers[0].clone(), packet(case.number, "a"))],
        },
        ..Ruling::default()
    })
    .await;
    let past = room.past("a").await;
    assert_eq!((&*past.outcome, room.heard("audit").await), (&*outcome(past.id), 1));
    // Nothing is left that somebody looks at.
    assert!(room.rounds.due(&[], LATER, 10).await.unwrap().rounds.is_empty());
    assert_eq!(room.rounds.figures(10).await.unwrap().over, 1);
}

const LATER: std::time::Duration = std::time::Duration::ZERO;

pub(super) async fn the_next_round_of_a_key_knows_the_last<F: Fixture>(room: &Room<'_, F>) {
    for turn in 0..3 {
        let id = room.signal("a").await;
        room.signal("other").await;
        room.close("a", turn % 2 == 0).await;
        let past = room.past("a").await;
        assert_eq!(past.id, id);
        let knows = Mutex::new(Vec::new());
        let look = judge(|place, case| {
            knows.lock().unwrap().push((place, case.last.clone(), case.round.is_some()));
            None
        });
        room.rounds.work(&[by_key("a"), by_key("new"), by_key("other")], &look).await.unwrap();
        let knows = knows.into_inner().unwrap();
        assert_eq!(knows, [(0, Some(past.clone()), false), (1, None, false), (2, None, true)]);
        // Also while the next is open, by its key and by its number.
        let next = room.signal("a").await;
        for place in [by_key("a"), Place::Round(next)] {
            let look = judge(|_, case| {
                assert_eq!(case.last.as_ref(), Some(&past));
                None
            });
            room.rounds.work(&[place], &look).await.unwrap();
        }
        room.close("a", true).await;
    }
}

pub(super) async fn a_consumer_hears_from_when_it_was_added_until_it_is_removed<F: Fixture>(room: &Room<'_, F>) {
    let another = room.another().await;
    let close = async |key: &str| {
        room.signal(key).await;
        room.close(key, true).await;
    };
    close("nobody hears").await;
    // By another process: this one has to learn of it.
    another.add_consumer("audit").await.unwrap();
    assert_eq!(room.heard("audit").await, 0);
    close("audit hears").await;
    room.rounds.add_consumer("billing").await.unwrap();
    room.rounds.add_consumer("billing").await.unwrap();
    close("both hear").await;
    assert_eq!((room.heard("audit").await, room.heard("billing").await), (2, 1));
    assert!(another.remove_consumer("audit").await.unwrap());
    assert!(!room.rounds.remove_consumer("audit").await.unwrap());
    close("billing hears").await;
    // One that is none any more hears nothing, whatever the judge says.
    room.signal("told").await;
    room.work(&[by_key("told")], |case| Ruling {
        next: Next::Closes {
            resolved: true,
            outcome: "{}".into(),
            heard: vec![("audit".into(), packet(case.number, "told"))],
        },
        ..Ruling::default()
    })
    .await;
    assert_eq!((room.heard("audit").await, room.heard("billing").await), (2, 2));
    another.add_consumer("audit").await.unwrap();
    close("both hear again").await;
    assert_eq!((room.heard("audit").await, room.heard("billing").await), (3, 3));
}

pub(super) async fn who_is_added_while_rounds_close_misses_none_that_closes_later<F: Fixture>(room: &Room<'_, F>) {
    let another = room.another().await;
    for turn in 0..10 {
        let name = format!("consumer-{turn}");
        let keys: Vec<_> = (0..20).map(|key| format!("{turn} {key}")).collect();
        for key in &keys {
            room.signal(key).await;
        }
        let done = AtomicUsize::new(0);
        let at_adding = Mutex::new(None);
        let closing_all = async {
            for key in &keys {
                room.close(key, true).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        let adding = async {
            another.add_consumer(&name).await.unwrap();
            *at_adding.lock().unwrap() = Some(done.load(Ordering::Relaxed));
        };
        tokio::join!(closing_all, adding);
        let closed_before = at_adding.into_inner().unwrap().unwrap();
        // Of the one that is in hand then, nobody knows from here whether it has committed.
        let heard = usize::try_from(room.heard(&name).await).unwrap();
        assert!(heard + closed_before + 1 >= 20, "{heard} of 20, {closed_before} before");
        another.remove_consumer(&name).await.unwrap();
    }
}

pub(super) async fn what_nobody_opened_lapses<F: Fixture>(room: &Room<'_, F>) {
    let id = room.signal("a").await;
    room.work(&[by_key("a")], |_| Ruling { next: Next::Lapses, ..Ruling::default() }).await;
    assert_eq!(room.rounds.round(id).await.unwrap(), None);
    assert!(room.rounds.history("a", i64::MAX, 10).await.unwrap().is_empty());
    let next = room.signal("a").await;
    assert!(next > id);
    assert_eq!(room.rows("a").await.len(), 1, "signals go with their round");
    // One that is made and lapses was never there.
    room.work(&[by_key("b")], |case| Ruling {
        opens: Some(opening(room.rules, case.now)),
        adds: vec![row(1, "a", b"")],
        next: Next::Lapses,
        ..Ruling::default()
    })
    .await;
    assert!(room.seen("b").await.is_none());
}

pub(super) async fn one_that_is_aside_holds_its_key_and_is_never_due<F: Fixture>(room: &Room<'_, F>) {
    let id = room.open_until("a", 5).await;
    room.signal("a").await;
    assert_eq!(room.rounds.due(&[], LATER, 10).await.unwrap().rounds, [id]);
    room.work(&[by_key("a")], |_| Ruling {
        next: Next::Aside { reason: "its row 1 makes no sense: 'ä'".into() },
        ..Ruling::default()
    })
    .await;
    let aside = room.at("a").await;
    assert_eq!((aside.stage, aside.due_at), (Stage::Aside, 5));
    assert_eq!(aside.reason.as_deref(), Some("its row 1 makes no sense: 'ä'"));
    assert_eq!(room.rows("a").await.len(), 1, "nothing of it is lost");
    let due = room.rounds.due(&[], LATER, 10).await.unwrap();
    assert_eq!((due.rounds, due.next), (vec![], None));
    // It stays aside, whatever waits for what.
    room.work(&[by_key("a")], |case| {
        assert_eq!(case.round.as_ref().map(|round| round.stage), Some(Stage::Aside));
        Ruling { next: Next::Waits { look_at: 1, due_at: 6 }, ..Ruling::default() }
    })
    .await;
    assert_eq!((room.at("a").await.stage, room.at("a").await.due_at), (Stage::Aside, 6));
    assert!(room.rounds.due(&[], LATER, 10).await.unwrap().rounds.is_empty());
    assert_eq!(room.rounds.open(0, 10).await.unwrap().len(), 1);
    // It is opened once more, or closed by its number.
    room.work(&[Place::Round(id)], |_| Ruling {
        opens: Some(Opening { rules: room.rules, stage: Stage::Open, at: 3 }),
        next: Next::Waits { look_at: 4, due_at: 7 },
        ..Ruling::default()
    })
    .await;
    let open = room.at("a").await;
    assert_eq!((open.stage, open.reason, open.opened_at, open.due_at), (Stage::Open, None, 3, 7));
    assert_eq!(room.rounds.due(&[], LATER, 10).await.unwrap().rounds, [id]);
    room.work(&[by_key("a")], |_| Ruling { next: Next::Aside { reason: "once more".into() }, ..Ruling::default() })
        .await;
    room.work(&[Place::Round(id)], |case| closing(case, false)).await;
    assert!(!room.past("a").await.resolved);
}

pub(super) async fn an_outcome_is_amended<F: Fixture>(room: &Room<'_, F>) {
    let first = room.signal("a").await;
    room.close("a", true).await;
    let second = room.signal("a").await;
    room.close("a", false).await;
    room.work(&[by_key("a")], |case| {
        assert_eq!(case.last.as_ref().map(|last| last.id), Some(second));
        Ruling { amends: Some("{\"late\": [\"legal\"]}".into()), ..Ruling::default() }
    })
    .await;
    let ended = room.rounds.ended(&[first, second]).await.unwrap();
    let of = |id: i64| ended.iter().find(|past| past.id == id).unwrap();
    assert_eq!((&*of(second).outcome, of(second).resolved), ("{\"late\": [\"legal\"]}", false));
    assert_eq!(&*of(first).outcome, outcome(first), "of the last alone");
    // And that together with a round that opens.
    room.work(&[by_key("a")], |case| Ruling { amends: Some("{}".into()), ..signaled(case, room.rules) }).await;
    assert_eq!((&*room.rounds.ended(&[second]).await.unwrap()[0].outcome, room.rows("a").await.len()), ("{}", 1));
    // Where there is no last round, there is nothing.
    room.work(&[by_key("b")], |_| Ruling { amends: Some("{}".into()), ..Ruling::default() }).await;
    assert!(room.rounds.history("b", i64::MAX, 10).await.unwrap().is_empty());
}

pub(super) async fn many_who_close_a_round_close_it_once<F: Fixture>(room: &Room<'_, F>) {
    let others = [room.another().await, room.another().await, room.another().await];
    room.rounds.add_consumer("audit").await.unwrap();
    for turn in 0..20 {
        let key = format!("key {turn}");
        let id = room.signal(&key).await;
        let close = Closer { id, closed: AtomicUsize::new(0) };
        // By its key, and as the sweep does it.
        let places = [[by_key(&key)], [Place::Round(id)], [by_key(&key)]];
        let works = others.iter().zip(&places).map(|(rounds, places)| rounds.work(places, &close));
        for worked in futures_util::future::join_all(works).await {
            worked.unwrap();
        }
        assert_eq!((close.closed.into_inner(), room.heard("audit").await), (1, turn + 1));
    }
}

/// Closes this round, and counts how often it has.
struct Closer {
    id: i64,
    closed: AtomicUsize,
}

impl Judge for Closer {
    fn judge(&self, _: usize, case: &Case<'_>) -> Option<Ruling> {
        // Of a round that is over nobody sees anything but the outcome.
        match &case.round {
            Some(round) => assert_eq!(round.id, self.id),
            None => assert_eq!(case.last.as_ref().map(|last| last.id), Some(self.id)),
        }
        self.closed.fetch_add(usize::from(case.round.is_some()), Ordering::Relaxed);
        Some(closing(case, true))
    }

    fn void(&self, _: usize) {
        self.closed.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn the_next_round_opens_as_one_closes<F: Fixture>(room: &Room<'_, F>) {
    room.rounds.add_consumer("audit").await.unwrap();
    let first = room.signal("a").await;
    let end = room.now().await + 9 * super::room::HOUR;
    let with_next = |case: &crate::durable::store::Case<'_>| {
        // One that is drawn only when it is needed is 0 until then.
        assert!(case.number == 0 || case.number > first);
        let then = Then {
            rules: room.rules,
            at: case.now,
            rows: vec![row(1, "legal", b"again"), row(2, "chair", b"too")],
            look_at: end,
            due_at: end + 1,
        };
        Ruling { then: Some(then), ..closing(case, true) }
    };
    room.work(&[by_key("other"), by_key("a")], |case| match &case.round {
        Some(_) => with_next(case),
        None => signaled(case, room.rules),
    })
    .await;
    let [Kept::Open(next, rules, rows), Kept::Over(past)] = &room.rounds.history("a", i64::MAX, 5).await.unwrap()[..]
    else {
        panic!("one is over, and one is open")
    };
    assert_eq!((past.id, room.heard("audit").await), (first, 1));
    assert!(next.id > first && next.id != room.at("other").await.id);
    assert_eq!(
        (next.stage, next.due_at, next.generation, &**rules),
        (Stage::Open, end + 1, 1, "{\"release\":\"all\"}")
    );
    let said: Vec<_> = rows.iter().map(|row| (row.number, &*row.name, &row.body[..])).collect();
    assert_eq!(said, [(1, "legal", &b"again"[..]), (2, "chair", &b"too"[..])]);
    // By its number, and behind it another one.
    room.work(&[Place::Round(next.id)], with_next).await;
    assert_eq!(room.past_ids("a").await, [next.id, first]);
    assert_eq!(room.rows("a").await.len(), 2);
    // What is no end opens nothing.
    room.work(&[by_key("a")], |case| Ruling { next: Next::Stays, ..with_next(case) }).await;
    assert_eq!(room.past_ids("a").await.len(), 2);
    let last = room.at("a").await.id;
    room.close("a", false).await;
    assert_eq!((room.past("a").await.id, room.seen("a").await), (last, None));
    assert!(room.signal("a").await > last);
}
