//! What is read, whoever wrote it.

use super::*;

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
