//! Who looks, and what they may.

use std::fmt;

/// Somebody who may look at the console.
///
/// A person may always view; whoever else is answered is told by [`Allowed`]. The name stands in the audit log beside what they did.
///
/// ```
/// use convoke_console::Person;
///
/// let ada = Person::named("ada").operates();
/// assert!(ada.may_operate() && !ada.may_reveal());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    name: String,
    operates: bool,
    reveals: bool,
}

impl Person {
    /// Names somebody who may view: pages, but neither what they change nor personal data.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), operates: false, reveals: false }
    }

    /// Allows them to change things too: to redrive, to discard, to cancel, to abort.
    #[must_use]
    pub fn operates(mut self) -> Self {
        self.operates = true;
        self
    }

    /// Allows them to see payloads that have personal data.
    #[must_use]
    pub fn reveals(mut self) -> Self {
        self.reveals = true;
        self
    }

    /// Returns their name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Says whether they may change things.
    #[must_use]
    pub fn may_operate(&self) -> bool {
        self.operates
    }

    /// Says whether they may see payloads that have personal data.
    #[must_use]
    pub fn may_reveal(&self) -> bool {
        self.reveals
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What an application says of a request to the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Nobody knows who asks: they are answered with 401.
    Unknown,
    /// It is known who asks, and they may not look: they are answered with 403.
    Refused,
    /// Somebody who may look.
    As(Person),
}

impl From<Option<Person>> for Allowed {
    fn from(person: Option<Person>) -> Self {
        person.map_or(Self::Unknown, Self::As)
    }
}
