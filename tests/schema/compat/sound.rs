//! Random schemas and values: nobody is broken of whom it was not said.

use convoke::schema::{Document, Validator, compat};
use convoke::{Envelope, Metadata};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::schema::shop::told;

/// A schema of few words. Objects are closed, or maps: what an open one lets pass without a name is taken as not written.
fn schema(depth: u32) -> BoxedStrategy<Value> {
    let bound = || prop::option::of(-1_i64..4);
    let integer = (bound(), bound(), any::<bool>()).prop_map(|(least, most, whole)| {
        let mut schema = json!({"type": if whole { "integer" } else { "number" }});
        least.into_iter().for_each(|least| schema["minimum"] = least.into());
        most.into_iter().for_each(|most| schema["exclusiveMaximum"] = most.into());
        schema
    });
    let text = (prop::option::of(0_u64..3), prop::option::of(0_u64..3)).prop_map(|(least, most)| {
        let mut schema = json!({"type": "string"});
        least.into_iter().for_each(|least| schema["minLength"] = least.into());
        most.into_iter().for_each(|most| schema["maxLength"] = most.into());
        schema
    });
    let values = prop::sample::subsequence(vec![json!("a"), json!("ab"), json!(1), json!(2), json!(null)], 1..4);
    let values = values.prop_map(|values| json!({"enum": values}));
    let types = prop::sample::subsequence(vec!["string", "integer", "boolean", "null", "object"], 1..4);
    let leaf = prop_oneof![
        integer,
        text,
        values,
        types.prop_map(|types| json!({"type": types})),
        Just(json!({"type": "boolean"}))
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let inner = || schema(depth - 1);
    let field = || (inner(), any::<bool>());
    let object = (prop::option::of(field()), prop::option::of(field()), prop::option::of(inner()));
    let object = object.prop_map(|(a, b, others)| {
        let (mut fields, mut required) = (Map::new(), Vec::new());
        for (name, field) in [("a", a), ("b", b)] {
            if let Some((schema, is_required)) = field {
                fields.insert(name.to_owned(), schema);
                required.extend(is_required.then_some(name));
            }
        }
        json!({"type": "object", "properties": fields, "required": required, "additionalProperties": others.unwrap_or(json!(false))})
    });
    let array = (inner(), prop::option::of(0_u64..3), any::<bool>()).prop_map(|(items, most, tuple)| {
        let mut schema = json!({"type": "array"});
        schema["items"] = if tuple { json!([items]) } else { items };
        most.into_iter().for_each(|most| schema["maxItems"] = most.into());
        schema
    });
    let one = (prop::sample::select(vec!["x", "y", "z"]), inner(), 0_u8..4);
    let variants = (prop::collection::vec(one, 1..4), any::<bool>()).prop_map(|(variants, exclusive)| {
        let of = |(tag, inner, how): (&str, Value, u8)| match how {
            0 => {
                let fields = json!({"kind": {"const": tag}, "a": inner});
                json!({"type": "object", "properties": fields, "required": ["kind", "a"], "additionalProperties": false})
            }
            1 => json!({"type": "object", "properties": {tag: inner}, "required": [tag], "additionalProperties": false}),
            2 => json!({"enum": [tag, "a"]}),
            _ => inner,
        };
        let variants: Vec<_> = variants.into_iter().map(of).collect();
        if exclusive { json!({"oneOf": variants}) } else { json!({"anyOf": variants}) }
    });
    let nullable = inner().prop_map(|inner| json!({"anyOf": [inner, {"type": "null"}]}));
    let all = (inner(), inner()).prop_map(|(one, other)| json!({"allOf": [one, other]}));
    prop_oneof![2 => leaf, 4 => object, 2 => array, 3 => variants, 1 => nullable, 1 => all].boxed()
}

/// A schema, and one that may be near it.
fn pair() -> impl Strategy<Value = (Value, Value)> {
    let near = |(one, other, at): (Value, Value, usize)| {
        let mut near = one.clone();
        let mut left = at;
        replace(&mut near, &other, &mut left);
        (one, near)
    };
    prop_oneof![(schema(2), schema(2)), (schema(2), schema(1), 0_usize..8).prop_map(near)]
}

/// Puts another schema into the place of one inside.
fn replace(schema: &mut Value, other: &Value, left: &mut usize) -> bool {
    if *left == 0 {
        *schema = other.clone();
        return true;
    }
    *left -= 1;
    let Value::Object(keywords) = schema else { return false };
    keywords.iter_mut().any(|(keyword, inner)| match (keyword.as_str(), inner) {
        ("properties", Value::Object(fields)) => {
            fields.iter_mut().any(|(name, field)| name != "kind" && replace(field, other, left))
        }
        ("anyOf" | "allOf" | "oneOf", Value::Array(all)) => all.iter_mut().any(|one| replace(one, other, left)),
        ("items" | "additionalProperties", inner @ Value::Object(_)) => replace(inner, other, left),
        _ => false,
    })
}

fn value(depth: u32) -> BoxedStrategy<Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1),
        json!(2),
        json!(3),
        json!(1.5),
        json!(""),
        json!("a"),
        json!("ab"),
        json!("abc"),
    ]);
    if depth == 0 {
        return leaf.boxed();
    }
    let names = prop::sample::select(vec!["a", "b", "c", "x", "y", "z"]);
    let object = prop::collection::btree_map(names, value(depth - 1), 0..3).prop_map(|fields| json!(fields));
    let tagged = (prop::sample::select(vec!["x", "y", "z"]), value(depth - 1))
        .prop_map(|(kind, a)| json!({"kind": kind, "a": a}));
    let array = prop::collection::vec(value(depth - 1), 0..3).prop_map(Value::Array);
    prop_oneof![2 => leaf, 3 => object, 2 => tagged, 2 => array].boxed()
}

fn fits(validator: &Validator, value: &Value) -> bool {
    let mut metadata = Metadata::new("Changed");
    metadata.topic = "things/changed".into();
    validator.validate(&Envelope::new(metadata, value.clone())).is_ok()
}

fn both(schema: Value) -> (Document, Validator) {
    let document = told(schema);
    let validator = Validator::new(&document).unwrap();
    (document, validator)
}

fn cases() -> u32 {
    if std::env::var_os("CONVOKE_FULL").is_some() { 20_000 } else { 1_000 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_broken_of_whom_it_was_not_said((old, new) in pair(), values in prop::collection::vec(value(3), 60)) {
        let ((old, old_fits), (new, new_fits)) = (both(old), both(new));
        let (there, back) = (compat(&old, &new), compat(&new, &old));
        prop_assert_eq!(there.breaks_readers(), back.breaks_writers(), "{}\n\n{}", there, back);
        prop_assert_eq!(there.breaks_writers(), back.breaks_readers(), "{}\n\n{}", there, back);
        for value in &values {
            let (was, is) = (fits(&old_fits, value), fits(&new_fits, value));
            prop_assert!(was || !is || there.breaks_readers(), "{} is new: {}", value, there);
            prop_assert!(is || !was || there.breaks_writers(), "{} is gone: {}", value, there);
        }
    }
}
