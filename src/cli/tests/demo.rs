//! The demonstration: as lines, on a terminal, and left early.

use std::env;

use crate::common::{convoke, done};
use crate::pty::Pty;

/// What it says, but for the ids of processes.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut after_process = false;
    for word in text.split_inclusive(' ') {
        let is_id = after_process && word.trim_end().bytes().all(|byte| byte.is_ascii_digit());
        masked.push_str(if is_id { "7 " } else { word });
        after_process = word.ends_with("process ");
    }
    masked.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

const PLAIN: &str = "
A round: ship when all three have answered
  stock      owes a signal
  payment    owes a signal
  fraud      owes a signal
  stock      3 left
  payment    paid
  fraud      no fraud
  order 7 is shipped: [\"3 left\", \"paid\", \"no fraud\"]
  stock      owes a signal for order 8
  payment    owes a signal for order 8
  fraud      owes a signal for order 8
  stock      2 left
  payment    paid
  fraud      said nothing
  order 8 is cancelled for all: fraud is missing

An event: all who listen hear it
  receipt    listens to OrderPlaced
  cache      listens to OrderPlaced
  log        listens to orders/*
  receipt    heard order 7
  cache      failed: no connection
  log        heard order 7
  2 of 3 are done, and the report names the other

A service: it fails, and comes back
  billing    is not there
  orders     none yet
  billing    is starting
  billing    is running
  orders     order 7 is billed
  billing    is restarting
  billing    is starting
  billing    is running
  orders     order 8 is billed
  orders     order 9 is billed
  order 13 has killed it; 8 and 9 have waited until it was back

A task: kept until it is done
  invoice    waits in a database
  event      none yet
  invoice    attempt 1: the mail server is away
  invoice    attempt 2: the mail server is away
  invoice    attempt 3: the mail server is away
  event      TaskFailed: the mail server is away
  invoice    a dead letter after 3 attempts
  invoice    the mail server is back: tried once more
  invoice    attempt 4: sent
  event      InvoiceSent for order 7
  it failed three times, was kept, and is done

A durable round: every process of it is killed
  legal      owes a signature within two days
  finance    owes a signature within two days
  chair      owes a signature within two days
  legal      process 7 signs
  legal      has signed; process 7 was killed
  finance    process 7 signs
  finance    has signed; process 7 was killed
  chair      process 7 signs
  chair      has signed; process 7 was killed
  contract 7 is approved by 3, after three deaths
";

const SCREEN: &str = "\
convoke: parts of a system that act together
A round  ✗ order 8 is cancelled for all: fraud is missing
  stock       ━━━━━━━━━━━━ ✓ 2 left
  payment     ━━━━━━━━━━━━ ✓ paid
  fraud       ┄┄┄┄┄┄┄┄┄┄┄┄ ✗ said nothing
An event  ✓ 2 of 3 are done, and the report names the other
  receipt     ━━━━━━━━━━━━ ✓ heard order 7
  cache       ━━━━━━━━━━━━ ✗ failed: no connection
  log         ━━━━━━━━━━━━ ✓ heard order 7
A service  ✓ order 13 has killed it; 8 and 9 have waited until it was back
  billing     ━━━━━━━━━━━━ ✓ is running
  orders      ━━━━━━━━━━━━ ✓ order 9 is billed
A task  ✓ it failed three times, was kept, and is done
  invoice     ━━━━━━━━━━━━ ✓ attempt 4: sent
  event       ━━━━━━━━━━━━ ✓ InvoiceSent for order 7
A durable round  ✓ contract 7 is approved by 3, after three deaths
  legal       ━━━━━━━━━━━━ ✓ has signed; process 7 was killed
  finance     ━━━━━━━━━━━━ ✓ has signed; process 7 was killed
  chair       ━━━━━━━━━━━━ ✓ has signed; process 7 was killed




q leave   r again
";

#[test]
fn every_act_is_a_few_lines() {
    let said = masked(&done(&env::temp_dir(), "demo --plain --fast"));
    assert_eq!(said, PLAIN, "{said}");
}

#[test]
fn a_terminal_shows_all_acts_at_once_and_is_given_back() {
    let mut pty = Pty::run(&["demo", "--fast"], 24, 80);
    let screen = masked(&pty.shows("r again"));
    assert!(pty.is_filled());
    assert_eq!(screen, SCREEN, "{screen}");
    pty.press("q");
    assert!(pty.ends().success());
    assert!(!pty.is_filled(), "{}", pty.text());
}

#[test]
fn it_can_be_left_in_the_middle_and_shown_again() {
    for keys in ["q", "\u{3}", "\u{1b}"] {
        let mut pty = Pty::run(&["demo"], 24, 80);
        pty.shows("owes a signal");
        pty.press(keys);
        assert!(pty.ends().success(), "{keys:?}");
    }
    let mut pty = Pty::run(&["demo", "--fast"], 24, 80);
    pty.shows("r again");
    pty.press("r");
    pty.shows("owes a signal");
    pty.press("q");
    assert!(pty.ends().success());
}

#[test]
fn it_has_no_json() {
    let output = convoke(&env::temp_dir(), ["demo", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("has no JSON"), "{output:?}");
}

/// A signal is none of the keys.
#[test]
fn a_signal_gives_the_terminal_back_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut pty = Pty::run_in(folder.path(), &["demo"], 24, 80);
    pty.shows("A task");
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_some(), "its databases are files");
    pty.terminate();
    assert_eq!(pty.ends().code(), Some(130));
    assert!(!pty.is_filled(), "{}", pty.text());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
