//! One change between two documents, and whom it breaks.
//!
//! `compare → Change → Changes`

use std::fmt;

use crate::__private::Shown;

/// Whom a change breaks. *Old* is what is deployed, queued or stored already; *new* is what is to be deployed.
///
/// | | who reads | who has written |
/// |---|---|---|
/// | `Readers` | a program that knows the old schema | a program that knows the new one |
/// | `Writers` | a program that knows the new schema | a program that knows the old one; it may have been years ago |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Breaks {
    /// Old programs read what new ones write, and the other way round.
    None,
    /// Old programs cannot read all that new ones write: deploy those who read first.
    Readers,
    /// New programs cannot read all that old ones have written: what waits in queues or stands in a store needs another
    /// version and who turns it into the present one.
    Writers,
    /// Both of these.
    Both,
    /// The change is one of something that is not understood: look at it yourself.
    Unknown,
}

impl Breaks {
    pub(super) fn of(readers: bool, writers: bool) -> Self {
        match (readers, writers) {
            (false, false) => Self::None,
            (true, false) => Self::Readers,
            (false, true) => Self::Writers,
            (true, true) => Self::Both,
        }
    }

    /// Returns whether old programs may be unable to read what new ones write. What is not understood may be.
    pub fn readers(self) -> bool {
        matches!(self, Self::Readers | Self::Both | Self::Unknown)
    }

    /// Returns whether new programs may be unable to read what old ones have written. What is not understood may be.
    pub fn writers(self) -> bool {
        matches!(self, Self::Writers | Self::Both | Self::Unknown)
    }
}

impl fmt::Display for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "breaks nobody",
            Self::Readers => "breaks readers",
            Self::Writers => "breaks writers",
            Self::Both => "breaks readers and writers",
            Self::Unknown => "not understood: look at it yourself",
        })
    }
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// The service publishes or hears an event that it did not.
    EventAdded,
    /// The service no longer publishes or hears an event.
    EventRemoved,
    /// An event of another name has the topic and the schema of one that is gone.
    EventRenamed,
    /// The service no longer publishes or hears a version, but another one of the same event.
    VersionReplaced,
    /// The event travels on another topic.
    TopicChanged,
    /// The event is marked to contain personal data, or no longer.
    PersonalData,
    /// A field is there that was not.
    FieldAdded,
    /// A field is gone.
    FieldRemoved,
    /// A field has another name, and all else that it had.
    FieldRenamed,
    /// A field has to be there that could be missing.
    FieldRequired,
    /// A field may be missing that had to be there.
    FieldOptional,
    /// Fields without a name in the schema are allowed that were not.
    FieldsOpened,
    /// Fields without a name in the schema are no longer allowed.
    FieldsClosed,
    /// A value may be of more types than before.
    TypeWidened,
    /// A value may be of fewer types than before.
    TypeNarrowed,
    /// A value is of other types.
    TypeChanged,
    /// A value may be `null`.
    NullAllowed,
    /// A value may no longer be `null`.
    NullForbidden,
    /// There is one more value that is allowed.
    ValueAdded,
    /// There is one value less that is allowed.
    ValueRemoved,
    /// A bound, such as `maximum` or `minItems`, lets more pass.
    BoundWidened,
    /// A bound lets less pass.
    BoundNarrowed,
    /// A `format` has come, gone or become another.
    FormatChanged,
    /// A `pattern` has come, gone or become another.
    PatternChanged,
    /// There is one more variant.
    VariantAdded,
    /// There is one variant less.
    VariantRemoved,
    /// What is taken for a missing field is another value.
    DefaultChanged,
    /// Something has changed that the comparison does not understand.
    NotUnderstood,
}

impl What {
    fn text(self) -> &'static str {
        match self {
            Self::EventAdded => "event added",
            Self::EventRemoved => "event removed",
            Self::EventRenamed => "event renamed",
            Self::VersionReplaced => "version replaced",
            Self::TopicChanged => "topic changed",
            Self::PersonalData => "personal data",
            Self::FieldAdded => "field added",
            Self::FieldRemoved => "field removed",
            Self::FieldRenamed => "field renamed",
            Self::FieldRequired => "field required",
            Self::FieldOptional => "field optional",
            Self::FieldsOpened => "other fields allowed",
            Self::FieldsClosed => "other fields forbidden",
            Self::TypeWidened => "type widened",
            Self::TypeNarrowed => "type narrowed",
            Self::TypeChanged => "type changed",
            Self::NullAllowed => "null allowed",
            Self::NullForbidden => "null forbidden",
            Self::ValueAdded => "value added",
            Self::ValueRemoved => "value removed",
            Self::BoundWidened => "bound widened",
            Self::BoundNarrowed => "bound narrowed",
            Self::FormatChanged => "format changed",
            Self::PatternChanged => "pattern changed",
            Self::VariantAdded => "variant added",
            Self::VariantRemoved => "variant removed",
            Self::DefaultChanged => "default changed",
            Self::NotUnderstood => "something changed",
        }
    }
}

/// One change: where, what, and whom it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(super) event: String,
    pub(super) version: u32,
    pub(super) path: String,
    pub(super) what: What,
    pub(super) breaks: Breaks,
    pub(super) detail: String,
}

impl Change {
    /// Returns the event's name: the one that it had, if it was renamed.
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Returns the version of the event: the one that it had, if it was replaced.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns where in the payload it is, as a JSON pointer in which `*` stands for each item or each field, and
    /// `[kind=Paid]` for one variant; empty for the event as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns what has changed.
    pub fn what(&self) -> What {
        self.what
    }

    /// Returns whom it breaks.
    pub fn breaks(&self) -> Breaks {
        self.breaks
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Shown::name(&self.event), self.version)?;
        if !self.path.is_empty() {
            write!(f, " {}", Shown::text(&self.path))?;
        }
        write!(f, ": {}", self.what.text())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", Shown::text(&self.detail))?;
        }
        write!(f, ": {}", self.breaks)
    }
}

/// All changes between two documents, in the order of their events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub(super) changes: Vec<Change>,
}

impl Changes {
    /// Returns the changes.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// Returns how many changes there are.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns whether old programs may be unable to read what new ones write. What is not understood may be.
    pub fn breaks_readers(&self) -> bool {
        self.changes.iter().any(|change| change.breaks.readers())
    }

    /// Returns whether new programs may be unable to read what old ones have written. What is not understood may be.
    pub fn breaks_writers(&self) -> bool {
        self.changes.iter().any(|change| change.breaks.writers())
    }
}

/// One line for each change.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.changes.is_empty() {
            return f.write_str("nothing has changed");
        }
        for (place, change) in self.changes.iter().enumerate() {
            write!(f, "{}{change}", if place == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}
