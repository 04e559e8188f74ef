//! What a header may be, and which attribute that is.

use lapin::types::{AMQPValue, FieldArray, LongString};
use serde_json::{Map, Number, Value};

use crate::transport::{Attribute, Attributes};

/// How deep a stranger's tables are read.
const MAX_DEPTH: usize = 16;

/// What a header has beside its name and its text.
pub(crate) const OVERHEAD: usize = 8;

/// The value and its size, if a header can carry it to the letter.
pub(crate) fn header_value(attribute: &Attribute) -> Option<(AMQPValue, usize)> {
    match attribute {
        Attribute::Text(text) => Some((AMQPValue::LongString(text.as_str().into()), text.len() + OVERHEAD)),
        Attribute::Number(number) => Some((header_number(number)?, 2 * OVERHEAD)),
        Attribute::List(list) => {
            let (mut size, mut values) = (OVERHEAD, FieldArray::default());
            for value in list {
                let (value, bytes) = match value {
                    Value::Null => (AMQPValue::Void, 0),
                    Value::Bool(bool) => (AMQPValue::Boolean(*bool), 0),
                    Value::Number(number) => (header_number(number)?, OVERHEAD),
                    Value::String(text) => (AMQPValue::LongString(text.as_str().into()), text.len()),
                    Value::Array(_) | Value::Object(_) => return None,
                };
                size += bytes + OVERHEAD;
                values.push(value);
            }
            Some((AMQPValue::FieldArray(values), size))
        }
    }
}

/// RabbitMQ has no unsigned integers of 64 bits.
pub(crate) fn header_number(number: &Number) -> Option<AMQPValue> {
    match number.as_i64() {
        Some(number) => Some(AMQPValue::LongLongInt(number)),
        None if number.is_f64() => number.as_f64().map(AMQPValue::Double),
        None => None,
    }
}

/// Reads a count; 0 for what is none.
pub(crate) fn count(value: &AMQPValue) -> u32 {
    match json(value, 0) {
        Some(Value::Number(number)) => number.as_u64().and_then(|count| count.try_into().ok()).unwrap_or_default(),
        _ => 0,
    }
}

pub(crate) fn text_of(value: &AMQPValue) -> Option<String> {
    match json(value, 0)? {
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

pub(crate) fn attribute(value: &AMQPValue) -> Option<Attribute> {
    Some(match json(value, 0)? {
        // Nothing to tell.
        Value::Null => return None,
        Value::String(text) => Attribute::Text(text),
        Value::Number(number) => Attribute::Number(number),
        Value::Array(list) => Attribute::List(list.into_iter().map(flat).collect()),
        other => Attribute::Text(other.to_string()),
    })
}

/// A list has no lists and no tables in it: those are their text.
pub(crate) fn flat(value: Value) -> Value {
    match value {
        Value::Array(_) | Value::Object(_) => Value::String(value.to_string()),
        value => value,
    }
}

/// Any value that AMQP knows; `None` for what is too deep.
pub(crate) fn json(value: &AMQPValue, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        AMQPValue::Boolean(bool) => (*bool).into(),
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::Timestamp(number) => (*number).into(),
        AMQPValue::Float(number) => float(f64::from(*number)),
        AMQPValue::Double(number) => float(*number),
        AMQPValue::DecimalValue(number) => float(f64::from(number.value) / 10_f64.powi(number.scale.into())),
        AMQPValue::ShortString(text) => text.as_str().into(),
        AMQPValue::LongString(text) => long(text).into(),
        AMQPValue::ByteArray(bytes) => String::from_utf8_lossy(bytes.as_slice()).into(),
        AMQPValue::FieldArray(list) => {
            list.as_slice().iter().map(|value| json(value, depth + 1)).collect::<Option<Vec<_>>>()?.into()
        }
        AMQPValue::FieldTable(table) => {
            let fields = table.into_iter().map(|(name, value)| Some((name.to_string(), json(value, depth + 1)?)));
            fields.collect::<Option<Map<_, _>>>()?.into()
        }
        AMQPValue::Void => Value::Null,
    })
}

pub(crate) fn long(text: &LongString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}

/// What is not a number is its name.
pub(crate) fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}

/// Attributes in a form that any text header can carry: an object of names to type and text.
pub(crate) fn attributes_to_json(attributes: &Attributes) -> Value {
    let object: Map<_, _> = attributes
        .iter()
        .map(|(name, value)| (name.to_owned(), Value::from(vec![value.kind().to_owned(), value.text()])))
        .collect();
    Value::Object(object)
}

/// Reads what [`attributes_to_json`] has written; what is of another form is left out.
pub(crate) fn attributes_from_json(json: Value) -> Attributes {
    let Value::Object(object) = json else { return Attributes::default() };
    let read = object.into_iter().filter_map(|(name, value)| {
        let (kind, text) = (value.get(0)?.as_str()?, value.get(1)?.as_str()?);
        Some((name, Attribute::read(kind, text)))
    });
    read.collect()
}
