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

/// An event as a server takes it and gives it back.
///
/// Every transport carries `body` and `attributes` to the letter. The others say how the packet wants to travel; on the
/// way back they are there if the server has a place for them.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Packet {
    /// Which event it is. A server that de-duplicates does so by this.
    pub id: String,
    /// The bytes that the codec has made.
    pub body: Vec<u8>,
    /// What stands beside the body, and servers may filter by.
    pub attributes: Attributes,
    /// The topic of the event, by which a server may route it.
    pub topic: String,
    /// What is delivered in order: packets of one key come one after the other, where the server keeps an order.
    pub key: Option<String>,
    /// How long the server holds it back.
    pub delay: Duration,
    /// The higher, the sooner, where the server knows priorities; 0 is the least.
    pub priority: u8,
}

impl Packet {
    /// Makes a packet without attributes, without delay, of the least priority.
    pub fn new(id: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { id: id.into(), body: body.into(), ..Self::default() }
    }

    /// Returns how many bytes it counts for: those of the body and of the attributes with their names and types, as SNS
    /// and SQS count.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        self.body.len() + attributes.map(|(name, value)| name.len() + value.kind().len() + value.bytes()).sum::<usize>()
    }
}

/// Neither the body nor the key nor the attributes' values: any of them may be personal.
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

/// One value that stands beside a body, of the three types that SNS filters by. `Debug` shows its type and how long it is.
#[derive(Clone, PartialEq)]
pub enum Attribute {
    /// `String`.
    Text(String),
    /// `Number`.
    Number(Number),
    /// `String.Array`: texts, numbers, `true`, `false` and `null`.
    List(Vec<Value>),
}

impl Attribute {
    /// Returns its type as SNS and SQS name it: `String`, `Number` or `String.Array`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Number(_) => "Number",
            Self::List(_) => "String.Array",
        }
    }

    /// Returns its value as text: a list as JSON.
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

    /// Reads one from its type and its value as text. What is not of its type is text.
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

/// What stands beside a body, by name. `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq)]
pub struct Attributes(BTreeMap<String, Attribute>);

impl Attributes {
    /// Sets one, and returns what was there before under its name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Option<Attribute> {
        self.0.insert(name.into(), value.into())
    }

    /// Returns one.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    /// Returns the text of one, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Attribute::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        self.0.remove(name)
    }

    /// Returns all, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
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
