//! Whose turn it is, where keys have a limit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::room::{HOUR, Room, at_once, done, limited, of_key, of_task, payloads, wanted};
use crate::tasks::TaskDatabase;
use crate::tasks::{Limit, Loan, NewJob, Wanted};

/// How many there are of each key, by what stands before the space.
fn by_key(loans: &[Loan]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for payload in payloads(loans) {
        *counts.entry(payload.split(' ').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    counts
}

fn jobs(key: &str, count: usize) -> Vec<NewJob> {
    (0..count).map(|place| of_key(key, &format!("{key} {place}"))).collect()
}

pub(super) async fn of_a_key_no_more_run_than_its_limit_says<D: TaskDatabase>(room: &Room<D>) {
    room.add(jobs("a", 5).into_iter().chain(jobs("b", 2))).await;
    let first = room.lend(&limited(10, at_once(2))).await;
    assert_eq!(by_key(&first), BTreeMap::from([("a".into(), 2), ("b".into(), 2)]));
    assert!(room.lend(&limited(10, at_once(2))).await.is_empty());
    // Within a key they are in their order.
    let of_a: Vec<_> = first.iter().filter(|loan| loan.payload.contains('a')).cloned().collect();
    assert_eq!(payloads(&of_a), ["a 0", "a 1"]);
    assert_eq!(room.settle([done(&of_a[0], Duration::ZERO)]).await, [true]);
    assert_eq!(payloads(&room.lend(&limited(10, at_once(2))).await), ["a 2"]);
    // One whose worker is gone is none that runs.
    let short = Wanted { lease: Duration::from_millis(20), ..limited(10, at_once(3)) };
    assert_eq!(payloads(&room.lend(&short).await), ["a 3"]);
    assert_eq!(payloads(&room.lend_some(&limited(10, at_once(3))).await), ["a 3"]);
}

pub(super) async fn keys_take_turns<D: TaskDatabase>(room: &Room<D>) {
    let keys = ["a", "b", "c", "d", "e"];
    room.add(keys.iter().flat_map(|key| jobs(key, 6))).await;
    let wanted = limited(2, at_once(100));
    let mut lent = Vec::new();
    for _ in 0..15 {
        let loans = room.lend(&wanted).await;
        assert_eq!(loans.len(), 2);
        lent.extend(loans);
        // No key is ahead of another by more than one turn.
        let counts = by_key(&lent);
        let of = |key: &&str| counts.get(*key).copied().unwrap_or_default();
        let (least, most) = (keys.iter().map(of).min().unwrap(), keys.iter().map(of).max().unwrap());
        assert!(most - least <= 1, "{counts:?}");
    }
    assert!(room.lend(&wanted).await.is_empty());
}

pub(super) async fn a_key_with_many_jobs_keeps_no_other_waiting<D: TaskDatabase>(room: &Room<D>) {
    room.add(jobs("a", 500)).await;
    room.add(jobs("b", 1).into_iter().chain(jobs("c", 1))).await;
    let loans = room.lend(&limited(4, at_once(1000))).await;
    assert_eq!(by_key(&loans), BTreeMap::from([("a".into(), 2), ("b".into(), 1), ("c".into(), 1)]));
    // What is alone has all the room there is.
    assert_eq!(room.lend(&limited(50, at_once(1000))).await.len(), 50);
}

pub(super) async fn of_a_key_no_more_begin_than_its_rate_says<D: TaskDatabase>(room: &Room<D>) {
    room.add(jobs("a", 5).into_iter().chain(jobs("b", 1))).await;
    let rate = |most, time| limited(10, Limit { at_once: None, rate: Some((most, time)) });
    let loans = room.lend_all(&rate(2, HOUR)).await;
    assert_eq!(by_key(&loans.jobs), BTreeMap::from([("a".into(), 2), ("b".into(), 1)]));
    // However soon they end.
    room.settle(loans.jobs.iter().map(|loan| done(loan, Duration::ZERO))).await;
    let none = room.lend_all(&rate(2, HOUR)).await;
    assert!(none.jobs.is_empty());
    // The next may begin in half an hour.
    let next = none.next.unwrap();
    assert!(next <= HOUR / 2 && (next > HOUR / 4 || room.looks_often), "{next:?}");
    room.add(jobs("c", 3)).await;
    let soon = rate(1, Duration::from_millis(30));
    assert_eq!(by_key(&room.lend(&soon).await).get("c"), Some(&1));
    room.until(async || room.lend(&soon).await.iter().any(|loan| loan.payload.contains('c'))).await;
}

/// It has waited too long, or has had all its attempts: it is lent to be ended.
pub(super) async fn what_does_not_begin_takes_no_place_of_its_rate<D: TaskDatabase>(room: &Room<D>) {
    let rate = limited(1, Limit { at_once: None, rate: Some((1, HOUR)) });
    // It has its only attempt by a worker that is gone.
    room.add([NewJob { attempts: 1, ..of_key("b", "b spent") }]).await;
    let short = Wanted { lease: Duration::from_millis(20), ..limited(1, at_once(1)) };
    assert_eq!(room.lend(&short).await.len(), 1);
    let spent = room.lend_some(&rate).await.remove(0);
    assert!(spent.attempt > spent.attempts);
    let soon = Duration::from_millis(1);
    room.add((0..2).map(|place| NewJob { expires: Some(soon), ..of_key("a", &format!("a expired {place}")) })).await;
    sleep(10 * soon).await;
    for _ in 0..2 {
        assert!(room.lend_some(&rate).await[0].is_expired);
    }
    room.add([of_key("a", "a good"), of_key("b", "b good")]).await;
    let mut begun: Vec<_> = [room.lend_some(&rate).await, room.lend_some(&rate).await].concat();
    begun.sort_unstable_by_key(|loan| loan.id);
    assert_eq!(payloads(&begun), ["a good", "b good"]);
    room.add([of_key("a", "a late"), of_key("b", "b late")]).await;
    assert!(room.lend(&rate).await.is_empty());
}

pub(super) async fn with_limits_and_without_nobody_starves<D: TaskDatabase>(room: &Room<D>) {
    let plain = || (0..40).map(|place| of_task("bill", &format!("plain {place}")));
    room.add(jobs("a", 40).into_iter().chain(plain())).await;
    let both = Wanted { tasks: vec!["mail".into(), "bill".into()], ..limited(1, at_once(100)) };
    let mut lent = Vec::new();
    while lent.len() < 80 {
        let loans = room.lend(&both).await;
        assert_eq!(loans.len(), 1);
        lent.extend(loans);
        // Those that come later are no reason to wait.
        if lent.len() == 20 {
            room.add(plain()).await;
        }
    }
    assert!(by_key(&lent).get("a").is_some_and(|count| *count >= 15), "{:?}", by_key(&lent));
    assert!(by_key(&lent).get("plain").is_some_and(|count| *count >= 15), "{:?}", by_key(&lent));
}

pub(super) async fn a_limit_holds_in_all_queues<D: TaskDatabase>(room: &Room<D>) {
    room.add(jobs("a", 2)).await;
    room.add(jobs("a", 2).into_iter().map(|job| NewJob { queue: "slow".into(), ..job })).await;
    let queues = |names: &[&str]| names.iter().map(|name| (*name).into()).collect::<Vec<_>>();
    let slow = Wanted { queues: queues(&["slow"]), ..limited(10, at_once(1)) };
    assert_eq!(room.lend(&limited(10, at_once(1))).await.len(), 1);
    assert!(room.lend(&slow).await.is_empty());
    let all = Wanted { queues: queues(&["default", "slow"]), ..limited(10, at_once(3)) };
    assert_eq!(room.lend(&all).await.len(), 2);
    // The same key of another task is another one.
    room.add([NewJob { task: "bill".into(), ..of_key("a", "bill") }]).await;
    let bill = Wanted { tasks: vec!["bill".into()], limits: vec![("bill".into(), at_once(1))], ..wanted(10) };
    assert_eq!(payloads(&room.lend(&bill).await), ["bill"]);
}

pub(super) async fn what_has_ended_makes_room<D: TaskDatabase>(room: &Room<D>) {
    room.add(jobs("a", 2)).await;
    let loans = room.lend(&limited(10, at_once(1))).await;
    let mut bell = room.jobs.bell();
    bell.mark_unchanged();
    room.settle([done(&loans[0], Duration::ZERO)]).await;
    assert!(bell.has_changed().unwrap(), "who waits for room hears of it");
    assert_eq!(room.lend(&limited(10, at_once(1))).await.len(), 1);
}

pub(super) async fn two_workers_keep_a_limit_together<D: TaskDatabase>(room: &Room<D>) {
    let keys: Vec<_> = (0..5).map(|key| format!("k{key}")).collect();
    room.add(keys.iter().flat_map(|key| jobs(key, 20))).await;
    let another = room.another().await;
    let mut ended = 0;
    while ended < 100 {
        let lending = (0..4).map(|who| {
            let jobs = if who % 2 == 0 { room.jobs.clone() } else { another.clone() };
            async move { jobs.lend(&limited(3, at_once(2))).await.unwrap().jobs }
        });
        let lent: Vec<_> = join_all(lending).await.into_iter().flatten().collect();
        assert!(!lent.is_empty());
        assert!(by_key(&lent).values().all(|count| *count <= 2), "{:?}", by_key(&lent));
        let settled = room.settle(lent.iter().map(|loan| done(loan, Duration::ZERO))).await;
        assert!(settled.iter().all(|settled| *settled));
        ended += lent.len();
    }
    assert_eq!(room.events().await, 100);
}

pub(super) async fn a_key_that_is_not_limited_any_more_is_lent<D: TaskDatabase>(room: &Room<D>) {
    room.add(jobs("a", 3)).await;
    let lent = room.lend_some(&wanted(10)).await;
    assert_eq!(payloads(&lent).into_iter().collect::<BTreeSet<_>>().len(), 3);
}
