//! What a broker has.

use std::sync::Arc;
use std::time::Duration;

use super::fixture::Fixture;
use super::room::{Room, by_key, closing, enrolled, judge, packet, signal, signaled};
use crate::durable::plan::channel_of;
use crate::durable::store::{Enrolled, Kept, Next, Party, RoundDatabase as _, Ruling};

pub(super) async fn the_first_rules_are_taken_and_others_have_to_replace_them<F: Fixture>(room: &Room<'_, F>) {
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

pub(super) async fn of_two_who_enroll_at_once_one_is_first<F: Fixture>(room: &Room<'_, F>) {
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

pub(super) async fn rules_that_nobody_needs_are_forgotten<F: Fixture>(room: &Room<'_, F>) {
    let another = room.another().await;
    let (open, aside) =
        (enrolled(&*another, "{\"of\":\"open\"}").await, enrolled(&*another, "{\"of\":\"aside\"}").await);
    signal(&*another, open, "open").await;
    signal(&*another, aside, "aside").await;
    another.work(&[by_key("aside")], &judge(|_, _| Some(put_aside()))).await.unwrap();
    let last = enrolled(&*another, "{\"of\":\"none\"}").await;
    assert_eq!(room.rounds.forget_rules(Duration::from_secs(3600)).await.unwrap(), 0);
    assert_eq!(
        room.rounds.forget_rules(Duration::ZERO).await.unwrap(),
        1,
        "those of the room are the first, and nobody needs them"
    );
    // Whoever has never seen them reads those that are left.
    let third = room.another().await;
    for (key, text) in [("open", "{\"of\":\"open\"}"), ("aside", "{\"of\":\"aside\"}")] {
        let kept = third.history(key, i64::MAX, 1).await.unwrap().pop();
        assert!(matches!(&kept, Some(Kept::Open(_, rules, _)) if **rules == *text), "{kept:?}");
    }
    assert_eq!(third.enroll("{\"of\":\"none\"}", false).await.unwrap(), Enrolled::As(last));
    let close = judge(|_, case| Some(closing(case, true)));
    room.rounds.work(&[by_key("open"), by_key("aside")], &close).await.unwrap();
    assert_eq!(
        another.forget_rules(Duration::ZERO).await.unwrap(),
        2,
        "those of rounds that are over are no different"
    );
    assert_eq!(room.rounds.forget_rules(Duration::ZERO).await.unwrap(), 0);
    // They may come again.
    let again = enrolled(&*third, "{\"of\":\"open\"}").await;
    signal(&*third, again, "open").await;
    let kept = room.rounds.history("open", i64::MAX, 1).await.unwrap().pop();
    assert!(matches!(&kept, Some(Kept::Open(_, rules, _)) if **rules == *"{\"of\":\"open\"}"), "{kept:?}");
}

fn put_aside() -> Ruling {
    Ruling { next: Next::Aside { reason: "broken".into() }, ..Ruling::default() }
}

pub(super) async fn consumers_are_known_to_all<F: Fixture>(room: &Room<'_, F>) {
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
}

fn party(name: &str, terms: &str, asked: bool) -> Party {
    Party { name: name.into(), terms: terms.into(), asked }
}

pub(super) async fn what_a_party_says_is_known_to_all<F: Fixture>(room: &Room<'_, F>) {
    let another = room.another().await;
    assert!(another.parties().await.unwrap().is_empty());
    let odd = party("who's \"it\" ä\u{1f980} $1 ?1 {schema}", "{\"deadline\": 7, \"who\": \"'\\\\ä\\u0000\"}", true);
    let long = party(&"k".repeat(256), &"x".repeat(1024), false);
    for party in [&party("b", "1", false), &odd, &long, &party("B", "", true), &party("a", "2", false)] {
        room.rounds.add_party(party).await.unwrap();
    }
    // Another one takes the place of what was said.
    another.add_party(&party("b", "3", true)).await.unwrap();
    let all = room.rounds.parties().await.unwrap();
    let expected = [party("B", "", true), party("a", "2", false), party("b", "3", true), long, odd.clone()];
    assert_eq!(all, expected);
    assert_eq!(another.parties().await.unwrap(), expected);
    let look = judge(|_, case| {
        assert_eq!((case.parties, case.consumers.len()), (&*all, 0));
        None
    });
    room.signal("old").await;
    for rounds in [&another, &room.rounds] {
        rounds.work(&[by_key("old"), by_key("new")], &look).await.unwrap();
    }
    assert!(another.remove_party(&odd.name).await.unwrap());
    assert!(!room.rounds.remove_party(&odd.name).await.unwrap());
    assert_eq!(room.rounds.parties().await.unwrap(), expected[..4]);
    let other = room.database.open_rounds("payments".into()).await.unwrap();
    assert!(other.parties().await.unwrap().is_empty(), "it is another broker");
}

pub(super) async fn a_party_is_asked_if_it_can_be<F: Fixture>(room: &Room<'_, F>) {
    let another = room.another().await;
    let names = ["legal", "the chair", &"k".repeat(200), "never"];
    for name in names {
        // By another process: this one has to learn of it.
        another.add_party(&party(name, "{}", name != "never")).await.unwrap();
    }
    let asked = async |name: &str| room.heard(&channel_of(name)).await;
    let asks = || names.iter().chain(&["nobody"]).map(|name| (Arc::from(*name), packet(1, name))).collect();
    // With an opening, with nothing else, and with an end.
    room.work(&[by_key("a")], |case| Ruling { asks: asks(), ..signaled(case, room.rules) }).await;
    room.work(&[by_key("a")], |_| Ruling { asks: asks(), ..Ruling::default() }).await;
    room.work(&[by_key("a")], |case| Ruling { asks: asks(), ..closing(case, true) }).await;
    for name in names {
        assert_eq!(asked(name).await, if name == "never" { 0 } else { 3 }, "{name}");
    }
    assert_ne!(room.rounds.summons_of("legal"), room.rounds.outbox_of("legal"));
    // Another one that can be asked no longer is not.
    another.add_party(&party("legal", "{}", false)).await.unwrap();
    room.work(&[by_key("b")], |case| Ruling { asks: asks(), ..signaled(case, room.rules) }).await;
    assert_eq!((asked("legal").await, asked("the chair").await), (3, 4));
}
