//! What gets in.

use super::room::{Elsewhere, Room, job, numbers, payloads, unique, wanted};
use crate::tasks::TaskDatabase;
use crate::tasks::{Added, NewJob};
use crate::transport::ErrorKind;

pub(super) async fn many_are_added_in_their_order<D: TaskDatabase>(room: &Room<D>) {
    assert!(room.add([]).await.is_empty());
    // Some more than are inserted by one statement.
    let added = room.add((0..151).map(|place| job(&place.to_string()))).await;
    assert!(added.iter().all(|added| matches!(added, Added::New(_))));
    let ids = numbers(&added);
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let loans = room.lend(&wanted(151)).await;
    assert_eq!(loans.iter().map(|loan| loan.id).collect::<Vec<_>>(), ids);
    assert_eq!(payloads(&loans), (0..151).map(|place| place.to_string()).collect::<Vec<_>>());
    assert!(room.lend(&wanted(1)).await.is_empty());
}

pub(super) async fn whatever_a_payload_says_it_comes_as_it_is<D: TaskDatabase>(room: &Room<D>) {
    let texts = ["", "'\"\\", "ä\u{1f980}\u{0}\n", "$1 ?1 {schema}", &"x".repeat(300_000), &"\u{e4}'".repeat(9_000)];
    let cause = Some("{\"who\": \"'\\\\\"}".to_owned());
    let jobs = texts.map(|text| NewJob { cause: cause.clone(), ..job(text) });
    room.add(jobs.clone()).await;
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(payloads(&loans), texts);
    for (loan, job) in loans.iter().zip(&jobs) {
        assert_eq!((&loan.payload, &loan.cause, &*loan.task), (&job.payload, &job.cause, "mail"));
        assert_eq!((loan.attempt, loan.attempts, &loan.reason), (1, 3, &None));
        assert!(!loan.is_cancelled && !loan.is_expired);
    }
}

pub(super) async fn what_was_rolled_back_is_not_there<D: TaskDatabase>(room: &Room<D>) {
    let mut work = room.jobs.begin().await.unwrap();
    let added = room.jobs.add_within(vec![job("a"), job("b")], work.connection()).await.unwrap();
    work.rollback().await.unwrap();
    assert_eq!(room.state(numbers(&added)[0]).await, None);
    let mut dropped = room.jobs.begin().await.unwrap();
    room.jobs.add_within(vec![job("c")], dropped.connection()).await.unwrap();
    drop(dropped);
    room.add_one(job("d")).await;
    assert_eq!(payloads(&room.lend(&wanted(10)).await), ["d"]);
}

pub(super) async fn a_number_that_was_rolled_back_is_not_given_again<D: TaskDatabase>(room: &Room<D>) {
    let (another, mut given) = (room.another().await, std::collections::BTreeSet::new());
    for round in 0..20 {
        let name = |place: &str| format!("{round} {place}");
        let of_both = |first: NewJob| vec![first, unique(&name("a")), job("b"), unique(&name("c")), job("d")];
        for jobs in [&room.jobs, &another] {
            let mut work = jobs.begin().await.unwrap();
            let gone = jobs.add_within(vec![job("a"); round], work.connection()).await.unwrap();
            let unique = jobs.add_within(of_both(job("e")), work.connection()).await.unwrap();
            work.rollback().await.unwrap();
            for number in numbers(&gone).into_iter().chain(numbers(&unique)) {
                assert!(given.insert(number), "{number} comes again");
            }
        }
        // The first of these is there already.
        room.add_one(unique(&name("e"))).await;
        let added = another.add(of_both(unique(&name("e")))).await.unwrap();
        assert!(matches!(added[..], [Added::Existing(_), Added::New(_), Added::New(_), Added::New(_), Added::New(_)]));
        for number in numbers(&added[1..]) {
            assert!(given.insert(number), "{number} comes again");
        }
    }
}

pub(super) async fn nothing_is_lent_before_its_commit<D: TaskDatabase>(room: &Room<D>) {
    let mut work = room.jobs.begin().await.unwrap();
    let added = room.jobs.add_within(vec![job("a"), job("b")], work.connection()).await.unwrap();
    assert!(matches!(added[..], [Added::New(_), Added::New(_)]));
    assert_eq!(room.jobs.look(numbers(&added)[0]).await.unwrap(), None);
    assert!(room.lend(&wanted(10)).await.is_empty());
    work.commit().await.unwrap();
    let loans = room.lend(&wanted(10)).await;
    assert_eq!(loans.iter().map(|loan| loan.id).collect::<Vec<_>>(), numbers(&added));
}

pub(super) async fn without_a_transaction_nothing_is_added<D: TaskDatabase>(room: &Room<D>) {
    let mut work = room.jobs.begin().await.unwrap();
    // A text that ends it, of which the client does not know, is tried over each database in tests/.
    room.jobs.add_within(Vec::new(), work.connection()).await.unwrap();
    work.rollback().await.unwrap();
    assert!(room.lend(&wanted(10)).await.is_empty());
}

pub(super) async fn in_a_transaction_of_another_database_nothing_is_added<D: Elsewhere>(room: &Room<D>) {
    let Some(other) = room.database.elsewhere().await else { return };
    let mut work = other.jobs.begin().await.unwrap();
    let error = room.jobs.add_within(vec![job("a")], work.connection()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing, "{error}");
    work.rollback().await.unwrap();
    assert!(room.lend(&wanted(10)).await.is_empty());
    assert!(other.lend(&wanted(10)).await.is_empty());
}

pub(super) async fn who_adds_rings<D: TaskDatabase>(room: &Room<D>) {
    let mut bell = room.another().await.bell();
    bell.mark_unchanged();
    room.add_one(job("a")).await;
    assert!(bell.has_changed().unwrap());
    bell.mark_unchanged();
    let mut work = room.jobs.begin().await.unwrap();
    room.jobs.add_within(vec![job("b")], work.connection()).await.unwrap();
    work.commit().await.unwrap();
    assert!(bell.has_changed().unwrap());
}
