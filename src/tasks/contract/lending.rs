//! Who gets a job, and when.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::room::{HOUR, Room, again, done, job, later, of_task, payloads, wanted};
use crate::tasks::TaskDatabase;
use crate::tasks::{Due, Held, NewJob, State, Wanted};

const SHORT: Duration = Duration::from_millis(20);

pub(super) async fn the_first_by_its_rank_goes_first<D: TaskDatabase>(room: &Room<D>) {
    let urgent =
        |payload: &str, head_start: u64| NewJob { head_start: Duration::from_secs(head_start), ..job(payload) };
    room.add([urgent("c", 10), urgent("d", 0), urgent("a", 90), urgent("b", 20)]).await;
    assert_eq!(payloads(&room.lend(&wanted(2)).await), ["a", "b"]);
    room.add([urgent("e", 1), urgent("bb", 15)]).await;
    assert_eq!(payloads(&room.lend(&wanted(3)).await), ["bb", "c", "e"]);
    assert_eq!(payloads(&room.lend(&wanted(3)).await), ["d"]);
}

pub(super) async fn each_is_lent_once_however_many_ask<D: TaskDatabase>(room: &Room<D>) {
    room.add((0..300).map(|place| job(&place.to_string()))).await;
    let another = room.another().await;
    let lending = (0..8).map(|who| {
        let jobs = if who % 2 == 0 { room.jobs.clone() } else { another.clone() };
        async move {
            let mut lent = Vec::new();
            loop {
                let loans = jobs.lend(&wanted(7)).await.unwrap().jobs;
                if loans.is_empty() {
                    return lent;
                }
                lent.extend(loans.into_iter().map(|loan| (loan.id, loan.attempt)));
            }
        }
    });
    let mut lent: Vec<_> = join_all(lending).await.into_iter().flatten().collect();
    // What was locked by another when one asked is left for whoever asks next.
    lent.extend(room.lend(&wanted(300)).await.iter().map(|loan| (loan.id, loan.attempt)));
    assert_eq!(lent.len(), 300);
    assert_eq!(lent.iter().collect::<BTreeSet<_>>().len(), 300);
    assert!(lent.iter().all(|(_, attempt)| *attempt == 1));
}

pub(super) async fn only_what_is_wanted_is_lent<D: TaskDatabase>(room: &Room<D>) {
    room.add([of_task("mail", "a"), of_task("bill", "b"), NewJob { queue: "slow".into(), ..job("c") }]).await;
    assert!(room.lend(&Wanted { tasks: vec!["other".into()], ..wanted(10) }).await.is_empty());
    assert!(room.lend(&wanted(0)).await.is_empty());
    assert!(room.lend(&Wanted { tasks: Vec::new(), ..wanted(10) }).await.is_empty());
    assert_eq!(payloads(&room.lend(&Wanted { queues: vec!["slow".into()], ..wanted(10) }).await), ["c"]);
    assert_eq!(payloads(&room.lend(&wanted(10)).await), ["a"]);
    let all = Wanted {
        queues: vec!["default".into(), "slow".into()],
        tasks: vec!["mail".into(), "bill".into()],
        ..wanted(10)
    };
    assert_eq!(payloads(&room.lend(&all).await), ["b"]);
}

pub(super) async fn what_is_not_due_waits<D: TaskDatabase>(room: &Room<D>) {
    let far = room.add_one(later("far", HOUR)).await;
    let loans = room.lend_all(&wanted(10)).await;
    assert!(loans.jobs.is_empty());
    let next = loans.next.unwrap();
    assert!(next <= HOUR && next > HOUR / 2, "{next:?}");
    let row = room.jobs.look(far).await.unwrap().unwrap();
    assert_eq!(row.state, State::Waiting);
    assert!(row.due_in.unwrap() <= HOUR);
    let soon = room.add_one(later("soon", SHORT)).await;
    let loans = room.lend_some(&wanted(10)).await;
    assert_eq!(loans.iter().map(|loan| loan.id).collect::<Vec<_>>(), [soon]);
    assert_eq!(room.jobs.look(soon).await.unwrap().unwrap().due_in, None);
    // Ever.
    let never = room.add_one(later("never", Duration::MAX)).await;
    let end = room.add_one(NewJob { due: Due::At(i64::MAX), ..job("end") }).await;
    assert!(room.lend(&wanted(10)).await.is_empty());
    for job in [never, end] {
        assert!(room.jobs.look(job).await.unwrap().unwrap().due_in.unwrap() > HOUR * 24 * 365);
    }
}

pub(super) async fn a_time_that_is_past_is_now<D: TaskDatabase>(room: &Room<D>) {
    let at = |payload: &str, at: i64| NewJob { due: Due::At(at), ..job(payload) };
    room.add([at("a", 0), at("b", -1), at("c", i64::MIN), job("d")]).await;
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(payloads(&loans), ["a", "b", "c", "d"]);
    assert!(loans.iter().all(|loan| loan.waited < HOUR), "{loans:?}");
}

