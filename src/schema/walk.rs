//! A walk through a schema: every schema in it, and none of what only looks like one, as an example.
//!
//! `a schema → each_schema → each schema inside it`

use serde_json::{Map, Value};

/// Keywords that hold one schema.
const ONE: [&str; 11] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords that hold an array of schemas; `items` may too.
const MANY: [&str; 5] = ["allOf", "anyOf", "items", "oneOf", "prefixItems"];

/// Keywords that hold schemas by name.
const NAMED: [&str; 5] = ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];

/// Calls `visit` with a schema and with every schema inside it, the outer one first.
pub(crate) fn each_schema(schema: &mut Value, visit: &mut dyn FnMut(&mut Map<String, Value>)) {
    let Value::Object(keywords) = schema else { return };
    visit(keywords);
    for (keyword, value) in keywords {
        let keyword = keyword.as_str();
        match value {
            Value::Array(schemas) if MANY.contains(&keyword) => {
                for schema in schemas {
                    each_schema(schema, visit);
                }
            }
            Value::Object(schemas) if NAMED.contains(&keyword) => {
                for (_, schema) in schemas {
                    each_schema(schema, visit);
                }
            }
            Value::Object(_) if ONE.contains(&keyword) => each_schema(value, visit),
            _ => {}
        }
    }
}

/// The names of all the properties that a schema knows.
pub(crate) fn properties(schema: &Value) -> Vec<String> {
    let (mut schema, mut names) = (schema.clone(), Vec::new());
    each_schema(&mut schema, &mut |keywords| {
        if let Some(Value::Object(properties)) = keywords.get("properties") {
            names.extend(properties.keys().cloned());
        }
    });
    names.sort_unstable();
    names.dedup();
    names
}
