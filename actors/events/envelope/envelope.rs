//! An event on its way: its metadata and its payload, in the form that services elsewhere read and write.
//!
//! `bus.rs → Envelope → to_vec → a server → from_slice → limits → Envelope → worker`

use std::error::Error as StdError;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::Value;

use super::case::{self, Case};
use super::cased;
use super::envelope_limits::EnvelopeLimits;
use super::quick;
use super::wire::{self, WrongKey};
use crate::base::debug_is_display;
use crate::events::event::{Carrier, Metadata};

/// An event with its metadata, in the form in which it leaves the process: `{"metadata": {…}, "payload": …}`.
///
/// [`Metadata`] lists the keys of the metadata, and what a missing key means. Keys beside `metadata` and `payload` are
/// ignored, and a missing payload is `null`. `metadata`, `payload` and the keys of the metadata are read in snake and
/// Pascal case too. The keys of the payload are the event's own, and stay as they are.
///
/// To read bytes from outside, use [`from_slice`](Self::from_slice), which has limits; `Deserialize` has none. `Debug`
/// hides the payload of an event that contains personal data.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::{Envelope, Metadata};
/// use serde_json::json;
///
/// let sent = Envelope::new(Metadata::new("OrderPlaced"), json!({"id": 7}));
/// let received = Envelope::from_slice(&sent.to_vec())?;
/// assert_eq!(received, sent);
///
/// let foreign = Envelope::from_slice(br#"{"metadata": {"eventName": "OrderPlaced"}, "payload": {"id": 7}}"#)?;
/// assert_eq!(foreign.metadata.event, "OrderPlaced");
/// # Ok::<(), convoke::EnvelopeError>(())
/// ```
#[derive(Clone, PartialEq, Serialize)]
pub struct Envelope {
    /// The metadata of the event.
    pub metadata: Metadata,
    /// The payload of the event.
    pub payload: Value,
}

impl Envelope {
    /// Creates an envelope.
    pub fn new(metadata: Metadata, payload: Value) -> Self {
        Self { metadata, payload }
    }

    /// Reads an envelope from bytes, within the default [`EnvelopeLimits`].
    ///
    /// # Errors
    ///
    /// Returns an [`EnvelopeError`] if the bytes exceed a limit, are not JSON, or are JSON of another form. No error
    /// quotes the bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::from_slice_within(bytes, EnvelopeLimits::default())
    }

    /// Reads an envelope from bytes, within these limits.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_slice`](Self::from_slice).
    pub fn from_slice_within(bytes: &[u8], limits: EnvelopeLimits) -> Result<Self, EnvelopeError> {
        Self::from_carrier(bytes, limits, Carrier::default())
    }

    /// Reads an envelope from the body of this packet, whose id is that of an event without one.
    #[doc(hidden)]
    pub fn from_carrier(bytes: &[u8], limits: EnvelopeLimits, carrier: Carrier<'_>) -> Result<Self, EnvelopeError> {
        limits.check(bytes)?;
        if let Some((metadata, payload)) = quick::read(bytes, carrier) {
            return Ok(Self { metadata, payload });
        }
        // A `Value` takes any JSON, so this fails only for what is none, and where is all that is told.
        let body = serde_json::from_slice(bytes)
            .map_err(|error| EnvelopeError::NotJson { line: error.line(), column: error.column() })?;
        Self::from_value(body, carrier)
    }

    pub(super) fn from_value(body: Value, carrier: Carrier<'_>) -> Result<Self, EnvelopeError> {
        let Value::Object(mut body) = body else { return Err(EnvelopeError::NoMetadata) };
        let keys = match body.remove("metadata") {
            Some(Value::Object(keys)) => keys,
            _ => {
                match case::take_other(&mut body, |found, value| value.is_object() && case::means(found, "metadata")) {
                    Some(Value::Object(keys)) => keys,
                    _ => return Err(EnvelopeError::NoMetadata),
                }
            }
        };
        let metadata = wire::read(keys, carrier)?;
        Ok(Self { metadata, payload: case::take(&mut body, "payload").unwrap_or_default() })
    }

    /// Returns the envelope as JSON in bytes, without whitespace between the tokens.
    pub fn to_vec(&self) -> Vec<u8> {
        self.to_vec_in(Case::Camel)
    }

    /// Returns it as JSON whose keys are in this case; the payload is as it is.
    #[doc(hidden)]
    pub fn to_vec_in(&self, case: Case) -> Vec<u8> {
        cased::to_vec(&self.metadata, &self.payload, case)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?, Carrier::default()).map_err(D::Error::custom)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payload: &dyn fmt::Debug =
            if self.metadata.contains_personal_data { &format_args!("(hidden)") } else { &self.payload };
        f.debug_struct("Envelope").field("metadata", &self.metadata).field("payload", payload).finish()
    }
}

