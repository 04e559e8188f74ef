//! What is judged of parties that are asked, by leases that run out soon.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::bench::{Answer, Ask, Bench, Law};
use super::super::known::{Before, RECENT};
use super::super::leases::{Claimed, Leasing};
use crate::__private::DeskBroker;
use crate::__private::rounds::{End, Ending, Kind};
use crate::durable::RoundDatabase as _;
use crate::durable::store::{Enrolled, Kept, Party, Place, RoundStore, Row};
use crate::outbox::OutboxBuilder;
use crate::sql::memory::MemoryDatabase;
use crate::{Broker, Early, EmitError, OnLost, RoundId, Uuid};

const SHORT: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The rounds of two, of whom one can be asked, three times.
struct Room {
    database: MemoryDatabase,
    store: Arc<dyn RoundStore>,
    law: Law<u32>,
}

impl Room {
    async fn new(on_lost: OnLost, lease: Duration) -> Self {
        let database = crate::transport::Memory::database();
        let store = database.open_rounds("pairs".into()).await.unwrap();
        let broker = Broker::<u32>::new(DAY).expects(["a", "b"]).on_lost(on_lost);
        let charter = Arc::new(DeskBroker::charter(&broker, Early::Opens).unwrap());
        let Enrolled::As(rules) = store.enroll(&charter.to_text(), false).await.unwrap() else {
            panic!("they are the first")
        };
        let predicates = DeskBroker::predicates(&broker);
        let law = Law::new("pairs".into(), rules, charter, predicates, Duration::ZERO).lends(lease, 3);
        let party = Party { name: "b".into(), terms: "{\"asked\":true}".into(), asked: true };
        store.add_party(&party).await.unwrap();
        Self { database, store, law }
    }

    /// Says all of it in one transaction.
    async fn says(&self, place: Place, asks: Vec<Ask>) -> Vec<Answer> {
        self.says_once_more(place, asks, false).await
    }

    /// The same of what was tried before, of which nobody knows what came.
    async fn says_once_more(&self, place: Place, asks: Vec<Ask>, is_again: bool) -> Vec<Answer> {
        let (places, asks) = ([place], [asks]);
        let mut before = is_again.then(|| Before::since(Instant::now()));
        loop {
            let bench = Bench::new(&self.law, &places, &asks).again(before.as_ref());
            self.store.work(&places, &bench).await.unwrap();
            let (unsure, mut done) = (bench.unsure(), bench.done());
            match (unsure.into_values().next(), &mut before) {
                (Some(key), Some(before)) => {
                    before.look(&key, self.store.history(&key, i64::MAX, RECENT).await.unwrap());
                }
                _ => return done.pop().flatten().map(|done| done.answers).unwrap_or_default(),
            }
        }
    }

    /// A round that `a` has opened.
    async fn opened(&self) -> i64 {
        let answers = self.says(Place::Key("n7".into()), vec![signal("a", Uuid::now_v7())]).await;
        let [Answer::Written(round)] = answers[..] else { panic!("{answers:?}") };
        i64::try_from(round.get()).unwrap()
    }

    async fn leases(&self, round: i64, by: Uuid, what: Leasing) -> Answer {
        let ask = Ask::Lease { name: "b".into(), by, what };
        self.says(Place::Round(round), vec![ask]).await.pop().unwrap()
    }

    async fn claims(&self, round: i64, by: Uuid) -> Option<Arc<Claimed>> {
        match self.leases(round, by, Leasing::Claim).await {
            Answer::Claimed(claimed) => Some(claimed),
            Answer::Refused(EmitError::NoRound) => None,
            other => panic!("{other:?}"),
        }
    }

    /// Whoever lives looks, once a short lease is over.
    async fn looks(&self, round: i64) {
        sleep(2 * SHORT).await;
        self.says(Place::Round(round), Vec::new()).await;
    }

