//! Variants: which of the old ones is which of the new ones.
//!
//! `oneOf, anyOf → a key for each variant (its tag, its name, its type) → added, removed, or compared`

use std::cell::Cell;

use serde_json::Value;

use super::change::{Breaks, What};
use super::compare::Comparison;
use super::shape::{Shape, Types, shape};

/// What a variant is known by.
#[derive(Clone, Debug, PartialEq)]
enum Key {
    /// The one field that it has: `{"Paid": …}`.
    Named(String),
    /// A field with one value: `{"kind": "Paid", …}`.
    Tagged(String, Value),
    /// Its type, which no other variant has.
    Type(Types),
    /// It has to be the same.
    Other,
}

struct Variant {
    key: Key,
    schema: Value,
    /// The values that it is, if it is some.
    values: Option<Vec<Value>>,
}

/// Compares variants; who has none is one variant itself.
pub(super) fn variants(to: &mut Comparison<'_>, path: &str, old: &Shape, new: &Shape) {
    let ((old, old_exclusive), (new, new_exclusive)) = (of(old, to.old, &to.left), of(new, to.new, &to.left));
    let (old_values, mut old) = divided(old);
    let (new_values, mut new) = divided(new);
    for value in new_values.iter().filter(|value| !old_values.contains(value)) {
        to.note(path, What::ValueAdded, Breaks::Readers, value.to_string());
    }
    for value in old_values.iter().filter(|value| !new_values.contains(value)) {
        to.note(path, What::ValueRemoved, Breaks::Writers, value.to_string());
    }
    // By their keys, then those that are the same, and what is left if it is one of each.
    pair(to, path, &mut old, &mut new, |one, other| one.key != Key::Other && one.key == other.key);
    old.retain(|one| match new.iter().position(|other| to.is_equal(&one.schema, &other.schema)) {
        Some(place) => {
            new.remove(place);
            false
        }
        None => true,
    });
    let is_number = |key: &Key| matches!(key, Key::Type(types) if types.has(Types::INTEGER));
    pair(to, path, &mut old, &mut new, |one, other| is_number(&one.key) && is_number(&other.key));
    if let ([_], [_]) = (&old[..], &new[..]) {
        pair(to, path, &mut old, &mut new, |one, other| one.key == Key::Other && other.key == Key::Other);
    }
    for variant in new {
        lonely(to, path, &variant, What::VariantAdded, old_exclusive || new_exclusive);
    }
    for variant in old {
        lonely(to, path, &variant, What::VariantRemoved, old_exclusive || new_exclusive);
    }
}

/// A variant that the other side does not have. Where exactly one has to fit, it may also take from the others what fits both.
fn lonely(to: &mut Comparison<'_>, path: &str, variant: &Variant, what: What, exclusive: bool) {
    let breaks = match (&variant.key, what) {
        (Key::Other, _) if exclusive => Breaks::Unknown,
        (_, What::VariantAdded) => Breaks::Readers,
        _ => Breaks::Writers,
    };
    to.note(path, what, breaks, called(variant));
}

fn called(variant: &Variant) -> String {
    match &variant.key {
        Key::Named(name) => format!("`{name}`"),
        Key::Tagged(tag, value) => format!("`{tag}` {value}"),
        Key::Type(types) => types.text(),
        Key::Other => variant.schema.get("title").and_then(Value::as_str).unwrap_or("without a name").to_owned(),
    }
}

/// Compares those that are the same variant, and takes them out of what is left.
fn pair(
    to: &mut Comparison<'_>,
    path: &str,
    old: &mut Vec<Variant>,
    new: &mut Vec<Variant>,
    is_same: impl Fn(&Variant, &Variant) -> bool,
) {
    let mut left = Vec::new();
    for one in old.drain(..) {
        match new.iter().position(|other| is_same(&one, other)) {
            Some(place) => {
                let other = new.remove(place);
                let path = match &one.key {
                    Key::Tagged(tag, Value::String(value)) => format!("{path}[{tag}={value}]"),
                    Key::Tagged(tag, value) => format!("{path}[{tag}={value}]"),
                    _ => path.to_owned(),
                };
                to.schemas(&path, &one.schema, &other.schema);
            }
            None => left.push(one),
        }
    }
    *old = left;
}

/// The variants of a shape, and whether exactly one has to fit.
fn of(shape_of: &Shape, root: &Value, left: &Cell<usize>) -> (Vec<Variant>, bool) {
    let (schemas, exclusive) = match &shape_of.variants {
        Some((schemas, exclusive)) => (schemas.clone(), *exclusive),
        None => (vec![shape_of.to_schema()], false),
    };
    let mut variants: Vec<_> = schemas.into_iter().map(|schema| variant(schema, root, left)).collect();
    // A type is no key if several have it.
    let keys: Vec<_> = variants.iter().map(|variant| variant.key.clone()).collect();
    for variant in &mut variants {
        if let Key::Type(types) = variant.key {
            let shares = |key: &&Key| matches!(key, Key::Type(other) if !other.in_common(types).is_empty());
            if keys.iter().filter(shares).count() > 1 {
                variant.key = Key::Other;
            }
        }
    }
    (variants, exclusive)
}

fn variant(schema: Value, root: &Value, left: &Cell<usize>) -> Variant {
    let shape = shape(&schema, root, left);
    let key = key(&shape, root, left);
    Variant { key, schema, values: shape.values }
}

fn key(of: &Shape, root: &Value, left: &Cell<usize>) -> Key {
    if of.variants.is_some() || of.types.is_empty() || of.types == Types::ALL {
        return Key::Other;
    }
    if of.types != Types::OBJECT {
        return Key::Type(of.types);
    }
    let fields = of.named("properties");
    let required = of.keywords.get("required").and_then(Value::as_array);
    let required: Vec<_> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let tag = fields.iter().filter(|(name, _)| required.contains(&name.as_str())).find_map(|(name, schema)| {
        let mut values = shape(schema, root, left).values?;
        if values.len() == 1 { Some(Key::Tagged(name.clone(), values.remove(0))) } else { None }
    });
    if let Some(tag) = tag {
        return tag;
    }
    let is_closed = of.keywords.get("additionalProperties") == Some(&Value::Bool(false));
    match (&required[..], fields.len()) {
        ([name], 1) if is_closed && fields.contains_key(*name) => Key::Named((*name).to_owned()),
        _ => Key::Other,
    }
}

/// The values among the variants, and the others.
fn divided(variants: Vec<Variant>) -> (Vec<Value>, Vec<Variant>) {
    let (mut values, mut others) = (Vec::new(), Vec::new());
    for variant in variants {
        match variant.values {
            Some(these) => values.extend(these),
            None => others.push(variant),
        }
    }
    (values, others)
}