/// The error of bytes that are not an envelope.
///
/// No message quotes the bytes, because they may contain personal data.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The body is larger than the limit.
    TooLarge {
        /// The size of the body in bytes.
        bytes: usize,
        /// The maximum size in bytes.
        limit: usize,
    },
    /// Objects and arrays in the body are nested too deeply.
    TooDeep {
        /// The maximum depth.
        limit: usize,
    },
    /// The metadata has too many keys.
    TooManyKeys {
        /// The maximum number of keys.
        limit: usize,
    },
    /// The body is not JSON, or is cut off.
    NotJson {
        /// The line of the first syntax error; the first line is 1.
        line: usize,
        /// The column of the first syntax error, in bytes.
        column: usize,
    },
    /// The body is JSON, but not an object with an object `metadata`.
    NoMetadata,
    /// A key of the metadata has a value of a wrong type or form.
    WrongKey {
        /// The name of the key.
        key: &'static str,
        /// What the value should be.
        wants: &'static str,
    },
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "the body has {bytes} bytes, and {limit} are allowed: send less, or raise `bytes` of the limits"
                )
            }
            Self::TooDeep { limit } => {
                write!(f, "the body is nested more than {limit} deep: flatten it, or raise `depth` of the limits")
            }
            Self::TooManyKeys { limit } => write!(
                f,
                "the metadata have more than {limit} keys: put yours into the payload, or raise `keys` of the limits"
            ),
            Self::NotJson { line, column } => {
                write!(f, "the body is no JSON from line {line}, column {column} on: send a whole object as UTF-8")
            }
            Self::NoMetadata => {
                f.write_str("the body has no metadata: send {\"metadata\": {\"eventName\": \"…\"}, \"payload\": …}")
            }
            Self::WrongKey { key, wants } => WrongKey { key, wants }.fmt(f),
        }
    }
}

impl StdError for EnvelopeError {}

debug_is_display!(EnvelopeError);

