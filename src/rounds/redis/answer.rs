//! What the scripts answer, read.
//!
//! `Value → Parts → texts, numbers, lists → Line, Row`

use ::redis::Value;

use super::row;
use crate::durable::Row;
use crate::durable::plan::Line;

/// The parts of an answer, one after the other. What is not as it has to be is `None`.
pub(super) struct Parts(std::vec::IntoIter<Value>);

impl Parts {
    pub(super) fn of(value: Value) -> Option<Self> {
        match value {
            Value::Array(parts) => Some(Self(parts.into_iter())),
            _ => None,
        }
    }

    pub(super) fn value(&mut self) -> Option<Value> {
        self.0.next()
    }

    pub(super) fn list(&mut self) -> Option<Self> {
        Self::of(self.0.next()?)
    }

    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        match self.0.next()? {
            Value::BulkString(bytes) => Some(bytes),
            Value::SimpleString(text) => Some(text.into_bytes()),
            _ => None,
        }
    }

    pub(super) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?).ok()
    }

    /// A text that may not be there.
    pub(super) fn text_if_any(&mut self) -> Option<Option<String>> {
        match self.0.next()? {
            Value::Nil => Some(None),
            Value::BulkString(bytes) => String::from_utf8(bytes).ok().map(Some),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::Int(number) => Some(number),
            Value::BulkString(bytes) => std::str::from_utf8(&bytes).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// A time by which something is sorted: it has no more digits than a sorted set keeps.
    pub(super) fn time(&mut self) -> Option<i64> {
        match self.0.next()? {
            Value::BulkString(bytes) => {
                let time: f64 = std::str::from_utf8(&bytes).ok()?.parse().ok()?;
                // It saturates.
                Some(time as i64)
            }
            _ => None,
        }
    }

    /// The round of this number, as `line_of` lists it.
    pub(super) fn line(&mut self, id: i64) -> Option<Line> {
        let mut parts = self.list()?;
        Some(Line {
            id,
            key: parts.text()?,
            state: parts.number()?.try_into().ok()?,
            rules: parts.number()?,
            opened_at: parts.number()?,
            look_at: parts.number()?,
            due_at: parts.number()?,
            closed_at: match parts.text()?.as_str() {
                "" => None,
                closed => Some(closed.parse().ok()?),
            },
            generation: parts.number()?,
            text: parts.text_if_any()?,
        })
    }

    /// Signals, in their order.
    pub(super) fn rows(&mut self) -> Option<Vec<Row>> {
        let mut parts = self.list()?;
        let mut rows = Vec::new();
        while let Some(bytes) = parts.bytes() {
            let number = i32::try_from(rows.len()).ok()?.checked_add(1)?;
            rows.push(row::read(number, &bytes));
        }
        Some(rows)
    }
}

impl Iterator for Parts {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.0.next()
    }
}
