//! Which jobs somebody is shown, page by page.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use super::room::{HOUR, Room, done, job, later, numbers, of_key, of_task, over, wanted};
use crate::tasks::{JobId, JobSpot, ListedJob, ListedJobs, NewJob, State, TaskDatabase, TasksLook};

async fn look<D: TaskDatabase>(room: &Room<D>) -> TasksLook {
    TasksLook::over(&room.database).await.unwrap()
}

/// All of them, by pages of so many.
async fn all(jobs: &ListedJobs, most: usize) -> Vec<ListedJob> {
    let (mut listed, mut behind): (Vec<ListedJob>, Option<JobSpot>) = (Vec::new(), None);
    loop {
        let page = jobs.page(behind, most).await.unwrap();
        assert!(page.len() <= most);
        let Some(last) = page.last() else { return listed };
        // As a text, as somebody keeps it.
        behind = Some(last.spot().to_string().parse().unwrap());
        listed.extend(page);
    }
}

fn ids(jobs: &[ListedJob]) -> Vec<i64> {
    jobs.iter().map(|job| job.id().number()).collect()
}

/// Two run, others wait in each way, and some are over in each.
async fn crowd<D: TaskDatabase>(room: &Room<D>) -> Vec<i64> {
    let mut added = Vec::new();
    let over_soon = numbers(&room.add((0..9).map(|place| job(&format!("over {place}")))).await);
    let loans = room.lend(&wanted(9)).await;
    let states = [State::Failed, State::Done, State::Cancelled];
    room.settle(loans.iter().enumerate().map(|(place, loan)| over(loan, states[place % 3], Some("no"), HOUR))).await;
    added.extend(over_soon);
    added.extend(numbers(&room.add([job("run"), job("run")]).await));
    assert_eq!(room.lend(&wanted(2)).await.len(), 2);
    added.extend(numbers(&room.add((0..7).map(|place| of_task("bill", &place.to_string()))).await));
    added.extend(numbers(&room.add((0..7).map(|place| job(&place.to_string()))).await));
    let keyed = (0..7).map(|place| of_key(&format!("key {}", place % 3), &place.to_string()));
    added.extend(numbers(&room.add(keyed).await));
    let ahead = (0..7).map(|place: u32| later("later", HOUR + Duration::from_secs(u64::from(place / 2))));
    added.extend(numbers(&room.add(ahead).await));
    added
}

pub(super) async fn each_job_is_on_one_page_however_short_pages_are<D: TaskDatabase>(room: &Room<D>) {
    let (look, jobs) = (look(room).await, crowd(room).await);
    let expected: BTreeSet<i64> = jobs.iter().copied().collect();
    let whole = all(&look.jobs(), 1000).await;
    for most in [1, 2, 5, 1000] {
        let listed = all(&look.jobs(), most).await;
        assert_eq!(listed.len(), jobs.len(), "by pages of {most}");
        assert_eq!(ids(&listed).into_iter().collect::<BTreeSet<_>>(), expected, "by pages of {most}");
        assert_eq!(ids(&listed), ids(&whole), "the order is the same by pages of {most}");
    }
    assert!(look.jobs().page(None, 0).await.unwrap().is_empty());
    assert!(look.jobs().page(whole.last().map(ListedJob::spot), 10).await.unwrap().is_empty());
}

pub(super) async fn each_state_has_its_jobs<D: TaskDatabase>(room: &Room<D>) {
    let look = look(room).await;
    crowd(room).await;
    let of = async |state| {
        let listed = all(&look.jobs().state(state), 2).await;
        assert!(listed.iter().all(|job| job.status().state() == state), "{listed:?}");
        listed
    };
    assert_eq!((of(State::Running).await.len(), of(State::Done).await.len()), (2, 3));
    let (failed, cancelled) = (of(State::Failed).await, of(State::Cancelled).await);
    assert_eq!((failed.len(), cancelled.len()), (3, 3));
    assert!(failed.iter().all(|job| job.status().reason() == Some("no")));
    assert!(failed.iter().all(|job| job.status().last_due().is_some_and(|due| due < HOUR)));
    let waiting = of(State::Waiting).await;
    assert_eq!(waiting.len(), 28);
    let (now, later): (Vec<_>, Vec<_>) = waiting.iter().partition(|job| job.status().due_in().is_none());
    assert_eq!((now.len(), later.len()), (21, 7));
    assert!(now.iter().all(|job| job.status().waited().is_some_and(|waited| waited < HOUR)));
    assert!(later.iter().all(|job| job.status().waited().is_none()));
    assert!(waiting.iter().all(|job| job.status().last_due().is_none()));
    assert!(waiting[21..].iter().all(|job| job.status().due_in().is_some()), "what is due comes first");
}

