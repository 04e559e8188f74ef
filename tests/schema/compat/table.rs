//! Changes of one schema, each in both directions, with a value that shows whom it breaks.

use convoke::schema::{Breaks, Document, Validator, compat};
use convoke::{Envelope, Metadata};
use serde_json::Value;

use super::rows::{Row, rows};
use crate::schema::shop::told;

/// Whether a value fits the event of a document.
pub(super) fn fits(document: &Document, value: &Value) -> bool {
    let mut metadata = Metadata::new("Changed");
    metadata.topic = "things/changed".into();
    Validator::new(document).unwrap().validate(&Envelope::new(metadata, value.clone())).is_ok()
}

/// What all changes together break.
fn broken(old: &Document, new: &Document) -> Breaks {
    let changes = compat(old, new);
    if changes.iter().any(|change| change.breaks() == Breaks::Unknown) {
        return Breaks::Unknown;
    }
    match (changes.breaks_readers(), changes.breaks_writers()) {
        (false, false) => Breaks::None,
        (true, false) => Breaks::Readers,
        (false, true) => Breaks::Writers,
        (true, true) => Breaks::Both,
    }
}

fn exchanged(breaks: Breaks) -> Breaks {
    match breaks {
        Breaks::Readers => Breaks::Writers,
        Breaks::Writers => Breaks::Readers,
        same => same,
    }
}

#[test]
fn of_each_change_it_is_said_whom_it_breaks_in_both_directions() {
    let rows = rows();
    for Row { name, old, new, breaks, what, .. } in &rows {
        let (old, new) = (told(old.clone()), told(new.clone()));
        let there = compat(&old, &new);
        assert_eq!(broken(&old, &new), *breaks, "{name}: {there}");
        assert_eq!(broken(&new, &old), exchanged(*breaks), "{name}, back: {}", compat(&new, &old));
        let said: Vec<_> = there.iter().map(|change| (change.path(), change.what())).collect();
        assert_eq!(said, *what, "{name}: {there}");
        assert!(compat(&old, &old).is_empty() && compat(&new, &new).is_empty(), "{name}");
    }
    println!("figure: {} changes, each in both directions", rows.len());
    assert!(rows.len() >= 60, "{} rows", rows.len());
}

#[test]
fn each_that_is_said_to_break_has_a_value_that_breaks_it() {
    for Row { name, old, new, breaks, only_new, only_old, both, .. } in rows() {
        let (old, new) = (told(old), told(new));
        if let Some(value) = &only_new {
            assert!(fits(&new, value) && !fits(&old, value), "{name}: {value} is to be new");
        }
        if let Some(value) = &only_old {
            assert!(fits(&old, value) && !fits(&new, value), "{name}: {value} is to be old");
        }
        for value in &both {
            assert!(fits(&old, value) && fits(&new, value), "{name}: {value} is to fit both");
        }
        // What has no value that shows it is one of few, each of which says why.
        let shown = (only_new.is_some(), only_old.is_some());
        let said = (breaks.readers(), breaks.writers());
        let excused = breaks == Breaks::Unknown || name.contains('*');
        assert!(shown == said || excused, "{name}: said {said:?}, shown {shown:?}");
    }
}

#[test]
fn no_name_is_twice_in_the_table() {
    let mut names: Vec<_> = rows().iter().map(|row| row.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
