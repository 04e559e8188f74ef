//! Events, versions, topics, names.

use convoke::schema::{Breaks, Document, What, compat};
use serde_json::{Value, json};

use crate::schema::shop::Told;

const PUBLISHED: &[&str] = &["send"];
const HEARD: &[&str] = &["receive"];

fn one() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
}

fn other() -> Value {
    json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
}

fn event(actions: &'static [&'static str], schema: Value) -> Told {
    Told { actions, ..Told::new(schema) }
}

#[track_caller]
fn assert_changes(old: &[Told], new: &[Told], there: &[(What, Breaks)], back: &[(What, Breaks)]) {
    let (old, new) = (Told::document(old), Told::document(new));
    let said = |old: &Document, new: &Document| -> Vec<_> {
        compat(old, new).iter().map(|change| (change.what(), change.breaks())).collect()
    };
    assert_eq!(said(&old, &new), there, "{}", compat(&old, &new));
    assert_eq!(said(&new, &old), back, "{}", compat(&new, &old));
}

#[test]
fn an_event_that_comes_breaks_nobody_and_one_that_goes_breaks_whom_it_had() {
    let more = |actions| Told { name: "More", ..event(actions, other()) };
    for (actions, breaks) in [
        (PUBLISHED, Breaks::Readers),
        (HEARD, Breaks::Writers),
        (&["send", "receive"][..], Breaks::Both),
        (&[], Breaks::Both),
    ] {
        assert_changes(
            &[event(PUBLISHED, one())],
            &[event(PUBLISHED, one()), more(actions)],
            &[(What::EventAdded, Breaks::None)],
            &[(What::EventRemoved, breaks)],
        );
    }
}

#[test]
fn what_is_no_longer_published_or_heard_is_said_although_it_is_still_there() {
    let both = || event(&["send", "receive"], one());
    let (there, back) = ((What::EventAdded, Breaks::None), What::EventRemoved);
    assert_changes(&[event(PUBLISHED, one())], &[both()], &[there], &[(back, Breaks::Writers)]);
    assert_changes(&[event(HEARD, one())], &[both()], &[there], &[(back, Breaks::Readers)]);
}

#[test]
fn another_topic_breaks_both() {
    let moved = Told { topic: "things/moved", ..event(PUBLISHED, one()) };
    let changed = [(What::TopicChanged, Breaks::Both)];
    assert_changes(&[event(PUBLISHED, one())], &[moved], &changed, &changed);
}

#[test]
fn another_name_with_the_same_topic_and_schema_is_a_rename() {
    let renamed = Told { name: "Renamed", ..event(PUBLISHED, one()) };
    let changed = [(What::EventRenamed, Breaks::Both)];
    assert_changes(&[event(PUBLISHED, one())], &[renamed], &changed, &changed);
    // With another schema it is another event.
    let others = Told { name: "Others", ..event(PUBLISHED, other()) };
    let (come, gone) = ((What::EventAdded, Breaks::None), (What::EventRemoved, Breaks::Readers));
    assert_changes(&[event(PUBLISHED, one())], &[others], &[gone, come], &[come, gone]);
}

#[test]
fn another_version_beside_the_first_breaks_nobody() {
    let second = Told { version: 2, ..event(PUBLISHED, other()) };
    assert_changes(
        &[event(PUBLISHED, one())],
        &[event(PUBLISHED, one()), second],
        &[(What::EventAdded, Breaks::None)],
        &[(What::EventRemoved, Breaks::Readers)],
    );
}

#[test]
fn a_version_in_the_place_of_another_says_what_has_to_be_turned_into_what() {
    for (actions, breaks) in [(PUBLISHED, Breaks::Readers), (HEARD, Breaks::Writers)] {
        let second = Told { version: 2, ..event(actions, other()) };
        let changed = [(What::VersionReplaced, breaks), (What::TypeChanged, Breaks::Both)];
        assert_changes(&[event(actions, one())], &[second], &changed, &changed);
    }
    let (old, new) = (event(PUBLISHED, one()), Told { version: 2, ..event(PUBLISHED, other()) });
    let changes = compat(&Told::document(&[old]), &Told::document(&[new]));
    assert_eq!(
        changes.to_string(),
        "Changed 1: version replaced (by version 2): breaks readers\n\
         Changed 1 /a: type changed (integer became string): breaks readers and writers"
    );
}

#[test]
fn nothing_that_changes_is_nothing() {
    let (old, new) = (Told::document(&[]), Told::document(&[event(PUBLISHED, one())]));
    assert_eq!(compat(&new, &new).to_string(), "nothing has changed");
    assert!(compat(&old, &old).is_empty());
    assert_eq!(compat(&old, &new).len(), 1);
}