pub(super) async fn of_one_task_alone_others_are_passed_over<D: TaskDatabase>(room: &Room<D>) {
    let look = look(room).await;
    crowd(room).await;
    let odd = "it's \\ \"odd\" ä";
    let id = room.add_one(NewJob { queue: "slow".into(), ..of_task(odd, "1") }).await;
    assert_eq!(ids(&all(&look.jobs().of(odd), 3).await), [id]);
    let bills = all(&look.jobs().of("bill").state(State::Waiting), 3).await;
    assert_eq!(bills.len(), 7);
    assert!(bills.iter().all(|job| job.status().task() == "bill"));
    assert!(all(&look.jobs().of("bill").state(State::Failed), 3).await.is_empty());
    assert!(all(&look.jobs().of("nobody"), 3).await.is_empty());
}

pub(super) async fn what_runs_is_listed_by_its_number_whatever_becomes_of_its_lease<D: TaskDatabase>(room: &Room<D>) {
    let look = look(room).await;
    let running = numbers(&room.add((0..5).map(|place| job(&place.to_string()))).await);
    let loans = room.lend(&wanted(5)).await;
    let jobs = look.jobs().state(State::Running);
    let first = jobs.page(None, 2).await.unwrap();
    let held: Vec<_> = loans.iter().map(|loan| (loan.id, loan.attempt)).collect();
    room.jobs.renew(&held, HOUR * 2).await.unwrap();
    let rest = jobs.page(first.last().map(ListedJob::spot), 10).await.unwrap();
    assert_eq!([ids(&first), ids(&rest)].concat(), running);
    assert!(
        room.jobs
            .progress((running[0], 1), &crate::tasks::Noted { text: Some("half".into()), fraction: Some(0.5) })
            .await
            .unwrap()
    );
    assert!(room.jobs.step((running[0], 1), "b", "2").await.unwrap());
    assert!(room.jobs.step((running[0], 1), "a", "1").await.unwrap());
    let first = jobs.page(None, 1).await.unwrap();
    assert_eq!(first[0].status().progress(), (Some("half"), Some(0.5)));
    let steps = look.job(first[0].id()).steps().await.unwrap();
    assert_eq!(steps.iter().map(|step| (&*step.name, &*step.result)).collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
}

pub(super) async fn what_is_kept_no_longer_is_not_listed<D: TaskDatabase>(room: &Room<D>) {
    let look = look(room).await;
    let ids_of = numbers(&room.add([job("short"), job("long")]).await);
    let loans = room.lend(&wanted(2)).await;
    let keep = |place: usize| if place == 0 { Duration::from_millis(1) } else { HOUR };
    room.settle(loans.iter().enumerate().map(|(place, loan)| done(loan, keep(place)))).await;
    room.until(async || room.jobs.look(ids_of[0]).await.unwrap().is_none()).await;
    assert_eq!(ids(&all(&look.jobs(), 10).await), ids_of[1..]);
}

pub(super) async fn two_who_cancel_a_job_at_once_end_it_once<D: TaskDatabase>(room: &Room<D>) {
    let (one, other) = (look(room).await, look(room).await);
    let id = room.add_one(job("a")).await;
    let asked =
        join_all([&one, &other].map(|look| async move { look.job(JobId::new(id)).cancel().await.unwrap() })).await;
    assert_eq!(asked, [Some(State::Waiting), Some(State::Waiting)], "it was asked to end, and has not yet");
    assert!(one.job(JobId::new(id)).status().await.unwrap().unwrap().is_cancelled());
    let wanted = wanted(5);
    let loans = join_all([room.lend(&wanted), room.lend(&wanted)]).await.concat();
    assert_eq!(loans.len(), 1, "a worker ends it");
    room.settle([over(&loans[0], State::Cancelled, Some("cancelled"), HOUR)]).await;
    assert_eq!(one.job(JobId::new(id)).cancel().await.unwrap(), Some(State::Cancelled));
    let retried =
        join_all([&one, &other].map(|look| async move { look.job(JobId::new(id)).retry().await.unwrap() })).await;
    assert_eq!(retried.iter().filter(|retried| **retried).count(), 1, "it waits once more, once");
}

pub(super) async fn who_looks_is_told_what_nobody_does<D: TaskDatabase>(room: &Room<D>) {
    let look = look(room).await;
    let bill = room.add_one(of_task("bill", "1")).await;
    room.add([of_task("bill", "2"), later("not yet", HOUR)]).await;
    let found = look.unclaimed(Duration::ZERO, 10).await.unwrap();
    let [jobs] = &found[..] else { panic!("{found:?}") };
    assert_eq!((jobs.first.number(), &*jobs.task, &*jobs.queue), (bill, "bill", "default"));
    assert!(jobs.waited < HOUR, "{jobs:?}");
    assert!(look.unclaimed(HOUR, 10).await.unwrap().is_empty(), "whoever does them may be late");
    assert!(look.unclaimed(Duration::ZERO, 0).await.unwrap().is_empty());
    let mut others = wanted(1);
    others.tasks = vec!["bill".into()];
    assert_eq!(room.lend(&others).await.len(), 1);
    assert!(look.unclaimed(Duration::ZERO, 10).await.unwrap().is_empty(), "somebody has one of them");
}
