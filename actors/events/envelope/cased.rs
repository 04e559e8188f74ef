//! An envelope as it is written in one of the cases.
//!
//! `Envelope → its metadata (wire.rs), its payload: texts as they are, if they need no escapes → bytes`

use serde::ser::{Serialize, Serializer};
use serde_json::{Result, Value, to_writer};

use super::bytes::{EACH, marks};
use super::case::{Case, Keys};
use super::wire;
use crate::events::event::Metadata;

/// What the metadata alone take, and little beside them.
const ROOM: usize = 512;

/// Room for what comes behind a text, so that it is not moved once more for a bracket.
const BEHIND: usize = 16;

/// Writes an envelope of these whose keys are in this case; its payload stays as it is.
pub(crate) fn to_vec(metadata: &Metadata, payload: &Value, case: Case) -> Vec<u8> {
    written(to_vec_by(metadata, case, 0, |to| write(payload, to)))
}

/// The same of a payload that is written already.
pub(crate) fn to_vec_around(metadata: &Metadata, payload: &[u8], case: Case) -> Vec<u8> {
    let put = |to: &mut Vec<u8>| {
        to.extend_from_slice(payload);
        Ok(())
    };
    written(to_vec_by(metadata, case, payload.len(), put))
}

fn written(envelope: Result<Vec<u8>>) -> Vec<u8> {
    match envelope {
        Ok(bytes) => bytes,
        Err(_) => unreachable!("a `Value` has only text as keys, metadata always have a form, and a `Vec` takes it"),
    }
}

fn to_vec_by(
    metadata: &Metadata,
    case: Case,
    room: usize,
    payload: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<Vec<u8>> {
    struct Written<'a>(&'a Metadata, &'static Keys);

    impl Serialize for Written<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
            wire::write(self.0, self.1, serializer)
        }
    }

    let keys = case.keys();
    let mut to = Vec::with_capacity(ROOM + room);
    to.push(b'{');
    write_text(keys.metadata, &mut to)?;
    to.push(b':');
    to_writer(&mut to, &Written(metadata, keys))?;
    to.push(b',');
    write_text(keys.payload, &mut to)?;
    to.push(b':');
    payload(&mut to)?;
    to.push(b'}');
    Ok(to)
}

/// Writes a value as `serde_json` does.
fn write(value: &Value, to: &mut Vec<u8>) -> Result<()> {
    match value {
        Value::String(text) => return write_text(text, to),
        Value::Array(list) => {
            to.push(b'[');
            for (at, value) in list.iter().enumerate() {
                if at > 0 {
                    to.push(b',');
                }
                write(value, to)?;
            }
            to.push(b']');
        }
        Value::Object(keys) => {
            to.push(b'{');
            for (at, (key, value)) in keys.iter().enumerate() {
                if at > 0 {
                    to.push(b',');
                }
                write_text(key, to)?;
                to.push(b':');
                write(value, to)?;
            }
            to.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => to_writer(to, value)?,
    }
    Ok(())
}

fn write_text(text: &str, to: &mut Vec<u8>) -> Result<()> {
    if !is_plain(text.as_bytes()) {
        return to_writer(to, text);
    }
    to.reserve(text.len() + BEHIND);
    to.push(b'"');
    to.extend_from_slice(text.as_bytes());
    to.push(b'"');
    Ok(())
}

/// Whether it needs no escapes: most texts need none, and eight bytes of them are looked at together.
fn is_plain(text: &[u8]) -> bool {
    let (eights, rest) = text.as_chunks();
    let needs_none = |eight: &[u8; 8]| {
        let eight = u64::from_le_bytes(*eight);
        // Below a blank are the controls.
        let controls = eight.wrapping_sub(EACH * u64::from(b' ')) & !eight & (EACH << 7);
        (marks(eight, b'"') | marks(eight, b'\\') | controls) == 0
    };
    eights.iter().all(needs_none) && rest.iter().all(|byte| *byte >= b' ' && !b"\"\\".contains(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        let mut to = Vec::new();
        write(value, &mut to).unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn every_byte_is_escaped_at_every_place_as_it_has_to_be() {
        for byte in 0..=0xff_u8 {
            for at in 0..20 {
                let mut text = ["x"; 20].map(str::to_owned);
                text[at] = char::from(byte).to_string();
                let value = Value::from(text.concat());
                assert_eq!(written(&value), value.to_string(), "{byte} at {at}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_value_is_written_as_others_write_it(
            texts in proptest::collection::vec("(?s).{0,30}", 0..6), number in any::<f64>(), whole in any::<i64>(),
        ) {
            let mut object: serde_json::Map<_, _> = texts.iter().map(|text| (text.clone(), json!([text]))).collect();
            object.insert("more".into(), json!([null, true, number, whole, {}, [], [[texts]]]));
            let value = Value::Object(object);
            prop_assert_eq!(written(&value), value.to_string());
        }
    }
}
