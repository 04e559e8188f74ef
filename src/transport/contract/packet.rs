//! An event as a server takes it: a body, attributes beside it, and how it wants to travel.
//!
//! `Envelope → codec → Packet → a server → Packet → codec → Envelope`

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde_json::{Number, Value};

use crate::__private::Shown;

/// The attribute that says by which binding of CloudEvents the others are written, where their names leave that open:
/// `rabbitmq` if the texts behind `ce-` are as they are, and not escaped as for HTTP.
pub(crate) const BINDING: &str = "convoke-binding";

/// What stands where a value would that may be personal.
pub(crate) struct Hidden;

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// An event in the form in which a server takes it and gives it back.
///
/// Every transport carries `body` and `attributes` unchanged. The other fields say how the packet is to travel. On the
/// way back, they are set if the server has a place for them.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Packet {
    /// The id of the event. A server that de-duplicates does so by this id.
    pub id: String,
    /// The bytes that the codec has written.
    pub body: Vec<u8>,
    /// Values beside the body, by which servers may filter.
    pub attributes: Attributes,
    /// The topic of the event, by which a server may route it.
    pub topic: String,
    /// The key of the order: a server that keeps an order delivers packets of the same key one after the other.
    pub key: Option<String>,
    /// How long the server holds the packet back.
    pub delay: Duration,
    /// The priority: where the server knows priorities, it delivers higher ones first. 0 is the lowest.
    pub priority: u8,
}

impl Packet {
    /// Creates a packet without attributes and without delay, of the lowest priority.
    pub fn new(id: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { id: id.into(), body: body.into(), ..Self::default() }
    }

    /// Returns the size of the packet in bytes, as SNS and SQS count: the body, and the attributes with their names and
    /// types.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        self.body.len() + attributes.map(|(name, value)| name.len() + value.kind().len() + value.bytes()).sum::<usize>()
    }
}

/// Shows neither the body nor the key nor the values of attributes, because each of them may be personal.
impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packet")
            .field("id", &Shown::name(&self.id))
            .field("topic", &Shown::name(&self.topic))
            .field("key", &self.key.as_ref().map(|_| Hidden))
            .field("attributes", &self.attributes)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A value beside a body, of one of the three types that SNS filters by. `Debug` shows only its type and length.
#[derive(Clone, PartialEq)]
pub enum Attribute {
    /// A text; SNS and SQS call the type `String`.
    Text(String),
    /// A number; SNS and SQS call the type `Number`.
    Number(Number),
    /// A list of texts, numbers, `true`, `false` and `null`; SNS and SQS call the type `String.Array`.
    List(Vec<Value>),
}

impl Attribute {
    /// Returns the type as SNS and SQS name it: `String`, `Number` or `String.Array`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Number(_) => "Number",
            Self::List(_) => "String.Array",
        }
    }

    /// Returns the value as text; a list as JSON.
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::List(list) => Value::from(list.clone()).to_string(),
        }
    }

    /// How long its value is as text.
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Number(_) | Self::List(_) => self.text().len(),
        }
    }

    /// Reads an attribute from its type and its value as text. A value that does not fit its type becomes a text.
    pub fn read(kind: &str, text: &str) -> Self {
        let read = match kind {
            "Number" => serde_json::from_str(text).ok().map(Self::Number),
            "String.Array" => serde_json::from_str(text).ok().map(Self::List),
            _ => None,
        };
        read.unwrap_or_else(|| Self::Text(text.to_owned()))
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({} bytes)", self.kind(), self.bytes())
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Number(number.into())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

impl<const N: usize> From<[&str; N]> for Attribute {
    fn from(list: [&str; N]) -> Self {
        Self::List(list.into_iter().map(Value::from).collect())
    }
}

impl From<Vec<String>> for Attribute {
    fn from(list: Vec<String>) -> Self {
        Self::List(list.into_iter().map(Value::from).collect())
    }
}

/// The attributes of a packet, by name. `Debug` shows only the names.
#[derive(Clone, Default, PartialEq)]
pub struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    /// Sets an attribute and returns the one that had this name before.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Option<Attribute> {
        self.0.insert(name.into(), value.into())
    }

    /// Returns the attribute of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// Returns the text of the attribute of this name, or `None` if the attribute is missing or no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Attribute::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Removes the attribute of this name and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        self.0.remove(name)
    }

    /// Iterates over all attributes, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns the number of attributes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<Attribute>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(all: I) -> Self {
        Self(all.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(|name| Shown::name(name))).finish()
    }
}
