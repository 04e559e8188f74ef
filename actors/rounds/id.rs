//! The names of things: emitters and consumers, brokers, rounds, and the key of a round.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::Shown;

/// The id of an emitter: one that you give, or a new UUID v7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EmitterId(Uuid);

impl EmitterId {
    /// Creates a new id: a UUID v7, which sorts by the time of its creation.
    pub fn new() -> Self {
        Self(crate::runtime::new_id())
    }

    /// Returns the id as a UUID.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl Default for EmitterId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Uuid> for EmitterId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for EmitterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of a broker: a name that you give, or the text of a new UUID v7.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BrokerId(Arc<str>);

impl BrokerId {
    /// Creates a new id: the text of a UUID v7, which sorts by the time of its creation.
    pub fn new() -> Self {
        crate::runtime::new_id().into()
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for BrokerId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&str> for BrokerId {
    fn from(id: &str) -> Self {
        Self(id.into())
    }
}

impl From<String> for BrokerId {
    fn from(id: String) -> Self {
        Self(id.into())
    }
}

impl From<Uuid> for BrokerId {
    fn from(id: Uuid) -> Self {
        Self(id.to_string().into())
    }
}

impl From<&BrokerId> for BrokerId {
    fn from(id: &BrokerId) -> Self {
        id.clone()
    }
}

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown::name(&self.0).fmt(f)
    }
}

/// The number of a round within its broker. The first round is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoundId(pub(crate) u64);

impl RoundId {
    /// Returns the number of the round.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RoundId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A round as a person reads it: by its number, and by its key if it has one.
pub(crate) struct Title<'a>(pub(crate) RoundId, pub(crate) Option<&'a RoundKey>);

impl fmt::Display for Title<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "round {}", self.0)?;
        match self.1 {
            Some(key) => write!(f, " of `{key}`"),
            None => Ok(()),
        }
    }
}

/// The key of a round: what the round is about. Signals of the same key belong to the same round.
///
/// You make a key from an integer, a [`Uuid`] or a string. `7_u64`, `7_i32` and `7_usize` are the same key; `"7"` is
/// another one.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::RoundKey;
///
/// assert_eq!(RoundKey::from(7_u64), RoundKey::from(7_i32));
/// assert_ne!(RoundKey::from(7), RoundKey::from("7"));
/// assert_eq!(RoundKey::from("order-7").to_string(), "order-7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(untagged)]
pub enum RoundKey {
    /// An integer that is not negative.
    Number(u64),
    /// A negative integer.
    Negative(i64),
    /// A UUID.
    Uuid(Uuid),
    /// Any text.
    Text(Arc<str>),
}

impl fmt::Display for RoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(key) => key.fmt(f),
            Self::Negative(key) => key.fmt(f),
            Self::Uuid(key) => key.fmt(f),
            Self::Text(key) => Shown::name(key).fmt(f),
        }
    }
}

macro_rules! keys_from_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for RoundKey {
            fn from(key: $number) -> Self {
                match u64::try_from(key) {
                    Ok(key) => Self::Number(key),
                    // What is not a u64 is negative, and fits: the widest of these types is 64 bits.
                    Err(_) => Self::Negative(key as i64),
                }
            }
        }
    )*};
}

keys_from_numbers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl From<Uuid> for RoundKey {
    fn from(key: Uuid) -> Self {
        Self::Uuid(key)
    }
}

impl From<&str> for RoundKey {
    fn from(key: &str) -> Self {
        Self::Text(key.into())
    }
}

impl From<String> for RoundKey {
    fn from(key: String) -> Self {
        Self::Text(key.into())
    }
}

impl From<&String> for RoundKey {
    fn from(key: &String) -> Self {
        Self::Text(key.as_str().into())
    }
}

impl From<Arc<str>> for RoundKey {
    fn from(key: Arc<str>) -> Self {
        Self::Text(key)
    }
}

impl From<&RoundKey> for RoundKey {
    fn from(key: &RoundKey) -> Self {
        key.clone()
    }
}
