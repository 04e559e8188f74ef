//! Sessions with the command, word for word.
//!
//! `tests/sessions/*.md, src/guide/command.md → a folder for each → trycmd`
//!
//! After a change of the words, `TRYCMD=overwrite cargo test -p convoke-cli --test command sessions` writes the sessions anew: read the
//! difference as a user would. The chapter of the manual is changed by hand.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::common::{checkout, convoke, done, lay_out};

/// Each session begins in a folder with a checkout, and one with a crate, `shop`.
#[test]
fn each_command_says_what_stands_in_its_session() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let folder = tempdir().unwrap();
    let mut count = 0;
    for entry in fs::read_dir(&here).unwrap() {
        let file = entry.unwrap().path();
        let copy = folder.path().join(file.file_name().unwrap());
        fs::copy(&file, &copy).unwrap();
        // Where a session runs: trycmd copies it, and throws that away.
        let sandbox = copy.with_extension("in");
        lay_out(&sandbox);
        done(&sandbox, "new shop --path convoke");
        count += 1;
    }
    assert!(count >= 9, "{count} sessions");
    trycmd::TestCases::new().case(folder.path().join("*.md").to_str().unwrap()).run();
    if std::env::var("TRYCMD").is_ok_and(|mode| mode == "overwrite") {
        for entry in fs::read_dir(&here).unwrap() {
            let file = entry.unwrap().path();
            fs::copy(folder.path().join(file.file_name().unwrap()), file).unwrap();
        }
    }
}

/// What the manual shows is what comes out. `cd` is another folder for the lines behind it.
#[test]
fn the_chapter_of_the_manual_is_what_comes_out() {
    let Ok(chapter) = fs::read_to_string(checkout().join("src/guide/command.md")) else {
        return; // a package by itself
    };
    let folder = tempdir().unwrap();
    let (mut at, mut text, mut commands) = ("work".to_owned(), String::new(), 0);
    for line in chapter.lines() {
        if let Some(into) = line.strip_prefix("$ cd ").filter(|into| !into.contains(' ')) {
            at = if into == ".." { at.rsplit_once('/').unwrap().0.to_owned() } else { format!("{at}/{into}") };
            continue;
        }
        if let Some(words) = line.strip_prefix("$ convoke ") {
            commands += 1;
            text.push_str(&format!("$ convoke -C {at} {words}\n"));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    assert!(commands >= 8, "{commands} commands in the chapter");
    let file = folder.path().join("command.md");
    fs::write(&file, text).unwrap();
    let sandbox = folder.path().join("command.in");
    lay_out(&sandbox);
    fs::create_dir(sandbox.join("work")).unwrap();
    trycmd::TestCases::new().case(file.to_str().unwrap()).run();
}

/// Completions and pages are long; that they are there, and which commands they know, is enough.
#[test]
fn shells_and_man_know_all_commands() {
    let folder = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = done(folder.path(), &format!("completions {shell}"));
        for word in ["new", "make", "listener", "completions", "dry-run"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let page = done(folder.path(), "man make event");
    assert!(page.contains("convoke\\-make\\-event"), "{page}");
    fs::create_dir(folder.path().join("pages")).unwrap();
    let said = done(folder.path(), "man --out pages");
    for page in ["convoke.1", "convoke-new.1", "convoke-make.1", "convoke-make-listener.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page} of {said}");
    }
}

/// The same, as a machine is told it: one document, whichever way it ends.
#[test]
fn a_machine_is_told_in_json() {
    let folder = tempdir().unwrap();
    lay_out(folder.path());
    let json = |line: &str, code: i32| -> serde_json::Value {
        let output = convoke(folder.path(), line.split(' '));
        assert_eq!(output.status.code(), Some(code), "{line}");
        assert!(output.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let new = json("new shop --path convoke --json", 0);
    assert!(new["created"].as_array().unwrap().contains(&"shop/src/main.rs".into()), "{new}");
    let event = json("-C shop make event OrderPaid --field id:u64 --json", 0);
    assert_eq!(event["created"], serde_json::json!(["src/events/order_paid.rs"]));
    assert_eq!(event["changed"], serde_json::json!(["src/events/mod.rs"]));
    let dry = json("-C shop make event OrderLost --json --dry-run", 0);
    assert!(dry["diff"].as_str().unwrap().contains("+++ b/src/events/order_lost.rs"), "{dry}");
    let listener = json("-C shop make listener SendThanks --event OrderPayd --json", 1);
    assert_eq!(listener["help"][0], "did you mean `OrderPaid` or `OrderPlaced`?");
    assert!(json("make evnt X --json", 2)["error"].as_str().unwrap().contains("evnt"));
}

/// What stands on a terminal in color stands in a file without, and everywhere without where `NO_COLOR` is set.
#[test]
fn colors_are_for_terminals() {
    let folder = tempdir().unwrap();
    lay_out(folder.path());
    done(folder.path(), "new shop --path convoke");
    assert!(!done(folder.path(), "-C shop make event A1 --dry-run").contains('\u{1b}'));
    assert!(done(folder.path(), "-C shop make event A1 --dry-run --color always").contains('\u{1b}'));
}
