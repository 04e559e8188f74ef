//! Objects: their fields, and what may stand beside these.
//!
//! `properties, required, additionalProperties → fields added, removed, renamed, required`

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::change::{Breaks, What};
use super::compare::Comparison;
use super::shape::Shape;

/// What is said of the fields of an object.
struct Fields {
    named: Map<String, Value>,
    required: BTreeSet<String>,
    /// Of the fields whose names match.
    patterns: Map<String, Value>,
    /// Of all others.
    others: Value,
}

impl Fields {
    fn of(shape: &Shape) -> Self {
        let required = shape.keywords.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        Self {
            named: shape.named("properties"),
            required: required.collect(),
            patterns: shape.named("patternProperties"),
            others: shape.keywords.get("additionalProperties").cloned().unwrap_or(Value::Bool(true)),
        }
    }

    /// All fields that are named somewhere.
    fn names(&self) -> BTreeSet<&str> {
        self.named.keys().chain(&self.required).map(String::as_str).collect()
    }

    /// What a field has to be, whether or not it is named.
    fn schema(&self, name: &str) -> &Value {
        self.named.get(name).unwrap_or(&self.others)
    }

    /// Whether nothing is said of a field of this name.
    fn is_open(&self, name: &str) -> bool {
        self.named.contains_key(name) || self.others == Value::Bool(true)
    }
}

/// Compares what is said of objects.
pub(super) fn objects(to: &mut Comparison<'_>, path: &str, old: &Shape, new: &Shape) {
    to.counts(path, old, new, "minProperties", "maxProperties");
    let (old, new) = (Fields::of(old), Fields::of(new));
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let (had, has) = (old.names(), new.names());
    for name in had.union(&has) {
        match (had.contains(name), has.contains(name)) {
            (true, true) => field(to, &inside(path, name), name, &old, &new),
            (true, false) => gone.push(*name),
            (false, _) => come.push(*name),
        }
    }
    if let ([one], [other]) = (&gone[..], &come[..])
        && old.named.contains_key(*one)
        && old.schema(one) == new.schema(other)
        && old.required.contains(*one) == new.required.contains(*other)
    {
        // Also one that may be missing: what one side writes, the other does not find.
        to.note(&inside(path, one), What::FieldRenamed, Breaks::Both, format!("became `{other}`"));
        (gone, come) = (Vec::new(), Vec::new());
    }
    for name in gone {
        removed(to, &inside(path, name), name, &old, &new);
    }
    for name in come {
        added(to, &inside(path, name), name, &old, &new);
    }
    patterns(to, path, &old, &new);
    match (&old.others, &new.others) {
        (Value::Bool(old), Value::Bool(new)) if old == new => {}
        (Value::Bool(_), Value::Bool(true)) => to.note(path, What::FieldsOpened, Breaks::Readers, ""),
        (Value::Bool(_), Value::Bool(false)) => to.note(path, What::FieldsClosed, Breaks::Writers, ""),
        (old, new) => to.schemas(&inside(path, "*"), old, new),
    }
}

/// A place one deeper, as a JSON pointer.
fn inside(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A field that was there and is.
fn field(to: &mut Comparison<'_>, path: &str, name: &str, old: &Fields, new: &Fields) {
    match (old.required.contains(name), new.required.contains(name)) {
        (false, true) => to.note(path, What::FieldRequired, Breaks::Writers, ""),
        (true, false) => to.note(path, What::FieldOptional, Breaks::Readers, ""),
        _ => {}
    }
    let (old, new) = (old.schema(name), new.schema(name));
    let default = |schema: &Value| schema.get("default").cloned();
    if default(old) != default(new) {
        let told = |default: Option<Value>| default.map_or_else(|| "none".to_owned(), |value| value.to_string());
        to.note(
            path,
            What::DefaultChanged,
            Breaks::None,
            format!("{} became {}", told(default(old)), told(default(new))),
        );
    }
    to.schemas(path, old, new);
}

fn removed(to: &mut Comparison<'_>, path: &str, name: &str, old: &Fields, new: &Fields) {
    let readers = old.required.contains(name);
    // Who is closed refuses what still comes.
    let writers = new.others == Value::Bool(false);
    to.note(path, What::FieldRemoved, Breaks::of(readers, writers), required(readers));
    if !new.is_open(name) && !writers {
        to.schemas(path, old.schema(name), &new.others);
    }
}

fn added(to: &mut Comparison<'_>, path: &str, name: &str, old: &Fields, new: &Fields) {
    let writers = new.required.contains(name);
    let readers = old.others == Value::Bool(false);
    to.note(path, What::FieldAdded, Breaks::of(readers, writers), required(writers));
    if !old.is_open(name) && !readers {
        to.schemas(path, &old.others, new.schema(name));
    }
}

fn required(required: bool) -> &'static str {
    if required { "required" } else { "optional" }
}

/// Fields by a pattern of their names, as the keys of a map may have one.
fn patterns(to: &mut Comparison<'_>, path: &str, old: &Fields, new: &Fields) {
    if !old.patterns.keys().eq(new.patterns.keys()) {
        to.note(path, What::NotUnderstood, Breaks::Unknown, "`patternProperties`");
        return;
    }
    for ((_, old), (_, new)) in old.patterns.iter().zip(&new.patterns) {
        to.schemas(&inside(path, "*"), old, new);
    }
}
