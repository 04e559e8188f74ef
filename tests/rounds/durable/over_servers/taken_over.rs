//! What a process has that is to hand on outcomes, once it ends: free at once if it ends in order, and else as soon as it is known to be dead.
//!
//! `two that have the consumer → one of them ends, or is killed → what waited in its lanes is heard by the other`

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{Durable, EmitterHandle};

use super::{DAY, Kept, Site, number, over_all};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

/// Tells a child where its database is, and how soon it is missed in ms.
const CHILD: &str = "CONVOKE_TEST_ROUNDS_TAKEN_OVER";
const LEASE: &str = "CONVOKE_TEST_ROUNDS_TAKEN_OVER_LEASE";

/// So long no test waits.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// How many rounds are closed at a time: of so many some are in each lane, or nearly.
const MANY: i64 = 64;

async fn notices<B: Site>(db: &B::Database, lease: Duration) -> Durable<String> {
    let broker = Broker::new(DAY).expects(["legal"]).durable(db, "notices");
    broker.poll_every(Duration::from_millis(20)).noticed_within(lease).await.unwrap()
}

/// Which rounds have been heard of.
type Heard = Rc<RefCell<BTreeSet<i64>>>;

async fn hears(notices: &Durable<String>) -> (ConsumerHandle<String>, Heard) {
    let heard = Heard::default();
    let note = heard.clone();
    let consumer = Consumer::new(move |round: Outcome<String>| {
        note.borrow_mut().insert(number(round.round()));
    });
    (Consumer::join(notices, consumer.named("sign")).await.unwrap(), heard)
}

async fn close_many(legal: &EmitterHandle<String>) -> BTreeSet<i64> {
    let mut closed = BTreeSet::new();
    for key in 0..MANY {
        closed.insert(number(legal.emit_for(key, "yes".to_owned()).await.unwrap().round()));
    }
    closed
}

/// Closes some until each of two has heard of one since, so that both have lanes; returns all of them.
async fn shared(legal: &EmitterHandle<String>, mut both_have: impl AsyncFnMut() -> bool) -> BTreeSet<i64> {
    let mut closed = BTreeSet::new();
    until("both have lanes", async || {
        closed.append(&mut close_many(legal).await);
        both_have().await
    })
    .await;
    closed
}

/// What one has had that ends in order is another one's at once: its lease would run for an hour.
async fn what_ends_in_order_is_free_at_once<B: Site>() {
    let base = B::new().await;
    let here = notices::<B>(base.database(), HOUR).await;
    let there = notices::<B>(&B::open(&base.place()).await, HOUR).await;
    let (_here, heard) = hears(&here).await;
    let (gone, heard_there) = hears(&there).await;
    let legal = Emitter::join(&here, "legal").await.unwrap();
    let mut closed = shared(&legal, async || !heard.borrow().is_empty() && !heard_there.borrow().is_empty()).await;
    there.close().await;
    closed.append(&mut close_many(&legal).await);
    let all = || heard.borrow().union(&heard_there.borrow()).copied().collect::<BTreeSet<_>>();
    until("all are heard of", async || all().len() >= closed.len()).await;
    drop(gone);
    assert_eq!(all(), closed);
}

over_all!(what_ends_in_order_is_free_at_once);

fn child(test: &str, place: &str, lease: Duration) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
    command.env(CHILD, place).env(LEASE, lease.as_millis().to_string());
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// In a child: hears of rounds, and notes that, until it is killed.
fn is_child<B: Site>() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    let lease = Duration::from_millis(std::env::var(LEASE).unwrap().parse().unwrap());
    actix_rt::System::new().block_on(async {
        let db = B::open(&place).await;
        let notices = notices::<B>(&db, lease).await;
        let note = async move |round: Outcome<String>| B::note(&db, number(round.round()), "there").await;
        let _sign = Consumer::join(&notices, Consumer::new(note).named("sign")).await.unwrap();
        std::future::pending::<()>().await;
    });
    true
}

/// Kills a process that has lanes, and waits until all that closes after that is heard of here, where `prepare` has made room to note it.
async fn kill<B: Site>(test: &str, base: &B, lease: Duration, about_to_kill: impl AsyncFnOnce()) {
    let here = notices::<B>(base.database(), lease).await;
    let note = {
        let db = base.database().clone();
        async move |round: Outcome<String>| B::note(&db, number(round.round()), "here").await
    };
    let _sign = Consumer::join(&here, Consumer::new(note).named("sign")).await.unwrap();
    let legal = Emitter::join(&here, "legal").await.unwrap();
    let mut beside = child(test, &base.place(), lease);
    let by = async |who: &str| base.noted().await.iter().any(|(_, by)| by == who);
    let mut closed = shared(&legal, async || by("here").await && by("there").await).await;
    about_to_kill().await;
    beside.kill().unwrap();
    beside.wait().unwrap();
    closed.append(&mut close_many(&legal).await);
    let heard = async || base.noted().await.into_iter().map(|(round, _)| round).collect::<BTreeSet<_>>();
    until("all are heard of", async || heard().await.len() >= closed.len()).await;
    assert_eq!(heard().await, closed);
}

/// A file: the system says who is dead, so nobody waits for the lease.
#[test]
fn over_sqlite_the_dead_are_known_at_once() {
    if !is_child::<File>() {
        let test = concat!(module_path!(), "::over_sqlite_the_dead_are_known_at_once");
        actix_rt::System::new().block_on(async {
            let base = <File as Site>::new().await;
            base.prepare().await;
            kill(test, &base, HOUR, async || {}).await;
        });
    }
}

/// A server: a connection that is gone is not a process that is gone, so it is the lease that counts. By the clock of the server.
#[test]
fn over_postgres_the_dead_are_known_by_their_lease() {
    const LEASE: Duration = Duration::from_secs(2);
    if !is_child::<Database>() {
        let test = concat!(module_path!(), "::over_postgres_the_dead_are_known_by_their_lease");
        actix_rt::System::new().block_on(async {
            let base = <Database as Site>::new().await;
            base.prepare().await;
            let run = async |sql: &'static str| {
                sqlx::raw_sql(sql).execute(base.db.pool()).await.unwrap();
            };
            run("ALTER TABLE heard ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp()").await;
            kill(test, &base, LEASE, async || run("CREATE TABLE killed AS SELECT clock_timestamp() AS at").await).await;
            let sql = "SELECT extract(epoch FROM (SELECT max(at) FROM heard) - at)::float8 FROM killed";
            let took: f64 = sqlx::query_scalar(sql).fetch_one(base.db.pool()).await.unwrap();
            println!(
                "figure: what a process has left that was killed is heard of {took:.2} s later, by a lease of {LEASE:?}"
            );
            // A look a second, and a machine that has much to do; without the lease that was asked for it would be ten.
            assert!(took < 8.0, "{took} s");
        });
    }
}

#[test]
fn over_redis_the_dead_are_known_by_their_lease() {
    if !is_child::<Kept>() {
        let test = concat!(module_path!(), "::over_redis_the_dead_are_known_by_their_lease");
        actix_rt::System::new().block_on(async {
            let base = <Kept as Site>::new().await;
            kill(test, &base, Duration::from_secs(2), async || {}).await;
        });
    }
}
