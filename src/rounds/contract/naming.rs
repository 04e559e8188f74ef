//! What a broker has.

use super::room::Room;
use crate::durable::store::{Enrolled, RoundDatabase};

pub(super) async fn the_first_rules_are_taken_and_others_have_to_replace_them<D: RoundDatabase>(room: &Room<D>) {
    let rounds = room.database.open_rounds("payments".into()).await.unwrap();
    let Enrolled::As(first) = rounds.enroll("{\"a\":'1'}", false).await.unwrap() else { panic!("they are the first") };
    assert_eq!(rounds.enroll("{\"a\":'1'}", false).await.unwrap(), Enrolled::As(first));
    let another = room.database.open_rounds("payments".into()).await.unwrap();
    assert_eq!(another.enroll("{\"a\":'1'}", true).await.unwrap(), Enrolled::As(first));
    assert_eq!(another.enroll("ä", false).await.unwrap(), Enrolled::Other("{\"a\":'1'}".into()));
    let Enrolled::As(second) = another.enroll("ä", true).await.unwrap() else { panic!("they replace") };
    assert_ne!(first, second);
    assert_eq!(rounds.enroll("{\"a\":'1'}", false).await.unwrap(), Enrolled::Other("ä".into()));
    // Those that come back have the number that they had.
    assert_eq!(rounds.enroll("{\"a\":'1'}", true).await.unwrap(), Enrolled::As(first));
}

pub(super) async fn of_two_who_enroll_at_once_one_is_first<D: RoundDatabase>(room: &Room<D>) {
    for turn in 0..10 {
        let name = format!("broker-{turn}");
        let (one, other) = tokio::join!(
            room.database.open_rounds(name.as_str().into()),
            room.database.open_rounds(name.as_str().into())
        );
        let (one, other) = (one.unwrap(), other.unwrap());
        let (first, second) = tokio::join!(one.enroll("one", false), other.enroll("other", false));
        match (first.unwrap(), second.unwrap()) {
            (Enrolled::As(_), Enrolled::Other(text)) => assert_eq!(text, "one"),
            (Enrolled::Other(text), Enrolled::As(_)) => assert_eq!(text, "other"),
            both => panic!("{both:?}"),
        }
    }
}

pub(super) async fn consumers_are_known_to_all<D: RoundDatabase>(room: &Room<D>) {
    let another = room.another().await;
    assert!(another.consumers().await.unwrap().is_empty());
    for name in ["b", "c", "a-1.x", "B"] {
        room.rounds.add_consumer(name).await.unwrap();
    }
    let names = another.consumers().await.unwrap();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["B", "a-1.x", "b", "c"]);
    let look = super::room::judge(|_, case| {
        assert_eq!(case.consumers, &*names);
        None
    });
    another.work(&[super::room::by_key("a")], &look).await.unwrap();
    assert!(another.remove_consumer("b").await.unwrap());
    assert_eq!(room.rounds.consumers().await.unwrap().len(), 3);
    assert_eq!(room.rounds.outbox_of("a-1.x"), "rounds:approvals:a-1.x");
}
