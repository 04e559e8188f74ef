//! Whether a packet says that it contains no personal data.
//!
//! `{"metadata": {"containsPersonalData": false}, …}`, `ce-containspersonaldata: false → shown; all others are hidden`

use convoke::Envelope;
use convoke::transport::{Attribute, Packet};
use serde_json::Value;

/// The key that says so, without its case.
const KEY: &str = "containspersonaldata";

/// Whether it says so, and nowhere the contrary. A packet that says nothing may contain anything.
pub(super) fn is_free_of_it(packet: &Packet, body: Option<&Value>, event: Option<&Envelope>) -> bool {
    let mut said = Vec::new();
    for (name, value) in packet.attributes.iter() {
        // Behind the prefix of a binding: `ce-`, `cloudEvents:`.
        if bare(name).ends_with(KEY) {
            said.push(matches!(value, Attribute::Text(text) if text.eq_ignore_ascii_case("false")));
        }
    }
    if let Some(Value::Object(body)) = body {
        for (name, value) in body {
            match (bare(name).as_str(), value) {
                ("metadata", Value::Object(metadata)) => {
                    said.extend(metadata.iter().filter(|(name, _)| bare(name) == KEY).map(|(_, value)| is_no(value)));
                }
                (KEY, value) => said.push(is_no(value)),
                _ => {}
            }
        }
    }
    // The event is what the library has read of it: that knows what may be overlooked here.
    let is_free = event.is_some_and(|event| !event.metadata.contains_personal_data);
    is_free && !said.is_empty() && said.into_iter().all(|free| free)
}

fn is_no(value: &Value) -> bool {
    match value {
        Value::Bool(is) => !is,
        Value::String(text) => text.eq_ignore_ascii_case("false"),
        _ => false,
    }
}

/// Without its case and what stands between its words.
fn bare(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether a name is that of what lets somebody act for another: nobody is shown its value.
pub(super) fn is_authorization(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["authorization", "password", "secret"].iter().any(|word| name.contains(word))
}

/// The same value without what lets somebody act for another.
pub(super) fn without_authorization(value: Value) -> Value {
    match value {
        Value::Object(all) => {
            let hide = |(name, value): (String, Value)| {
                let value =
                    if is_authorization(&name) { Value::from(super::HIDDEN) } else { without_authorization(value) };
                (name, value)
            };
            all.into_iter().map(hide).collect()
        }
        Value::Array(all) => all.into_iter().map(without_authorization).collect(),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use convoke::codec::{CloudEvents, Codec, Wire};
    use convoke::{EnvelopeLimits, Metadata, codec};
    use serde_json::json;

    use super::*;

    fn is_free(packet: &Packet) -> bool {
        let body = serde_json::from_slice(&packet.body).ok();
        let event = codec::read(packet, EnvelopeLimits::default()).ok();
        is_free_of_it(packet, body.as_ref(), event.as_ref())
    }

    #[test]
    fn what_says_that_it_contains_none_is_shown_and_all_others_are_not() {
        let mut envelope = Envelope::new(Metadata::new("OrderPlaced"), json!({"id": 7}));
        for wire in [Wire::camel(), Wire::snake(), Wire::pascal()] {
            assert!(is_free(&wire.write(&envelope)));
        }
        // They say it where they do, and leave it out otherwise.
        assert!(!is_free(&CloudEvents::structured().write(&envelope)));
        envelope.metadata.contains_personal_data = true;
        for wire in [Wire::camel(), Wire::snake(), Wire::pascal()] {
            assert!(!is_free(&wire.write(&envelope)));
        }
        for body in [
            r#"{"metadata": {"eventName": "X"}, "payload": {}}"#,
            r#"{"metadata": {"eventName": "X", "containsPersonalData": null}}"#,
            r#"{"metadata": {"eventName": "X", "containsPersonalData": false, "ContainsPersonalData": true}}"#,
            r#"{"containsPersonalData": false, "email": "ada@example.org"}"#,
            "containsPersonalData: false",
            "",
        ] {
            assert!(!is_free(&Packet::new("1", body)), "{body}");
        }
        let mut packet = Packet::new("1", r#"{"metadata": {"containsPersonalData": false}}"#);
        assert!(is_free(&packet));
        packet.attributes.insert("ce_containspersonaldata", "true");
        assert!(!is_free(&packet));
    }

    #[test]
    fn an_authorization_is_hidden_wherever_it_stands() {
        let value =
            json!({"a": [{"Authorization": "geheim", "ok": 1}], "db_password": "geheim", "clientSecret": ["geheim"]});
        let value = without_authorization(value);
        assert!(!value.to_string().contains("geheim"), "{value}");
        assert_eq!(value["a"][0]["ok"], 1);
    }
}
