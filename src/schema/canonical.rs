//! The same bytes every time: keys in order, sets in order, a newline at the end.
//!
//! `Value → written → bytes`

use serde_json::{Map, Value};

use super::walk::each_schema;

/// The document as bytes. An application may have `serde_json` keep the order in which keys were inserted, so they are
/// inserted in the order in which they are to stand.
pub(crate) fn written(document: Value) -> String {
    let mut text = format!("{:#}", sorted(document));
    text.push('\n');
    text
}

/// With its keys in order, at every depth.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(keys) => {
            let mut keys: Vec<_> = keys.into_iter().collect();
            keys.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(keys.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        value => value,
    }
}

/// Puts into order what a schema means as a set, so that two fields that change places in the source change nothing.
pub(crate) fn order_sets(schema: &mut Value) {
    each_schema(schema, &mut |keywords| {
        for set in ["enum", "required", "type"] {
            if let Some(Value::Array(items)) = keywords.get_mut(set) {
                items.sort_by_cached_key(Value::to_string);
                items.dedup();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_stand_in_order_and_a_newline_at_the_end() {
        assert_eq!(
            written(json!({"b": [{"d": 1, "c": {}}], "a": null})),
            "{\n  \"a\": null,\n  \"b\": [\n    {\n      \"c\": {},\n      \"d\": 1\n    }\n  ]\n}\n"
        );
    }

    #[test]
    fn only_the_sets_of_a_schema_are_put_into_order() {
        let mut schema = json!({
            "required": ["b", "a"],
            "type": ["string", "null"],
            "properties": {"enum": {"enum": ["y", "x"]}, "required": {"items": {"required": ["d", "c"]}}},
            "default": {"required": ["b", "a"]},
        });
        order_sets(&mut schema);
        assert_eq!(
            schema,
            json!({
                "required": ["a", "b"],
                "type": ["null", "string"],
                "properties": {"enum": {"enum": ["x", "y"]}, "required": {"items": {"required": ["c", "d"]}}},
                "default": {"required": ["b", "a"]},
            })
        );
    }
}
