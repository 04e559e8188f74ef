//! What comes while somebody listens, and stays for those who work.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::filled::{event, order, publish, waiting, with};

/// Listens until so many lines have come, while orders, mails and accounts do; returns what it has said, and how many came.
fn heard(folder: &Path, more: &[&str]) -> (String, usize) {
    let file = folder.join("shop.db");
    with(async || publish(&file, "orders", &[order(0, "ada")]).await);
    let mut process = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["tail", "sqlite:shop.db#orders", "--lines", "3"])
        .args(more)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It does not say when it has begun to listen.
    let (end, mut number) = (Instant::now() + Duration::from_secs(120), 0);
    while process.try_wait().unwrap().is_none() {
        assert!(Instant::now() < end, "it hears nothing");
        number += 1;
        let steering = json!({"email": "ada@example.org", "note": "\u{1b}[2J\u{9b}\u{202e}"});
        let some = [
            order(number, "ada"),
            event(u128::from(number) + 1_000_000, "UserRegistered", steering.clone(), true),
            event(u128::from(number) + 2_000_000, "NoteTaken", steering, false),
        ];
        with(async || publish(&file, "orders", &some).await);
    }
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    (String::from_utf8(output.stdout).unwrap(), 1 + 3 * usize::try_from(number).unwrap())
}

#[test]
fn all_that_comes_is_heard_and_taken_from_nobody() {
    let folder = tempdir().unwrap();
    let (said, came) = heard(folder.path(), &[]);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.contains("2026-01-02T03:04:05Z OrderPlaced shop/orderplaced key=ada {\"id\":"), "{said}");
    assert!(said.contains("UserRegistered shop/userregistered (hidden: "), "{said}");
    assert!(!said.chars().any(|letter| letter != '\n' && letter.is_control() || letter == '\u{202e}'), "{said:?}");
    assert_eq!(waiting(&folder.path().join("shop.db"), "orders").len(), came);
}

#[test]
fn a_topic_and_a_name_choose() {
    let folder = tempdir().unwrap();
    for (number, more) in
        [["--topic", "shop/notetaken/**"], ["--event", "NoteTaken"], ["--topic", "**"]].iter().enumerate()
    {
        let folder = folder.path().join(number.to_string());
        std::fs::create_dir(&folder).unwrap();
        let (said, _) = heard(&folder, &[more[0], more[1], "--json"]);
        let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{said}");
        if more[1] != "**" {
            assert!(
                lines.iter().all(|line| line["event"] == "NoteTaken" && line["payload"]["note"].is_string()),
                "{said}"
            );
        }
    }
}
