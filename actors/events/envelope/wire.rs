//! The wire form of metadata: the keys that services elsewhere speak, and how much of what they send is let pass.
//!
//! `Metadata → keys and dates → JSON`, `JSON → Keys → what each key means → Metadata`

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::case::{self, Case, Keys as Names};
use crate::events::event::{
    Carrier, Metadata, Name, PublishDate, Replay, Secret, TraceContext, derived, shared, whole_micros,
};
use crate::runtime;

/// A key of the metadata does not hold what it should. Its value may be secret, so nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WrongKey {
    pub(crate) key: &'static str,
    pub(crate) wants: &'static str,
}

impl fmt::Display for WrongKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the metadata's `{}` is not {}: send that, or leave the key out", self.key, self.wants)
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write(self, Case::Camel.keys(), serializer)
    }
}

/// Writes metadata under these keys.
pub(crate) fn write<S: Serializer>(metadata: &Metadata, keys: &Names, serializer: S) -> Result<S::Ok, S::Error> {
    let mut to = serializer.serialize_struct("Metadata", 13 + usize::from(metadata.causation.is_some()))?;
    to.serialize_field(keys.contains_personal_data, &metadata.contains_personal_data)?;
    to.serialize_field(keys.tracestate, metadata.trace.state())?;
    to.serialize_field(keys.traceparent, &format_args!("{}", metadata.trace))?;
    to.serialize_field(keys.authorization, metadata.authorization.expose())?;
    to.serialize_field(keys.publish_date, &format_args!("{}", PublishDate(metadata.time)))?;
    to.serialize_field(keys.entity_id, metadata.entity_id.as_deref().unwrap_or_default())?;
    to.serialize_field(keys.entity_name, metadata.entity.as_str())?;
    to.serialize_field(keys.publisher_name, &*metadata.publisher)?;
    to.serialize_field(keys.event_name, metadata.event.as_str())?;
    to.serialize_field(keys.id, &format_args!("{}", metadata.id))?;
    to.serialize_field(keys.topic, metadata.topic.as_str())?;
    to.serialize_field(keys.version, &metadata.version)?;
    to.serialize_field(keys.correlation_id, &format_args!("{}", metadata.correlation))?;
    match &metadata.causation {
        Some(cause) => to.serialize_field(keys.causation_id, &format_args!("{cause}"))?,
        None => to.skip_field(keys.causation_id)?,
    }
    to.end()
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of `Value`, because serde's own errors about types quote what they found.
        match Value::deserialize(deserializer)? {
            Value::Object(keys) => read(keys, Carrier::default()).map_err(D::Error::custom),
            _ => Err(D::Error::custom("metadata are an object: send that")),
        }
    }
}

/// Reads metadata as the table over [`Metadata`] says, out of this packet.
pub(crate) fn read<'a>(keys: impl Keys<'a>, carrier: Carrier<'_>) -> Result<Metadata, WrongKey> {
    let mut keys = Taken(keys);
    let publisher = keys.text("publisherName")?;
    let id = keys.id(&publisher).or_else(|| carrier.event_id(&publisher)).unwrap_or_else(runtime::new_id);
    Ok(Metadata {
        event: name(keys.text("eventName")?),
        entity: name(keys.text("entityName")?),
        entity_id: keys.entity_id()?,
        publisher: shared(&publisher),
        time: keys.date("publishDate")?,
        trace: keys.trace(),
        authorization: Secret::from(keys.text("authorization")?.into_owned()),
        contains_personal_data: keys.flag("containsPersonalData"),
        replay: Replay::default(),
        topic: name(keys.own_text("topic").unwrap_or_default()),
        version: keys.version().unwrap_or(1),
        correlation: keys.uuid("correlationId").unwrap_or(id),
        causation: keys.uuid("causationId"),
        id,
    })
}

/// What a key holds; `null` counts as missing.
pub(crate) enum Found<'a> {
    Text(Cow<'a, str>),
    Number(Number),
    Flag(bool),
    /// An object or an array.
    Other,
}

/// The keys that came, by their names in camel case.
pub(crate) trait Keys<'a> {
    /// Takes what this key holds; once more what another one holds that means the same.
    fn take(&mut self, key: &'static str) -> Option<Found<'a>>;
}

