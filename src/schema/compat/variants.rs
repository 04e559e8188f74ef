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
    types: Types,
    schema: Value,
    /// The values that it is, if it is some.
    values: Option<Vec<Value>>,
}

/// Compares variants; who has none is one variant itself.
pub(super) fn variants(to: &mut Comparison<'_>, path: &str, old: &Shape, new: &Shape) {
    let ((mut old, old_exclusive), (mut new, new_exclusive)) = (of(old, to.old, &to.left), of(new, to.new, &to.left));
    // Where exactly one has to fit, one that allows less may have the whole allow more.
    if old_exclusive && !are_apart(&old) || new_exclusive && !are_apart(&new) {
        equal(to, &mut old, &mut new);
        if !old.is_empty() || !new.is_empty() || old_exclusive != new_exclusive {
            to.note(path, What::NotUnderstood, Breaks::Unknown, "`oneOf` with variants that may fit at the same time");
        }
        return;
    }
    let (old_values, mut old) = divided(old);
    let (new_values, mut new) = divided(new);
    to.chosen(path, &old_values, &new_values);
    // By their keys, then those that are the same, and what is left if it is one of each.
    pair(to, path, &mut old, &mut new, |one, other| one.key != Key::Other && one.key == other.key);
    equal(to, &mut old, &mut new);
    let is_number = |key: &Key| matches!(key, Key::Type(types) if types.has(Types::INTEGER));
    pair(to, path, &mut old, &mut new, |one, other| is_number(&one.key) && is_number(&other.key));
    if let ([_], [_]) = (&old[..], &new[..]) {
        pair(to, path, &mut old, &mut new, |one, other| one.key == Key::Other && other.key == Key::Other);
    }
    for variant in new {
        to.note(path, What::VariantAdded, Breaks::Readers, called(&variant));
    }
    for variant in old {
        to.note(path, What::VariantRemoved, Breaks::Writers, called(&variant));
    }
}

/// Takes out those that allow the same.
fn equal(to: &mut Comparison<'_>, old: &mut Vec<Variant>, new: &mut Vec<Variant>) {
    old.retain(|one| match new.iter().position(|other| to.is_equal(&one.schema, &other.schema)) {
        Some(place) => {
            new.remove(place);
            false
        }
        None => true,
    });
}

/// Whether no value fits two of them.
fn are_apart(variants: &[Variant]) -> bool {
    let mut pairs =
        variants.iter().enumerate().flat_map(|(place, one)| variants[..place].iter().map(move |other| (one, other)));
    pairs.all(|(one, other)| match (&one.values, &other.values) {
        (Some(one), Some(other)) => !one.iter().any(|value| other.contains(value)),
        (Some(_), None) | (None, Some(_)) | (None, None) => {
            one.types.in_common(other.types).is_empty() || {
                match (&one.key, &other.key) {
                    (Key::Named(one), Key::Named(other)) => one != other,
                    (Key::Tagged(field, one), Key::Tagged(other_field, other)) => field == other_field && one != other,
                    (Key::Named(name), Key::Tagged(field, _)) | (Key::Tagged(field, _), Key::Named(name)) => {
                        name != field
                    }
                    _ => false,
                }
            }
        }
    })
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
    // What several have is no key.
    let keys: Vec<_> = variants.iter().map(|variant| variant.key.clone()).collect();
    for variant in &mut variants {
        let shares = |key: &&Key| match (&variant.key, key) {
            (Key::Type(one), Key::Type(other)) => !one.in_common(*other).is_empty(),
            (one, other) => one == *other,
        };
        if keys.iter().filter(shares).count() > 1 {
            variant.key = Key::Other;
        }
    }
    (variants, exclusive)
}

fn variant(schema: Value, root: &Value, left: &Cell<usize>) -> Variant {
    let mut shape = shape(&schema, root, left);
    let mut key = key(&shape, root, left);
    // It may allow less than it seems to.
    if !shape.unknown.is_empty() {
        (key, shape.values) = (Key::Other, None);
    }
    Variant { key, types: shape.types, schema, values: shape.values }
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
