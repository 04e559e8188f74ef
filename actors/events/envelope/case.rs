//! How services write the keys of an envelope: in one of three cases, which all mean the same.
//!
//! `Envelope → Case → Keys → JSON`, `JSON → take → what a key means, in whichever case it came`

use serde_json::{Map, Value};

/// The case in which the keys of an envelope are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Case {
    /// `eventName`.
    #[default]
    Camel,
    /// `event_name`.
    Snake,
    /// `EventName`.
    Pascal,
}

/// The keys in one case.
pub(crate) struct Keys {
    pub(crate) metadata: &'static str,
    pub(crate) payload: &'static str,
    pub(crate) contains_personal_data: &'static str,
    pub(crate) tracestate: &'static str,
    pub(crate) traceparent: &'static str,
    pub(crate) authorization: &'static str,
    pub(crate) publish_date: &'static str,
    pub(crate) entity_id: &'static str,
    pub(crate) entity_name: &'static str,
    pub(crate) publisher_name: &'static str,
    pub(crate) event_name: &'static str,
    pub(crate) id: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) version: &'static str,
    pub(crate) correlation_id: &'static str,
    pub(crate) causation_id: &'static str,
}

const CAMEL: Keys = Keys {
    metadata: "metadata",
    payload: "payload",
    contains_personal_data: "containsPersonalData",
    tracestate: "tracestate",
    traceparent: "traceparent",
    authorization: "authorization",
    publish_date: "publishDate",
    entity_id: "entityId",
    entity_name: "entityName",
    publisher_name: "publisherName",
    event_name: "eventName",
    id: "id",
    topic: "topic",
    version: "version",
    correlation_id: "correlationId",
    causation_id: "causationId",
};

const SNAKE: Keys = Keys {
    contains_personal_data: "contains_personal_data",
    publish_date: "publish_date",
    entity_id: "entity_id",
    entity_name: "entity_name",
    publisher_name: "publisher_name",
    event_name: "event_name",
    correlation_id: "correlation_id",
    causation_id: "causation_id",
    ..CAMEL
};

const PASCAL: Keys = Keys {
    metadata: "Metadata",
    payload: "Payload",
    contains_personal_data: "ContainsPersonalData",
    tracestate: "Tracestate",
    traceparent: "Traceparent",
    authorization: "Authorization",
    publish_date: "PublishDate",
    entity_id: "EntityId",
    entity_name: "EntityName",
    publisher_name: "PublisherName",
    event_name: "EventName",
    id: "Id",
    topic: "Topic",
    version: "Version",
    correlation_id: "CorrelationId",
    causation_id: "CausationId",
};

impl Case {
    pub(crate) const fn keys(self) -> &'static Keys {
        match self {
            Self::Camel => &CAMEL,
            Self::Snake => &SNAKE,
            Self::Pascal => &PASCAL,
        }
    }
}

/// Whether a key that was found means `key`, which is in camel case: the cases differ in capitals and in `_` alone.
pub(crate) fn means(found: &str, key: &str) -> bool {
    let mut letters = found.bytes().filter(|byte| *byte != b'_');
    key.bytes().all(|letter| letters.next().is_some_and(|found| found.eq_ignore_ascii_case(&letter)))
        && letters.next().is_none()
}

/// Takes what `key` means out of what came: as it is in camel case, or else in another. `null` counts as missing.
pub(crate) fn take(from: &mut Map<String, Value>, key: &str) -> Option<Value> {
    if let Some(value) = from.remove(key).filter(|value| !value.is_null()) {
        return Some(value);
    }
    take_other(from, |found, value| !value.is_null() && means(found, key))
}

/// Takes the first out that is the one.
pub(crate) fn take_other(from: &mut Map<String, Value>, is_it: impl Fn(&str, &Value) -> bool) -> Option<Value> {
    let found = from.iter().find(|(found, value)| is_it(found, value)).map(|(found, _)| found.clone())?;
    from.remove(&found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_means_the_same_in_each_case() {
        for found in ["containsPersonalData", "contains_personal_data", "ContainsPersonalData", "Contains_personalData"]
        {
            assert!(means(found, CAMEL.contains_personal_data), "{found}");
        }
        for found in ["", "containsPersonalDat", "containsPersonalDatas", "contains-personal-data", "\u{e9}"] {
            assert!(!means(found, CAMEL.contains_personal_data), "{found}");
        }
        assert!(means("EntityID", "entityId") && !means("id", "entityId") && !means("entityId", "id"));
    }

    #[test]
    fn of_several_cases_camel_counts_and_null_counts_as_missing() {
        let mut keys = json!({"EventName": 1, "event_name": 2, "eventName": 3});
        let keys = keys.as_object_mut().unwrap();
        assert_eq!(take(keys, "eventName"), Some(json!(3)));
        let mut keys = json!({"EventName": null, "event_name": 2, "eventName": null});
        let keys = keys.as_object_mut().unwrap();
        assert_eq!((take(keys, "eventName"), take(keys, "eventName")), (Some(json!(2)), None));
    }
}
