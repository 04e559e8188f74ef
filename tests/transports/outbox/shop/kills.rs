//! An application that is killed by SIGKILL at every step of its outbox, again and again over the same database: no ghost
//! (published, though rolled back), no zombie (committed, and never published), nothing out of the order of its key, nothing
//! twice in the outbox's own rows.
//!
//! `Play → child (this binary once more): sells, relays into a file, dies at its step → Verdict, after each kill`

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::child::{self, CHILD, Plan, Step};
use super::shop::{PostgresShop, Shop, SqliteShop};
use super::verdict::Verdict;

use crate::transports::servers::postgres::PostgresServer;
use crate::transports::servers::sqlite::Folder;

/// How often at each step.
fn kills() -> usize {
    if std::env::var_os("CONVOKE_FULL").is_some() { 1000 } else { 20 }
}

#[test]
fn an_application_over_sqlite_is_killed_at_every_step() {
    if child::is_one::<SqliteShop>() {
        return;
    }
    let folder = Folder::new().unwrap();
    let place = folder.file("shop.db").display().to_string();
    let test = concat!(module_path!(), "::an_application_over_sqlite_is_killed_at_every_step");
    actix_rt::System::new().block_on(play::<SqliteShop>(test, &place, &folder.file("published")));
}

#[test]
fn an_application_over_postgres_is_killed_at_every_step() {
    if child::is_one::<PostgresShop>() {
        return;
    }
    let folder = Folder::new().unwrap();
    let test = concat!(module_path!(), "::an_application_over_postgres_is_killed_at_every_step");
    actix_rt::System::new().block_on(async {
        // It is not the server that dies here.
        let server = PostgresServer::own(&["fsync=off"]).await.unwrap();
        play::<PostgresShop>(test, server.url(), &folder.file("published")).await;
    });
}

async fn play<S: Shop>(test: &str, place: &str, file: &Path) {
    let seed = std::env::var("CONVOKE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("replay with CONVOKE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (start, kills) = (Instant::now(), kills());
    let shop = S::open(place).await;
    let mut verdict = Verdict::new(file);
    // Round by round, so that each step begins where another one has ended.
    for _ in 0..kills {
        for step in Step::ALL {
            let plan = Plan::new(step, &mut random);
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
            command.env(CHILD, plan.written(place, file));
            let output = command.output().unwrap();
            let signal = std::os::unix::process::ExitStatusExt::signal(&output.status);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(signal, Some(9), "{plan:?} was not killed: {said}");
            shop.free_lanes().await;
            verdict.check(&shop).await;
        }
    }
    child::drain(&shop, file).await;
    verdict.check(&shop).await;
    verdict.check_nothing_is_left(&shop).await;
    println!(
        "figure: {} kills, {kills} at each of {} steps, in {:?}: {verdict}",
        kills * Step::ALL.len(),
        Step::ALL.len(),
        Duration::from_secs(start.elapsed().as_secs()),
    );
    verdict.check_something_happened(kills, kills);
}