pub(super) async fn what_is_due_stands_behind_nothing_that_is_not<D: TaskDatabase>(room: &Room<D>) {
    // Its rank is that of an hour ago.
    room.add([NewJob { head_start: HOUR * 2, ..later("ahead", HOUR) }]).await;
    room.add((0..3).map(|place| job(&place.to_string()))).await;
    assert_eq!(payloads(&room.lend(&wanted(1)).await), ["0"]);
    assert_eq!(payloads(&room.lend(&wanted(10)).await), ["1", "2"]);
    // Once they are due, they are in the order of their ranks.
    let urgent = NewJob { head_start: HOUR, ..later("urgent", SHORT) };
    room.add([later("plain", SHORT), urgent]).await;
    room.until(async || room.jobs.figures(&[], 10).await.unwrap().waiting == 2).await;
    assert_eq!(payloads(&room.lend(&wanted(1)).await), ["urgent"]);
    assert_eq!(payloads(&room.lend(&wanted(1)).await), ["plain"]);
}

pub(super) async fn a_lease_that_ends_is_an_attempt<D: TaskDatabase>(room: &Room<D>) {
    let id = room.add_one(job("a")).await;
    let short = Wanted { lease: SHORT, ..wanted(10) };
    let first = room.lend(&short).await;
    room.settle([again(&first[0], Duration::ZERO, "no")]).await;
    let second = room.lend(&short).await;
    assert_eq!(second[0].reason.as_deref(), Some("no"));
    let third = room.lend_some(&wanted(10)).await;
    assert_eq!((third[0].id, third[0].attempt, third[0].attempts), (id, 3, 3));
    // Nobody has said why.
    assert_eq!(third[0].reason, None);
    let held = [(id, second[0].attempt), (id, third[0].attempt), (id + 1000, 1)];
    assert_eq!(room.jobs.renew(&held, HOUR).await.unwrap(), [Held::Lost, Held::Still, Held::Lost]);
    assert_eq!(room.settle([done(&second[0], Duration::ZERO)]).await, [false]);
    assert_eq!(room.events().await, 0);
    // What is beyond its attempts is lent as well, to be ended.
    room.jobs.renew(&held[1..2], SHORT).await.unwrap();
    let fourth = room.lend_some(&wanted(10)).await;
    assert!(fourth[0].attempt > fourth[0].attempts);
}

pub(super) async fn a_lease_is_renewed<D: TaskDatabase>(room: &Room<D>) {
    assert!(room.jobs.renew(&[], HOUR).await.unwrap().is_empty());
    room.add([job("a"), job("b")]).await;
    let short = Wanted { lease: Duration::from_millis(200), ..wanted(10) };
    let loans = room.lend(&short).await;
    let held = [(loans[0].id, 1), (loans[1].id, 1)];
    assert_eq!(room.jobs.renew(&held[..1], HOUR).await.unwrap(), [Held::Still]);
    let lost = room.lend_some(&wanted(10)).await;
    assert_eq!(payloads(&lost), ["b"]);
    assert_eq!(room.jobs.renew(&held, HOUR).await.unwrap(), [Held::Still, Held::Lost]);
    assert_eq!(room.settle(loans.iter().map(|loan| done(loan, Duration::ZERO))).await, [true, false]);
}

pub(super) async fn what_waits_too_long_is_said_to_be_expired<D: TaskDatabase>(room: &Room<D>) {
    let expires = |payload: &str, expires| NewJob { expires: Some(expires), ..job(payload) };
    let soon = room.add_one(expires("soon", Duration::from_millis(1))).await;
    let late = room.add_one(expires("late", HOUR)).await;
    // From when it is due.
    let due = room.add_one(NewJob { due: Due::After(SHORT * 5), ..expires("due", HOUR) }).await;
    tokio::time::sleep(SHORT).await;
    let loans = room.lend(&wanted(2)).await;
    let expired: Vec<_> = loans.iter().map(|loan| (loan.id, loan.is_expired)).collect();
    assert_eq!(expired, [(soon, true), (late, false)]);
    assert!(loans[0].waited >= Duration::from_millis(1));
    let loans = room.lend_some(&wanted(2)).await;
    assert_eq!(loans.iter().map(|loan| (loan.id, loan.is_expired)).collect::<Vec<_>>(), [(due, false)]);
    // What has begun in time may come again later.
    let id = room.add_one(expires("again", Duration::from_secs(30))).await;
    let loans = room.lend(&wanted(2)).await;
    assert_eq!((loans[0].id, loans[0].is_expired), (id, false));
    room.settle([again(&loans[0], Duration::ZERO, "no")]).await;
    assert!(!room.lend(&wanted(2)).await[0].is_expired);
}

pub(super) async fn of_many_tasks_each_has_its_place<D: TaskDatabase>(room: &Room<D>) {
    // More than are merged by one statement.
    let names: Vec<Arc<str>> = (0..40).map(|task| Arc::from(format!("task {task}"))).collect();
    let added: Vec<_> = (0..3).flat_map(|round| names.iter().map(move |name| (round, name.clone()))).collect();
    room.add(added.iter().map(|(round, name)| of_task(name, &format!("{round} {name}")))).await;
    let all = Wanted { tasks: names, ..wanted(10) };
    let mut lent = Vec::new();
    loop {
        let loans = room.lend(&all).await;
        if loans.is_empty() {
            break;
        }
        lent.extend(payloads(&loans));
    }
    let expected: Vec<_> = added.iter().map(|(round, name)| format!("{round} {name}")).collect();
    assert_eq!(lent.iter().collect::<BTreeSet<_>>(), expected.iter().collect());
    assert_eq!(lent.len(), expected.len());
    assert_eq!(lent[..10], expected[..10]);
}
