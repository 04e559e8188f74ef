//! What is hidden, what must not reach a terminal, and tables that fit.

use std::path::Path;
use std::process::{Command, Stdio};

use convoke::transport::{DeadReason, Packet};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::common::{convoke, done};
use crate::filled::{dead, event, fill, publish, with};

/// What steers a terminal, or turns and hides what stands on it.
const STEERING: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\r\n\u{7f}\u{202e}\u{2066}\u{200b}\u{85}";

fn steers(letter: char) -> bool {
    letter != '\n' && letter.is_control() || "\u{202e}\u{2066}\u{200b}".contains(letter)
}

#[track_caller]
fn is_harmless(line: &str, text: &[u8]) -> String {
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(!text.chars().any(steers), "{line}: {text:?}");
    text
}

/// Names, keys, errors, payloads, fields: whatever others may have chosen.
fn hostile(folder: &Path) {
    let mut named = event(1, STEERING, json!({STEERING: STEERING, "id": 7}), false);
    named.key = Some(STEERING.to_owned());
    named.attributes.insert("note", STEERING);
    let mut foreign = Packet::new(STEERING, STEERING.as_bytes());
    foreign.attributes.insert("eventName", STEERING);
    foreign.topic = STEERING.to_owned();
    with(async || {
        let file = folder.join("shop.db");
        let letters = [
            dead(&named, 1, 1, DeadReason::Permanent, &[STEERING, STEERING]),
            dead(&foreign, 1, 1, DeadReason::Broken, &[STEERING]),
        ];
        publish(&file, "orders", &[named, foreign]).await;
        publish(&file, "orders-dead", &letters).await;
    });
}

#[test]
fn nothing_from_outside_steers_a_terminal() {
    let folder = tempdir().unwrap();
    hostile(folder.path());
    let list = done(folder.path(), "dead list sqlite:shop.db#orders --json");
    let ids: Vec<String> = list
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2, "{list}");
    let mut lines = vec!["stats sqlite:shop.db".to_owned(), "dead list sqlite:shop.db#orders".to_owned()];
    for id in &ids {
        lines.push(format!("dead show sqlite:shop.db#orders {id}"));
        lines.push(format!("dead show sqlite:shop.db#orders {id} --reveal"));
    }
    for line in lines {
        for line in [line.clone(), format!("{line} --json"), format!("{line} --color always")] {
            let output = convoke(folder.path(), line.split(' '));
            assert!(output.status.success(), "{line}: {output:?}");
            is_harmless(&line, &output.stdout);
            is_harmless(&line, &output.stderr);
        }
    }
    // What a command is given is from outside too.
    for words in [
        ["stats", &format!("sqlite:{STEERING}.db")],
        ["stats", &format!("sqlite:shop.db#{STEERING}")],
        ["stats", &format!("{STEERING}://x")],
        ["stats", &format!("--context={STEERING}")],
        ["tail", &format!("--topic={STEERING}")],
        ["dead", &format!("show{STEERING}")],
    ] {
        let output = convoke(folder.path(), words);
        assert!(!output.status.success(), "{words:?}");
        is_harmless(words[1], &output.stdout);
        is_harmless(words[1], &output.stderr);
    }
}

#[test]
fn what_is_personal_is_hidden_until_somebody_wants_to_see_it() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    let show = |more: &str| done(folder.path(), &format!("dead show sqlite:shop.db#orders 5{more}"));
    for hidden in [show(""), show(" --json")] {
        assert!(hidden.contains("UserRegistered") && hidden.contains("email"), "{hidden}");
        assert!(!hidden.contains("ada@example.org") && !hidden.contains("Ada"), "{hidden}");
    }
    for shown in [show(" --reveal"), show(" --reveal --json")] {
        assert!(shown.contains("ada@example.org"), "{shown}");
    }
    let list = done(folder.path(), "dead list sqlite:shop.db#orders --json");
    assert!(!list.contains("ada@example.org"), "{list}");
    assert!(done(folder.path(), "dead list sqlite:shop.db#orders --json --reveal").contains("ada@example.org"));
}

/// On a narrow terminal too, and no id is cut.
#[test]
fn a_table_fits() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    for columns in [200_usize, 80, 60, 50, 40, 30] {
        for line in ["dead list sqlite:shop.db#orders", "stats sqlite:shop.db"] {
            let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
                .args(line.split(' '))
                .current_dir(folder.path())
                .env("COLUMNS", columns.to_string())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = is_harmless(line, &output.stdout);
            assert!(output.status.success());
            for row in text.lines() {
                assert!(row.chars().count() <= columns, "{columns}: {row}");
            }
        }
    }
}
