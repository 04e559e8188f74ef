//! A process that is killed while it asks a party: another one asks it then, and if there is none the party is lost by its lease.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{Durable, Pledge};

use super::{DAY, Kept, Site, number, told};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

/// Tells a child where its database is.
const CHILD: &str = "CONVOKE_TEST_ROUNDS_SUMMONED";

fn child(test: &str, place: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
    command.env(CHILD, place).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

async fn pairs<B: Site>(db: &B::Database) -> Durable<String> {
    let broker = Broker::new(DAY).expects(["legal", "finance"]).on_lost(OnLost::Cancel).durable(db, "pairs");
    let broker = broker.poll_every(Duration::from_millis(20)).summons_lease(Duration::from_millis(500));
    broker.summons_attempts(2).await.unwrap()
}

/// In a child: holds what it is asked, until it is killed.
fn is_child<B: Site>() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(async {
        let db = B::open(&place).await;
        let pairs = pairs::<B>(&db).await;
        let finance = Emitter::new("finance").on_summons(move |pledge: Pledge<String>| {
            let db = db.clone();
            async move {
                B::note(&db, number(pledge.round()), "asked").await.unwrap();
                pledge.closed().await;
                B::note(&db, number(pledge.round()), "over").await.unwrap();
            }
        });
        let _finance = Emitter::join(&pairs, finance).await.unwrap();
        std::future::pending::<()>().await;
    });
    true
}

async fn play<B: Site>(test: &str, base: B) {
    base.prepare().await;
    let here = pairs::<B>(base.database()).await;
    let mut beside = child(test, &base.place());
    until("the party is known", async || here.parties().await.unwrap().len() == 1).await;
    let legal = Emitter::join(&here, "legal").await.unwrap();
    let noted = async |round, what: &str| base.noted().await.contains(&(number(round), what.to_owned()));
    // What ends here is told there.
    let ended = legal.emit_for("withdrawn", "l".to_owned()).committed().await.unwrap();
    until("it is asked", async || noted(ended, "asked").await).await;
    here.abort("withdrawn", "no need").await.unwrap();
    until("it is told", async || noted(ended, "over").await).await;
    // While its lease is renewed nobody else is asked, and nobody is lost.
    let round = legal.emit_for("held", "l".to_owned()).committed().await.unwrap();
    until("it is asked", async || noted(round, "asked").await).await;
    actix_rt::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(here.why("held").await.unwrap().unwrap().missing.len(), 1);
    let finance = Emitter::new("finance").on_summons(|pledge: Pledge<String>| pledge.keep("f".to_owned()));
    let finance = Emitter::join(&here, finance).await.unwrap();
    actix_rt::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(here.why("held").await.unwrap().unwrap().missing.len(), 1);
    beside.kill().unwrap();
    beside.wait().unwrap();
    let outcome = here.outcome(round).await.unwrap();
    assert_eq!(told(&outcome), "resolved [\"l\", \"f\"]");
    // One that dies, and no other is there.
    drop(finance);
    let mut beside = child(test, &base.place());
    let round = legal.emit_for("lost", "l".to_owned()).committed().await.unwrap();
    until("it is asked", async || noted(round, "asked").await).await;
    beside.kill().unwrap();
    beside.wait().unwrap();
    let outcome = here.outcome(round).await.unwrap();
    assert_eq!(told(&outcome), "cancelled lost finance [\"l\"]");
}

#[test]
fn a_summons_over_sqlite_outlives_its_process() {
    if !is_child::<File>() {
        let test = concat!(module_path!(), "::a_summons_over_sqlite_outlives_its_process");
        actix_rt::System::new().block_on(async { play(test, <File as Site>::new().await).await });
    }
}

#[test]
fn a_summons_over_postgres_outlives_its_process() {
    if !is_child::<Database>() {
        let test = concat!(module_path!(), "::a_summons_over_postgres_outlives_its_process");
        actix_rt::System::new().block_on(async { play(test, <Database as Site>::new().await).await });
    }
}

#[test]
fn a_summons_over_redis_outlives_its_process() {
    if !is_child::<Kept>() {
        let test = concat!(module_path!(), "::a_summons_over_redis_outlives_its_process");
        actix_rt::System::new().block_on(async { play(test, Kept::new().await).await });
    }
}
