//! Sessions with the command, word for word.
//!
//! `tests/sessions/**/*.md, src/guide/tools/command.md → session.rs: a folder for each, line by line → the same text, or a difference`
//!
//! After a change of the words, `SESSIONS=overwrite cargo test -p convoke-cli --test command sessions` writes the sessions anew: read
//! the difference as a user would. The chapter of the manual is changed by hand.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::common::{checkout, convoke, done, lay_out};
use crate::filled::fill;
use crate::kept::keep;
use crate::session::replay;

/// Each session begins in a folder with a checkout, one with a crate, `shop`, and what `filled.rs` puts there.
#[test]
fn each_command_says_what_stands_in_its_session() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sessions");
    let mut count = 0;
    let entries = |folder: &Path| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let (folders, files): (Vec<_>, Vec<_>) = entries(&here).into_iter().partition(|path| path.is_dir());
    for file in files.into_iter().chain(folders.iter().flat_map(|folder| entries(folder))) {
        let folder = tempdir().unwrap();
        lay_out(folder.path());
        done(folder.path(), "new shop --path convoke");
        fill(folder.path());
        keep(folder.path());
        let text = fs::read_to_string(&file).unwrap();
        let (said, commands) = replay(&text, folder.path());
        assert!(commands > 2, "{}: {commands} commands", file.display());
        if std::env::var("SESSIONS").is_ok_and(|mode| mode == "overwrite") {
            fs::write(&file, &said).unwrap();
        } else {
            same(&file, &of_this_build(&text), &said);
        }
        count += 1;
    }
    assert!(count >= 17, "{count} sessions");
}

/// What the manual shows is what comes out.
#[test]
fn the_chapter_of_the_manual_is_what_comes_out() {
    let file = checkout().join("src/guide/tools/command.md");
    let Ok(text) = fs::read_to_string(&file) else {
        return; // a package by itself
    };
    let folder = tempdir().unwrap();
    lay_out(folder.path());
    let work = folder.path().join("work");
    fs::create_dir(&work).unwrap();
    fill(&work);
    keep(&work);
    let (said, commands) = replay(&text, &work);
    assert!(commands >= 18, "{commands} commands in the chapter");
    same(&file, &text, &said);
}

/// A command that was built without the console does not name it.
fn of_this_build(text: &str) -> String {
    let console =
        "  console      Serves pages that show what runs on servers, and may repair what\n               failed\n";
    if cfg!(feature = "console") { text.to_owned() } else { text.replace(console, "") }
}

/// Says where two texts differ first.
#[track_caller]
fn same(file: &Path, text: &str, said: &str) {
    for (number, (one, other)) in text.lines().zip(said.lines()).enumerate() {
        assert_eq!(other, one, "{}:{}: something else came out; all of it:\n{said}", file.display(), number + 1);
    }
    assert_eq!(said.lines().count(), text.lines().count(), "{}: more or less came out:\n{said}", file.display());
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

/// What stands on a terminal in color stands in a file without, unless that is asked for.
#[test]
fn colors_are_for_terminals() {
    let folder = tempdir().unwrap();
    lay_out(folder.path());
    done(folder.path(), "new shop --path convoke");
    assert!(!done(folder.path(), "-C shop make event A1 --dry-run").contains('\u{1b}'));
    assert!(done(folder.path(), "-C shop make event A1 --dry-run --color always").contains('\u{1b}'));
}
