//! Who is asked about what.

use std::time::Duration;

use super::fixture::Fixture;
use super::room::{HOUR, Room, by_key, closing, enrolled, opening, signal};
use crate::durable::store::{Kept, Next, Opening, RoundDatabase as _, Ruling, Stage};

const NONE: Duration = Duration::ZERO;

fn ids(kept: &[Kept]) -> Vec<i64> {
    let id = |kept: &Kept| match kept {
        Kept::Open(round, ..) => round.id,
        Kept::Over(past) => past.id,
    };
    kept.iter().map(id).collect()
}

pub(super) async fn the_longest_due_comes_first<F: Fixture>(room: &Room<'_, F>) {
    assert_eq!(room.rounds.due(&[], NONE, 10).await.unwrap(), crate::durable::store::Due::default());
    let now = room.now().await;
    let third = room.open_until("c", now - 10).await;
    let first = room.open_until("a", now - 30).await;
    let second = room.open_until("b", now - 20).await;
    let later = now + HOUR;
    room.open_until("later", later).await;
    let due = room.rounds.due(&[], NONE, 10).await.unwrap();
    assert_eq!(due.rounds, [first, second, third]);
    let next = due.next.unwrap();
    assert!(next <= Duration::from_secs(3600) && next > Duration::from_secs(3000), "{next:?}");
    let due = room.rounds.due(&[], NONE, 2).await.unwrap();
    assert_eq!((due.rounds, due.next), (vec![first, second], Some(NONE)), "there is another one");
    // One that is awaited is looked at too.
    room.work(&[by_key("b")], |_| Ruling {
        opens: Some(Opening { stage: Stage::Awaited, ..opening(room.rules, now) }),
        next: Next::Waits { look_at: now - 40, due_at: now },
        ..Ruling::default()
    })
    .await;
    assert_eq!(room.rounds.due(&[], NONE, 3).await.unwrap().rounds, [second, first, third]);
    room.open_until("a", later).await;
    room.close("c", true).await;
    assert_eq!(room.rounds.due(&[], NONE, 3).await.unwrap().rounds, [second]);
    let overdue = room.rounds.figures(10).await.unwrap().overdue.unwrap();
    assert!(overdue >= Duration::from_micros(40) && overdue < Duration::from_secs(3000), "{overdue:?}");
}

pub(super) async fn what_cannot_be_decided_hides_nothing<F: Fixture>(room: &Room<'_, F>) {
    let now = room.now().await;
    let own = enrolled(&*room.rounds, "{\"own\":true}").await;
    let foreign = room.rules;
    let open = async |key: &str, rules: i64, look_at: i64, due_at: i64| {
        let number = signal(&*room.rounds, rules, key).await;
        let next = || Next::Waits { look_at, due_at };
        room.work(&[by_key(key)], |_| Ruling { next: next(), ..Ruling::default() }).await;
        number
    };
    // A head of those by rules that the caller does not know, and of those that are aside.
    for place in 0..20 {
        open(&format!("foreign {place}"), foreign, now - 1000 + place, now + HOUR).await;
        let key = format!("aside {place}");
        open(&key, own, now - 2000, now - 2000).await;
        room.work(&[by_key(&key)], |_| Ruling { next: Next::Aside { reason: "broken".into() }, ..Ruling::default() })
            .await;
    }
    let last = open("own", own, now - 1, now + HOUR).await;
    let given_up = open("given up", foreign, now - 500, now - HOUR / 2).await;
    let due = async |grace: Duration, most: usize| room.rounds.due(&[foreign], grace, most).await.unwrap().rounds;
    assert_eq!(due(Duration::from_secs(3600), 1).await, [last]);
    assert_eq!(due(Duration::from_secs(60), 2).await, [given_up, last]);
    assert_eq!(room.rounds.due(&[], NONE, 100).await.unwrap().rounds.len(), 22, "who knows all rules is told of all");
    // The next of those that can be decided is told, whatever stands before it.
    open("next", own, now + HOUR, now + HOUR).await;
    let next = room.rounds.due(&[foreign], Duration::from_secs(3600), 10).await.unwrap();
    assert_eq!(next.rounds, [last]);
    assert!(next.next.is_some_and(|next| next <= Duration::from_secs(3600)));
}

pub(super) async fn what_has_ended_is_told_of_those_that_were_asked_about<F: Fixture>(room: &Room<'_, F>) {
    let (a, b, c) = (room.signal("a").await, room.signal("b").await, room.signal("c").await);
    room.close("a", true).await;
    room.close("b", false).await;
    let mut ended = room.rounds.ended(&[c, b, 7, i64::MAX, -1]).await.unwrap();
    assert_eq!((ended.len(), ended.pop().map(|past| (past.id, past.resolved))), (1, Some((b, false))));
    assert_eq!(room.rounds.ended(&[a, b, c]).await.unwrap().len(), 2);
    assert!(room.rounds.ended(&[]).await.unwrap().is_empty());
    assert_eq!(room.rounds.round(7).await.unwrap(), None);
}

