//! What is known of a job, and where schedules stand.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use super::room::{
    HOUR, Room, at_once, done, job, later, limited, numbers, of_key, of_task, over, payloads, unique, wanted,
};
use crate::tasks::TaskDatabase;
use crate::tasks::cron::{Missed, Schedule, due};
use crate::tasks::{Held, Limit, NewJob, Noted, State, Wanted};

pub(super) async fn one_that_waits_and_is_cancelled_is_due<D: TaskDatabase>(room: &Room<D>) {
    let ahead = room.add_one(later("ahead", HOUR)).await;
    let ready = room.add_one(job("ready")).await;
    let mut bell = room.jobs.bell();
    bell.mark_unchanged();
    assert_eq!(room.jobs.cancel(ahead).await.unwrap(), Some(State::Waiting));
    assert!(bell.has_changed().unwrap());
    assert_eq!(room.jobs.cancel(ready).await.unwrap(), Some(State::Waiting));
    assert!(room.jobs.look(ahead).await.unwrap().unwrap().is_cancelled);
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(loans.len(), 2);
    assert!(loans.iter().all(|loan| loan.is_cancelled));
    room.settle(loans.iter().map(|loan| over(loan, State::Cancelled, Some("cancelled"), HOUR))).await;
    assert_eq!(room.jobs.cancel(ready).await.unwrap(), Some(State::Cancelled));
    assert_eq!(room.jobs.cancel(ready + 1000).await.unwrap(), None);
    assert!(room.lend(&wanted(10)).await.is_empty());
}

pub(super) async fn one_that_runs_learns_that_it_is_cancelled<D: TaskDatabase>(room: &Room<D>) {
    let id = room.add_one(job("a")).await;
    let loans = room.lend(&wanted(1)).await;
    assert_eq!(room.jobs.cancel(id).await.unwrap(), Some(State::Running));
    assert_eq!(room.state(id).await, Some(State::Running));
    assert_eq!(room.jobs.renew(&[(id, 1)], HOUR).await.unwrap(), [Held::Cancelled]);
    // It may have been done before it heard of that.
    assert_eq!(room.settle([done(&loans[0], Duration::ZERO)]).await, [true]);
}

pub(super) async fn one_of_a_busy_key_is_cancelled_at_once<D: TaskDatabase>(room: &Room<D>) {
    let ids = numbers(&room.add([of_key("a", "first"), of_key("a", "second"), of_key("a", "third")]).await);
    assert_eq!(room.lend(&limited(10, at_once(1))).await.len(), 1);
    room.jobs.cancel(ids[2]).await.unwrap();
    let loans = room.lend_some(&limited(10, at_once(1))).await;
    assert_eq!(payloads(&loans), ["third"]);
    assert!(loans[0].is_cancelled);
}

pub(super) async fn what_has_failed_is_tried_once_more_with_all_its_attempts<D: TaskDatabase>(room: &Room<D>) {
    let ids = numbers(&room.add([NewJob { expires: Some(HOUR), ..job("a") }, of_key("b", "b"), job("c")]).await);
    let loans = room.lend_some(&wanted(10)).await;
    let rest = room.lend(&wanted(10)).await;
    let loans: Vec<_> = loans.into_iter().chain(rest).collect();
    for loan in &loans {
        let state = if loan.id == ids[0] { State::Failed } else { State::Cancelled };
        assert!(!room.jobs.retry(loan.id).await.unwrap());
        assert!(room.jobs.step((loan.id, loan.attempt), "charged", "1").await.unwrap());
        room.settle([over(loan, state, Some("no"), HOUR)]).await;
    }
    let mut bell = room.jobs.bell();
    bell.mark_unchanged();
    assert!(room.jobs.retry(ids[0]).await.unwrap());
    assert!(bell.has_changed().unwrap());
    assert!(room.jobs.retry(ids[1]).await.unwrap());
    assert!(!room.jobs.retry(ids[0]).await.unwrap());
    assert!(!room.jobs.retry(ids[2] + 1000).await.unwrap());
    let row = room.jobs.look(ids[0]).await.unwrap().unwrap();
    assert_eq!((row.state, row.attempt, row.attempts, row.is_cancelled), (State::Waiting, 0, 3, false));
    let mut again = room.lend_some(&limited(10, at_once(1))).await;
    again.extend(room.lend(&limited(10, at_once(1))).await);
    again.sort_by_key(|loan| loan.id);
    assert_eq!(payloads(&again), ["a", "b"]);
    for (loan, before) in again.iter().zip(&loans) {
        assert_eq!((loan.attempts - loan.attempt, loan.is_cancelled, loan.is_expired), (2, false, false));
        assert!(room.jobs.steps(loan.id).await.unwrap().is_empty());
        // Who had it before has it no more.
        assert_eq!(room.settle([done(before, Duration::ZERO)]).await, [false]);
    }
}

