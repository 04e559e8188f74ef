//! The live view: in a terminal of the usual size, in a narrow one, and where there is none.

use std::env;

use tempfile::tempdir;

use crate::common::refused;
use crate::filled::fill;
use crate::kept::keep;
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
    let screen = trimmed(&pty.shows("UserRegistered"));
    // The server is named, though it is the only one.
    let mut lines = screen.lines();
    assert_eq!(lines.next(), Some("convoke top, every 1 s"));
    assert!(lines.next().is_some_and(|line| line.starts_with("sqlite:")), "{screen}");
    let expected = [
        "QUEUE   WAITING  IN FLIGHT  DEAD  OLDEST  CHANGE/S  DELAYED  PARKED",
        "mails         1          0     0       –         –        0       0",
        "orders        2          0     4       –         –        0       0",
        "",
        "dead letters, the first 5 of each queue: convoke dead list",
    ];
    assert_eq!(lines.by_ref().take(5).collect::<Vec<_>>(), expected, "{screen}");
    let rest: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(rest.contains("QUEUE   ID  EVENT"), "{screen}");
    for (id, event, age) in [("3", "OrderPlaced", "3h"), ("5", "UserRegistered", "2d"), ("6", "–", "4d")] {
        let row = rest.lines().find(|line| line.starts_with(&format!("orders  {id}  ")));
        assert!(row.is_some_and(|row| row.contains(event) && row.contains(age)), "{event}: {screen}");
    }
    assert!(!screen.contains("ada@example.org"), "{screen}");
    assert!(screen.contains("workers: –, for this server does not tell"), "{screen}");
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

/// Jobs with their progress, what has failed and why, rounds and who is missing; all of it in 80 columns.
#[test]
fn it_shows_what_is_kept_beside_the_queues() {
    let folder = tempdir().unwrap();
    keep(folder.path());
    let url = format!("sqlite:{}", folder.path().join("kept.db").display());
    let mut pty = Pty::run(&["top", &url], 40, 80);
    pty.shows("tasks: 2 waiting (for 3h), 1 due later, 1 running, 2 failed");
    pty.shows("the server of mail is away");
    pty.shows("▮▮▮▮▮▮▮▯▯▯ 75 % page 3 of 4");
    pty.shows("payments");
    let screen = trimmed(&pty.shows("chair"));
    let row = |of: &[&str]| {
        let row = screen.lines().find(|line| of.iter().all(|text| line.contains(text)));
        assert!(row.is_some(), "{of:?}: {screen}");
    };
    row(&["1767323045000001", "SumUp", "running", "1/3"]);
    row(&["1767323045000006", "SendReceipt", "failed", "5/5"]);
    row(&["BROKER", "KEY", "OPEN", "DUE", "STATE", "MISSING"]);
    row(&["approvals", "order-8", "3h", "45h", "open", "chair"]);
    row(&["approvals", "7", "finance, chair"]);
    row(&["payments", "7", "buyer"]);
    assert!(!screen.contains("ada@example.org, says"), "{screen}");
    // What is filtered is filtered in all tables, whose names stay.
    pty.press("\\payments\r");
    pty.shows("filter: payments");
    let screen = pty.text();
    assert!(screen.contains("tasks: ") && !screen.contains("SendReceipt") && !screen.contains("order-8"), "{screen}");
    pty.press("q");
    assert!(pty.ends().success());
}

/// In a terminal that is not high enough the head of the table that is scrolled stays.
#[test]
fn the_head_stays_in_view() {
    let folder = tempdir().unwrap();
    keep(folder.path());
    let url = format!("sqlite:{}", folder.path().join("kept.db").display());
    let mut pty = Pty::run(&["top", &url], 12, 80);
    pty.shows("tasks: ");
    // They come one after the other: until the rounds are there, there is less to scroll.
    let screen = (0..6_000).find_map(|_| {
        pty.press(&"\u{1b}[B".repeat(60));
        std::thread::park_timeout(std::time::Duration::from_millis(20));
        Some(trimmed(&pty.text())).filter(|screen| screen.contains("payments") && screen.contains("approvals"))
    });
    let screen = screen.expect("the rounds are not shown");
    let lines: Vec<&str> = screen.lines().collect();
    let head = lines.iter().position(|line| line.starts_with("BROKER"));
    let first = lines.iter().position(|line| line.starts_with("approvals"));
    assert!(head.is_some() && head < first, "{screen}");
    pty.press("q");
    assert!(pty.ends().success());
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
    assert!(screen.lines().all(|line| line.chars().count() <= 24), "{screen}");
    pty.press("q");
    assert!(pty.ends().success());
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let said = refused(&env::temp_dir(), "top sqlite:shop.db", 2);
    assert!(said.contains("needs a terminal") && said.contains("convoke stats"), "{said}");
}
