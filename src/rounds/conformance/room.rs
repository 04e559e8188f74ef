//! What a promise is tried on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fixture::{Fixture, Held, Mend};
use crate::Uuid;
use crate::durable::store::{
    Case, Enrolled, Judge, Kept, Next, Opening, Past, Place, Road, Round, RoundDatabase, RoundStore, Row, Ruling, Stage,
};
use crate::transport::Packet;

/// Whoever waits for longer has failed.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// What is not to be over while a test runs, in µs.
pub(super) const HOUR: i64 = 3_600_000_000;

/// A database, and the rounds of a broker in it, which has rules.
pub(super) struct Room<'a, F: Fixture> {
    fixture: &'a F,
    pub(super) database: F::Database,
    pub(super) rounds: Arc<dyn RoundStore>,
    /// The number of its rules.
    pub(super) rules: i64,
}

impl<'a, F: Fixture> Room<'a, F> {
    pub(super) async fn of(fixture: &'a F) -> Self {
        let database = fixture.database().await.unwrap();
        let rounds = database.open_rounds("approvals".into()).await.unwrap();
        let rules = enrolled(&*rounds, "{\"release\":\"all\"}").await;
        Self { fixture, database, rounds, rules }
    }

    /// Has the write of this number fail, until what is returned was called; `None` if there is none.
    pub(super) async fn break_write(&self, number: usize) -> Option<Mend> {
        Some(self.fixture.break_write(&self.database, number)?.await)
    }

    /// Holds up what goes to this outbox by this key, until what is returned is dropped.
    pub(super) async fn hold(&self, outbox: &str, key: &str) -> Option<Held> {
        Some(self.fixture.hold(&self.database, outbox, key)?.await)
    }

    /// Puts an empty database in the place of this one; says whether that is possible.
    pub(super) async fn replace(&self) -> bool {
        match self.fixture.replace(&self.database) {
            Some(replacing) => {
                replacing.await;
                true
            }
            None => false,
        }
    }

    /// The same rounds, as another process has them open.
    pub(super) async fn another(&self) -> Arc<dyn RoundStore> {
        self.database.open_rounds("approvals".into()).await.unwrap()
    }

    /// A round of this key is opened that somebody looks at only in an hour, or the one that there is gets another signal. Returns
    /// its number.
    pub(super) async fn signal(&self, key: &str) -> i64 {
        signal(&*self.rounds, self.rules, key).await
    }

