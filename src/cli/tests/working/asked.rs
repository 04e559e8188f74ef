//! Contexts, production, and the audit log.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::common::{convoke, done, refused};
use crate::filled::{fill, waiting};
use crate::kept::keep;

fn filled() -> TempDir {
    let folder = tempdir().unwrap();
    fill(folder.path());
    folder
}

/// The lines of the audit log.
fn noted(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("audit.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same command on a terminal of its own, and this typed into it.
fn on_a_terminal(folder: &Path, line: &str, typed: &str) -> (i32, String) {
    let command = format!("{} {line}", env!("CARGO_BIN_EXE_convoke"));
    let mut script = Command::new("script")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .current_dir(folder)
        .env_remove("CONVOKE_URL")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    script.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn production_is_asked_for_and_its_name_is_typed() {
    let folder = filled();
    let line = "dead redrive -c shop --event OrderPlaced";
    for typed in ["\n", "y\n", "yes\n", "test\n", "SHOP\n"] {
        let (code, said) = on_a_terminal(folder.path(), line, typed);
        assert_eq!(code, 1, "{typed}: {said}");
        assert!(said.contains("is production") && said.contains("nothing was changed"), "{said}");
    }
    assert!(noted(folder.path()).is_empty());
    let (code, said) = on_a_terminal(folder.path(), line, "shop\n");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("2 letters redriven"), "{said}");
    assert_eq!(waiting(&folder.path().join("live.db"), "orders").len(), 4);
}

#[test]
fn a_purge_is_asked_for_everywhere() {
    let folder = filled();
    let (code, said) = on_a_terminal(folder.path(), "dead purge -c test --all", "n\n");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("deletes all 4 dead letters of orders for good"), "{said}");
    let (code, said) = on_a_terminal(folder.path(), "dead purge -c test --event OrderPlaced", "n\n");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("deletes all 2 dead letters of OrderPlaced of orders for good"), "{said}");
    let (code, said) = on_a_terminal(folder.path(), "dead purge -c test --all", "y\n");
    assert_eq!((code, said.contains("4 letters deleted")), (0, true), "{said}");
}

/// Without a terminal nobody can be asked, and no way around the name of the context leads past that.
#[test]
fn what_leads_to_production_is_production_by_whichever_name() {
    let folder = filled();
    let path = folder.path().join("live.db");
    for url in ["sqlite:live.db#orders", "sqlite:./live.db#orders", &format!("sqlite:{}#orders", path.display())] {
        let said = refused(folder.path(), &format!("dead redrive {url} --all"), 1);
        assert!(said.contains("context `shop` is production"), "{said}");
        let said = refused(folder.path(), &format!("publish {url} OrderPlaced --json 7"), 1);
        assert!(said.contains("context `shop` is production"), "{said}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["dead", "redrive", "--all"])
        .current_dir(folder.path())
        .env("CONVOKE_URL", "sqlite:live.db#orders")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(noted(folder.path()).is_empty());
    // To look asks nothing.
    done(folder.path(), "dead list -c shop");
    done(folder.path(), "stats -c shop");
    assert!(noted(folder.path()).is_empty());
}

#[test]
fn every_write_leaves_a_line_before_and_a_line_after_and_no_secret() {
    let folder = filled();
    done(folder.path(), "dead redrive -c shop --key ada --yes");
    done(folder.path(), "dead purge -c shop 4 --yes");
    done(
        folder.path(),
        "publish sqlite:live.db#orders OrderPlaced --json {\"email\":\"ada@example.org\"} --key ada --yes",
    );
    refused(folder.path(), "dead purge -c shop 99 --yes", 1);
    refused(folder.path(), "publish sqlite:live.db#none OrderPlaced --json 7 --yes", 1);
    let lines = noted(folder.path());
    assert_eq!(lines.len(), 10, "{lines:?}");
    let ends: Vec<(&Value, &Value)> = lines.chunks(2).map(|pair| (&pair[1]["is"], &pair[1]["count"])).collect();
    let all = [("done", 1), ("done", 1), ("done", 1), ("failed", 0), ("failed", 0)];
    for (pair, ((is, count), (wanted, number))) in lines.chunks(2).zip(ends.iter().zip(all)) {
        assert_eq!((is.as_str(), count.as_u64()), (Some(wanted), Some(number)), "{pair:?}");
        assert_eq!(pair[0]["id"], pair[1]["id"]);
        assert_eq!((pair[0]["is"].as_str(), pair[0]["context"].as_str()), (Some("begun"), Some("shop")));
        assert!(pair[0]["at"].as_str().unwrap().ends_with('Z') && pair[0]["who"]["uid"].is_u64(), "{pair:?}");
    }
    assert_eq!(lines[0]["what"], serde_json::json!({"all": false, "event": null, "key": true, "queue": "orders"}));
    assert_eq!(lines[2]["what"], serde_json::json!({"ids": ["4"], "queue": "orders"}));
    let text = fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    // Of letters and digits an id may have any, and that name too.
    let ids: Vec<&str> =
        lines.iter().flat_map(|line| [&line["id"], &line["what"]["id"]]).filter_map(Value::as_str).collect();
    assert!(text.split('"').all(|word| ids.contains(&word) || !word.contains("ada")), "{text}");
}

#[test]
fn what_cannot_be_noted_is_not_done() {
    let folder = filled();
    // A folder is no file, whoever asks.
    fs::create_dir(folder.path().join("audit.jsonl")).unwrap();
    let said = refused(folder.path(), "dead redrive -c shop --all --yes", 1);
    assert!(said.contains("cannot write to the audit log"), "{said}");
    assert_eq!(waiting(&folder.path().join("live.db"), "orders").len(), 2);
}

/// As a purge, for it cannot be undone either.
#[test]
fn an_abort_is_asked_for_everywhere() {
    let folder = tempdir().unwrap();
    keep(folder.path());
    let line = "rounds abort sqlite:kept.db order-8 --reason no";
    for typed in ["n\n", "\n"] {
        let (code, said) = on_a_terminal(folder.path(), line, typed);
        assert_eq!((code, said.contains("nothing was changed")), (1, true), "{said}");
    }
    assert!(refused(folder.path(), line, 1).contains("cancels the round for everyone, for good"));
    let (code, said) = on_a_terminal(folder.path(), line, "y\n");
    assert_eq!((code, said.contains("Round aborted")), (0, true), "{said}");
}

/// A pipe keeps nothing, and whoever writes to one waits for somebody who reads.
#[test]
fn a_log_that_is_no_file_is_refused() {
    let folder = filled();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path().join("audit.jsonl"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let said = refused(folder.path(), "dead redrive -c shop --all --yes", 1);
    assert!(said.contains("cannot write to the audit log") && said.contains("it is no file"), "{said}");
    fs::remove_file(folder.path().join("audit.jsonl")).unwrap();
    std::os::unix::fs::symlink("/dev/null", folder.path().join("audit.jsonl")).unwrap();
    let said = refused(folder.path(), "dead redrive -c shop --all --yes", 1);
    assert!(said.contains("it is no file"), "{said}");
    assert_eq!(waiting(&folder.path().join("live.db"), "orders").len(), 2);
}

#[test]
fn a_machine_is_told_of_what_was_refused() {
    let folder = filled();
    let output = convoke(folder.path(), ["dead", "redrive", "-c", "shop", "--all", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(said["error"].as_str().unwrap().contains("production"), "{said}");
}
