//! Jobs, durable rounds and stores: two at once, production, what is hidden, and a replay that is interrupted.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use convoke::prelude::*;
use convoke::transport::{Packet, Source, Sqlite};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::common::{convoke, done, refused};
use crate::filled::{waiting, with};
use crate::kept::{FIRST, keep};

fn kept() -> TempDir {
    let folder = tempdir().unwrap();
    keep(folder.path());
    folder
}

/// Two of the same command at the same time.
fn twice(folder: &Path, line: &str) -> Vec<Output> {
    let begun: Vec<_> = (0..2)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_convoke"))
                .args(line.split(' '))
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    begun.into_iter().map(|process| process.wait_with_output().unwrap()).collect()
}

fn job(folder: &Path, number: i64) -> Value {
    serde_json::from_str(&done(folder, &format!("tasks show sqlite:kept.db {number} --json"))).unwrap()
}

#[test]
fn two_who_cancel_a_job_at_once_both_have_it_end() {
    let folder = kept();
    for output in twice(folder.path(), &format!("tasks cancel sqlite:kept.db {}", FIRST + 1)) {
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        assert_eq!(said, format!("Job {} is asked to end: it was waiting\n", FIRST + 1));
    }
    let job = job(folder.path(), FIRST + 1);
    assert_eq!((&job["state"], &job["isCancelled"]), (&"waiting".into(), &true.into()));
}

#[test]
fn of_two_who_retry_a_job_or_abort_a_round_at_once_one_does() {
    let folder = kept();
    let retry = format!("tasks retry sqlite:kept.db {}", FIRST + 4);
    for (line, refusal) in [(&*retry, "is waiting"), ("rounds abort sqlite:kept.db order-8 --reason no --yes", "over")]
    {
        let both = twice(folder.path(), line);
        let codes: Vec<_> = both.iter().filter_map(|output| output.status.code()).collect();
        assert_eq!(codes.iter().sum::<i32>(), 1, "{line}: {codes:?}");
        let said: Vec<_> = both.iter().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).collect();
        let said = said.concat();
        assert!(said.contains(refusal) || said.contains("no such round"), "{line}: {said}");
    }
}

#[test]
fn production_is_refused_without_a_terminal_and_noted_with_yes() {
    let folder = kept();
    let contexts = "[context.live]\nurl = \"sqlite:kept.db#audit\"\nproduction = true\naudit = \"audit.jsonl\"\n";
    fs::write(folder.path().join("convoke.toml"), contexts).unwrap();
    let (cancel, retry) = (format!("tasks cancel -c live {}", FIRST + 1), format!("tasks retry -c live {}", FIRST + 4));
    let lines = [
        (&*cancel, "tasks cancel", 1),
        (&*retry, "tasks retry", 1),
        ("rounds abort -c live order-8 --reason secret-reason", "rounds abort", 1),
        ("replay sqlite:kept.db orders --into live", "replay", 12),
        // By its URL, too.
        ("replay sqlite:kept.db orders --into sqlite:kept.db#audit", "replay", 12),
    ];
    for (line, _, _) in lines {
        let said = refused(folder.path(), line, 1);
        assert!(said.contains("production") && said.contains("--yes"), "{line}: {said}");
    }
    assert!(!folder.path().join("audit.jsonl").exists(), "nothing was begun");
    for (line, _, _) in lines {
        done(folder.path(), &format!("{line} --yes"));
    }
    let text = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert!(!text.contains("secret-reason") && !text.contains("order-8"), "{text}");
    let noted: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(noted.len(), 2 * lines.len());
    for ((_, command, count), pair) in lines.iter().zip(noted.chunks(2)) {
        assert_eq!((&pair[0]["command"], &pair[0]["is"]), (&(*command).into(), &"begun".into()), "{pair:?}");
        assert_eq!((&pair[1]["is"], &pair[1]["count"]), (&"done".into(), &(*count).into()), "{pair:?}");
        assert_eq!(pair[0]["id"], pair[1]["id"]);
    }
    // What is not done is noted as such.
    refused(folder.path(), &format!("tasks retry -c live {} --yes", FIRST + 1), 1);
    let last = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((&last["is"], &last["count"]), (&"failed".into(), &0.into()));
}

/// What steers a terminal, or turns and hides what stands on it.
const STEERING: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\r\n\u{7f}\u{202e}\u{2066}\u{200b}\u{85}";

fn steers(letter: char) -> bool {
    letter != '\n' && letter.is_control() || "\u{202e}\u{2066}\u{200b}".contains(letter)
}

