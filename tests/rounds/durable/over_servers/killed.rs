//! Processes that are killed at every step of a round: no signal that was said to be a row is lost, each round closes once, and none
//! stays open.
//!
//! `two children at a time (this binary once more): killed when a signal is written down, while it is written, when it is a row, while
//! the round is decided, while it closes, when the consumer hears of it, while that is noted, while deadlines are looked at, or by us → … →
//! a process that is not killed → all are over, and heard of`

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use convoke::prelude::*;
use convoke::{Durable, EmitterHandle};
use serde::{Deserialize, Serialize, Serializer};

use super::{BOARD, Kept, Site, number};
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;
use crate::transports::outbox::until;

/// Tells a child where its database is, when it is to be killed, and where it notes what it was told.
const CHILD: &str = "CONVOKE_TEST_ROUNDS";
const KILL: &str = "CONVOKE_TEST_ROUNDS_KILL";
const NOTES: &str = "CONVOKE_TEST_ROUNDS_NOTES";

/// When a child is killed.
const STEPS: [&str; 9] =
    ["signal", "writing", "committed", "deciding", "closing", "delivering", "marking", "sweeping", "anywhere"];

/// How long a round may take; beyond it one that is not complete is cancelled by whoever lives.
const TIME: Duration = Duration::from_millis(700);

fn kills() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 1_000 } else { 20 }
}

fn kill_me() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

fn is_to_die(step: &str) -> bool {
    std::env::var(KILL).is_ok_and(|kill| kill == step)
}

/// Of a step that is taken often, the process dies at one of the first.
fn dies(step: &str) {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    if is_to_die(step) && (TAKEN.fetch_add(1, Ordering::Relaxed) >= 5 || fastrand::u32(0..4) == 0) {
        kill_me();
    }
}

/// It dies some time within so many µs from now.
fn dies_within(step: &str, micros: u64) {
    if is_to_die(step) {
        let wait = Duration::from_micros(fastrand::u64(0..micros));
        std::thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "no future runs on this thread")]
            std::thread::sleep(wait);
            kill_me();
        });
    }
}

/// What is signed. To write it down may end the process.
#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Signed(String);

impl Serialize for Signed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        dies("signal");
        serializer.serialize_str(&self.0)
    }
}

async fn open<B: Site>(db: &B::Database) -> Durable<Signed> {
    let all = Release::when_named("all", 1, |gathered| {
        dies("deciding");
        let has_all = gathered.missing().is_empty();
        if has_all {
            dies_within("closing", 4_000);
        }
        has_all
    });
    let broker = Broker::new(TIME).expects(BOARD).release(all);
    broker.durable(db, "approvals").poll_every(Duration::from_millis(20)).await.unwrap()
}

async fn hears<B: Site>(approvals: &Durable<Signed>, db: &B::Database) -> ConsumerHandle<Signed> {
    let db = db.clone();
    let note = async move |round: Outcome<Signed>| {
        dies("delivering");
        B::note(&db, number(round.round()), &told(&round)).await?;
        dies_within("marking", 3_000);
        Ok::<_, std::io::Error>(())
    };
    Consumer::join(approvals, Consumer::new(note).named("audit")).await.unwrap()
}

fn told(outcome: &Outcome<Signed>) -> String {
    let cause = outcome.cause().map(|cause| cause.to_string());
    format!("{:?} {:?}", cause, outcome.payloads())
}

async fn join(approvals: &Durable<Signed>) -> [EmitterHandle<Signed>; 3] {
    let [legal, finance, chair] = BOARD.map(|name| Emitter::join(approvals, name));
    [legal.await.unwrap(), finance.await.unwrap(), chair.await.unwrap()]
}

/// In a child: signs round after round, until it is killed. Of some rounds one does not sign.
async fn serve<B: Site>(place: &str) {
    let notes = std::env::var(NOTES).unwrap();
    let mut notes = OpenOptions::new().create(true).append(true).open(notes).unwrap();
    let db = B::open(place).await;
    // Others have left rounds that are due by now.
    dies_within("sweeping", 60_000);
    let approvals = open::<B>(&db).await;
    let _audit = hears::<B>(&approvals, &db).await;
    let board = join(&approvals).await;
    loop {
        // Whoever is killed hands on nothing: what is closed meanwhile waits for the one that is not.
        tokio::time::sleep(Duration::from_millis(25)).await;
        let key = format!("{:x}", fastrand::u32(..));
        let of = if fastrand::u32(0..4) == 0 { 2 } else { 3 };
        for (emitter, name) in board.iter().zip(BOARD).take(of) {
            let emission = emitter.emit_for(key.clone(), Signed(format!("{name} {key}")));
            dies_within("writing", 3_000);
            match emission.committed().await {
                // One line is one write.
                Ok(round) => notes.write_all(format!("{round} {name} {key}\n").as_bytes()).unwrap(),
                Err(error) => assert!(matches!(error, EmitError::Late { .. }), "{error}"),
            }
            dies("committed");
        }
    }
}

