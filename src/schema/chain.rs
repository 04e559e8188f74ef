//! How many schemas one and the same value has to fit, each because another one says so: who validates follows them one inside
//! the other, and has a stack that ends.
//!
//! `A: {"$ref": B}, B: {"allOf": [{"$ref": C}]}, … → is_too_long`

use std::collections::HashMap;

use serde_json::Value;

use super::names::unpointer;

/// Nobody writes more by hand, nor does a type; and a stack has room for many times more.
const MOST: usize = 200;

/// Keywords whose schemas have to fit the same value.
const SAME: [&str; 7] = ["allOf", "anyOf", "else", "if", "not", "oneOf", "then"];

/// The same by name.
const SAME_BY_NAME: [&str; 2] = ["dependencies", "dependentSchemas"];

/// What is known of a part.
enum Known {
    /// It is being looked at: what is in a circle is followed once.
    Open,
    Long(usize),
}

/// Whether somewhere in this schema there is a chain that is too long.
pub(crate) fn is_too_long(schema: &Value) -> bool {
    let mut known = HashMap::<&str, Known>::new();
    let mut starts = Vec::new();
    references(schema, false, &mut starts);
    for start in starts {
        if known.contains_key(start) {
            continue;
        }
        known.insert(start, Known::Open);
        // Not by calling itself: this stack ends, too.
        let mut open = vec![(start, below(schema, start), 0)];
        while let Some((name, left, longest)) = open.last_mut() {
            let Some(next) = left.pop() else {
                let (name, long) = (*name, *longest + 1);
                known.insert(name, Known::Long(long));
                open.pop();
                if let Some((_, _, longest)) = open.last_mut() {
                    *longest = long.max(*longest);
                }
                if long > MOST {
                    return true;
                }
                continue;
            };
            match known.get(next) {
                Some(Known::Open) => {}
                Some(Known::Long(long)) => *longest = (*long).max(*longest),
                None => {
                    known.insert(next, Known::Open);
                    open.push((next, below(schema, next), 0));
                }
            }
        }
    }
    false
}

/// What a part leads to for the same value.
fn below<'a>(schema: &'a Value, reference: &str) -> Vec<&'a str> {
    let mut all = Vec::new();
    let pointer = reference.strip_prefix('#').and_then(unpointer);
    if let Some(part) = pointer.and_then(|pointer| schema.pointer(&pointer)) {
        references(part, true, &mut all);
    }
    all
}

/// The references of a schema: all of them, or those for the same value.
fn references<'a>(schema: &'a Value, same: bool, all: &mut Vec<&'a str>) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords {
                let keyword = keyword.as_str();
                match value {
                    Value::String(reference) if keyword == "$ref" => all.push(reference),
                    Value::Object(schemas) if same && SAME_BY_NAME.contains(&keyword) => {
                        schemas.values().for_each(|schema| references(schema, same, all));
                    }
                    value if !same || SAME.contains(&keyword) => references(value, same, all),
                    _ => {}
                }
            }
        }
        Value::Array(schemas) => schemas.iter().for_each(|schema| references(schema, same, all)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn chain(links: usize, last: &Value, wrap: impl Fn(Value) -> Value) -> Value {
        let mut parts = Map::new();
        for part in 0..links {
            parts.insert(format!("P{part}"), wrap(json!({"$ref": format!("#/definitions/P{}", part + 1)})));
        }
        parts.insert(format!("P{links}"), last.clone());
        json!({"properties": {"a": {"$ref": "#/definitions/P0"}}, "definitions": parts})
    }

    #[test]
    fn only_what_the_same_value_has_to_fit_is_a_chain() {
        let text = json!({"type": "string"});
        for (links, long) in [(1, false), (MOST - 1, false), (MOST, true), (50_000, true)] {
            assert_eq!(is_too_long(&chain(links, &text, |next| next)), long, "{links}");
            assert_eq!(is_too_long(&chain(links, &text, |next| json!({"allOf": [{}, next]}))), long, "{links}");
            assert_eq!(is_too_long(&chain(links, &text, |next| json!({"dependencies": {"a": next}}))), long, "{links}");
            assert!(!is_too_long(&chain(links, &text, |next| json!({"properties": {"a": next}}))), "{links}");
            assert!(!is_too_long(&chain(links, &text, |next| json!({"items": next}))), "{links}");
            let back = json!({"$ref": "#/definitions/P0"});
            assert_eq!(
                is_too_long(&chain(links, &back, |next| json!({"anyOf": [next]}))),
                long,
                "{links}, in a circle"
            );
        }
        let many = (0..10_000).map(|part| (format!("P{part}"), json!({"type": "string"}))).collect::<Map<_, _>>();
        let one_of: Vec<_> = many.keys().map(|name| json!({"$ref": format!("#/definitions/{name}")})).collect();
        assert!(!is_too_long(&json!({"oneOf": one_of, "definitions": many})));
        assert!(!is_too_long(
            &json!({"anyOf": [{"$ref": "#"}, {"$ref": "#/definitions/none"}, {"$ref": "other.json"}]})
        ));
    }
}