    async fn asked(&self) -> u64 {
        let outbox = OutboxBuilder::new(&self.database, self.store.summons_of("b")).await.unwrap();
        outbox.keeping().figures(100).await.unwrap().ready
    }

    async fn rows(&self, round: i64, kind: Kind) -> Vec<Row> {
        match self.store.round(round).await.unwrap() {
            Some(Kept::Open(_, _, rows)) => rows.into_iter().filter(|row| row.kind == kind as i16).collect(),
            other => panic!("{other:?}"),
        }
    }

    async fn ending(&self, round: i64) -> Ending {
        match self.store.round(round).await.unwrap() {
            Some(Kept::Over(past)) => Ending::read(&past.outcome).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

fn signal(name: &str, token: Uuid) -> Ask {
    Ask::Signal { name: name.into(), payload: "1".into(), weight: 1, token }
}

fn is_written(answer: &Answer) -> bool {
    matches!(answer, Answer::Written(RoundId { .. }))
}

#[actix_rt::test]
async fn whoever_dies_is_followed_by_another_and_behind_the_last_the_party_is_lost() {
    for (on_lost, end) in
        [(OnLost::Cancel, Some(End::Lost("b".into()))), (OnLost::Shrink, Some(End::Resolved)), (OnLost::Wait, None)]
    {
        let room = Room::new(on_lost, SHORT).await;
        let round = room.opened().await;
        assert_eq!((room.asked().await, room.rows(round, Kind::Summons).await.len()), (1, 1));
        let mut before = None;
        for attempt in 1..=3 {
            // Nobody waits for who has it for the first time; later, what nobody takes is there still.
            let claimed = room.claims(round, Uuid::now_v7()).await.unwrap();
            assert_eq!((&*claimed.key, &claimed.payloads[..]), ("n7", &["1".to_owned()][..]));
            assert_eq!(
                *before.get_or_insert(claimed.signal),
                claimed.signal,
                "it is the same signal, whoever it comes from"
            );
            assert_eq!(room.asked().await, attempt);
            room.looks(round).await;
        }
        assert_eq!(room.asked().await, 3);
        match end {
            Some(end) => {
                let ending = room.ending(round).await;
                assert_eq!((&ending.end, &ending.missing[..]), (&end, &["b".into()][..]));
            }
            None => {
                assert_eq!(room.rows(round, Kind::Lost).await.len(), 1);
                // Nobody is asked again, and it may speak by itself.
                room.looks(round).await;
                assert_eq!((room.asked().await, room.rows(round, Kind::Lost).await.len()), (3, 1));
                room.says(Place::Round(round), vec![signal("b", Uuid::now_v7())]).await;
                assert!(room.ending(round).await.is_resolved());
            }
        }
    }
}

#[actix_rt::test]
async fn while_a_lease_runs_nobody_else_asks() {
    let room = Room::new(OnLost::Cancel, DAY).await;
    let round = room.opened().await;
    let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
    assert!(room.claims(round, one).await.is_some());
    // The commit was not known, and it was done again.
    assert!(room.claims(round, one).await.is_some());
    assert!(room.claims(round, other).await.is_none());
    for what in [Leasing::Renew, Leasing::Release, Leasing::Lose, Leasing::More(1)] {
        assert!(matches!(room.leases(round, other, what).await, Answer::Refused(_)), "{what:?}");
    }
    assert!(is_written(&room.leases(round, one, Leasing::Renew).await));
    room.looks(round).await;
    assert_eq!(room.asked().await, 1);
    // Whoever lets go of it is followed at once.
    assert!(is_written(&room.leases(round, one, Leasing::Release).await));
    assert_eq!(room.asked().await, 2);
    assert!(room.claims(round, other).await.is_some());
    assert!(matches!(room.leases(round, one, Leasing::Renew).await, Answer::Refused(_)));
    // The party itself is lost at once.
    assert!(is_written(&room.leases(round, other, Leasing::Lose).await));
    assert_eq!(room.ending(round).await.end, End::Lost("b".into()));
}

#[actix_rt::test]
async fn what_two_have_come_to_counts_once() {
    let room = Room::new(OnLost::Wait, SHORT).await;
    let round = room.opened().await;
    let first = room.claims(round, Uuid::now_v7()).await.unwrap();
    room.looks(round).await;
    let second = room.claims(round, Uuid::now_v7()).await.unwrap();
    let both = vec![signal("b", first.signal), signal("b", second.signal)];
    let answers = room.says(Place::Round(round), both).await;
    assert!(is_written(&answers[0]), "{answers:?}");
    assert_eq!(room.ending(round).await.signals.len(), 2);
    // The round is over, and nobody is asked for it.
    assert!(room.says(Place::Round(round), vec![signal("b", second.signal)]).await.is_empty());
}

#[actix_rt::test]
async fn whoever_has_answered_is_asked_no_more() {
    let room = Room::new(OnLost::Cancel, SHORT).await;
    let database = room.database.clone();
    let broker = Broker::<u32>::new(DAY).expects(["a", "b", "c"]);
    let charter = Arc::new(DeskBroker::charter(&broker, Early::Opens).unwrap());
    let store = database.open_rounds("threes".into()).await.unwrap();
    let Enrolled::As(rules) = store.enroll(&charter.to_text(), false).await.unwrap() else {
        panic!("they are the first")
    };
    let law = Law::new("threes".into(), rules, charter, DeskBroker::predicates(&broker), Duration::ZERO);
    store.add_party(&Party { name: "b".into(), terms: "{\"asked\":true}".into(), asked: true }).await.unwrap();
    let room = Room { database, store, law: law.lends(SHORT, 3) };
    let round = room.opened().await;
    let one = Uuid::now_v7();
    assert!(room.claims(round, one).await.is_some());
    assert!(is_written(&room.says(Place::Round(round), vec![signal("b", Uuid::now_v7())]).await[0]));
    for _ in 0..5 {
        room.looks(round).await;
    }
    assert_eq!(room.asked().await, 1);
    assert!(room.claims(round, Uuid::now_v7()).await.is_none());
    assert!(matches!(room.leases(round, one, Leasing::Lose).await, Answer::Refused(_)));
    assert_eq!(room.rows(round, Kind::Lost).await.len(), 0);
}

#[actix_rt::test]
async fn what_is_tried_again_knows_itself_though_the_next_round_is_open() {
    let key = || Place::Key("n7".into());
    let (abort, last) = (Uuid::now_v7(), Uuid::now_v7());
    let ends = [
        Ask::Abort { reason: "no".into(), by: Some("legal".into()), token: abort },
        signal("b", last),
        Ask::Veto { name: "b".into(), reason: "no".into(), token: Uuid::now_v7() },
    ];
    for end in ends {
        let room = Room::new(OnLost::Wait, DAY).await;
        let round = room.opened().await;
        assert!(is_written(&room.says(key(), vec![end.clone()]).await[0]));
        // Nobody is in between, and then somebody is.
        for _ in 0..2 {
            let answers =
                room.says_once_more(key(), vec![end.clone(), Ask::Open { token: Uuid::now_v7() }], true).await;
            let Answer::Over(over, _) = &answers[0] else { panic!("{answers:?}") };
            assert_eq!(i64::try_from(over.get()).unwrap(), round);
            assert!(is_written(&answers[1]), "{answers:?}");
        }
        let open = room.store.history("n7", i64::MAX, 1).await.unwrap().pop().unwrap();
        let Kept::Open(next, _, rows) = open else { panic!("it was said to the next round") };
        assert!(next.id > round && rows.iter().all(|row| row.kind != Kind::Signal as i16), "{rows:?}");
        let done = Ask::Abort { reason: "next".into(), by: None, token: Uuid::now_v7() };
        room.says(key(), vec![done]).await;
        assert_eq!(room.ending(next.id).await.end, End::Aborted("next".into()));
    }
}