    /// The same of one that somebody has to look at then, whose deadline that is.
    pub(super) async fn open_until(&self, key: &str, at: i64) -> i64 {
        let ruling = |case: &Case<'_>| Ruling {
            opens: case.round.is_none().then(|| opening(self.rules, case.now)),
            next: Next::Waits { look_at: at, due_at: at },
            ..Ruling::default()
        };
        self.work(&[by_key(key)], ruling).await;
        self.at(key).await.id
    }

    /// Has each place judged alike.
    pub(super) async fn work(&self, places: &[Place], ruling: impl Fn(&Case<'_>) -> Ruling + Send + Sync) {
        self.rounds.work(places, &judge(|_, case| Some(ruling(case)))).await.unwrap();
    }

    /// Closes the round of a key, with a packet for each consumer.
    pub(super) async fn close(&self, key: &str, resolved: bool) {
        self.work(&[by_key(key)], |case| closing(case, resolved)).await;
    }

    /// The round of a key that is not over.
    pub(super) async fn at(&self, key: &str) -> Round {
        self.seen(key).await.unwrap_or_else(|| panic!("there is no round of {key}"))
    }

    pub(super) async fn seen(&self, key: &str) -> Option<Round> {
        match self.rounds.history(key, i64::MAX, 1).await.unwrap().pop() {
            Some(Kept::Open(round, ..)) => Some(round),
            _ => None,
        }
    }

    pub(super) async fn rows(&self, key: &str) -> Vec<Row> {
        match self.rounds.history(key, i64::MAX, 1).await.unwrap().pop() {
            Some(Kept::Open(_, _, rows)) => rows,
            other => panic!("{other:?}"),
        }
    }

    /// The last round of a key, which is over.
    pub(super) async fn past(&self, key: &str) -> Past {
        match self.rounds.history(key, i64::MAX, 1).await.unwrap().pop() {
            Some(Kept::Over(past)) => past,
            other => panic!("{other:?}"),
        }
    }

    /// The numbers of the rounds of a key that are over, the latest first.
    pub(super) async fn past_ids(&self, key: &str) -> Vec<i64> {
        let all = self.rounds.history(key, i64::MAX, 100).await.unwrap();
        let past = all.into_iter().filter_map(|kept| match kept {
            Kept::Over(past) => Some(past.id),
            Kept::Open(..) => None,
        });
        past.collect()
    }

    /// How many packets a consumer is to hear of.
    pub(super) async fn heard(&self, channel: &str) -> u64 {
        match self.rounds.road(channel, LONG).await.unwrap() {
            Road::Rows(rows) => rows.figures(100_000).await.unwrap().ready,
            Road::Queue(mut queue) => {
                queue.open(1).await.unwrap();
                queue.backlog().await.unwrap().unwrap()
            }
        }
    }

    /// Waits until this holds.
    pub(super) async fn until(&self, mut holds: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + LONG;
        while !holds().await {
            assert!(Instant::now() < end, "it does not come about");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// What time it is to the database.
    pub(super) async fn now(&self) -> i64 {
        let now = std::sync::atomic::AtomicI64::new(0);
        let look = judge(|_, case| {
            now.store(case.now, std::sync::atomic::Ordering::Relaxed);
            None
        });
        self.rounds.work(&[by_key("what time is it")], &look).await.unwrap();
        now.into_inner()
    }
}

pub(super) async fn enrolled(rounds: &dyn RoundStore, rules: &str) -> i64 {
    match rounds.enroll(rules, true).await.unwrap() {
        Enrolled::As(number) => number,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn signal(rounds: &dyn RoundStore, rules: i64, key: &str) -> i64 {
    let number = std::sync::atomic::AtomicI64::new(0);
    let signal = judge(|_, case| {
        let id = case.round.as_ref().map_or(case.number, |round| round.id);
        number.store(id, std::sync::atomic::Ordering::Relaxed);
        Some(signaled(case, rules))
    });
    rounds.work(&[by_key(key)], &signal).await.unwrap();
    number.into_inner()
}

/// One more signal, in a round that is opened if there is none.
pub(super) fn signaled(case: &Case<'_>, rules: i64) -> Ruling {
    let number = i32::try_from(case.rows.len()).unwrap() + 1;
    let end = case.now + HOUR;
    Ruling {
        opens: case.round.is_none().then(|| opening(rules, case.now)),
        adds: vec![row(number, "legal", b"yes")],
        next: match &case.round {
            None => Next::Waits { look_at: end, due_at: end },
            Some(_) => Next::Stays,
        },
        ..Ruling::default()
    }
}

/// It is over, and each consumer is to hear of it.
pub(super) fn closing(case: &Case<'_>, resolved: bool) -> Ruling {
    let Some(round) = &case.round else { return Ruling::default() };
    let heard = case.consumers.iter().map(|consumer| (consumer.clone(), packet(round.id, &round.key))).collect();
    let next = Next::Closes { resolved, outcome: outcome(round.id), heard };
    Ruling { next, ..Ruling::default() }
}

pub(super) fn outcome(round: i64) -> String {
    format!("{{\"round\": \"{round}\", \"says\": \"'\\u0000 ä\"}}")
}

pub(super) fn opening(rules: i64, at: i64) -> Opening {
    Opening { rules, stage: Stage::Open, at }
}

pub(super) fn row(number: i32, name: &str, body: &[u8]) -> Row {
    Row { number, kind: 1, name: name.into(), at: 1, token: Uuid::now_v7(), terms: None, body: body.to_vec() }
}

pub(super) fn packet(round: i64, key: &str) -> Packet {
    let mut packet = Packet::new(format!("{round}"), "{}");
    (packet.topic, packet.key) = ("rounds/closed".into(), Some(key.into()));
    packet
}

pub(super) fn by_key(key: &str) -> Place {
    Place::Key(key.into())
}

/// A function that judges.
pub(super) struct Judging<F>(F);

impl<F: Fn(usize, &Case<'_>) -> Option<Ruling> + Send + Sync> Judge for Judging<F> {
    fn judge(&self, place: usize, case: &Case<'_>) -> Option<Ruling> {
        self.0(place, case)
    }
}

pub(super) fn judge<F: Fn(usize, &Case<'_>) -> Option<Ruling> + Send + Sync>(judge: F) -> Judging<F> {
    Judging(judge)
}
