//! Two documents, event by event.
//!
//! `compat(old, new) → which event is which → compare.rs → Changes`

use std::collections::BTreeSet;

use super::change::{Breaks, Change, Changes, What};
use super::compare::Comparison;
use crate::schema::{Document, EventSchema};

/// Says of each change between two documents whom it breaks.
///
/// `old` is the document of what is deployed, and `new` of what is to be. A change **breaks readers** if a program that
/// knows the old document cannot read all that is written by the new one. It **breaks writers** if a program that knows
/// the new document cannot read all that was written by the old one, by programs that still run, in queues or in a store.
/// So `compat(new, old)` says the same with readers and writers exchanged.
///
/// | change | breaks |
/// |---|---|
/// | a field is added: required · optional | writers · nobody |
/// | a field is removed: required · optional | readers · nobody |
/// | the same, if the other side has [closed](#what-is-taken-for-granted) its fields | also who has closed them |
/// | a field is renamed | both, also if it is optional: its value is lost |
/// | a required field becomes optional · an optional one required | readers · writers |
/// | more is allowed: a type, `null`, a value of an enum, a variant, a bound, no format or pattern | readers |
/// | less is allowed: the same, the other way round | writers |
/// | another type, another format | both |
/// | another topic, another name | both |
/// | an event or a version is no longer published · heard | readers · writers |
/// | an event or a version is added; a default; a description; whether it contains personal data | nobody |
/// | another pattern, `not`, `if`, a reference to elsewhere and whatever else is not understood | `Unknown` |
///
/// # What is taken for granted
///
/// - Fields that a schema does not name are ignored by who reads, unless `additionalProperties` says otherwise, as it does
///   for `#[serde(deny_unknown_fields)]`.
/// - Nobody has written a field before it had a name in the schema.
/// - An integer of `uint8` holds 0 to 255, and so on: `format` is a bound there. A `float` reads what a `double` has written
///   as another number.
/// - `#[serde(alias = "…")]` is not in a schema: what reads a field by two names is said to break as if it were renamed.
///
/// It looks at 20,000 schemas inside an event, 64 deep; beyond that it says `Unknown`.
///
/// # Examples
///
/// ```
/// use convoke::prelude::*;
/// use convoke::schema::{self, Document};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// mod before {
/// #   use convoke::prelude::*;
/// #   use schemars::JsonSchema;
/// #   use serde::{Deserialize, Serialize};
///     #[derive(Event, JsonSchema, Serialize, Deserialize)]
///     pub struct OrderPlaced {
///         id: u64,
///     }
/// }
///
/// #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// struct OrderPlaced {
///     id: u64,
///     total: u32,
/// }
///
/// let old = Document::builder("shop", "1").publishes::<before::OrderPlaced>().build()?;
/// let new = Document::builder("shop", "2").publishes::<OrderPlaced>().build()?;
/// let changes = schema::compat(&old, &new);
/// assert_eq!(changes.to_string(), "OrderPlaced 1 /total: field added (required): breaks writers");
/// assert!(!changes.breaks_readers());
/// # Ok::<(), convoke::schema::SchemaError>(())
/// ```
pub fn compat(old: &Document, new: &Document) -> Changes {
    let mut changes = Vec::new();
    let added: Vec<_> = new.registry.iter().filter(|schema| other(schema, old).is_none()).collect();
    let mut successors = BTreeSet::new();
    for schema in old.registry.iter() {
        match other(schema, new) {
            Some(same) => {
                events(schema, same, &mut changes);
                directions(schema, (old, new), &mut changes);
            }
            None => {
                let successor = successor(schema, &added);
                successors.extend(successor.map(EventSchema::key));
                gone(schema, successor, old, &mut changes);
            }
        }
    }
    for schema in added.into_iter().filter(|schema| !successors.contains(&schema.key())) {
        changes.push(change(schema, What::EventAdded, Breaks::None, String::new()));
    }
    changes.sort_by(|one, other| (&one.event, one.version).cmp(&(&other.event, other.version)));
    Changes { changes }
}

