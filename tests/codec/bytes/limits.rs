//! Every limit at, below and above it.

use super::*;

fn read_within(packet: &Packet, limits: EnvelopeLimits) -> Result<(), CodecError> {
    codec::read(packet, limits).map(drop)
}

#[test]
fn a_packet_may_have_as_many_bytes_as_it_may_and_not_one_more() {
    for codec in codecs() {
        let packet = codec.write(&whole());
        let (bytes, limits) = (packet.bytes(), EnvelopeLimits::default());
        assert!(bytes > packet.body.len());
        assert_eq!(read_within(&packet, limits.bytes(bytes + 1)), Ok(()));
        assert_eq!(read_within(&packet, limits.bytes(bytes)), Ok(()));
        let error = CodecError::TooLarge { bytes, limit: bytes - 1 };
        assert_eq!(read_within(&packet, limits.bytes(bytes - 1)), Err(error));
    }
    // By default a mebibyte.
    let mut packet = Wire.write(&whole());
    for (bytes, fits) in [(1_048_576, true), (1_048_577, false)] {
        let filled = bytes - packet.bytes() + packet.body.len();
        packet.body.resize(filled, b' ');
        assert_eq!(read_within(&packet, EnvelopeLimits::default()).is_ok(), fits);
    }
}

#[test]
fn there_may_be_as_many_attributes_as_there_may_and_not_one_more() {
    for codec in codecs() {
        let mut packet = codec.write(&whole());
        for key in packet.attributes.len()..64 {
            packet.attributes.insert(format!("k{key}"), "v");
        }
        assert_eq!(read_within(&packet, EnvelopeLimits::default()), Ok(()));
        packet.attributes.insert("one", "more");
        let error = Err(CodecError::TooManyAttributes { limit: 64 });
        assert_eq!(read_within(&packet, EnvelopeLimits::default()), error);
        assert_eq!(read_within(&packet, EnvelopeLimits::default().keys(65)), Ok(()));
    }
}

#[test]
fn an_event_may_have_as_many_keys_as_it_may_and_not_one_more() {
    let event = |keys: usize| {
        let keys: String = (1..keys).map(|key| format!(r#","k{key}":{{"a":1,"b":[2]}}"#)).collect();
        let body = format!(r#"{{"specversion":"1.0"{keys}}}"#);
        [packet(&[("content-type", STRUCTURED)], &*body), packet(&[], body)]
    };
    let error = CodecError::TooManyAttributes { limit: 64 };
    for (keys, read) in [(63, Ok(())), (64, Ok(())), (65, Err(error.clone())), (20_000, Err(error))] {
        for packet in event(keys) {
            assert_eq!(read_within(&packet, EnvelopeLimits::default()), read, "{keys}");
        }
    }
    // The last of many is not even looked at.
    let cut = format!("{{{}", r#""k":1,"#.repeat(65));
    let error = CodecError::TooManyAttributes { limit: 64 };
    let cut = packet(&[("content-type", STRUCTURED)], cut);
    assert_eq!(read_within(&cut, EnvelopeLimits::default()), Err(error));
}

#[test]
fn an_event_may_be_as_deep_as_it_may_and_not_one_deeper() {
    let too_deep = || Err(CodecError::Envelope(EnvelopeError::TooDeep { limit: 64 }));
    let limits = EnvelopeLimits::default();
    let structured = |depth| {
        let body = format!(r#"{{"specversion":"1.0","data":{}}}"#, nested(depth));
        packet(&[("content-type", STRUCTURED)], body)
    };
    // The event is the first.
    assert_eq!(read_within(&structured(62), limits), Ok(()));
    assert_eq!(read_within(&structured(63), limits), Ok(()));
    assert_eq!(read_within(&structured(64), limits), too_deep());
    let binary = |depth| packet(&[("ce-specversion", "1.0")], nested(depth));
    assert_eq!(read_within(&binary(63), limits), Ok(()));
    assert_eq!(read_within(&binary(64), limits), Ok(()));
    assert_eq!(read_within(&binary(65), limits), too_deep());
    let wire = |depth| packet(&[], format!(r#"{{"metadata":{{}},"payload":{}}}"#, nested(depth)));
    assert_eq!(read_within(&wire(63), limits), Ok(()));
    assert_eq!(read_within(&wire(64), limits), too_deep());
    // What stands in Base64 is looked at before it is parsed too.
    for (depth, read) in [(63, Ok(())), (64, Ok(())), (65, too_deep())] {
        let mut event = json!({"specversion": "1.0"});
        event["data_base64"] = Value::from(base64(nested(depth).as_bytes()));
        assert_eq!(read_within(&packet(&[("content-type", STRUCTURED)], event.to_string()), limits), read);
    }
    // No depth is too much for the thread.
    for attributes in [&[][..], &[("content-type", STRUCTURED)], &[("ce-specversion", "1.0")]] {
        let packet = packet(attributes, "[{\"a\":".repeat(150_000));
        assert_eq!(read_within(&packet, limits), too_deep());
    }
}

#[test]
fn a_record_of_a_dead_letter_has_no_more_in_it_than_it_may() {
    let errors = vec!["é".repeat(600); 20];
    let packet = Packet::new("7", "{}");
    let record = DeadLetterRecord::new("sqs:orders", &packet, 3, DeadReason::Permanent, errors);
    assert_eq!(record.errors.len(), 16);
    assert!(record.errors.iter().all(|error| error.len() <= 1_024 + '…'.len_utf8() && error.ends_with('…')));
    // Nor has one that somebody else has written.
    let mut written = serde_json::to_value(&record).unwrap();
    written["errors"] = json!(vec!["é".repeat(600); 20]);
    let mut letter = packet.clone();
    letter.attributes.insert(DEAD_LETTER, written.to_string());
    assert_eq!(DeadLetterRecord::of(&letter), Some(record.clone()));
    for (bytes, read) in [(1_048_576, true), (1_048_577, false)] {
        let mut text = serde_json::to_string(&record).unwrap();
        text.extend(std::iter::repeat_n(' ', bytes - text.len()));
        letter.attributes.insert(DEAD_LETTER, text);
        assert_eq!(DeadLetterRecord::of(&letter).is_some(), read);
    }
    // It brings back what had no room, and replaces nothing.
    let mut written = serde_json::to_value(&record).unwrap();
    written["attributes"] = json!([
        [DEAD_LETTER, "String", "{}"],
        ["eventName", "String", "Wrong"],
        ["tenant", "String", "a"],
        ["weight", "Number", "7"],
    ]);
    letter.attributes.insert(DEAD_LETTER, written.to_string());
    letter.attributes.insert("eventName", "Right");
    let revived = DeadLetterRecord::revive(letter).attributes;
    let mut expected: Attributes = [("eventName", "Right"), ("tenant", "a")].into_iter().collect();
    expected.insert("weight", 7_u64);
    assert_eq!(revived, expected);
}
