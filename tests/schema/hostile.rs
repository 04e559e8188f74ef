//! Documents of others that want to do harm, or are only large: deep, in circles, with much of everything.

use convoke::Envelope;
use convoke::prelude::*;
use convoke::schema::{Document, SchemaError, Validator, check, compat};
use serde_json::{Map, Value, json};

use super::shop::told;

fn changed(payload: Value) -> Envelope {
    let mut metadata = Metadata::new("Changed");
    metadata.topic = "things/changed".into();
    Envelope::new(metadata, payload)
}

/// On a stack as small as that of a thread: where it ends, so does the process.
fn on_a_small_stack(what: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1024 * 1024).spawn(what).unwrap().join().unwrap();
}

#[test]
fn a_schema_that_is_nothing_but_itself_comes_to_an_end() {
    on_a_small_stack(|| {
        for (nothing, fits) in [
            (json!({"$ref": "#"}), true),
            (json!({"allOf": [{"$ref": "#"}]}), true),
            (json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}), true),
            (json!({"oneOf": [{"$ref": "#"}, {"type": "null"}]}), true),
            (json!({"not": {"$ref": "#"}}), false),
            (
                json!({"$ref": "#/definitions/A", "definitions": {"A": {"$ref": "#/definitions/B"}, "B": {"$ref": "#/definitions/A"}}}),
                true,
            ),
        ] {
            let document = told(nothing.clone());
            let validator = Validator::new(&document).unwrap();
            assert_eq!(validator.validate(&changed(json!(1))).is_ok(), fits, "{nothing}");
            check(&document).unwrap();
        }
    });
}

/// Each part names the next one: so, or in a field.
fn chain(links: u32, in_a_field: bool) -> Document {
    let mut parts = Map::new();
    for part in 0..links {
        let next = json!({"$ref": format!("#/definitions/P{}", part + 1)});
        parts.insert(format!("P{part}"), if in_a_field { json!({"properties": {"a": next}}) } else { next });
    }
    parts.insert(format!("P{links}"), json!({"type": "string"}));
    told(json!({"$ref": "#/definitions/P0", "definitions": parts}))
}

#[test]
fn a_long_chain_of_parts_ends_no_stack() {
    for links in [100, 190, 1_000, 20_000] {
        on_a_small_stack(move || {
            let document = chain(links, false);
            let other = told(json!({"enum": ["a"]}));
            assert!(compat(&document, &other).breaks_writers() && compat(&other, &document).breaks_readers());
            assert_eq!(Document::from_asyncapi(&document.to_asyncapi()).unwrap(), document);
            if links < 200 {
                check(&document).unwrap();
                assert!(Validator::new(&document).unwrap().validate(&changed(json!(1))).is_err());
                assert!(Validator::new(&document).unwrap().validate(&changed(json!("text"))).is_ok());
            } else {
                let error = Validator::new(&document).unwrap_err();
                assert!(
                    matches!(&error, SchemaError::NoSchema { why, .. } if why.contains("more than 200")),
                    "{error}"
                );
                assert!(check(&document).is_err());
            }
        });
    }
}

#[test]
fn a_long_chain_of_fields_is_as_deep_as_what_comes() {
    for links in [100, 5_000] {
        on_a_small_stack(move || {
            let document = chain(links, true);
            let validator = Validator::new(&document).unwrap();
            let deep = |depth: u32| changed((0..depth).fold(json!(1), |inner, _| json!({"a": inner})));
            assert!(validator.validate(&deep(60)).is_ok());
            assert_eq!(validator.validate(&deep(100)).is_ok(), links != 100);
            check(&document).unwrap();
            drop(validator);
            let changes = compat(&document, &chain(links + 1, true));
            assert!(changes.breaks_readers(), "{changes}");
        });
    }
}

#[test]
fn many_fields_values_and_variants_are_compared() {
    let fields = |last: &str| {
        let mut fields: Map<_, _> =
            (0..20_000).map(|field| (format!("f{field:06}"), json!({"type": "string"}))).collect();
        fields.insert("z".into(), json!({"type": last}));
        told(json!({"properties": fields}))
    };
    assert_eq!(
        compat(&fields("string"), &fields("integer")).to_string(),
        "Changed 1 /z: type changed (string became integer): breaks readers and writers"
    );
    let values =
        |from: u32| told(json!({"enum": (from..from + 50_000).map(|value| format!("v{value}")).collect::<Vec<_>>()}));
    assert_eq!(compat(&values(0), &values(25_000)).len(), 50_000);
    let misfit = Validator::new(values(0)).unwrap().validate(&changed(json!("x"))).unwrap_err();
    assert!(misfit.to_string().len() < 1_000, "{misfit}");
}

#[test]
fn a_whole_number_is_an_integer_however_it_is_written() {
    let validator = Validator::new(told(json!({"properties": {
        "u64": {"type": "integer", "format": "uint64", "minimum": 0}, "u8": {"type": "integer", "minimum": 0, "maximum": 255},
        "cents": {"multipleOf": 0.01}, "odd": {"format": "nobody-knows"},
    }})))
    .unwrap();
    for (text, fits) in [
        (r#"{"u64": 1.0}"#, true),
        (r#"{"u64": 1e3}"#, true),
        (r#"{"u64": 18446744073709551615}"#, true),
        (r#"{"u64": -0.0}"#, true),
        (r#"{"u64": 1.5}"#, false),
        (r#"{"u64": -1}"#, false),
        (r#"{"u8": 255.0}"#, true),
        (r#"{"u8": 255.5}"#, false),
        (r#"{"u8": 256}"#, false),
        (r#"{"cents": 0.07}"#, true),
        (r#"{"cents": 19.99}"#, true),
        (r#"{"odd": "x"}"#, true),
    ] {
        assert_eq!(validator.validate(&changed(text.parse().unwrap())).is_ok(), fits, "{text}");
    }
}