impl From<WrongKey> for EnvelopeError {
    fn from(WrongKey { key, wants }: WrongKey) -> Self {
        Self::WrongKey { key, wants }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::wire::tests::any_metadata;
    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"metadata":{"containsPersonalData":true,"tracestate":"congo=t61rcWkgMzE","#,
        r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00","authorization":"Bearer hunter2","#,
        r#""publishDate":"2026-01-02T03:04:05.000006+00:00","entityId":"17","entityName":"User","#,
        r#""publisherName":"UserService","eventName":"UserRegistered","#,
        r#""id":"019b7c4a-5a88-7cc1-8000-00000000002a","topic":"users/registered","version":2,"#,
        r#""correlationId":"019b7c4a-5a88-7cc1-8000-000000000001","#,
        r#""causationId":"019b7c4a-5a88-7cc1-8000-000000000002"},"#,
        r#""payload":{"mail":"ada@example.org","price":0.1,"tags":["ä",null,-1]}}"#
    );

    /// What is read is written as something that is read as the same, and written as the same. What is written may be
    /// longer than what was read: `1e15` has no exponent then.
    fn stays_the_same(envelope: &Envelope) {
        let written = envelope.to_vec();
        let again = Envelope::from_slice_within(&written, EnvelopeLimits::default().bytes(usize::MAX)).unwrap();
        assert_eq!(&again, envelope);
        assert_eq!(again.to_vec(), written);
    }

    fn read(text: &str) -> Result<Envelope, EnvelopeError> {
        Envelope::from_slice(text.as_bytes())
    }

    #[test]
    fn an_envelope_is_read_and_written_to_the_letter() {
        let envelope = read(GOLDEN).unwrap();
        assert_eq!(envelope.metadata.event, "UserRegistered");
        assert_eq!(envelope.metadata.authorization.expose(), "Bearer hunter2");
        assert_eq!(envelope.payload["mail"], "ada@example.org");
        assert_eq!(String::from_utf8(envelope.to_vec()).unwrap(), GOLDEN);
        assert_eq!(serde_json::from_str::<Envelope>(GOLDEN).unwrap(), envelope);
    }

    #[test]
    fn a_foreign_body_with_only_a_name_and_a_payload_is_enough() {
        let envelope =
            read("{\n  \"payload\": {\"id\": 7},\n  \"metadata\": {\"eventName\": \"OrderPlaced\"}\n}\n").unwrap();
        assert_eq!((&*envelope.metadata.event, &*envelope.metadata.topic), ("OrderPlaced", ""));
        assert_eq!(envelope.payload, json!({"id": 7}));
        stays_the_same(&envelope);
    }

    #[test]
    fn what_python_writes_is_read() {
        // `json.dumps` of Python: blanks, escapes for what is not ASCII, a naive date, an id that is a number.
        let body = r#"{"metadata": {"containsPersonalData": false, "tracestate": "", "traceparent": "",
            "authorization": null, "publishDate": "2026-01-02T03:04:05.000600", "entityId": 17, "entityName": "User",
            "publisherName": "UserService", "eventName": "UserRegistered", "retries": {"max": 3}},
            "payload": {"name": "J\u00fcrgen \ud83d\ude00", "total": 1e3}, "extra": [1, 2]}"#;
        let envelope = read(body).unwrap();
        assert_eq!(envelope.metadata.entity_id.as_deref(), Some("17"));
        assert_eq!(envelope.payload, json!({"name": "Jürgen 😀", "total": 1000.0}));
        assert!(String::from_utf8(envelope.to_vec()).unwrap().contains(r#""2026-01-02T03:04:05.000600+00:00""#));
        stays_the_same(&envelope);
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_counts_as_in_python() {
        let body = r#"{"metadata": {"eventName": 1}, "payload": 1, "payload": 2,
            "metadata": {"eventName": "A", "eventName": "B"}}"#;
        let envelope = read(body).unwrap();
        assert_eq!((&*envelope.metadata.event, envelope.payload), ("B", json!(2)));
    }

    #[test]
    fn a_payload_that_is_missing_is_null() {
        assert_eq!(read(r#"{"metadata": {}}"#).unwrap().payload, Value::Null);
    }

    #[test]
    fn a_number_comes_out_as_it_went_in() {
        // Each of these is one that a parser without exact rounding gets wrong by a bit.
        for number in
            ["2.638344616030823e-256", "31.245270191439438", "121.48791951161945", "1.7976931348623157e308", "0.1"]
        {
            let body = format!(r#"{{"metadata":{{}},"payload":{number}}}"#);
            assert_eq!(read(&body).unwrap().payload.as_f64(), number.parse().ok(), "{number}");
        }
        let (largest, least) = (u64::MAX, i64::MIN);
        let body = format!(r#"{{"metadata":{{}},"payload":[{largest},{least}]}}"#);
        assert_eq!(read(&body).unwrap().payload, json!([largest, least]));
    }

    #[test]
    fn what_is_no_json_is_named_by_its_place() {
        for (text, line, column) in [
            ("", 1, 0),
            ("secret", 1, 1),
            ("{\"metadata\": {\"eventName\": \"secret\"}", 1, 36),
            ("{\"metadata\": {},\n\"payload\": secret}", 2, 12),
            ("{\"metadata\": {}, \"payload\": NaN}", 1, 29),
            ("{\"metadata\": {}} secret", 1, 18),
        ] {
            assert_eq!(read(text), Err(EnvelopeError::NotJson { line, column }), "{text}");
        }
        assert!(matches!(
            Envelope::from_slice(b"{\"metadata\": {}, \"payload\": \"\xff\"}"),
            Err(EnvelopeError::NotJson { .. })
        ));
        assert!(matches!(read(r#"{"metadata": {}, "payload": "\ud800"}"#), Err(EnvelopeError::NotJson { .. })));
    }

    #[test]
    fn json_that_is_no_envelope_is_an_error() {
        for text in [
            "null",
            "7",
            "\"secret\"",
            "[]",
            "{}",
            r#"{"payload": 1}"#,
            r#"{"metadata": "secret"}"#,
            r#"{"metadata": null}"#,
        ] {
            assert_eq!(read(text), Err(EnvelopeError::NoMetadata), "{text}");
        }
        assert_eq!(
            read(r#"{"metadata": {"eventName": ["secret"]}}"#),
            Err(EnvelopeError::WrongKey { key: "eventName", wants: "text" })
        );
    }

    #[test]
    fn no_error_quotes_what_was_read() {
        let deep = format!(r#"{{"metadata": {{}}, "payload": {}"hunter2"{}}}"#, "[".repeat(64), "]".repeat(64));
        let keys: Vec<_> = (0..65).map(|key| format!(r#""hunter2{key}":1"#)).collect();
        let bodies = [
            r#"hunter2"#.to_owned(),
            r#""hunter2""#.to_owned(),
            r#"{"hunter2": hunter2}"#.to_owned(),
            r#"{"metadata": "hunter2"}"#.to_owned(),
            r#"{"metadata": {"containsPersonalData": true, "publishDate": "hunter2"}, "payload": "hunter2"}"#
                .to_owned(),
            r#"{"metadata": {"eventName": {"hunter2": 1}}, "payload": "hunter2"}"#.to_owned(),
            r#"{"metadata": {}, "payload": "hunter2"#.to_owned(),
            deep,
            format!(r#"{{"metadata": {{{}}}}}"#, keys.join(",")),
        ];
        for body in bodies {
            let error = read(&body).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            let error = serde_json::from_str::<Envelope>(&body).map(drop);
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn the_limits_hold_before_anything_is_parsed() {
        let (whole, limits) = (GOLDEN.len(), EnvelopeLimits::default());
        let within = |limits| Envelope::from_slice_within(GOLDEN.as_bytes(), limits).map(drop);
        assert_eq!(within(limits.bytes(whole).depth(3).keys(14)), Ok(()));
        assert_eq!(within(limits.bytes(whole - 1)), Err(EnvelopeError::TooLarge { bytes: whole, limit: whole - 1 }));
        assert_eq!(within(limits.depth(2)), Err(EnvelopeError::TooDeep { limit: 2 }));
        assert_eq!(within(limits.keys(13)), Err(EnvelopeError::TooManyKeys { limit: 13 }));
        // Neither is JSON, so only what looks before it parses says this.
        assert_eq!(read(&"[".repeat(65)).map(drop), Err(EnvelopeError::TooDeep { limit: 64 }));
        assert!(matches!(read(&"x".repeat(1_048_577)), Err(EnvelopeError::TooLarge { .. })));
    }

    #[test]
    fn debug_hides_the_payload_if_it_is_personal_and_the_authorization_always() {
        let mut envelope = read(GOLDEN).unwrap();
        let shown = format!("{envelope:?} {envelope:#?}");
        assert!(!shown.contains("ada@") && shown.contains("payload: (hidden)"), "{shown}");
        envelope.metadata.contains_personal_data = false;
        let shown = format!("{envelope:?}");
        assert!(shown.contains("ada@example.org") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn an_error_says_what_to_do() {
        assert_eq!(
            EnvelopeError::TooLarge { bytes: 2, limit: 1 }.to_string(),
            "the body has 2 bytes, and 1 are allowed: send less, or raise `bytes` of the limits"
        );
        assert_eq!(
            EnvelopeError::NoMetadata.to_string(),
            r#"the body has no metadata: send {"metadata": {"eventName": "…"}, "payload": …}"#
        );
    }

    fn any_payload() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|keys| Value::Object(keys.into_iter().collect())),
            ]
        })
    }

    /// A change at a place of a body: a byte overwritten, inserted or cut out, or all that follows cut off.
    fn mutate(body: &mut Vec<u8>, (kind, place, byte): (u8, prop::sample::Index, u8)) {
        let place = place.index(body.len() + 1);
        match kind {
            0 if place < body.len() => body[place] = byte,
            1 if place < body.len() => drop(body.remove(place)),
            2 => body.truncate(place),
            _ => body.insert(place, byte),
        }
    }

    fn any_byte() -> impl Strategy<Value = u8> {
        prop_oneof![any::<u8>(), prop::sample::select(&b"{}[]\":,\\0123456789-+.eE tfn"[..])]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_envelope_survives_the_wire(metadata in any_metadata(), payload in any_payload()) {
            let envelope = Envelope::new(metadata, payload);
            prop_assert_eq!(&Envelope::from_slice(&envelope.to_vec()).unwrap(), &envelope);
            stays_the_same(&envelope);
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_looked_at(body in proptest::collection::vec(any_byte(), 0..200)) {
            if let Ok(envelope) = Envelope::from_slice(&body) {
                stays_the_same(&envelope);
            }
        }

        #[test]
        fn whatever_happens_to_a_body_what_is_read_of_it_stays_the_same(
            metadata in any_metadata(),
            payload in any_payload(),
            changes in proptest::collection::vec((0..4_u8, any::<prop::sample::Index>(), any_byte()), 1..4),
        ) {
            let mut body = Envelope::new(metadata, payload).to_vec();
            changes.into_iter().for_each(|change| mutate(&mut body, change));
            if let Ok(envelope) = Envelope::from_slice(&body) {
                stays_the_same(&envelope);
            }
        }

        #[test]
        fn keys_of_any_type_are_read_or_refused(
            keys in proptest::collection::btree_map(prop::sample::select(KEYS), any_payload(), 0..14)
        ) {
            let body = json!({ "metadata": keys, "payload": 1 });
            if let Ok(envelope) = Envelope::from_slice(body.to_string().as_bytes()) {
                stays_the_same(&envelope);
            }
        }
    }

    const KEYS: &[&str] = &[
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
}
