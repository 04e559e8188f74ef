//! What stands beside a body, as one text: a column of its own would know neither the names nor the types.
//!
//! `Attributes → {"name": ["type", "text"]} → Attributes`

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::transport::{Attribute, Attributes};

/// As JSON: names to type and text. `None` if there are none.
pub(crate) fn write_attributes(attributes: &Attributes) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    serde_json::to_string(&Written(attributes)).ok()
}

struct Written<'a>(&'a Attributes);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, (value.kind(), value.text()))))
    }
}

/// Reads what [`write_attributes`] has written; what is of another form is none.
pub(crate) fn read_attributes(json: Option<&str>) -> Attributes {
    let read = json.and_then(|json| serde_json::from_str::<Read>(json).ok());
    read.map(|Read(attributes)| attributes).unwrap_or_default()
}

struct Read(Attributes);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

/// Reads texts where they stand: each event has some.
struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("attributes by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut read = Attributes::default();
        while let Some((Text(name), (Text(kind), Text(text)))) = map.next_entry()? {
            read.insert_read(&name, Attribute::read(&kind, &text));
        }
        Ok(Read(read))
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let mut attributes = Attributes::default();
        assert_eq!(write_attributes(&attributes), None);
        attributes.insert("eventName", "Order\"Placed\"\n");
        attributes.insert("größe", 7_u64);
        attributes.insert("list", ["a", "b"]);
        let written = write_attributes(&attributes).unwrap();
        assert_eq!(read_attributes(Some(&written)), attributes);
        assert_eq!(read_attributes(Some(r#"{"a": ["String", "1"], "a": ["String", "2"]}"#)).text("a"), Some("2"));
    }

    #[test]
    fn what_is_of_another_form_is_none() {
        for other in ["", "7", "[]", "{\"a\": 1}", "{\"a\": [\"String\"]}", "{\"a\": [\"String\", 7]}"] {
            assert!(read_attributes(Some(other)).is_empty(), "{other}");
        }
        assert!(read_attributes(None).is_empty());
        assert!(read_attributes(Some(&json!({"a": {"b": "c"}}).to_string())).is_empty());
    }
}