pub(super) async fn what_has_failed_is_listed<D: TaskDatabase>(room: &Room<D>) {
    let ids = numbers(&room.add((0..6).map(|place| job(&place.to_string()))).await);
    let loans = room.lend(&wanted(10)).await;
    let states = [State::Failed, State::Done, State::Failed, State::Cancelled, State::Failed];
    room.settle(loans.iter().zip(states).map(|(loan, state)| over(loan, state, Some("no"), HOUR))).await;
    let failed = async |after, most| {
        let rows = room.jobs.failed(after, most).await.unwrap();
        rows.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(failed(0, 10).await, [ids[0], ids[2], ids[3], ids[4]]);
    assert_eq!(failed(0, 2).await, [ids[0], ids[2]]);
    assert_eq!(failed(ids[2], 10).await, [ids[3], ids[4]]);
    assert_eq!(failed(i64::MAX - 1, usize::MAX).await, [0; 0]);
}

pub(super) async fn who_has_a_job_notes_how_far_it_is<D: TaskDatabase>(room: &Room<D>) {
    let id = room.add_one(job("a")).await;
    let noted = |text: &str, fraction| Noted { text: Some(text.into()), fraction };
    assert!(!room.jobs.progress((id, 0), &noted("no", None)).await.unwrap());
    room.lend(&wanted(1)).await;
    assert!(room.jobs.progress((id, 1), &noted("'half' \\ way", Some(0.5))).await.unwrap());
    assert_eq!(room.jobs.look(id).await.unwrap().unwrap().progress, noted("'half' \\ way", Some(0.5)));
    assert!(!room.jobs.progress((id, 2), &noted("no", None)).await.unwrap());
    assert!(room.jobs.progress((id, 1), &Noted { text: None, fraction: Some(f64::NAN) }).await.unwrap());
    assert_eq!(room.jobs.look(id).await.unwrap().unwrap().progress.text, None);
}

pub(super) async fn steps_outlive_the_attempt_and_end_with_the_job<D: TaskDatabase>(room: &Room<D>) {
    let id = room.add_one(job("a")).await;
    assert!(!room.jobs.step((id, 1), "early", "1").await.unwrap());
    let short = Wanted { lease: Duration::from_millis(50), ..wanted(1) };
    room.lend(&short).await;
    assert!(room.jobs.step((id, 1), "charged", "{\"'\": 1}").await.unwrap());
    // The first result stays.
    assert!(room.jobs.step((id, 1), "charged", "2").await.unwrap());
    assert!(room.jobs.step((id, 1), "it's \\ sent", "null").await.unwrap());
    let loans = room.lend_some(&wanted(1)).await;
    assert!(!room.jobs.step((id, 1), "late", "3").await.unwrap());
    let mut steps = room.jobs.steps(id).await.unwrap();
    steps.sort();
    assert_eq!(steps, [("charged".into(), "{\"'\": 1}".into()), ("it's \\ sent".into(), "null".into())]);
    assert_eq!(room.settle([done(&loans[0], HOUR)]).await, [true]);
    assert!(room.jobs.steps(id).await.unwrap().is_empty());
}

pub(super) async fn a_schedule_moves_on_once<D: TaskDatabase>(room: &Room<D>) {
    let (at, now) = room.jobs.ticked("it's \\ night").await.unwrap();
    assert_eq!(at, None);
    assert!(now > 1_700_000_000_000_000, "{now}");
    let another = room.another().await;
    for (from, to) in [(None, 100), (Some(100), 200)] {
        let ticking = (0..8).map(|who| {
            let jobs = if who % 2 == 0 { room.jobs.clone() } else { another.clone() };
            async move { jobs.tick("it's \\ night", from, to, vec![job(&format!("{to}")), job("b")]).await.unwrap() }
        });
        let ticked = join_all(ticking).await;
        assert_eq!(ticked.iter().filter(|ticked| **ticked).count(), 1, "{ticked:?}");
        assert_eq!(room.jobs.ticked("it's \\ night").await.unwrap().0, Some(to));
        assert_eq!(payloads(&room.lend(&wanted(10)).await), [to.to_string(), "b".into()]);
    }
    assert!(!room.jobs.tick("it's \\ night", None, 300, vec![job("c")]).await.unwrap());
    assert!(!room.jobs.tick("another", Some(1), 2, vec![job("d")]).await.unwrap());
    // It may move on with nothing to do.
    assert!(room.jobs.tick("it's \\ night", Some(200), 250, Vec::new()).await.unwrap());
    assert!(room.lend(&wanted(10)).await.is_empty());
}

/// Ten thousand times, by clocks that go on by some seconds at a time.
pub(super) async fn ten_schedulers_enqueue_each_time_once<D: TaskDatabase>(room: &Room<D>) {
    const TIMES: i64 = 10_000;
    let schedule = Schedule::parse("* * * * * *").unwrap();
    let (another, times) = (room.another().await, RefCell::new(BTreeSet::new()));
    assert!(room.jobs.tick("second", None, 0, Vec::new()).await.unwrap());
    let ticking = (0..10).map(async |who| {
        let (jobs, mut enqueued) = (if who % 2 == 0 { &room.jobs } else { &another }, 0);
        loop {
            let stands = jobs.ticked("second").await.unwrap().0.unwrap();
            if stands == TIMES {
                return enqueued;
            }
            let ticks = due(&schedule, Some(stands), TIMES.min(stands + fastrand::i64(1..30)), Missed::All);
            let new = ticks.run.iter().map(|time| job(&time.to_string())).collect();
            if jobs.tick("second", Some(stands), ticks.to, new).await.unwrap() {
                enqueued += ticks.run.len();
                ticks.run.into_iter().for_each(|time| assert!(times.borrow_mut().insert(time), "{time} comes twice"));
            }
        }
    });
    let each = join_all(ticking).await;
    assert_eq!(each.iter().sum::<usize>(), times.borrow().len());
    assert!(times.borrow().iter().copied().eq(1..=TIMES), "some are missing");
    assert_eq!(room.jobs.figures(&[], 100_000).await.unwrap().waiting, TIMES.unsigned_abs());
    println!("figure: {TIMES} times under 10 schedulers: 0 twice, 0 missed");
}

pub(super) async fn a_schedule_keeps_unique_keys<D: TaskDatabase>(room: &Room<D>) {
    room.add_one(unique("a")).await;
    assert!(room.jobs.tick("night", None, 1, vec![unique("a"), unique("b"), unique("b")]).await.unwrap());
    assert_eq!(payloads(&room.lend(&wanted(10)).await), ["a", "b"]);
}

pub(super) async fn what_is_there_is_counted<D: TaskDatabase>(room: &Room<D>) {
    assert_eq!(room.jobs.figures(&[], 10).await.unwrap(), Default::default());
    let slow = |job: NewJob| NewJob { queue: "slow".into(), ..job };
    room.add([job("run"), job("fail")]).await;
    let loans = room.lend(&wanted(2)).await;
    room.settle([over(&loans[1], State::Failed, Some("no"), HOUR)]).await;
    room.add([
        job("a"),
        of_task("bill", "b"),
        of_key("c", "c"),
        later("d", HOUR),
        slow(job("e")),
        slow(later("f", HOUR)),
    ])
    .await;
    let all = room.jobs.figures(&[], 10).await.unwrap();
    assert_eq!((all.waiting, all.scheduled, all.running, all.failed), (4, 2, 1, 1));
    assert!(all.oldest.is_some_and(|oldest| oldest < HOUR));
    let of = |queue: &str| [queue.into()];
    let default = room.jobs.figures(&of("default"), 10).await.unwrap();
    assert_eq!((default.waiting, default.scheduled, default.running, default.failed), (3, 1, 1, 1));
    let slow = room.jobs.figures(&of("slow"), 10).await.unwrap();
    assert_eq!((slow.waiting, slow.scheduled, slow.running, slow.failed), (1, 1, 0, 0));
    let none = room.jobs.figures(&of("none"), 10).await.unwrap();
    assert_eq!(none, Default::default());
    // Nobody counts further than was asked for.
    assert_eq!(room.jobs.figures(&[], 2).await.unwrap().waiting, 2);
}

pub(super) async fn what_nobody_does_is_named<D: TaskDatabase>(room: &Room<D>) {
    let named = async |longer: Duration, most: usize| {
        let mut found = room.jobs.unclaimed(&wanted(10), longer, most).await.unwrap();
        found.sort_unstable_by(|one, other| (&one.queue, &one.task).cmp(&(&other.queue, &other.task)));
        found
    };
    let of = |task: &str, queue: &str| NewJob { queue: queue.into(), ..of_task(task, "1") };
    room.add([job("mine"), later("not yet", HOUR)]).await;
    assert!(named(Duration::ZERO, 10).await.is_empty(), "it is wanted, or not due");
    let bill = room.add_one(of("bill", "default")).await;
    room.add([of("bill", "default"), of("a", "slow")]).await;
    let mut keyed = of_key("c", "c");
    keyed.task = "sweep".into();
    room.add([keyed]).await;
    let found = named(Duration::ZERO, 10).await;
    let names: Vec<_> = found.iter().map(|first| (&*first.queue, &*first.task)).collect();
    assert_eq!(names, [("default", "bill"), ("default", "sweep"), ("slow", "a")]);
    assert!(found[0].job == bill && found[0].waited < HOUR, "{found:?}");
    assert_eq!(named(Duration::ZERO, 2).await.len(), 2);
    assert!(named(HOUR, 10).await.is_empty(), "whoever does them may be late");
    // Somebody has one of them, and of another the next has to wait for its rate.
    let limit = Limit { at_once: None, rate: Some((1, HOUR)) };
    let mut others = wanted(1);
    others.tasks = vec!["bill".into()];
    assert_eq!(room.lend(&others).await.len(), 1);
    let mut keyed = of_key("c", "d");
    keyed.task = "sweep".into();
    room.add([keyed]).await;
    (others.tasks, others.limits) = (vec!["sweep".into()], vec![("sweep".into(), limit)]);
    let loans = room.lend(&others).await;
    room.settle([over(&loans[0], State::Done, None, Duration::ZERO)]).await;
    let found = named(Duration::ZERO, 10).await;
    let names: Vec<_> = found.iter().map(|first| (&*first.queue, &*first.task)).collect();
    assert_eq!(names, [("slow", "a")]);
}
