//! What is written, to the letter.

use super::*;

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