/// In whichever case.
impl<'a> Keys<'a> for Map<String, Value> {
    fn take(&mut self, key: &'static str) -> Option<Found<'a>> {
        Some(match case::take(self, key)? {
            Value::String(text) => Found::Text(text.into()),
            Value::Number(number) => Found::Number(number),
            Value::Bool(flag) => Found::Flag(flag),
            Value::Null | Value::Array(_) | Value::Object(_) => Found::Other,
        })
    }
}

/// A name that came from outside: one that is empty takes no memory.
fn name(text: Cow<'_, str>) -> Name {
    match text {
        text if text.is_empty() => Name::default(),
        text => shared(&text).into(),
    }
}

struct Taken<K>(K);

impl<'a, K: Keys<'a>> Taken<K> {
    fn take(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.0.take(key)
    }

    fn text(&mut self, key: &'static str) -> Result<Cow<'a, str>, WrongKey> {
        match self.take(key) {
            None => Ok(Cow::default()),
            Some(Found::Text(text)) => Ok(text),
            Some(_) => Err(WrongKey { key, wants: "text" }),
        }
    }

    fn entity_id(&mut self) -> Result<Option<Name>, WrongKey> {
        let key = "entityId";
        let id = match self.take(key) {
            None => return Ok(None),
            Some(Found::Text(id)) => id,
            // An id from a database is a number in many a service.
            Some(Found::Number(id)) => id.to_string().into(),
            Some(_) => return Err(WrongKey { key, wants: "text or a number" }),
        };
        // They are many, and may say who somebody is: none is remembered.
        Ok((!id.is_empty()).then(|| Arc::<str>::from(&*id).into()))
    }

    fn date(&mut self, key: &'static str) -> Result<SystemTime, WrongKey> {
        match self.take(key) {
            None => Some(whole_micros(runtime::wall_clock())),
            Some(Found::Text(text)) => PublishDate::read(&text),
            Some(_) => None,
        }
        .ok_or(WrongKey { key, wants: "a date like 2026-01-02T03:04:05+00:00" })
    }

    fn flag(&mut self, key: &'static str) -> bool {
        let is_set = |found| !matches!(found, Found::Flag(false));
        // As long as one says so, in whichever case.
        std::iter::from_fn(|| self.take(key)).any(is_set)
    }

    /// Whoever cannot read a trace starts one: the standard, under "Processing Model for Working with Trace Context".
    fn trace(&mut self) -> TraceContext {
        let (parent, state) = (self.own_text("traceparent"), self.own_text("tracestate"));
        match parent.as_deref().map(str::parse::<TraceContext>) {
            Some(Ok(trace)) => trace.with_state(state.as_deref().unwrap_or_default()),
            _ => TraceContext::root(),
        }
    }

    fn own_text(&mut self, key: &'static str) -> Option<Cow<'a, str>> {
        match self.take(key) {
            Some(Found::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whatever the publisher knows the event by: a UUID is it, and another text or a number becomes one.
    fn id(&mut self, publisher: &str) -> Option<Uuid> {
        let text = match self.take("id")? {
            Found::Text(text) => text,
            Found::Number(number) => number.to_string().into(),
            _ => return None,
        };
        let made = || derived(publisher, text.as_bytes());
        (!text.is_empty()).then(|| Uuid::try_parse(&text).unwrap_or_else(|_| made()))
    }

    fn uuid(&mut self, key: &'static str) -> Option<Uuid> {
        Uuid::try_parse(&self.own_text(key)?).ok()
    }

    fn version(&mut self) -> Option<u32> {
        match self.take("version")? {
            Found::Number(version) => version.as_u64()?.try_into().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::events::event::FIRST;

    const GOLDEN: &str = concat!(
        r#"{"containsPersonalData":false,"tracestate":"","#,
        r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","authorization":"","#,
        r#""publishDate":"2026-01-02T03:04:05+00:00","entityId":"17","entityName":"User","#,
        r#""publisherName":"UserService","eventName":"UserRegistered","#,
        r#""id":"019b7c4a-5a88-7cc1-8000-00000000002a","topic":"users/registered","version":2,"#,
        r#""correlationId":"019b7c4a-5a88-7cc1-8000-000000000001"}"#
    );

    /// Any metadata that the wire can carry.
    pub(crate) fn any_metadata() -> impl Strategy<Value = Metadata> {
        let name = || prop_oneof![Just(Name::from("UserRegistered")), any::<String>().prop_map(Name::from)];
        let id = || any::<u128>().prop_map(Uuid::from_u128);
        let names = (name(), name(), name(), proptest::option::of("(?s).{1,20}"), any::<String>());
        let ids = (id(), id(), proptest::option::of(id()), any::<u32>());
        let time = (FIRST.as_microsecond()..Timestamp::MAX.as_microsecond()).prop_map(|micros| {
            let since = Duration::from_micros(micros.unsigned_abs());
            if micros < 0 { UNIX_EPOCH - since } else { UNIX_EPOCH + since }
        });
        let trace = (1..=u128::MAX, 1..=u64::MAX, 0_u8..4, "([a-z]{1,3}=[!-+]{1,9})?").prop_map(
            |(trace, parent, flags, state)| {
                let trace: TraceContext = format!("00-{trace:032x}-{parent:016x}-{flags:02x}").parse().unwrap();
                trace.with_state(&state)
            },
        );
        (names, ids, time, trace, any::<String>(), any::<bool>()).prop_map(
            |(names, ids, time, trace, authorization, personal)| {
                let mut metadata = Metadata::new(names.0);
                (metadata.entity, metadata.topic, metadata.publisher) = (names.1, names.2, names.4.into());
                metadata.entity_id = names.3.map(Name::from);
                (metadata.id, metadata.correlation, metadata.causation, metadata.version) = ids;
                (metadata.time, metadata.trace, metadata.contains_personal_data) = (time, trace, personal);
                metadata.authorization = authorization.into();
                metadata
            },
        )
    }

    fn golden() -> Metadata {
        let mut metadata = Metadata::new("UserRegistered");
        metadata.id = "019b7c4a-5a88-7cc1-8000-00000000002a".parse().unwrap();
        metadata.entity = "User".into();
        metadata.entity_id = Some("17".into());
        metadata.publisher = "UserService".into();
        metadata.topic = "users/registered".into();
        metadata.version = 2;
        metadata.time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        metadata.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().unwrap();
        metadata.correlation = "019b7c4a-5a88-7cc1-8000-000000000001".parse().unwrap();
        metadata
    }

    fn read_json(keys: Value) -> Result<Metadata, String> {
        serde_json::from_value(keys).map_err(|error| error.to_string())
    }

    #[test]
    fn metadata_are_written_and_read_to_the_letter() {
        assert_eq!(serde_json::to_string(&golden()).unwrap(), GOLDEN);
        assert_eq!(serde_json::from_str::<Metadata>(GOLDEN).unwrap(), golden());
    }

    #[test]
    fn what_else_there_is_to_say_stands_in_its_key() {
        let mut metadata = golden();
        metadata.authorization = "Bearer hunter2".into();
        metadata.trace = metadata.trace.with_state("congo=t61rcWkgMzE");
        metadata.causation = Some(metadata.correlation);
        metadata.contains_personal_data = true;
        metadata.entity_id = None;
        metadata.time += Duration::from_micros(6_500);
        let written = serde_json::to_value(&metadata).unwrap();
        assert_eq!(written["authorization"], "Bearer hunter2");
        assert_eq!(written["tracestate"], "congo=t61rcWkgMzE");
        assert_eq!(written["causationId"], "019b7c4a-5a88-7cc1-8000-000000000001");
        assert_eq!(written["containsPersonalData"], true);
        assert_eq!(written["entityId"], "");
        assert_eq!(written["publishDate"], "2026-01-02T03:04:05.006500+00:00");
        assert_eq!(read_json(written).unwrap(), metadata);
    }

    #[crate::test]
    async fn a_key_that_is_missing_or_null_has_its_default() {
        let names = [
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
        let nulls = names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        for keys in [json!({}), Value::Object(nulls), json!({"color": "red", "tags": [1, {"a": null}]})] {
            let read = read_json(keys).unwrap();
            assert_eq!([&*read.event, &*read.entity, &*read.publisher, &*read.topic], [""; 4]);
            assert_eq!((read.entity_id, read.causation, read.version), (None, None, 1));
            assert_eq!((read.correlation, read.contains_personal_data), (read.id, false));
            assert!(read.authorization.is_empty() && !read.id.is_nil());
            assert_eq!(read.time, runtime::wall_clock());
        }
    }

    #[test]
    fn a_key_of_ours_that_makes_no_sense_counts_as_missing() {
        for nonsense in
            [json!(-1), json!(1.5), json!(true), json!("nonsense"), json!([]), json!({"a": 1}), json!(1_u64 << 32)]
        {
            let keys = ["id", "version", "correlationId", "causationId", "traceparent"];
            let keys = keys.map(|key| (key.to_owned(), nonsense.clone()));
            let read = read_json(Value::Object(keys.into_iter().collect())).unwrap();
            assert_eq!((read.version, read.correlation, read.causation), (1, read.id, None), "{nonsense}");
        }
        assert_eq!(read_json(json!({"topic": 7})).unwrap().topic, "");
        assert_eq!(read_json(json!({"version": u32::MAX})).unwrap().version, u32::MAX);
    }

    #[test]
    fn a_standard_key_of_another_type_is_an_error_that_names_the_key_and_no_value() {
        for key in ["eventName", "entityName", "publisherName", "authorization", "publishDate", "entityId"] {
            for value in [json!(["hunter2"]), json!({"hunter2": 1}), json!(true)] {
                let error = read_json(json!({ key: value })).unwrap_err();
                assert!(error.contains(key) && !error.contains("hunter2"), "{error}");
            }
        }
        let error = read_json(json!({"publishDate": "hunter2"})).unwrap_err();
        assert_eq!(
            error,
            "the metadata's `publishDate` is not a date like 2026-01-02T03:04:05+00:00: send that, or leave the key out"
        );
        assert_eq!(read_json(json!("hunter2")).unwrap_err(), "metadata are an object: send that");
    }

    #[test]
    fn a_number_may_be_the_id_of_an_entity() {
        for (id, text) in [(json!(17), "17"), (json!(-1), "-1"), (json!("17"), "17")] {
            assert_eq!(read_json(json!({ "entityId": id })).unwrap().entity_id, Some(text.into()));
        }
        assert_eq!(read_json(json!({"entityId": ""})).unwrap().entity_id, None);
    }

    #[test]
    fn whether_data_are_personal_is_taken_for_yes_when_it_is_unclear() {
        for unclear in [json!("false"), json!(0), json!(1), json!([]), json!({})] {
            assert!(read_json(json!({ "containsPersonalData": unclear })).unwrap().contains_personal_data);
        }
    }

    #[test]
    fn a_state_without_its_trace_is_not_taken_over() {
        let read = read_json(json!({"traceparent": "00-0", "tracestate": "congo=1"})).unwrap();
        assert_eq!(read.trace.state(), "");
    }

    #[test]
    fn every_form_of_a_date_is_read_that_python_and_rfc_3339_have() {
        let (whole, half) = ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05.500000+00:00");
        for (text, date) in [
            ("2026-01-02T03:04:05+00:00", whole),
            ("2026-01-02T03:04:05Z", whole),
            ("2026-01-02t03:04:05z", whole),
            ("2026-01-02T03:04:05-00:00", whole),
            ("2026-01-02T05:34:05+02:30", whole),
            ("2026-01-01T19:04:05-08:00", whole),
            ("2026-01-02T03:04:05", whole),
            ("2026-01-02 03:04:05", whole),
            ("2026-01-02 03:04:05+00:00", whole),
            ("2026-01-02T03:04:05.500000+00:00", half),
            ("2026-01-02T03:04:05.500000", half),
            ("2026-01-02T03:04:05.5Z", half),
            ("2026-01-02T03:04:05.500000999Z", half),
            ("2026-01-02", "2026-01-02T00:00:00+00:00"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
            ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999+00:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
        ] {
            let read = PublishDate::read(text).map(|time| PublishDate(time).to_string());
            assert_eq!(read.as_deref(), Some(date), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_taken_for_one() {
        for text in [
            "",
            "yesterday",
            "1767323045",
            "2026-01-02T03:04:05+26:00",
            "2026-01-02T03:04:05 UTC",
            "2026-02-30T03:04:05Z",
            "2026-01-02T25:04:05",
            "2026-01-02T03:04:05.1234567890Z",
            "0000-12-31T23:59:59Z",
            "-000044-03-15T12:00:00Z",
            "10000-01-01T00:00:00Z",
        ] {
            assert_eq!(PublishDate::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_beyond_all_dates_is_written_as_the_nearest_that_has_one() {
        let ages = Duration::from_secs(400_000_000_000);
        assert_eq!(PublishDate(UNIX_EPOCH - ages).to_string(), "0001-01-01T00:00:00+00:00");
        assert_eq!(PublishDate(UNIX_EPOCH + ages).to_string(), "9999-12-30T22:00:00.999999+00:00");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn metadata_survive_the_wire(metadata in any_metadata()) {
            let written = serde_json::to_string(&metadata).unwrap();
            prop_assert_eq!(serde_json::from_str::<Metadata>(&written).unwrap(), metadata);
        }

        #[test]
        fn no_text_is_too_odd_for_a_date(text in "[-+0-9TtZz:., \\[\\]é]{0,40}|[0-9]{4}-[01][0-9]-[0-3][0-9].{0,20}") {
            if let Some(time) = PublishDate::read(&text) {
                prop_assert_eq!(PublishDate::read(&PublishDate(time).to_string()), Some(time));
            }
        }
    }
}
