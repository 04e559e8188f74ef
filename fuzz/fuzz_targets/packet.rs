//! Reads packets from any bytes: it may refuse them, never panic, and what it reads every codec writes and reads as the same.
//! So does it with the record of a dead letter.
//!
//! `lines "name: value", an empty line, a body → Packet → read → Codec → read`, `Packet → of, revive`
//!
//! How to run it stands in `../Cargo.toml`; `tests/codec/bytes/` checks the same on the stable compiler.
#![no_main]

use convoke::EnvelopeLimits;
use convoke::codec::{self, Binding, CloudEvents, Codec, Wire};
use convoke::transport::{Attribute, DeadLetterRecord, Packet};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let packet = packet(bytes);
    let revived = DeadLetterRecord::revive(packet.clone());
    assert_eq!(revived.body, packet.body);
    let _ = format!("{packet:?} {:?}", DeadLetterRecord::of(&packet));

    match codec::read(&packet, EnvelopeLimits::default()) {
        Err(error) => drop(error.to_string()),
        Ok(event) => {
            let roomy = EnvelopeLimits::default().bytes(usize::MAX).depth(127);
            let codecs: [&dyn Codec; 8] = [
                &Wire::camel(),
                &Wire::snake(),
                &Wire::pascal(),
                &CloudEvents::structured(),
                &CloudEvents::binary(),
                &CloudEvents::binary_as(Binding::Kafka),
                &CloudEvents::binary_as(Binding::Amqp),
                &CloudEvents::binary_as(Binding::RabbitMq),
            ];
            for codec in codecs {
                let written = codec.write(&event);
                assert!(written.attributes.len() <= codec.max_attributes());
                assert_eq!(codec::read(&written, roomy).as_ref(), Ok(&event));
            }
        }
    }
});

/// A list and a number are told by their first character.
fn packet(bytes: &[u8]) -> Packet {
    let mut rest = bytes;
    let mut packet = Packet::new("7", []);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = (String::from_utf8_lossy(&rest[..end]), &rest[end + 1..]);
        rest = behind;
        let Some((name, value)) = line.split_once(": ") else { break };
        let kind = match value.as_bytes().first() {
            Some(b'[') => "String.Array",
            Some(b'0'..=b'9' | b'-') => "Number",
            _ => "String",
        };
        packet.attributes.insert(name, Attribute::read(kind, value));
    }
    packet.body = rest.into();
    packet
}
