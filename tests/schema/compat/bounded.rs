//! Schemas that name themselves, that are deep, and that are not understood.

use std::time::{Duration, Instant};

use convoke::schema::{Breaks, What, compat};
use serde_json::{Value, json};

use crate::schema::shop::told;

#[track_caller]
fn changes(old: Value, new: Value) -> String {
    compat(&told(old), &told(new)).to_string()
}

#[test]
fn what_is_in_itself_by_way_of_another_ends() {
    let schema = |leaf: &str| {
        json!({
            "$ref": "#/definitions/A",
            "definitions": {
                "A": {"properties": {"b": {"anyOf": [{"$ref": "#/definitions/B"}, {"type": "null"}]}}},
                "B": {"properties": {"a": {"type": "array", "items": {"$ref": "#/definitions/A"}}, "leaf": {"type": leaf}}},
            },
        })
    };
    assert_eq!(changes(schema("string"), schema("string")), "nothing has changed");
    assert_eq!(
        changes(schema("string"), schema("integer")),
        "Changed 1 /b/leaf: type changed (string became integer): breaks readers and writers"
    );
}

#[test]
fn what_is_nothing_but_itself_is_not_understood() {
    for nothing in [
        json!({"$ref": "#"}),
        json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        json!({"oneOf": [{"$ref": "#"}, {"type": "null"}]}),
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}]}),
    ] {
        let changes = compat(&told(nothing.clone()), &told(json!({"type": "string"})));
        assert!(changes.breaks_readers() && changes.breaks_writers(), "{nothing}: {changes}");
    }
}

#[test]
fn what_is_too_large_is_said_and_takes_no_long_time() {
    // Each part has two of the next: a million places in twenty lines.
    let schema = |leaf: &str| {
        let mut parts = json!({"P20": {"type": leaf}});
        for part in 0..20 {
            let next = json!({"$ref": format!("#/definitions/P{}", part + 1)});
            parts[format!("P{part}")] = json!({"properties": {"one": next, "other": next}});
        }
        json!({"$ref": "#/definitions/P0", "definitions": parts})
    };
    let began = Instant::now();
    let changes = compat(&told(schema("string")), &told(schema("integer")));
    assert!(changes.iter().any(|change| change.what() == What::NotUnderstood), "{}", changes.len());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn what_is_too_deep_is_said() {
    let deep = |leaf: &str| {
        (0..40).fold(json!({"type": leaf}), |inner, _| json!({"items": {"not": {}, "properties": {"a": inner}}}))
    };
    let changes = compat(&told(deep("string")), &told(deep("integer")));
    assert_eq!(changes.iter().map(convoke::schema::Change::breaks).collect::<Vec<_>>(), [Breaks::Unknown], "{changes}");
}

#[test]
fn a_reference_that_leads_to_another_schema_changes_what_names_it() {
    // The same words on both sides, and another meaning.
    let schema = |part: Value| json!({"not": {"$ref": "#/definitions/A"}, "definitions": {"A": part}});
    assert_eq!(
        changes(schema(json!({"type": "string"})), schema(json!({"type": "integer"}))),
        "Changed 1: something changed (`not`): not understood: look at it yourself"
    );
}

#[test]
fn all_of_what_closes_itself_is_not_understood() {
    let closed = |leaf: &str| {
        json!({"allOf": [
            {"properties": {"a": {"type": leaf}}, "additionalProperties": false},
            {"properties": {"b": {"type": leaf}}},
        ]})
    };
    let changes = compat(&told(closed("string")), &told(closed("integer")));
    assert!(changes.iter().any(|change| change.what() == What::NotUnderstood), "{changes}");
}
