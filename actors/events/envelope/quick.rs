//! Reads an envelope that is written as we write it: each key once and in camel case, straight into its place.
//!
//! `bytes → Body: Places (one for each key), payload → wire::read`, `anything else → None: envelope.rs reads it by way of a map`

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Number, Value};

use super::wire::{self, Found, Keys};
use crate::events::event::{Carrier, Metadata};

/// The keys of the metadata, in the order in which we write them.
const KEYS: [&str; 14] = [
    "containsPersonalData",
    "tracestate",
    "traceparent",
    "authorization",
    "publishDate",
    "entityId",
    "entityName",
    "publisherName",
    "eventName",
    "id",
    "topic",
    "version",
    "correlationId",
    "causationId",
];

/// Reads the metadata and the payload of what is written so and is right.
pub(super) fn read(bytes: &[u8], carrier: Carrier<'_>) -> Option<(Metadata, Value)> {
    let mut from = serde_json::Deserializer::from_slice(bytes);
    let body = Body::deserialize(&mut from).ok()?;
    from.end().ok()?;
    Some((wire::read(body.metadata, carrier).ok()?, body.payload))
}

struct Body<'a> {
    metadata: Places<'a>,
    payload: Value,
}

/// What each key holds.
#[derive(Default)]
struct Places<'a>([Option<Found<'a>>; KEYS.len()]);

impl<'a> Keys<'a> for Places<'a> {
    fn take(&mut self, key: &'static str) -> Option<Found<'a>> {
        let place = KEYS.iter().position(|known| *known == key)?;
        self.0.get_mut(place)?.take()
    }
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
        let (mut metadata, mut payload) = (None, None);
        while let Some(Text(key)) = map.next_key()? {
            match &*key {
                "metadata" if metadata.is_none() => metadata = Some(map.next_value()?),
                "payload" if payload.is_none() => payload = Some(map.next_value()?),
                _ => return Err(other()),
            }
        }
        Ok(Body { metadata: metadata.ok_or_else(other)?, payload: payload.unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Places<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PlacesVisitor)
    }
}

struct PlacesVisitor;

impl<'de> Visitor<'de> for PlacesVisitor {
    type Value = Places<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places<'de>, A::Error> {
        let mut places = Places::default();
        // Whoever writes all of them writes them in this order.
        let (mut next, mut seen) = (0, 0_u32);
        while let Some(Text(key)) = map.next_key()? {
            let is_it = |at: &usize| KEYS.get(*at).is_some_and(|known| *known == key);
            let at = Some(next).filter(is_it).or_else(|| (0..KEYS.len()).find(is_it)).ok_or_else(other)?;
            if seen & 1 << at != 0 {
                return Err(other());
            }
            seen |= 1 << at;
            next = at + 1;
            if let Some(place) = places.0.get_mut(at) {
                *place = map.next_value()?;
            }
        }
        Ok(places)
    }
}

/// Nobody sees it: what is not as we write it is read once more.
fn other<E: Error>() -> E {
    E::custom("")
}

/// A text that is borrowed unless it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(FoundVisitor)? {
            Found::Text(text) => Ok(Self(text)),
            _ => Err(other()),
        }
    }
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FoundVisitor)
    }
}

/// Takes no objects and no arrays.
struct FoundVisitor;

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number or a truth")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(text.to_owned().into()))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Found<'de>, E> {
        Ok(Found::Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Found<'de>, E> {
        Ok(Found::Number(number.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Found<'de>, E> {
        Ok(Found::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Found<'de>, E> {
        Number::from_f64(number).map(Found::Number).ok_or_else(other)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Envelope;
    use crate::events::envelope::envelope_limits::EnvelopeLimits;

    /// Whether it is read here, and that it is read as by way of a map either way.
    fn is_quick(body: &str) -> bool {
        let packet = Carrier { id: "019b7c4a-5a88-7cc1-8000-00000000002a", body: body.as_bytes() };
        let quick = read(body.as_bytes(), packet).map(|(metadata, payload)| Envelope::new(metadata, payload));
        let slow = serde_json::from_str::<Value>(body).ok().and_then(|value| Envelope::from_value(value, packet).ok());
        if let Some(quick) = &quick {
            assert_eq!(Some(quick), slow.as_ref(), "{body}");
        }
        let both = Envelope::from_carrier(body.as_bytes(), EnvelopeLimits::default(), packet).ok();
        assert_eq!(both, slow, "{body}");
        quick.is_some()
    }

    const REST: &str = r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "publishDate":"2026-01-02T03:04:05+00:00""#;

    #[test]
    fn what_is_written_as_we_write_it_is_read_at_once_and_all_else_as_before() {
        for (metadata, quick) in [
            (r#""eventName":"A""#, true),
            (r#""eventName":"A\u0042","entityId":17,"version":3,"containsPersonalData":true"#, true),
            (r#""entityId":1.50,"id":-7,"topic":null,"version":null,"authorization":null"#, true),
            (r#""entityId":18446744073709551615,"version":4294967296"#, true),
            (r#""id":"no uuid","correlationId":"none","containsPersonalData":"false""#, true),
            (r#""event_name":"A""#, false),
            (r#""EventName":"A","eventName":"B""#, false),
            (r#""eventName":"A","eventName":"B""#, false),
            (r#""eventName":"A","eventName":null"#, false),
            (r#""own":1e999"#, false),
            (r#""own":{"deep":[1]},"eventName":"A""#, false),
            (r#""topic":["A"]"#, false),
            (r#""eventName":7"#, false),
            (r#""entityId":1e999"#, false),
        ] {
            let metadata = format!("{metadata},{REST}");
            for (body, as_usual) in [
                (format!(r#"{{"metadata":{{{metadata}}},"payload":{{"a":[1,2.5,"\u00e4",null]}}}}"#), true),
                (format!(r#" {{ "payload" : null , "metadata" : {{ {metadata} }} }} "#), true),
                (format!(r#"{{"metadata":{{{metadata}}}}}"#), true),
                (format!(r#"{{"metadata":{{{metadata}}},"Payload":1}}"#), false),
                (format!(r#"{{"Metadata":{{{metadata}}},"payload":1}}"#), false),
                (format!(r#"{{"metadata":{{{metadata}}},"payload":1,"payload":2}}"#), false),
                (format!(r#"{{"metadata":1,"metadata":{{{metadata}}}}}"#), false),
                (format!(r#"{{"metadata":{{{metadata}}},"extra":1}}"#), false),
                (format!(r#"{{"metadata":{{{metadata}}}}} 1"#), false),
                (format!(r#"{{"metadata":{{{metadata}}},"payload":1e999}}"#), false),
            ] {
                assert_eq!(is_quick(&body), quick && as_usual, "{body}");
            }
        }
        for body in ["", "null", "[]", "7", r#"{"metadata":null}"#, r#"{"payload":1}"#, r#"{"metadata":[]}"#] {
            assert!(!is_quick(body));
        }
        // What we write ourselves is what it is for.
        let mut metadata = Metadata::new("OrderPlaced");
        metadata.causation = Some(metadata.id);
        assert!(is_quick(std::str::from_utf8(&Envelope::new(metadata, json!({"a": 1})).to_vec()).unwrap()));
    }
}
