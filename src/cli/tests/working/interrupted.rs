//! Ctrl-C in the middle of many letters: what was done until then is counted, and the same command goes on.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use convoke::look::{Address, Server};
use convoke::transport::{DeadReason, Packet};
use tempfile::tempdir;

use crate::common::done;
use crate::filled::{dead, order, publish, waiting, with};

const LETTERS: u64 = 4_000;

fn begun(folder: &Path, line: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(line.split(' '))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn interrupt(process: &Child) {
    let id = rustix::process::Pid::from_child(process);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
}

/// Whether a process has opened the database, which it does after it has begun to hear signals.
fn is_at_work(process: &Child) -> bool {
    let files = std::fs::read_dir(format!("/proc/{}/fd", process.id())).into_iter().flatten().filter_map(Result::ok);
    files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|path| path.ends_with("shop.db"))
}

/// How many of the letters wait, beside the one that was there, and how many are dead.
fn figures(folder: &Path) -> (u64, u64) {
    with(async || {
        let address: Address = format!("sqlite:{}#orders", folder.join("shop.db").display()).parse().unwrap();
        let figures = Server::connect(&address).await.unwrap().queue("orders").await.unwrap();
        (figures.waiting.unwrap() - 1, figures.dead.unwrap())
    })
}

/// Looks until this holds.
fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < end, "it has not come to that");
        std::thread::yield_now();
    }
}

fn many(folder: &Path) {
    let letters: Vec<Packet> = (0..LETTERS)
        .map(|number| dead(&order(number, &format!("key-{}", number % 7)), 1, 3, DeadReason::Exhausted, &["no"]))
        .collect();
    with(async || {
        let file = folder.join("shop.db");
        publish(&file, "orders", &[order(LETTERS, "nobody")]).await;
        publish(&file, "orders-dead", &letters).await;
    });
}

#[test]
fn a_redrive_that_is_interrupted_and_gone_on_with_loses_nothing_and_doubles_nothing() {
    let folder = tempdir().unwrap();
    many(folder.path());
    let mut left = LETTERS;
    for _ in 0..3 {
        let process = begun(folder.path(), "dead redrive sqlite:shop.db#orders --all");
        until(|| figures(folder.path()).1 < left);
        interrupt(&process);
        let ended = process.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        let (waits, dead) = figures(folder.path());
        if ended.status.success() {
            break; // it was faster
        }
        assert_eq!(ended.status.code(), Some(130), "{said}");
        assert!(said.contains("letters redriven: it was interrupted"), "{said}");
        assert_eq!(waits + dead, LETTERS);
        // What it has said is what it has done.
        let told: String =
            said.chars().skip_while(|sign| !sign.is_ascii_digit()).take_while(|sign| *sign != ' ').collect();
        assert_eq!(told.replace(',', "").parse::<u64>().unwrap(), left - dead, "{said}");
        left = dead;
    }
    assert!(left < LETTERS);
    done(folder.path(), "dead redrive sqlite:shop.db#orders --all");
    assert_eq!(figures(folder.path()), (LETTERS, 0));
    // Each is there once, and those of a key are in their order.
    let all = waiting(&folder.path().join("shop.db"), "orders");
    let ids: Vec<&str> = all.iter().map(|packet| packet.id.as_str()).collect();
    assert_eq!((ids.len() as u64, ids.iter().collect::<BTreeSet<_>>().len() as u64), (LETTERS + 1, LETTERS + 1));
    for key in 0..7 {
        let of_key: Vec<&str> = all
            .iter()
            .filter(|packet| packet.key.as_deref() == Some(&format!("key-{key}")))
            .map(|packet| packet.id.as_str())
            .collect();
        assert!(of_key.is_sorted(), "key-{key}");
    }
}

/// What has begun is waited for, as a lock that somebody else has; whoever asks twice does not wait for it.
#[test]
fn a_second_interruption_ends_it_at_once_with_a_line() {
    let folder = tempdir().unwrap();
    many(folder.path());
    let (open, opened) = std::sync::mpsc::channel();
    let (close, closed) = std::sync::mpsc::channel::<()>();
    let file = folder.path().join("shop.db");
    let holder = std::thread::spawn(move || {
        with(async || {
            let db = convoke::transport::Sqlite::open(&file).existing().await.unwrap();
            let transaction = db.begin().await.unwrap();
            open.send(()).unwrap();
            closed.recv().unwrap();
            drop(transaction);
        });
    });
    opened.recv().unwrap();
    let said = (1_u32..).find_map(|turn| {
        let mut process = begun(folder.path(), "dead redrive sqlite:shop.db#orders --all --patience 3000");
        until(|| is_at_work(&process));
        // Nothing says from outside that it waits for the lock: if it did not yet, it ends at the first, and is begun again.
        std::thread::park_timeout(Duration::from_millis(20) * turn);
        while process.try_wait().unwrap().is_none() {
            interrupt(&process);
            std::thread::park_timeout(Duration::from_millis(20));
        }
        let ended = process.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(130), "{said}");
        assert!(turn < 100, "it never waits: {said}");
        said.contains("twice").then_some(said)
    });
    let said = said.unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("error: it was interrupted twice"), "{said}");
    close.send(()).unwrap();
    holder.join().unwrap();
    let (waits, dead) = figures(folder.path());
    assert_eq!(waits + dead, LETTERS);
}

#[test]
fn a_rate_is_a_limit_and_an_interruption_does_not_wait_for_it() {
    let folder = tempdir().unwrap();
    many(folder.path());
    let process = begun(folder.path(), "dead redrive sqlite:shop.db#orders --all --rate 1");
    until(|| figures(folder.path()).1 < LETTERS);
    interrupt(&process);
    let ended = process.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let (waits, dead) = figures(folder.path());
    assert_eq!(waits + dead, LETTERS);
    // Without the limit a machine that is as slow as this one would have to be would be done by now.
    assert!(dead > LETTERS / 2, "{dead}");
}

#[test]
fn who_only_looks_ends_at_once() {
    let folder = tempdir().unwrap();
    many(folder.path());
    for (line, code) in [("tail sqlite:shop.db#orders", 0), ("stats sqlite:shop.db --watch", 0)] {
        let process = begun(folder.path(), line);
        until(|| is_at_work(&process));
        interrupt(&process);
        let ended = process.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(code), "{line}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// In a terminal there is a bar, and it is gone at the end.
#[test]
fn a_redrive_in_a_terminal_shows_how_far_it_is() {
    let folder = tempdir().unwrap();
    many(folder.path());
    let url = format!("sqlite:{}#orders", folder.path().join("shop.db").display());
    let mut pty = crate::pty::Pty::run(&["dead", "redrive", &url, "--all", "--rate", "1000"], 24, 80);
    let screen = pty.shows("of 4,000, ");
    assert!(screen.contains(" left") && screen.contains("/s"), "{screen}");
    let screen = pty.shows("4,000 letters redriven to orders");
    assert!(!screen.contains(" left"), "{screen}");
    assert!(pty.ends().success());
    assert_eq!(figures(folder.path()), (LETTERS, 0));
    // To a machine it says nothing of that, and to whom nobody looks neither.
    publish_again(folder.path());
    let process = begun(folder.path(), "dead redrive sqlite:shop.db#orders --all");
    let ended = process.wait_with_output().unwrap();
    assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
}

fn publish_again(folder: &Path) {
    let letters: Vec<Packet> =
        (0..200).map(|number| dead(&order(number, "ada"), 1, 3, DeadReason::Exhausted, &["no"])).collect();
    with(async || publish(&folder.join("shop.db"), "orders-dead", &letters).await);
}