impl EventSchema {
    /// Says of each change between this version of an event and a newer one whom it breaks, as [`compat`] does for documents.
    ///
    /// ```
    /// # use convoke::prelude::*;
    /// # use convoke::schema::EventSchema;
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// # mod before {
    /// #   use convoke::prelude::*;
    /// #   use schemars::JsonSchema;
    /// #   use serde::{Deserialize, Serialize};
    /// #   #[derive(Event, JsonSchema, Serialize, Deserialize)]
    /// #   pub struct OrderPlaced { id: u64 }
    /// # }
    /// # #[derive(Event, JsonSchema, Serialize, Deserialize)]
    /// # #[event(version = 2)]
    /// # struct OrderPlaced { id: u64, total: u32 }
    /// let (old, new) = (EventSchema::of::<before::OrderPlaced>()?, EventSchema::of::<OrderPlaced>()?);
    /// assert_eq!(old.compat(&new).to_string(), "OrderPlaced 1 /total: field added (required): breaks writers");
    /// # Ok::<(), convoke::schema::SchemaError>(())
    /// ```
    pub fn compat(&self, newer: &Self) -> Changes {
        let mut changes = Vec::new();
        events(self, newer, &mut changes);
        Changes { changes }
    }
}

/// The schema of the same name and version.
fn other<'a>(schema: &EventSchema, document: &'a Document) -> Option<&'a EventSchema> {
    document.registry.get(&schema.name, schema.version)
}

fn change(schema: &EventSchema, what: What, breaks: Breaks, detail: String) -> Change {
    Change { event: schema.name.clone(), version: schema.version, path: String::new(), what, breaks, detail }
}

/// What stands for an event that is gone: another version of it, the next one first, or what has its topic and schema.
fn successor<'a>(gone: &EventSchema, added: &[&'a EventSchema]) -> Option<&'a EventSchema> {
    let versions = added.iter().filter(|schema| schema.name == gone.name);
    let next = versions.min_by_key(|schema| (schema.version < gone.version, schema.version.abs_diff(gone.version)));
    let mut renamed = added.iter().filter(|schema| schema.name != gone.name && is_same(gone, schema));
    let renamed = renamed.next().filter(|_| renamed.next().is_none());
    next.or(renamed).copied()
}

/// Whether it is the same event under another name.
fn is_same(one: &EventSchema, other: &EventSchema) -> bool {
    // A type that is called otherwise has another title; and one without a topic travels on its name.
    let on_topic =
        |schema: &EventSchema| if schema.topic == schema.name { String::new() } else { schema.topic.clone() };
    on_topic(one) == on_topic(other) && {
        let mut changes = Comparison::new(&one.name, one.version, &one.schema, &other.schema);
        changes.schemas("", &one.schema, &other.schema);
        changes.finish().is_empty()
    }
}

/// One event in both documents, or two versions of it.
fn events(old: &EventSchema, new: &EventSchema, changes: &mut Vec<Change>) {
    if old.topic != new.topic && old.name == new.name {
        let detail = format!("`{}` became `{}`", old.topic, new.topic);
        changes.push(change(old, What::TopicChanged, Breaks::Both, detail));
    }
    if old.contains_personal_data != new.contains_personal_data {
        let detail = if new.contains_personal_data { "marked" } else { "no longer marked" };
        changes.push(change(old, What::PersonalData, Breaks::None, detail.to_owned()));
    }
    let mut comparison = Comparison::new(&old.name, old.version, &old.schema, &new.schema);
    comparison.schemas("", &old.schema, &new.schema);
    changes.append(&mut comparison.finish());
}

/// What the service does with an event that is in both documents.
fn directions(schema: &EventSchema, (old, new): (&Document, &Document), changes: &mut Vec<Change>) {
    let (name, version) = (&*schema.name, schema.version);
    let published = (old.publishes(name, version), new.publishes(name, version));
    let heard = (old.hears(name, version), new.hears(name, version));
    for ((before, after), what, broken) in
        [(published, "published", Breaks::Readers), (heard, "heard", Breaks::Writers)]
    {
        match (before, after) {
            (true, false) => changes.push(change(schema, What::EventRemoved, broken, format!("no longer {what}"))),
            (false, true) => changes.push(change(schema, What::EventAdded, Breaks::None, format!("{what} too"))),
            _ => {}
        }
    }
}

/// An event that the new document does not have.
fn gone(schema: &EventSchema, successor: Option<&EventSchema>, old: &Document, changes: &mut Vec<Change>) {
    let (name, version) = (&*schema.name, schema.version);
    let breaks = match (old.publishes(name, version), old.hears(name, version)) {
        // It was only there to be known.
        (false, false) => Breaks::Both,
        (readers, writers) => Breaks::of(readers, writers),
    };
    let Some(next) = successor else {
        return changes.push(change(schema, What::EventRemoved, breaks, String::new()));
    };
    if next.name == schema.name {
        let detail = format!("by version {}", next.version);
        changes.push(change(schema, What::VersionReplaced, breaks, detail));
        // What has to be turned into the other.
        events(schema, next, changes);
    } else {
        changes.push(change(schema, What::EventRenamed, Breaks::Both, format!("became `{}`", next.name)));
    }
}
