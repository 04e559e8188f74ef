//! An event as a server takes it: a body, attributes beside it, and how it wants to travel.
//!
//! `Envelope → codec → Packet → a server → Packet → codec → Envelope`

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
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
#[derive(Clone)]
pub struct Attributes(Table);

/// Most names are constants.
type Name = Cow<'static, str>;

/// Those of an event are the same for many events, which share them.
#[derive(Clone)]
enum Table {
    Own(Vec<(Name, Attribute)>),
    Shared(Arc<[(Name, Attribute)]>),
}

impl Attributes {
    /// Sets an attribute and returns the one that had this name before.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Attribute>) -> Option<Attribute> {
        self.set(Cow::Owned(name.into()), value.into())
    }

    /// Sets an attribute whose name is a constant.
    pub(crate) fn insert_constant(&mut self, name: &'static str, value: impl Into<Attribute>) {
        self.set(Cow::Borrowed(name), value.into());
    }

    /// Sets an attribute whose name was read: one that each of ours has takes no memory.
    pub(crate) fn insert_read(&mut self, name: &str, value: Attribute) {
        const OURS: [&str; 5] = ["entityName", "eventName", "publisherName", "convoke-job", "convoke-task"];
        let constant = OURS.into_iter().find(|ours| *ours == name);
        self.set(constant.map_or_else(|| Cow::Owned(name.to_owned()), Cow::Borrowed), value);
    }

    /// Has its clones share what is in it, until one of them is changed.
    pub(crate) fn shared(self) -> Self {
        match self.0 {
            Table::Own(all) => Self(Table::Shared(all.into())),
            Table::Shared(_) => self,
        }
    }

    fn all(&self) -> &[(Name, Attribute)] {
        match &self.0 {
            Table::Own(all) => all,
            Table::Shared(all) => all,
        }
    }

    /// All of them, to be changed.
    fn own(&mut self) -> &mut Vec<(Name, Attribute)> {
        if let Table::Shared(all) = &self.0 {
            // It is about to have one more.
            let mut own = Vec::with_capacity(all.len() + 1);
            own.extend_from_slice(all);
            self.0 = Table::Own(own);
        }
        match &mut self.0 {
            Table::Own(all) => all,
            Table::Shared(_) => unreachable!("they have become its own above"),
        }
    }

    /// They are in the order of their names, in which most of them come.
    fn set(&mut self, name: Name, value: Attribute) -> Option<Attribute> {
        let all = self.own();
        if all.last().is_none_or(|(last, _)| *last < name) {
            all.push((name, value));
            return None;
        }
        match find(all, &name) {
            Ok(at) => all.get_mut(at).map(|(_, there)| std::mem::replace(there, value)),
            Err(at) => {
                all.insert(at, (name, value));
                None
            }
        }
    }

    /// Sets all of these.
    pub(crate) fn extend(&mut self, mut others: Self) {
        let mut all = std::mem::take(self.own());
        all.append(others.own());
        *self = Self::of(all);
    }

    /// Of several of one name the last counts. They may be many, and in any order, if they come from outside.
    fn of(mut all: Vec<(Name, Attribute)>) -> Self {
        all.sort_by(|(name, _), (other, _)| name.cmp(other));
        all.dedup_by(|(name, value), (before, there)| {
            let is_again = name == before;
            if is_again {
                std::mem::swap(value, there);
            }
            is_again
        });
        Self(Table::Own(all))
    }

    /// Returns the attribute of this name.
    pub fn get(&self, name: &str) -> Option<&Attribute> {
        let (_, value) = self.all().get(find(self.all(), name).ok()?)?;
        Some(value)
    }

    /// Returns the text of the attribute of this name, or `None` if the attribute is missing or no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Attribute::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Removes the attribute of this name and returns it.
    pub fn remove(&mut self, name: &str) -> Option<Attribute> {
        let at = find(self.all(), name).ok()?;
        let (_, value) = self.own().remove(at);
        Some(value)
    }

    /// Iterates over all attributes, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Attribute)> {
        self.all().iter().map(|(name, value)| (&**name, value))
    }

    /// Returns the number of attributes.
    pub fn len(&self) -> usize {
        self.all().len()
    }

    /// Returns whether there are no attributes.
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }
}

fn find(all: &[(Name, Attribute)], name: &str) -> Result<usize, usize> {
    all.binary_search_by(|(there, _)| (**there).cmp(name))
}

impl Default for Attributes {
    fn default() -> Self {
        Self(Table::Own(Vec::new()))
    }
}

impl PartialEq for Attributes {
    fn eq(&self, other: &Self) -> bool {
        self.all() == other.all()
    }
}

impl<N: Into<String>, V: Into<Attribute>> FromIterator<(N, V)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(all: I) -> Self {
        Self::of(all.into_iter().map(|(name, value)| (Cow::Owned(name.into()), value.into())).collect())
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| Shown::name(name))).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn attributes_are_a_map_in_the_order_of_its_names() {
        for seed in 0..300_u64 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut any = || (random.u64(0..12).to_string(), random.u64(0..1_000));
            let (mut ours, mut map) = (Attributes::default(), BTreeMap::new());
            for round in 0..30 {
                let (name, value) = any();
                match round % 5 {
                    0 => assert_eq!(ours.remove(&name), map.remove(&name).map(Attribute::from)),
                    1 => {
                        let more: Vec<_> = (0..4).map(|_| any()).collect();
                        ours.extend(more.iter().cloned().collect());
                        map.extend(more);
                    }
                    _ => assert_eq!(ours.insert(name.as_str(), value), map.insert(name, value).map(Attribute::from)),
                }
                assert_eq!((ours.len(), ours.is_empty()), (map.len(), map.is_empty()));
                assert!(
                    ours.iter()
                        .map(|(name, value)| (name.to_owned(), value.clone()))
                        .eq(map.iter().map(|(name, value)| (name.clone(), Attribute::from(*value))))
                );
                assert!(map.iter().all(|(name, value)| ours.get(name) == Some(&Attribute::from(*value))));
                assert_eq!(ours.get("none"), None);
                assert_eq!(ours, map.iter().rev().map(|(name, value)| (name.as_str(), *value)).collect());
            }
        }
    }

    #[test]
    fn what_is_shared_is_changed_for_whoever_changes_it_alone() {
        let shared = Attributes::from_iter([("a", "1"), ("b", "2")]).shared();
        let (mut one, mut other, mut both) = (shared.clone(), shared.clone(), shared.clone());
        assert_eq!(one.insert("c", "3"), None);
        assert_eq!(other.remove("a"), Some("1".into()));
        assert_eq!((other.remove("a"), other.remove("none")), (None, None));
        both.extend(one.clone().shared());
        assert_eq!(shared, Attributes::from_iter([("b", "2"), ("a", "1")]));
        assert_eq!(one, Attributes::from_iter([("a", "1"), ("b", "2"), ("c", "3")]));
        assert_eq!((&both, other), (&one, Attributes::from_iter([("b", "2")])));
    }

    #[test]
    fn many_attributes_in_the_worst_order_take_no_time() {
        let all = (0..200_000).rev().map(|number| (format!("{number:06}"), "value"));
        let mut attributes: Attributes = all.collect();
        attributes.extend((0..200_000).map(|number| (format!("{number:06}x"), "value")).collect());
        assert_eq!(attributes.len(), 400_000);
    }
}
