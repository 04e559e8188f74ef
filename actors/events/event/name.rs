//! A name that is cheap to clone: one from the source, or one that came from outside.
//!
//! `"UserRegistered" → Name → every copy of the metadata`

use std::borrow::Borrow;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of an event, an entity or a topic: text that is cloned without being copied.
///
/// Most names are constants, and a constant costs no allocation. A name from a `String` is kept in an `Arc`. Two names
/// are equal when their texts are equal. The default is the empty name.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::Name;
///
/// let constant = Name::from("UserRegistered");
/// assert_eq!(constant, Name::from(String::from("UserRegistered")));
/// assert_eq!(constant, "UserRegistered");
/// assert!(constant.starts_with("User"));
/// ```
#[derive(Clone)]
pub struct Name(Text);

#[derive(Clone)]
enum Text {
    Constant(&'static str),
    Shared(Arc<str>),
}

impl Name {
    /// Creates a name from a constant; usable in `const` contexts.
    pub const fn constant(name: &'static str) -> Self {
        Self(Text::Constant(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Constant(name) => name,
            Text::Shared(name) => name,
        }
    }
}

/// How many names a thread remembers of those that it has read, and how long they are at most.
const SLOTS: usize = 64;
const LONGEST: usize = 128;

thread_local! {
    /// Those that were read last: each in the slot of its hash, where the next pushes it out. So what comes from outside fills no
    /// memory, and the few names of most events are there once.
    static READ: RefCell<[Option<Arc<str>>; SLOTS]> = const { RefCell::new([const { None }; SLOTS]) };
}

/// A text that was read and that many others may be alike, as the names of events are: it shares the memory of the last.
pub(crate) fn shared(text: &str) -> Arc<str> {
    if text.len() > LONGEST {
        return text.into();
    }
    // FNV-1a: they are short, and a slot more or less is no matter.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The last letters, by which such names often differ, have not come far up in it.
    let slot = (hash ^ hash >> 32) as usize % SLOTS;
    let known = READ.try_with(|read| {
        let mut read = read.borrow_mut();
        let slot = read.get_mut(slot)?;
        match slot {
            Some(known) if **known == *text => Some(known.clone()),
            _ => Some(slot.insert(text.into()).clone()),
        }
    });
    // The thread ends.
    known.ok().flatten().unwrap_or_else(|| text.into())
}

impl Default for Name {
    fn default() -> Self {
        Self::constant("")
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::constant(name)
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        // Most keys that a foreign event leaves out are empty here.
        if name.is_empty() { Self::default() } else { Self(Text::Shared(name.into())) }
    }
}

impl From<Arc<str>> for Name {
    fn from(name: Arc<str>) -> Self {
        Self(Text::Shared(name))
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

// Equality, order and hash are those of the text, or a table keyed by names could not be asked with a `&str`.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_clone_shares_the_text() {
        let name = Name::from(String::from("orders/placed"));
        assert_eq!(name.as_str().as_ptr(), name.clone().as_str().as_ptr());
    }

    #[test]
    fn a_name_is_found_by_its_text_wherever_it_comes_from() {
        let names = HashSet::from([Name::from("constant"), Name::from(String::from("made"))]);
        assert!(names.contains("constant") && names.contains("made"));
        assert!(names.contains(&Name::from(Arc::<str>::from("constant"))));
        assert!(!names.contains("other"));
    }

    #[test]
    fn what_was_read_shares_its_memory_and_what_is_read_later_pushes_it_out() {
        let first = shared("OrderPlaced");
        assert!(Arc::ptr_eq(&first, &shared("OrderPlaced")));
        for number in 0..10_000 {
            let text = format!("name {number}");
            assert_eq!((&*shared(&text), &*shared(&text)), (text.as_str(), text.as_str()));
        }
        assert_eq!((&*shared("OrderPlaced"), &*shared("")), ("OrderPlaced", ""));
        assert_eq!(Arc::strong_count(&first), 1, "it was pushed out");
        let long = "x".repeat(LONGEST + 1);
        assert!(!Arc::ptr_eq(&shared(&long), &shared(&long)), "what is long is not kept");
    }

    #[test]
    fn a_name_is_shown_as_its_text() {
        let name = Name::from(String::from("User"));
        assert_eq!(format!("{name} {name:?} [{name:>6}]"), "User \"User\" [  User]");
    }
}
