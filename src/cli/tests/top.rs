//! The live view: in a terminal of the usual size, in a narrow one, and where there is none.

use std::env;

use tempfile::tempdir;

use crate::common::refused;
use crate::filled::fill;
use crate::pty::Pty;

fn trimmed(screen: &str) -> String {
    screen.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

#[test]
fn it_shows_queues_and_is_steered_by_keys() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    let url = format!("sqlite:{}", folder.path().join("shop.db").display());
    let mut pty = Pty::run(&["top", &url], 24, 80);
    let screen = trimmed(&pty.shows("orders"));
    let expected = "\
convoke top, every 1 s
QUEUE   WAITING  IN FLIGHT  DEAD  OLDEST  CHANGE/S  DELAYED  PARKED
mails         1          0     0       –         –        0       0
orders        2          0     4       –         –        0       0
";
    assert!(screen.starts_with(expected), "{screen}");
    assert!(screen.contains("q F10 quit   > F6 sort"), "{screen}");
    // By its second column, the fullest first.
    pty.press(">>");
    pty.shows("WAITING▾");
    let screen = pty.text();
    assert!(screen.find("orders") < screen.find("mails"), "{screen}");
    pty.press("\\mai\r");
    pty.shows("filter: mai");
    assert!(!pty.text().contains("orders"), "{}", pty.text());
    pty.press("q");
    assert!(pty.ends().success());
    assert!(!pty.is_filled());
}

#[test]
fn a_server_that_is_not_there_is_said_to_be_away_and_the_others_are_shown() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    let shop = format!("sqlite:{}", folder.path().join("shop.db").display());
    let none = format!("sqlite:{}", folder.path().join("none.db").display());
    let mut pty = Pty::run(&["top", &shop, &none], 24, 200);
    pty.shows("orders");
    pty.shows("no such file");
    pty.press("\u{3}");
    assert!(pty.ends().success());
}

#[test]
fn a_narrow_terminal_shows_what_fits() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    let url = format!("sqlite:{}", folder.path().join("shop.db").display());
    let mut pty = Pty::run(&["top", &url], 8, 24);
    let screen = trimmed(&pty.shows("orders"));
    assert!(screen.contains("QUEUE   WAITING\n"), "{screen}");
    pty.press("q");
    assert!(pty.ends().success());
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let said = refused(&env::temp_dir(), "top sqlite:shop.db", 2);
    assert!(said.contains("needs a terminal") && said.contains("convoke stats"), "{said}");
}