fn child(test: &str, place: &str, step: &str, notes: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test.split_once("::").unwrap().1, "--nocapture"]);
    command.env(CHILD, place).env(KILL, step).env(NOTES, notes).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// What a process had that was killed is free once its lease is over: that takes its time.
async fn at_last(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let start = std::time::Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < Duration::from_secs(120), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn play<B: Site>(test: &str, base: B) {
    base.prepare().await;
    let notes = std::env::temp_dir().join(format!("convoke-notes-{:x}", fastrand::u64(..)));
    for step in STEPS {
        let mut killed = 0;
        while killed < kills() {
            let mut children = [(); 2].map(|()| child(test, &base.place(), step, &notes.display().to_string()));
            if step == "anywhere" {
                tokio::time::sleep(Duration::from_millis(fastrand::u64(100..600))).await;
                children.iter_mut().for_each(|child| child.kill().unwrap());
            }
            for child in &mut children {
                until(step, async || child.try_wait().unwrap().is_some()).await;
                let status = child.wait().unwrap();
                assert!(!status.success() && status.code().is_none(), "{step}: {status}");
            }
            killed += 2;
        }
    }
    let approvals = open::<B>(base.database()).await;
    let left = approvals.figures().await.unwrap();
    let _audit = hears::<B>(&approvals, base.database()).await;
    at_last("none is open", async || {
        let figures = approvals.figures().await.unwrap();
        assert_eq!(figures.aside, 0);
        figures.open + figures.awaited == 0
    })
    .await;
    let over = approvals.figures().await.unwrap().over;
    // Each has been heard of, the same each time.
    let heard = async || {
        let mut heard = BTreeMap::<i64, BTreeSet<String>>::new();
        for (round, outcome) in base.noted().await {
            heard.entry(round).or_default().insert(outcome);
        }
        heard
    };
    at_last("all are heard of", async || heard().await.len() as u64 >= over).await;
    let (heard, times) = (heard().await, base.noted().await.len());
    assert_eq!(heard.len() as u64, over);
    let twice: Vec<_> = heard.iter().filter(|(_, outcomes)| outcomes.len() > 1).collect();
    assert!(twice.is_empty(), "more than one outcome: {twice:?}");
    // What was said to be a row is in the outcome.
    let written = std::fs::read_to_string(&notes).unwrap();
    let _ = std::fs::remove_file(&notes);
    for line in written.lines() {
        let [round, name, key] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let round: i64 = round.trim_start_matches('#').parse().unwrap();
        let outcome = heard.get(&round).and_then(|outcomes| outcomes.first()).unwrap_or_else(|| panic!("lost: {line}"));
        assert!(outcome.contains(&format!("{name} {key}")), "lost: {line} in {outcome}");
    }
    println!(
        "figure: {} kills at {} steps, {over} rounds: {} signals were said to be rows and are, {} rounds were left open, {times} deliveries",
        kills() * 9,
        STEPS.len(),
        written.lines().count(),
        left.open
    );
}

/// In a child: works, until it is killed.
fn is_child<B: Site>() -> bool {
    let Ok(place) = std::env::var(CHILD) else { return false };
    actix_rt::System::new().block_on(serve::<B>(&place));
    true
}

#[test]
fn rounds_over_sqlite_survive_their_processes() {
    if !is_child::<File>() {
        let test = concat!(module_path!(), "::rounds_over_sqlite_survive_their_processes");
        actix_rt::System::new().block_on(async { play(test, <File as Site>::new().await).await });
    }
}

#[test]
fn rounds_over_postgres_survive_their_processes() {
    if !is_child::<Database>() {
        let test = concat!(module_path!(), "::rounds_over_postgres_survive_their_processes");
        actix_rt::System::new().block_on(async { play(test, <Database as Site>::new().await).await });
    }
}

#[test]
fn rounds_over_redis_survive_their_processes() {
    if !is_child::<Kept>() {
        let test = concat!(module_path!(), "::rounds_over_redis_survive_their_processes");
        actix_rt::System::new().block_on(async { play(test, Kept::new().await).await });
    }
}
