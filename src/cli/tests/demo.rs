//! The demonstration: as lines, on a terminal, and left early.

use std::env;

use crate::common::{convoke, done};
use crate::pty::Pty;

/// What it says, but for the ids of processes.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut words = text.split_inclusive(' ');
    while let Some(word) = words.next() {
        masked.push_str(word);
        if word == "process " && words.next().is_some() {
            masked.push_str("7 ");
        }
    }
    masked
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
";

#[test]
fn every_act_is_a_few_lines() {
    let said = masked(&done(&env::temp_dir(), "demo --plain --fast"));
    assert!(said.starts_with(PLAIN), "{said}");
}

#[test]
fn a_terminal_shows_all_acts_at_once_and_is_given_back() {
    let mut pty = Pty::run(&["demo", "--fast"], 24, 80);
    let screen = masked(&pty.shows("r again"));
    assert!(pty.is_filled());
    assert_eq!(screen, "", "{screen}");
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