pub(super) async fn a_key_has_a_history<F: Fixture>(room: &Room<'_, F>) {
    let mut all = Vec::new();
    for turn in 0..5 {
        all.push(room.signal("a").await);
        room.signal("ab").await;
        if turn < 4 {
            room.close("a", turn % 2 == 0).await;
        }
    }
    all.reverse();
    let history = room.rounds.history("a", i64::MAX, 10).await.unwrap();
    assert_eq!(ids(&history), all);
    let resolved = history.iter().filter_map(|kept| match kept {
        Kept::Over(past) => Some(past.resolved),
        Kept::Open(..) => None,
    });
    assert_eq!(resolved.collect::<Vec<_>>(), [false, true, false, true]);
    assert!(matches!(&history[0], Kept::Open(_, _, rows) if rows.len() == 1));
    assert_eq!(ids(&room.rounds.history("a", all[1], 2).await.unwrap()), all[2..4]);
    assert_eq!(ids(&room.rounds.history("a", i64::MAX, 1).await.unwrap()), all[..1]);
    assert!(room.rounds.history("b", i64::MAX, 10).await.unwrap().is_empty());
}

pub(super) async fn what_is_open_is_listed_page_by_page<F: Fixture>(room: &Room<'_, F>) {
    let mut all = Vec::new();
    for key in 0..25 {
        all.push(room.signal(&format!("key {key}")).await);
    }
    for key in [3, 7, 24] {
        room.close(&format!("key {key}"), true).await;
    }
    room.work(&[by_key("key 9")], |_| Ruling { next: Next::Aside { reason: "broken".into() }, ..Ruling::default() })
        .await;
    let open: Vec<_> = (0..25).filter(|key| ![3, 7, 24].contains(key)).map(|key| all[key]).collect();
    let (mut listed, mut after) = (Vec::new(), 0);
    loop {
        let page = room.rounds.open(after, 10).await.unwrap();
        assert!(page.iter().all(|kept| matches!(kept, Kept::Open(_, _, rows) if rows.len() == 1)));
        let Some(last) = ids(&page).last().copied() else { break };
        listed.extend(ids(&page));
        after = last;
    }
    assert_eq!(listed, open);
}

pub(super) async fn what_is_there_is_counted<F: Fixture>(room: &Room<'_, F>) {
    for key in 0..9 {
        room.signal(&format!("key {key}")).await;
    }
    for key in 0..4 {
        room.close(&format!("key {key}"), key % 2 == 0).await;
    }
    room.work(&[by_key("key 8")], |_| Ruling { next: Next::Aside { reason: "broken".into() }, ..Ruling::default() })
        .await;
    room.work(&[by_key("early"), by_key("earlier")], |case| Ruling {
        opens: Some(Opening { stage: Stage::Awaited, ..opening(room.rules, case.now) }),
        next: Next::Waits { look_at: case.now + HOUR, due_at: case.now + HOUR },
        ..Ruling::default()
    })
    .await;
    let all = room.rounds.figures(1000).await.unwrap();
    assert_eq!((all.open, all.awaited, all.aside, all.over, all.overdue), (4, 2, 1, 4, None));
    let some = room.rounds.figures(3).await.unwrap();
    assert_eq!((some.open, some.awaited, some.aside, some.over), (3, 2, 1, 3), "not counted beyond that");
}

pub(super) async fn what_is_old_is_deleted_in_batches<F: Fixture>(room: &Room<'_, F>) {
    let mut all = Vec::new();
    for key in 0..7 {
        let key = format!("key {key}");
        all.push(room.signal(&key).await);
        room.work(&[by_key(&key)], |case| closing(case, true)).await;
    }
    let open = room.signal("open").await;
    assert_eq!(room.rounds.purge(Duration::from_secs(3600), 10).await.unwrap(), 0);
    assert_eq!(room.rounds.purge(NONE, 3).await.unwrap(), 3);
    let mut left: Vec<_> = room.rounds.ended(&all).await.unwrap().iter().map(|past| past.id).collect();
    left.sort_unstable();
    assert_eq!(left, all[3..], "the oldest go first");
    assert_eq!(room.rounds.purge(NONE, 10).await.unwrap(), 4);
    assert_eq!(room.rounds.purge(NONE, 10).await.unwrap(), 0);
    assert!(matches!(room.rounds.round(open).await.unwrap(), Some(Kept::Open(..))));
}

pub(super) async fn brokers_of_one_database_know_nothing_of_each_other<F: Fixture>(room: &Room<'_, F>) {
    let other = room.database.open_rounds("approvals-2".into()).await.unwrap();
    let rules = enrolled(&*other, "{\"of\":\"the other\"}").await;
    let mine = room.open_until("a", 5).await;
    let theirs = signal(&*other, rules, "a").await;
    assert_ne!(mine, theirs);
    assert_eq!(ids(&other.open(0, 10).await.unwrap()), [theirs]);
    assert_eq!(ids(&room.rounds.open(0, 10).await.unwrap()), [mine]);
    assert_eq!((other.round(mine).await.unwrap(), room.rounds.round(theirs).await.unwrap()), (None, None));
    assert!(other.due(&[], NONE, 10).await.unwrap().rounds.is_empty());
    other.add_consumer("audit").await.unwrap();
    assert!(room.rounds.consumers().await.unwrap().is_empty());
    room.close("a", true).await;
    assert!(other.ended(&[mine]).await.unwrap().is_empty());
    assert_eq!((other.purge(NONE, 10).await.unwrap(), other.figures(10).await.unwrap().over), (0, 0));
    assert_eq!(ids(&other.history("a", i64::MAX, 10).await.unwrap()), [theirs]);
    // Neither by its number.
    other
        .work(&[crate::durable::store::Place::Round(mine)], &super::room::judge(|_, _| panic!("it is another's")))
        .await
        .unwrap();
}
