use std::time::{Duration, UNIX_EPOCH};

use convoke::codec::{self, Binding, CloudEvents, Codec, CodecError, Wire};
use convoke::transport::{Attribute, Packet};
use convoke::{Envelope, EnvelopeError, EnvelopeLimits, Metadata};
use proptest::prelude::*;
use serde_json::{Value, json};

const ID: &str = "019b7c4a-5a88-7cc1-8000-00000000002a";
const FIRST: &str = "019b7c4a-5a88-7cc1-8000-000000000001";
const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STRUCTURED: &str = "application/cloudevents+json";

/// What `json.dumps` of a Python publisher makes, to the letter.
const PYTHON: &str = concat!(
    r#"{"metadata": {"containsPersonalData": false, "tracestate": "", "traceparent": "#,
    r#""00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "authorization": "", "#,
    r#""publishDate": "2026-01-02T03:04:05+00:00", "entityId": "17", "entityName": "User", "#,
    r#""publisherName": "UserService", "eventName": "UserRegistered"}, "#,
    r#""payload": {"userId": 17, "fullName": "J\u00fcrgen \ud83d\ude00", "tags": [], "total": 12.5}}"#
);

/// One of each codec.
pub(crate) fn codecs() -> [Box<dyn Codec>; 6] {
    [
        Box::new(Wire),
        Box::new(CloudEvents::structured()),
        Box::new(CloudEvents::binary()),
        Box::new(CloudEvents::binary_as(Binding::Kafka)),
        Box::new(CloudEvents::binary_as(Binding::Amqp)),
        Box::new(CloudEvents::binary_as(Binding::RabbitMq)),
    ]
}

/// An event of which everything is known.
pub(crate) fn whole() -> Envelope {
    let mut metadata = Metadata::new("UserRegistered");
    metadata.id = ID.parse().unwrap();
    metadata.entity = "User".into();
    metadata.entity_id = Some("17".into());
    metadata.publisher = "UserService".into();
    metadata.topic = "users/registered".into();
    metadata.version = 2;
    metadata.time = UNIX_EPOCH + Duration::from_secs(1_767_323_045);
    metadata.trace = TRACE.parse::<convoke::TraceContext>().unwrap().with_state("congo=t61rcWkgMzE");
    metadata.correlation = FIRST.parse().unwrap();
    metadata.causation = Some(FIRST.parse().unwrap());
    metadata.authorization = "Bearer é\"100%\"".into();
    metadata.contains_personal_data = true;
    Envelope::new(metadata, json!({"userId": 17, "fullName": "Jürgen 😀"}))
}

/// An event of which as little is known as there can be.
fn bare() -> Envelope {
    let mut metadata = Metadata::new("Started");
    metadata.id = ID.parse().unwrap();
    metadata.correlation = metadata.id;
    metadata.topic = "".into();
    metadata.time = UNIX_EPOCH;
    metadata.trace = TRACE.parse().unwrap();
    Envelope::new(metadata, Value::Null)
}

fn read(packet: &Packet) -> Result<Envelope, CodecError> {
    codec::read(packet, EnvelopeLimits::default())
}

