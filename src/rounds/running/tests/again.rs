//! What is tried once more because nobody knows how it has ended, over each of our stores: it counts once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "only tests call it, and each ends by that")]

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::bench::{Answer, Ask, Bench, Law};
use super::super::known::{Before, RECENT};
use crate::__private::DeskBroker;
use crate::__private::rounds::Ending;
use crate::durable::conformance::Fixture;
#[cfg(feature = "sqlite")]
use crate::durable::conformance::ours::File;
#[cfg(feature = "postgres")]
use crate::durable::conformance::ours::Server;
#[cfg(feature = "redis")]
use crate::durable::conformance::ours::redis;
use crate::durable::conformance::ours::{Memory, over_each};
use crate::durable::store::{Enrolled, Kept, Place, RoundDatabase as _, RoundStore};
use crate::{Broker, Early, EmitError, RoundId, Uuid};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The rounds of two.
struct Room {
    store: Arc<dyn RoundStore>,
    law: Law<u32>,
}

impl Room {
    async fn of<F: Fixture>(fixture: &F) -> Self {
        let store = fixture.database().await.unwrap().open_rounds("pairs".into()).await.unwrap();
        let broker = Broker::<u32>::new(DAY).expects(["a", "b"]);
        let charter = Arc::new(DeskBroker::charter(&broker, Early::Opens).unwrap());
        let Enrolled::As(rules) = store.enroll(&charter.to_text(), false).await.unwrap() else {
            panic!("they are the first")
        };
        let law = Law::new("pairs".into(), rules, charter, DeskBroker::predicates(&broker), Duration::ZERO);
        Self { store, law }
    }

    /// Says all of it to the round of the key in one transaction.
    async fn says(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let (places, asks) = ([key()], [asks]);
        let bench = Bench::new(&self.law, &places, &asks);
        self.store.work(&places, &bench).await.unwrap();
        bench.done().pop().flatten().unwrap().answers
    }

    /// The same of what was tried before, of which nobody knows what came.
    async fn says_once_more(&self, asks: Vec<Ask>) -> Vec<Answer> {
        let (places, asks) = ([key()], [asks]);
        let mut before = Before::since(Instant::now());
        loop {
            let bench = Bench::new(&self.law, &places, &asks).again(Some(&before));
            self.store.work(&places, &bench).await.unwrap();
            let (unsure, mut done) = (bench.unsure(), bench.done());
            let Some(key) = unsure.into_values().next() else { return done.pop().flatten().unwrap().answers };
            before.look(&key, self.store.history(&key, i64::MAX, RECENT).await.unwrap());
        }
    }

    /// A round that `a` opens.
    async fn opened(&self) -> RoundId {
        match self.says(vec![signal("a")]).await[..] {
            [Answer::Written(round)] => round,
            ref other => panic!("{other:?}"),
        }
    }

    async fn is_open(&self) -> bool {
        matches!(self.store.history("n7", i64::MAX, 1).await.unwrap()[..], [Kept::Open(..)])
    }

    async fn ending(&self, round: RoundId) -> Ending {
        match self.store.round(i64::try_from(round.get()).unwrap()).await.unwrap() {
            Some(Kept::Over(past)) => Ending::read(&past.outcome).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn key() -> Place {
    Place::Key("n7".into())
}

fn signal(name: &str) -> Ask {
    Ask::Signal { name: name.into(), payload: "1".into(), weight: 1, token: Uuid::now_v7() }
}

fn abort() -> Ask {
    Ask::Abort { reason: "enough".into(), by: None, token: Uuid::now_v7() }
}

fn is_written(answer: &Answer) -> bool {
    matches!(answer, Answer::Written(_))
}

/// Of which round it is late.
fn late(answers: &[Answer]) -> RoundId {
    match answers {
        [Answer::Refused(EmitError::Late { round, key: Some(key) })] if key.to_string() == "7" => *round,
        other => panic!("{other:?}"),
    }
}

mod cases {
    use super::*;

    pub(super) async fn a_signal_that_is_late_is_late_however_often_it_is_tried(room: &Room) {
        let round = room.opened().await;
        assert!(is_written(&room.says(vec![abort()]).await[0]));
        let said = signal("b");
        assert_eq!(late(&room.says(vec![said.clone()]).await), round);
        for _ in 0..3 {
            assert_eq!(late(&room.says_once_more(vec![said.clone()]).await), round);
            assert!(!room.is_open().await, "it opens nothing");
        }
        // Also while another round is open, and when that is over.
        let next = room.opened().await;
        assert_eq!(late(&room.says_once_more(vec![said.clone()]).await), round);
        room.says(vec![abort()]).await;
        assert_eq!(late(&room.says_once_more(vec![said]).await), round);
        assert!(!room.is_open().await);
        let ending = room.ending(next).await;
        assert!(ending.late.is_empty() && ending.refused.is_empty(), "{ending:?}");
        // Another signal of the same name is late for the next round, once, and then opens one.
        assert_eq!(late(&room.says(vec![signal("b")]).await), next);
        assert!(is_written(&room.says(vec![signal("b")]).await[0]) && room.is_open().await);
    }

    pub(super) async fn what_was_said_is_known_again_though_rounds_have_come_and_gone(room: &Room) {
        let (said, ends) = (signal("a"), abort());
        let Answer::Written(first) = room.says(vec![said.clone()]).await[0] else { panic!("it opens a round") };
        room.says(vec![ends.clone()]).await;
        for _ in 0..3 {
            room.opened().await;
            room.says(vec![abort()]).await;
        }
        for asks in [vec![said.clone(), ends.clone()], vec![ends, signal("a"), said]] {
            let new = asks.len() - 2;
            let answers = room.says_once_more(asks).await;
            let known = answers.iter().filter(|answer| matches!(answer, Answer::Over(round, _) if *round == first));
            assert_eq!(known.count(), 2, "{answers:?}");
            // What was said for the first time opens the next one.
            assert_eq!(answers.iter().filter(|answer| is_written(answer)).count(), new, "{answers:?}");
            assert_eq!(room.is_open().await, new > 0);
        }
    }

    pub(super) async fn what_was_not_said_is_said_once_more(room: &Room) {
        let (first, ends) = (signal("a"), signal("b"));
        let answers = room.says_once_more(vec![first.clone()]).await;
        let again = room.says_once_more(vec![first, ends.clone()]).await;
        assert!(is_written(&answers[0]) && is_written(&again[0]) && is_written(&again[1]), "{answers:?} {again:?}");
        assert!(!room.is_open().await);
        assert!(matches!(room.says_once_more(vec![ends]).await[..], [Answer::Over(..)]));
        assert!(!room.is_open().await);
    }
}

over_each!(cases::{
    a_signal_that_is_late_is_late_however_often_it_is_tried,
    what_was_said_is_known_again_though_rounds_have_come_and_gone,
    what_was_not_said_is_said_once_more,
});