#[test]
fn nothing_of_a_job_or_a_round_steers_a_terminal() {
    let folder = kept();
    with(async || {
        let db = Sqlite::open(folder.path().join("kept.db")).await.unwrap();
        let all = "UPDATE convoke_job SET task = ?1, queue = ?1, text = ?1, note = ?1";
        sqlx::query(all).bind(STEERING).execute(db.pool()).await.unwrap();
        sqlx::query("UPDATE convoke_job_step SET name = ?1, result = ?1")
            .bind(STEERING)
            .execute(db.pool())
            .await
            .unwrap();
        let parties = [STEERING, "other"];
        let broker =
            Broker::<String>::new(std::time::Duration::from_secs(3600)).expects(parties).durable(&db, "hostile");
        let broker = broker.aborted_by([STEERING]).await.unwrap();
        let steering = Emitter::join(&broker, STEERING).await.unwrap();
        let _ = steering.emit_for(STEERING, "yes".into()).committed().await.unwrap();
        let _ = steering.emit_for(7, "yes".into()).committed().await.unwrap();
        broker.abort(7, STEERING).by(STEERING).await.unwrap();
    });
    let id = FIRST.to_string();
    let lines: [&[&str]; 9] = [
        &["tasks", "list", "sqlite:kept.db"],
        &["tasks", "show", "sqlite:kept.db", &id, "--reveal"],
        &["rounds", "list", "sqlite:kept.db"],
        &["rounds", "why", "sqlite:kept.db", STEERING],
        &["rounds", "history", "sqlite:kept.db", "7"],
        &["rounds", "why", "sqlite:kept.db", "\u{1b}[2J"],
        &["rounds", "abort", "sqlite:kept.db", STEERING, "--reason", STEERING, "--by", "\u{1b}[2J", "--yes"],
        &["tasks", "list", "sqlite:kept.db", "--task", STEERING, "--behind", STEERING],
        &["replay", "sqlite:kept.db", STEERING, "--topic", STEERING, "--into", "sqlite:kept.db#audit"],
    ];
    for line in lines {
        for json in [false, true] {
            let output = convoke(folder.path(), line.iter().copied().chain(json.then_some("--json")));
            for text in [output.stdout, output.stderr] {
                let text = String::from_utf8(text).unwrap();
                assert!(!text.chars().any(steers), "{line:?}: {text:?}");
            }
        }
    }
}

#[test]
fn what_a_job_carries_is_shown_only_where_that_is_asked_for() {
    let folder = kept();
    let number = FIRST + 2;
    for line in [
        "tasks list sqlite:kept.db".to_owned(),
        "tasks list sqlite:kept.db --json".to_owned(),
        format!("tasks show sqlite:kept.db {number}"),
        format!("tasks show sqlite:kept.db {number} --json"),
        format!("tasks show sqlite:kept.db {FIRST}"),
        "rounds list sqlite:kept.db --json".to_owned(),
        "rounds why sqlite:kept.db order-8".to_owned(),
        "rounds history sqlite:kept.db 5 --json".to_owned(),
    ] {
        let said = done(folder.path(), &line);
        assert!(!said.contains("ada@example.org") && !said.contains("1200"), "{line}: {said}");
    }
    let said = done(folder.path(), &format!("tasks show sqlite:kept.db {number} --reveal"));
    assert!(said.contains("ada@example.org"), "{said}");
}

#[test]
fn a_list_goes_on_where_it_has_ended() {
    let folder = kept();
    let (mut ids, mut behind) = (Vec::new(), String::new());
    loop {
        let output = convoke(folder.path(), format!("tasks list sqlite:kept.db --json --limit 3{behind}").split(' '));
        assert!(output.status.success());
        let lines: Vec<Value> =
            String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        ids.extend(lines.iter().map(|line| line["id"].as_i64().unwrap()));
        let said = String::from_utf8(output.stderr).unwrap();
        let Some((_, rest)) = said.split_once("--behind ") else { break };
        behind = format!(" --behind {}", rest.split_whitespace().next().unwrap());
        assert!(lines.last().unwrap()["place"].as_str().is_some_and(|place| behind.ends_with(place)), "{said}");
    }
    ids.sort_unstable();
    assert_eq!(ids, (FIRST..FIRST + 8).collect::<Vec<_>>());
}

/// The numbers of the events that were published.
fn numbers(packets: &[Packet]) -> Vec<u64> {
    let number = |packet: &Packet| {
        let body: Value = serde_json::from_slice(&packet.body).unwrap();
        body["payload"]["id"].as_u64().unwrap()
    };
    packets.iter().map(number).collect()
}

#[test]
fn a_replay_that_is_interrupted_goes_on_where_it_says() {
    const EVENTS: u64 = 3_000;
    let folder = tempdir().unwrap();
    let file = folder.path().join("shop.db");
    with(async || {
        let db = Sqlite::open(&file).await.unwrap();
        let orders = db.store("orders").await.unwrap();
        let all =
            (1..=EVENTS).map(|number| convoke::JsonEvent::new("orders/placed", serde_json::json!({"id": number})));
        orders.append_all(all).await.unwrap();
        let mut audit = db.queue("audit").await.unwrap();
        audit.open(1).await.unwrap();
        audit.close().await.unwrap();
    });
    let line = "replay sqlite:shop.db orders --into sqlite:shop.db#audit --rate 1000";
    let mut process = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(line.split(' '))
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Some are there.
    let count = || {
        with(async || {
            let db = Sqlite::open(&file).await.unwrap();
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM convoke_message").fetch_one(db.pool()).await.unwrap()
        })
    };
    while count() < 300 {
        assert!(process.try_wait().unwrap().is_none(), "it has ended before it was interrupted");
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_child(&process);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(130), "{said}");
    let position = said.split_once("go on with --from ").unwrap().1.trim();
    let rest =
        done(folder.path(), &format!("replay sqlite:shop.db orders --into sqlite:shop.db#audit --from {position}"));
    assert!(rest.contains(" replayed to audit, the last at 3000@"), "{rest}");
    let told = numbers(&waiting(&file, "audit"));
    let twice = told.len() as u64 - EVENTS;
    assert!(twice <= 200, "{twice} were told twice");
    let mut each = told;
    each.sort_unstable();
    each.dedup();
    assert_eq!(each, (1..=EVENTS).collect::<Vec<_>>(), "none is lost");
}
