//! What the expansions of `#[derive(Task)]` name. Nothing here is for users, and any of it may change.
//!
//! `#[derive(Task)] → id; whole, part, together; key → a job`

use std::fmt::{Display, Write};

use serde::Serialize;
use serde_json::{Error, Map, Value};

/// What can be compared as JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Serialize`",
    label = "it has no form as JSON",
    note = "`id`, `unique` and `instance` of a task read a field as JSON: name a field that implements `Serialize`"
)]
pub trait InJson: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> InJson for T {}

/// What has a key of which only some run at the same time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Display`",
    label = "it cannot be a key",
    note = "name a field in `per_key` that has a `Display`, such as a number, a `String` or a `Uuid`"
)]
pub trait IsKey: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display> IsKey for T {}

/// What a job is about.
pub fn id<T: InJson>(field: &T) -> Option<Value> {
    serde_json::to_value(field).ok()
}

/// The key of jobs of which there is one if all is equal.
///
/// # Errors
///
/// If it cannot become JSON.
pub fn whole<T: InJson>(task: &T) -> Result<Option<String>, Error> {
    part(task).map(Some)
}

/// A part of the key of jobs of which there is one if some fields are equal.
///
/// # Errors
///
/// If it cannot become JSON.
pub fn part<T: InJson>(field: &T) -> Result<String, Error> {
    match serde_json::to_value(field) {
        Ok(value) => {
            let mut text = String::new();
            write(&value, &mut text);
            Ok(text)
        }
        // A value has no integers of 128 bits, and a text has.
        Err(_) => serde_json::to_string(field),
    }
}

/// The key that has these parts.
///
/// # Errors
///
/// The first of the parts that has one.
pub fn together<const N: usize>(parts: [Result<String, Error>; N]) -> Result<Option<String>, Error> {
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(Some(format!("[{}]", parts.join(","))))
}

/// The key of which only some jobs run at the same time.
pub fn key<T: IsKey>(field: &T) -> String {
    field.to_string()
}

/// Writes JSON with the keys of its objects in their order: a map is the same in whatever order it was read.
fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(value, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (place, (name, value)) in sorted(members).into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                // A name and a string are written as JSON writes them.
                let _ = write!(text, "{}:", Value::from(name.as_str()));
                write(value, text);
            }
            text.push('}');
        }
        plain => {
            let _ = write!(text, "{plain}");
        }
    }
}

/// Somebody may have built `serde_json` so that it keeps the order in which members came.
fn sorted(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    members
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_map_is_the_same_key_in_whatever_order_it_is() {
        let names: Vec<String> = (0..40).map(|number| format!("name {number}")).collect();
        let key = |names: &[String]| {
            let map: HashMap<&str, usize> = names.iter().map(|name| (name.as_str(), name.len())).collect();
            together([part(&map), part(&1)]).unwrap().unwrap()
        };
        let backward: Vec<String> = names.iter().rev().cloned().collect();
        assert_eq!(key(&names), key(&backward));
        let read: Value = serde_json::from_str(&key(&names)).unwrap();
        assert_eq!((read[0].as_object().unwrap().len(), &read[1]), (40, &json!(1)));
    }

    #[test]
    fn a_key_is_json() {
        let value = json!({ "b": ["\"", 1.5, null, {}], "a": { "ä\n": true, "2": [] }, "": -1 });
        let key = whole(&value).unwrap().unwrap();
        assert_eq!(key, r#"{"":-1,"a":{"2":[],"ä\n":true},"b":["\"",1.5,null,{}]}"#);
        assert_eq!(serde_json::from_str::<Value>(&key).unwrap(), value);
    }

    #[test]
    fn different_fields_are_different_keys() {
        let key = |one: &str, other: &str| together([part(&one), part(&other)]).unwrap();
        assert_ne!(key("a,b", "c"), key("a", "b,c"));
        assert_ne!(key("a\",\"b", ""), key("a", "b"));
        assert_eq!(key("a", "b").as_deref(), Some(r#"["a","b"]"#));
    }

    #[test]
    fn an_integer_of_128_bits_has_a_key() {
        assert_eq!(part(&u128::MAX).unwrap(), u128::MAX.to_string());
        assert_eq!(part(&(i128::MIN, "x")).unwrap(), format!("[{},\"x\"]", i128::MIN));
    }

    #[test]
    fn what_is_no_json_is_an_error() {
        let no_text_for_a_key: HashMap<Vec<u8>, u8> = HashMap::from([(vec![1], 1)]);
        assert!(whole(&no_text_for_a_key).is_err());
        assert!(together([part(&1), part(&no_text_for_a_key)]).is_err());
        assert_eq!(id(&no_text_for_a_key), None);
        assert_eq!(id(&7), Some(json!(7)));
    }
}