fn packet(attributes: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Packet {
    let mut packet = Packet::new("", body);
    packet.attributes = attributes.iter().copied().collect();
    packet
}

fn structured(event: &Value) -> Result<Envelope, CodecError> {
    read(&packet(&[("content-type", STRUCTURED)], event.to_string()))
}

/// All attributes as text, in the order of their names.
fn texts(packet: &Packet) -> Vec<(&str, String)> {
    packet.attributes.iter().map(|(name, value)| (name, value.text())).collect()
}

fn pairs(texts: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    texts.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

#[test]
fn what_a_publisher_in_python_writes_is_read() {
    let mut packet = packet(&[("entityName", "User"), ("eventName", "UserRegistered")], PYTHON);
    packet.attributes.insert("tenants", ["a", "b"]);
    let envelope = read(&packet).unwrap();
    assert_eq!((&*envelope.metadata.event, &*envelope.metadata.topic), ("UserRegistered", ""));
    assert_eq!(&*envelope.metadata.publisher, "UserService");
    assert_eq!(envelope.payload, json!({"userId": 17, "fullName": "Jürgen 😀", "tags": [], "total": 12.5}));
}

#[test]
fn what_a_subscriber_in_python_gets_has_the_keys_and_attributes_it_knows() {
    let written = Wire.write(&read(&packet(&[], PYTHON)).unwrap());
    let (body, known): (Value, Value) =
        (serde_json::from_slice(&written.body).unwrap(), serde_json::from_str(PYTHON).unwrap());
    for (key, value) in known["metadata"].as_object().unwrap() {
        assert_eq!(&body["metadata"][key], value, "{key}");
    }
    assert_eq!(body["payload"], known["payload"]);
    let names = [("entityName", "User"), ("eventName", "UserRegistered"), ("publisherName", "UserService")];
    assert_eq!(texts(&written), pairs(&names));
    assert!(written.attributes.iter().all(|(_, value)| value.kind() == "String"));
}

#[test]
fn the_wire_form_is_written_to_the_letter() {
    let packet = Wire.write(&whole());
    let body = concat!(
        r#"{"metadata":{"containsPersonalData":true,"tracestate":"congo=t61rcWkgMzE","#,
        r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","#,
        r#""authorization":"Bearer é\"100%\"","publishDate":"2026-01-02T03:04:05+00:00","entityId":"17","#,
        r#""entityName":"User","publisherName":"UserService","eventName":"UserRegistered","#,
        r#""id":"019b7c4a-5a88-7cc1-8000-00000000002a","topic":"users/registered","version":2,"#,
        r#""correlationId":"019b7c4a-5a88-7cc1-8000-000000000001","#,
        r#""causationId":"019b7c4a-5a88-7cc1-8000-000000000001"},"#,
        r#""payload":{"fullName":"Jürgen 😀","userId":17}}"#
    );
    assert_eq!(String::from_utf8(packet.body).unwrap(), body);
    assert_eq!((packet.id.as_str(), packet.topic.as_str()), (ID, "users/registered"));
    // What is empty is no attribute: SQS would refuse it.
    let packet = Wire.write(&bare());
    assert_eq!(texts(&packet), pairs(&[("eventName", "Started")]));
}

#[test]
fn a_structured_cloud_event_is_written_to_the_letter() {
    let packet = CloudEvents::structured().write(&whole());
    let body = concat!(
        r#"{"specversion":"1.0","id":"019b7c4a-5a88-7cc1-8000-00000000002a","source":"/UserService","#,
        r#""type":"UserRegistered","subject":"17","time":"2026-01-02T03:04:05+00:00","#,
        r#""datacontenttype":"application/json","#,
        r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","#,
        r#""tracestate":"congo=t61rcWkgMzE","entityname":"User","topic":"users/registered","eventversion":2,"#,
        r#""correlationid":"019b7c4a-5a88-7cc1-8000-000000000001","#,
        r#""causationid":"019b7c4a-5a88-7cc1-8000-000000000001","containspersonaldata":true,"#,
        r#""authorization":"Bearer é\"100%\"","data":{"fullName":"Jürgen 😀","userId":17}}"#
    );
    assert_eq!(std::str::from_utf8(&packet.body).unwrap(), body);
    let attributes = [
        ("content-type", STRUCTURED),
        ("entityName", "User"),
        ("eventName", "UserRegistered"),
        ("publisherName", "UserService"),
    ];
    assert_eq!(texts(&packet), pairs(&attributes));
    assert_eq!((packet.id.as_str(), packet.topic.as_str()), (ID, "users/registered"));

    let packet = CloudEvents::structured().write(&bare());
    let body = concat!(
        r#"{"specversion":"1.0","id":"019b7c4a-5a88-7cc1-8000-00000000002a","source":"/","type":"Started","#,
        r#""time":"1970-01-01T00:00:00+00:00","datacontenttype":"application/json","#,
        r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01","data":null}"#
    );
    assert_eq!(String::from_utf8(packet.body).unwrap(), body);
}

#[test]
fn a_binary_cloud_event_is_written_to_the_letter() {
    let packet = CloudEvents::binary().write(&whole());
    assert_eq!(std::str::from_utf8(&packet.body).unwrap(), r#"{"fullName":"Jürgen 😀","userId":17}"#);
    let attributes = [
        ("ce-authorization", "Bearer%20%C3%A9%22100%25%22"),
        ("ce-causationid", FIRST),
        ("ce-containspersonaldata", "true"),
        ("ce-correlationid", FIRST),
        ("ce-entityname", "User"),
        ("ce-eventversion", "2"),
        ("ce-id", ID),
        ("ce-source", "/UserService"),
        ("ce-specversion", "1.0"),
        ("ce-subject", "17"),
        ("ce-time", "2026-01-02T03:04:05+00:00"),
        ("ce-topic", "users/registered"),
        ("ce-traceparent", TRACE),
        ("ce-tracestate", "congo=t61rcWkgMzE"),
        ("ce-type", "UserRegistered"),
        ("content-type", "application/json"),
    ];
    assert_eq!(texts(&packet), pairs(&attributes));
    // Other bindings have another prefix, and escape nothing.
    for (binding, prefix) in [(Binding::Kafka, "ce_"), (Binding::Amqp, "cloudEvents:")] {
        let packet = CloudEvents::binary_as(binding).write(&whole());
        assert_eq!(packet.attributes.len(), attributes.len());
        assert_eq!(packet.attributes.text(&format!("{prefix}authorization")), Some("Bearer é\"100%\""));
        assert_eq!(packet.attributes.text("content-type"), Some("application/json"));
    }
    // A body is never empty: SQS would refuse it.
    assert_eq!(CloudEvents::binary().write(&bare()).body, b"null");
}

#[test]
fn no_codec_gives_more_attributes_than_it_says() {
    let mut unnamed = whole();
    unnamed.metadata.event = "".into();
    for codec in codecs() {
        let most = [whole(), unnamed.clone(), bare()].map(|event| codec.write(&event).attributes.len());
        assert_eq!(most.into_iter().max(), Some(codec.max_attributes()));
    }
    assert_eq!(codecs().map(|codec| codec.max_attributes()), [3, 4, 17, 17, 17, 18]);
}

#[test]
fn what_a_route_adds_is_left_alone_both_ways() {
    for codec in codecs() {
        let mut packet = codec.write(&whole());
        packet.attributes.insert("tenant", "é \"100%\"");
        packet.attributes.insert("weight", 7_u64);
        packet.attributes.insert("regions", ["eu", ""]);
        let before = packet.clone();
        assert_eq!(read(&packet).unwrap(), whole());
        assert_eq!(packet, before);
    }
}

#[test]
fn each_form_is_known_for_what_it_is() {
    let (wire, event) = (Wire.write(&whole()).body, CloudEvents::structured().write(&whole()).body);
    let binary = CloudEvents::binary().write(&whole());
    for name in ["content-type", "Content-Type", "contentType", "content_type", "CONTENT-TYPE"] {
        for value in
            [STRUCTURED, "Application/CloudEvents+JSON; charset=UTF-8", " application/cloudevents+json;x=\"y\""]
        {
            assert_eq!(read(&packet(&[(name, value)], &*event)).unwrap(), whole(), "{name}: {value}");
        }
    }
    for content_type in ["application/json", "text/plain", "", "nonsense"] {
        assert_eq!(read(&packet(&[("content-type", content_type)], &*wire)).unwrap(), whole());
        assert_eq!(read(&packet(&[("content-type", content_type)], &*event)).unwrap(), whole());
    }
    // Without a word beside it a body says itself what it is.
    assert_eq!(read(&packet(&[], &*wire)).unwrap(), whole());
    assert_eq!(read(&packet(&[], &*event)).unwrap(), whole());
    // Whoever passes headers on may change their case.
    for case in [str::to_uppercase, str::to_lowercase, str::to_owned] {
        let mut changed = binary.clone();
        changed.attributes = binary.attributes.iter().map(|(name, value)| (case(name), value.clone())).collect();
        assert_eq!(read(&changed).unwrap(), whole());
    }
    for prefix in ["ce_", "cloudEvents:", "cloudEvents_"] {
        let names = [("specversion", "1.0"), ("type", "100%25 \"x\""), ("source", "/a"), ("id", ID)];
        let names = names.map(|(name, value)| (format!("{prefix}{name}"), value));
        let names: Vec<_> = names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(read(&packet(&names, "7")).unwrap().metadata.event, "100%25 \"x\"", "{prefix}");
    }
}

#[test]
fn an_envelope_is_never_taken_for_a_cloud_event_nor_the_other_way_round() {
    // An envelope with keys of a CloudEvent, in any order.
    for body in [
        r#"{"specversion": "1.0", "type": "Wrong", "data": 1, "metadata": {"eventName": "Right"}, "payload": 2}"#,
        r#"{"metadata": {"eventName": "Right"}, "payload": 2, "specversion": "1.0", "type": "Wrong", "data": 1}"#,
        r#"{"metadata": {"eventName": "Right", "specversion": "1.0", "type": "Wrong"}, "payload": 2}"#,
    ] {
        let envelope = read(&packet(&[], body)).unwrap();
        assert_eq!((&*envelope.metadata.event, envelope.payload), ("Right", json!(2)), "{body}");
    }
    // A CloudEvent whose data look like an envelope, or like another event.
    let inner = json!({"metadata": {"eventName": "Wrong"}, "payload": 1, "specversion": "1.0", "type": "Wrong"});
    let event = json!({"specversion": "1.0", "type": "Right", "metadata": "text", "data": inner});
    let names = [("ce-specversion", "1.0"), ("ce-type", "Right")];
    for packet in [
        packet(&[], event.to_string()),
        packet(&[("content-type", STRUCTURED)], event.to_string()),
        packet(&names, inner.to_string()),
        packet(&[names[0], names[1], ("content-type", "application/json")], inner.to_string()),
    ] {
        let envelope = read(&packet).unwrap();
        assert_eq!((&*envelope.metadata.event, &envelope.payload), ("Right", &inner));
    }
    // Not even if it has as many keys as no metadata may have.
    let many: serde_json::Map<_, _> = (0..65).map(|key| (format!("k{key}"), json!(1))).collect();
    let inner = json!({ "metadata": many });
    assert_eq!(read(&packet(&names, inner.to_string())).unwrap().payload, inner);
    // What is neither is said to be no envelope.
    for body in ["7", "[]", "{}", r#"{"metadata": 1}"#, r#"{"data": {}}"#, r#"{"Type": "Notification"}"#] {
        assert_eq!(read(&packet(&[], body)), Err(CodecError::Envelope(EnvelopeError::NoMetadata)), "{body}");
    }
}

#[test]
fn an_event_of_any_producer_is_read() {
    // The example of the specification.
    let event = json!({
        "specversion": "1.0",
        "type": "com.github.pull_request.opened",
        "source": "https://github.com/cloudevents/spec/pull",
        "subject": "123",
        "id": "A234-1234-1234",
        "time": "2018-04-05T17:31:00Z",
        "comexampleextension1": "value",
        "comexampleothervalue": 5,
        "datacontenttype": "text/xml",
        "dataschema": null,
        "traceparent": null,
        "data": "<much wow=\"xml\"/>"
    });
    let envelope = structured(&event).unwrap();
    let metadata = &envelope.metadata;
    assert_eq!((&*metadata.event, &*metadata.topic), ("com.github.pull_request.opened", ""));
    assert_eq!(&*metadata.publisher, "https://github.com/cloudevents/spec/pull");
    assert_eq!(metadata.entity_id.as_deref(), Some("123"));
    assert_eq!((metadata.version, metadata.causation, metadata.correlation), (1, None, metadata.id));
    assert_eq!(metadata.time, UNIX_EPOCH + Duration::from_secs(1_522_949_460));
    assert!(!metadata.contains_personal_data && metadata.authorization.is_empty());
    assert_eq!(envelope.payload, json!("<much wow=\"xml\"/>"));

    // As little as there may be, and less.
    let least = structured(&json!({"specversion": "1.0", "type": "A", "source": "/a", "id": "1"})).unwrap();
    assert_eq!((&*least.metadata.event, &*least.metadata.publisher, least.payload), ("A", "a", Value::Null));
    assert_eq!(structured(&json!({"specversion": "1.0"})).unwrap().metadata.event, "");

    // A version of ours in every form in which an integer may come.
    for version in [json!(7), json!("7")] {
        assert_eq!(structured(&json!({"specversion": "1.0", "eventversion": version})).unwrap().metadata.version, 7);
    }
}

#[test]
fn an_id_that_is_no_uuid_becomes_the_same_one_for_the_same_event() {
    let id = |source: &str, id: &str| {
        structured(&json!({"specversion": "1.0", "type": "A", "source": source, "id": id})).unwrap().metadata.id
    };
    assert_eq!(id("/a", ID).to_string(), ID);
    assert_eq!(id("/a", "1"), id("/a", "1"));
    let different = [id("/a", "1"), id("/a", "2"), id("/b", "1"), id("/", "a1"), id("/a1", ""), id("/a1", "")];
    for (place, one) in different.iter().enumerate() {
        assert!(different[..place].iter().all(|other| other != one));
    }
    assert_eq!(id("/a", "1").get_version_num(), 8);
    // It is the same tomorrow, and on another machine.
    assert_eq!(id("/a", "1").to_string(), "674928a7-7c75-8277-b806-e8cd17ed298d");
}

#[test]
fn a_publisher_comes_back_from_its_source() {
    for (publisher, source) in [
        ("UserService", "/UserService"),
        ("", "/"),
        ("/", "//"),
        ("user service ä%?#", "/user%20service%20%C3%A4%25%3F%23"),
        ("https://example.org/a?b=c#d", "https://example.org/a?b=c#d"),
        ("urn:example:%20", "urn:example:%20"),
        ("urn:example:% ", "/urn:example:%25%20"),
        ("a/b", "/a/b"),
        ("/a%2Fb", "//a%252Fb"),
    ] {
        let mut event = bare();
        event.metadata.publisher = publisher.into();
        let packet = CloudEvents::structured().write(&event);
        assert_eq!(serde_json::from_slice::<Value>(&packet.body).unwrap()["source"], source);
        assert_eq!(read(&packet).unwrap(), event);
    }
}

#[test]
fn data_are_what_they_are_said_to_be() {
    for (content_type, base64, payload) in [
        (json!("application/json"), "eyJhIjoxfQ==", json!({"a": 1})),
        (json!("application/vnd.x+json; charset=utf-8"), "eyJhIjoxfQ==", json!({"a": 1})),
        (json!("text/json"), "eyJhIjoxfQ==", json!({"a": 1})),
        (Value::Null, "eyJhIjoxfQ==", json!({"a": 1})),
        (Value::Null, "eyJhIjoxf/8=", json!("eyJhIjoxf/8=")),
        (json!("text/plain"), "eyJhIjoxfQ==", json!("{\"a\":1}")),
        (json!("image/png"), "iVBORw==", json!("iVBORw==")),
        (json!("application/json"), "", Value::Null),
    ] {
        let event = json!({"specversion": "1.0", "datacontenttype": content_type, "data_base64": base64});
        assert_eq!(structured(&event).unwrap().payload, payload, "{event}");
        // The same bytes as a body.
        let bytes: Vec<u8> = match base64 {
            "eyJhIjoxfQ==" => b"{\"a\":1}".into(),
            "eyJhIjoxf/8=" => b"{\"a\":1\x7f\xff".into(),
            "iVBORw==" => b"\x89PNG".into(),
            _ => Vec::new(),
        };
        let mut packet = packet(&[("ce-specversion", "1.0")], bytes);
        if let Value::String(content_type) = content_type {
            packet.attributes.insert("content-type", content_type);
        }
        assert_eq!(read(&packet).unwrap().payload, payload, "{event}");
    }
    // What is no JSON by its content type is in `data` as it is.
    let event = json!({"specversion": "1.0", "datacontenttype": "text/plain", "data": "{}"});
    assert_eq!(structured(&event).unwrap().payload, json!("{}"));
    for event in [json!({"data": null, "data_base64": "MQ=="}), json!({"data": 1, "data_base64": null})] {
        let mut event = event;
        event["specversion"] = json!("1.0");
        assert_eq!(structured(&event).unwrap().payload, json!(1));
    }
}

#[test]
fn personal_is_what_is_said_to_be_or_is_unclear() {
    for (flag, personal) in [
        (json!(true), true),
        (json!(false), false),
        (json!("false"), false),
        (json!("FALSE"), false),
        (json!("true"), true),
        (json!("no"), true),
        (json!(0), true),
        (json!([]), true),
        (Value::Null, false),
    ] {
        let event = json!({"specversion": "1.0", "containspersonaldata": flag});
        assert_eq!(structured(&event).unwrap().metadata.contains_personal_data, personal, "{flag}");
    }
    let names = [("ce-specversion", "1.0"), ("ce-containspersonaldata", "false")];
    assert!(!read(&packet(&names, "1")).unwrap().metadata.contains_personal_data);
}

#[test]
fn what_is_no_event_is_an_error_that_says_what_to_do() {
    let structured = |body: &str| read(&packet(&[("content-type", STRUCTURED)], body)).unwrap_err().to_string();
    for (body, error) in [
        ("7", "the body is said to be a CloudEvent, and has no `specversion`: send {\"specversion\": \"1.0\", …}"),
        ("{}", "the body is said to be a CloudEvent, and has no `specversion`: send {\"specversion\": \"1.0\", …}"),
        ("{\"specversion\":", "the body is no JSON from line 1, column 15 on: send a whole object as UTF-8"),
        ("{\"specversion\": \"1.0\"} 7", "the body is no JSON from line 1, column 24 on: send a whole object as UTF-8"),
        (r#"{"specversion": "0.3"}"#, "the event is of another version of CloudEvents: send `specversion` 1.0"),
        (
            r#"{"specversion": "1.0", "type": 7}"#,
            "the event's `type` is not text: send that, or leave it out if it is optional",
        ),
        (
            r#"{"specversion": "1.0", "time": "yesterday"}"#,
            "the event's `time` is not a date like 2026-01-02T03:04:05Z: send that, or leave it out if it is optional",
        ),
        (
            r#"{"specversion": "1.0", "data_base64": "Zg"}"#,
            "the event's `data_base64` is not Base64 with its padding: send that, or leave it out if it is optional",
        ),
        (
            r#"{"specversion": "1.0", "data": 1, "data_base64": "MQ=="}"#,
            "the event has `data` and `data_base64`: send one of them",
        ),
        (
            r#"{"specversion": "1.0", "datacontenttype": "application/json", "data_base64": "Zg=="}"#,
            "the event's data are no JSON from line 1, column 1 on: send JSON, or say in `datacontenttype` what they are",
        ),
    ] {
        assert_eq!(structured(body), error, "{body}");
    }
    for content_type in ["application/cloudevents-batch+json", "application/cloudevents+xml", "application/cloudevents"]
    {
        assert_eq!(read(&packet(&[("content-type", content_type)], "[]")), Err(CodecError::Format));
    }
    assert_eq!(
        CodecError::Format.to_string(),
        "the event is in a format of CloudEvents that is not read: send one as `application/cloudevents+json`, or in \
         binary mode"
    );
    assert_eq!(read(&packet(&[("ce-specversion", "0.3")], "1")), Err(CodecError::Version));
    let mut listed = packet(&[("ce-specversion", "1.0")], "1");
    listed.attributes.insert("ce-type", ["a"]);
    assert_eq!(read(&listed), Err(CodecError::WrongAttribute { name: "type", wants: "text" }));
}

#[test]
fn a_key_of_ours_that_makes_no_sense_counts_as_missing() {
    for nonsense in [json!(-1), json!(true), json!("nonsense"), json!([]), json!({"a": 1}), json!(1_u64 << 32)] {
        let keys = ["eventversion", "correlationid", "causationid", "traceparent", "tracestate"];
        let mut event = json!({"specversion": "1.0", "id": ID, "topic": 7, "entityname": 7});
        keys.iter().for_each(|key| event[*key] = nonsense.clone());
        let metadata = structured(&event).unwrap().metadata;
        assert_eq!((metadata.version, metadata.correlation.to_string(), metadata.causation), (1, ID.to_owned(), None));
        assert_eq!((&*metadata.topic, &*metadata.entity), ("", ""));
    }
}

/// Any event that the codecs can carry.
pub(crate) fn any_event() -> impl Strategy<Value = Envelope> {
    let id = || any::<u128>().prop_map(convoke::Uuid::from_u128);
    let names = (any::<String>(), any::<String>(), any::<String>(), any::<String>(), "(?s).{0,9}");
    let ids = (id(), id(), proptest::option::of(id()), any::<u32>());
    let time = 0..253_402_000_000_000_000_u64;
    (names, ids, time, "([a-z]{1,3}=[!-+]{1,9})?", any::<String>(), any::<bool>(), any_json()).prop_map(
        |((event, entity, topic, publisher, entity_id), ids, time, state, authorization, personal, payload)| {
            let mut metadata = Metadata::new(event);
            (metadata.entity, metadata.topic, metadata.publisher) = (entity.into(), topic.into(), publisher.into());
            metadata.entity_id = (!entity_id.is_empty()).then(|| entity_id.into());
            (metadata.id, metadata.correlation, metadata.causation, metadata.version) = ids;
            metadata.time = UNIX_EPOCH + Duration::from_micros(time);
            metadata.trace = metadata.trace.with_state(&state);
            metadata.authorization = authorization.into();
            metadata.contains_personal_data = personal;
            Envelope::new(metadata, payload)
        },
    )
}

/// Any JSON, small.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|keys| Value::Object(keys.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_codec_keeps_everything(event in any_event()) {
        for codec in codecs() {
            let packet = codec.write(&event);
            prop_assert!(packet.attributes.len() <= codec.max_attributes());
            prop_assert!(packet.attributes.iter().all(|(_, value)| *value != Attribute::from("")));
            prop_assert_eq!(read(&packet), Ok(event.clone()));
        }
    }
}
