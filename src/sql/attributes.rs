//! What stands beside a body, as one text: a column of its own would know neither the names nor the types.
//!
//! `Attributes → {"name": ["type", "text"]} → Attributes`

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

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
    let read: Option<BTreeMap<String, (String, String)>> = json.and_then(|json| serde_json::from_str(json).ok());
    let read = read.unwrap_or_default().into_iter();
    read.map(|(name, (kind, text))| (name, Attribute::read(&kind, &text))).collect()
}
