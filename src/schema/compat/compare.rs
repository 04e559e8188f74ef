//! Two schemas, place by place.
//!
//! `old, new → shape.rs → objects.rs, numbers.rs, variants.rs → changes`

use std::cell::Cell;
use std::collections::HashSet;

use serde_json::Value;

use super::change::{Breaks, Change, What};
use super::numbers::numbers;
use super::objects::objects;
use super::shape::{Shape, Types, compiled, shape};
use super::variants::variants;

/// How many schemas are looked at at the most.
const SCHEMAS: usize = 20_000;

/// How deep one place may be in another.
const DEPTH: usize = 64;

/// A comparison of two schemas of one event.
pub(super) struct Comparison<'a> {
    pub(super) event: &'a str,
    pub(super) version: u32,
    /// What references point into.
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    /// Whether they point into the same on both sides.
    is_one: bool,
    changes: Vec<Change>,
    /// References that are being compared: what is in itself is compared once.
    open: Vec<(Vec<String>, Vec<String>)>,
    depth: usize,
    pub(super) left: Cell<usize>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(event: &'a str, version: u32, old: &'a Value, new: &'a Value) -> Self {
        // The whole is open: what is in itself by `#` is.
        let open = vec![(vec!["#".to_owned()], vec!["#".to_owned()])];
        let (changes, left) = (Vec::new(), Cell::new(SCHEMAS));
        Self { event, version, old, new, is_one: old == new, changes, open, depth: 0, left }
    }

    /// Notes a change.
    pub(super) fn note(&mut self, path: &str, what: What, breaks: Breaks, detail: impl Into<String>) {
        self.changes.push(Change {
            event: self.event.to_owned(),
            version: self.version,
            path: path.to_owned(),
            what,
            breaks,
            detail: detail.into(),
        });
    }

    /// Notes that more, less or something else is allowed than before.
    pub(super) fn note_types(&mut self, path: &str, more: bool, less: bool, detail: String) {
        let what = match (more, less) {
            (false, false) => return,
            (true, false) => What::TypeWidened,
            (false, true) => What::TypeNarrowed,
            (true, true) => What::TypeChanged,
        };
        self.note(path, what, Breaks::of(more, less), detail);
    }

    /// Compares what may stand in one place.
    pub(super) fn schemas(&mut self, path: &str, old: &Value, new: &Value) {
        if self.is_same(old, new) || self.left.get() == 0 {
            return;
        }
        if self.depth == DEPTH {
            self.note(path, What::NotUnderstood, Breaks::Unknown, "it is too deep to be compared");
            return;
        }
        let (old, new) = (shape(old, self.old, &self.left), shape(new, self.new, &self.left));
        let references = (old.references.clone(), new.references.clone());
        let refers = !references.0.is_empty() && !references.1.is_empty();
        if refers && self.open.contains(&references) {
            return;
        }
        if refers {
            self.open.push(references);
        }
        self.depth += 1;
        self.shapes(path, &old, &new);
        self.depth -= 1;
        if refers {
            self.open.pop();
        }
    }

    /// Whether two schemas allow the same, as far as that can be said.
    pub(super) fn is_equal(&mut self, old: &Value, new: &Value) -> bool {
        let before = self.changes.len();
        self.schemas("", old, new);
        let is_equal = self.changes.len() == before && self.left.get() > 0;
        self.changes.truncate(before);
        is_equal
    }

    /// What has been found.
    pub(super) fn finish(mut self) -> Vec<Change> {
        if self.left.get() == 0 {
            self.note("", What::NotUnderstood, Breaks::Unknown, "it is too large to be compared");
        }
        self.changes
    }

    /// Whether two schemas are the same, and what they name as well.
    fn is_same(&self, old: &Value, new: &Value) -> bool {
        old == new && (self.is_one || !old.to_string().contains("\"$ref\""))
    }

    fn shapes(&mut self, path: &str, old: &Shape, new: &Shape) {
        self.unknown(path, old, new);
        if old.nullable != new.nullable {
            let what = if new.nullable { What::NullAllowed } else { What::NullForbidden };
            self.note(path, what, Breaks::of(new.nullable, old.nullable), "");
        }
        if old.variants.is_some() || new.variants.is_some() {
            variants(self, path, old, new);
            if old.is_bare() || new.is_bare() {
                return;
            }
        }
        let (more, less) = (new.types.without(old.types), old.types.without(new.types));
        let (is_more, is_less) = (!more.is_empty(), !less.is_empty());
        if old.values.is_some() || new.values.is_some() {
            return self.values(path, old, new);
        }
        self.note_types(path, is_more, is_less, format!("{} became {}", old.types.text(), new.types.text()));
        let both = old.types.in_common(new.types);
        if both.has(Types::INTEGER) {
            numbers(self, path, old, new);
        }
        if both.has(Types::STRING) {
            self.strings(path, old, new);
        }
        if both.has(Types::ARRAY) {
            self.arrays(path, old, new);
        }
        if both.has(Types::OBJECT) {
            objects(self, path, old, new);
        }
    }

    /// What is not understood changes nothing if it is the same, and names nothing.
    fn unknown(&mut self, path: &str, old: &Shape, new: &Shape) {
        let mut keywords: Vec<_> = old.unknown.iter().chain(&new.unknown).collect();
        keywords.sort_unstable();
        keywords.dedup();
        keywords.retain(|keyword| {
            let (old, new) = (old.keywords.get(*keyword), new.keywords.get(*keyword));
            old.is_none() || old != new || !self.is_same(old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null))
        });
        if !keywords.is_empty() {
            let keywords: Vec<_> = keywords.into_iter().map(|keyword| format!("`{keyword}`")).collect();
            self.note(path, What::NotUnderstood, Breaks::Unknown, keywords.join(", "));
        }
    }

    /// Values that are told one by one, on one side at least.
    fn values(&mut self, path: &str, old: &Shape, new: &Shape) {
        match (&old.values, &new.values) {
            (Some(old), Some(new)) => {
                self.chosen(path, old, new);
            }
            (Some(values), None) => {
                let less = !fit(values, new, self.new);
                self.note_types(path, true, less, format!("some values became {}", new.types.text()));
            }
            (None, Some(values)) => {
                let more = !fit(values, old, self.old);
                self.note_types(path, more, true, format!("{} became some values", old.types.text()));
            }
            (None, None) => {}
        }
    }

    /// Values that have come, and that are gone.
    pub(super) fn chosen(&mut self, path: &str, old: &[Value], new: &[Value]) {
        // There may be many.
        let set = |values: &[Value]| values.iter().cloned().collect::<HashSet<_>>();
        let (had, has) = (set(old), set(new));
        for value in new.iter().filter(|value| !had.contains(value)) {
            self.note(path, What::ValueAdded, Breaks::Readers, value.to_string());
        }
        for value in old.iter().filter(|value| !has.contains(value)) {
            self.note(path, What::ValueRemoved, Breaks::Writers, value.to_string());
        }
    }

    fn strings(&mut self, path: &str, old: &Shape, new: &Shape) {
        self.counts(path, old, new, "minLength", "maxLength");
        self.replaced(path, old, new, "pattern", What::PatternChanged, Breaks::Unknown);
        self.replaced(path, old, new, "format", What::FormatChanged, Breaks::Both);
    }

    /// A keyword that allows less where it is; and what it means that it became another.
    pub(super) fn replaced(&mut self, path: &str, old: &Shape, new: &Shape, keyword: &str, what: What, other: Breaks) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match (old.keywords.get(keyword), new.keywords.get(keyword)) {
            (None, Some(new)) => self.note(path, what, Breaks::Writers, format!("`{}` came", text(new))),
            (Some(old), None) => self.note(path, what, Breaks::Readers, format!("`{}` is gone", text(old))),
            (Some(old), Some(new)) if old != new => {
                self.note(path, what, other, format!("`{}` became `{}`", text(old), text(new)));
            }
            _ => {}
        }
    }

    /// The bounds of how many there may be.
    pub(super) fn counts(&mut self, path: &str, old: &Shape, new: &Shape, least: &str, most: &str) {
        let count = |shape: &Shape, keyword: &str| shape.keywords.get(keyword).and_then(Value::as_f64);
        let (old_least, new_least) = (count(old, least).unwrap_or(0.0), count(new, least).unwrap_or(0.0));
        self.bound(path, least, new_least < old_least, new_least > old_least, (old_least, new_least));
        let none = f64::INFINITY;
        let (old_most, new_most) = (count(old, most).unwrap_or(none), count(new, most).unwrap_or(none));
        self.bound(path, most, new_most > old_most, new_most < old_most, (old_most, new_most));
    }

    pub(super) fn bound(
        &mut self,
        path: &str,
        keyword: &str,
        more: bool,
        less: bool,
        (old, new): (impl std::fmt::Display, impl std::fmt::Display),
    ) {
        let what = match (more, less) {
            (false, false) => return,
            (true, _) => What::BoundWidened,
            (false, true) => What::BoundNarrowed,
        };
        self.note(path, what, Breaks::of(more, less), format!("`{keyword}` {old} became {new}"));
    }

    fn arrays(&mut self, path: &str, old: &Shape, new: &Shape) {
        self.counts(path, old, new, "minItems", "maxItems");
        let unique = |shape: &Shape| shape.keywords.get("uniqueItems") == Some(&Value::Bool(true));
        self.bound(
            path,
            "uniqueItems",
            unique(old) && !unique(new),
            unique(new) && !unique(old),
            (unique(old), unique(new)),
        );
        let ((old, old_rest), (new, new_rest)) = (items(old), items(new));
        for place in 0..old.len().max(new.len()) {
            let (old, new) = (old.get(place).unwrap_or(&old_rest), new.get(place).unwrap_or(&new_rest));
            self.schemas(&format!("{path}/{place}"), old, new);
        }
        self.schemas(&format!("{path}/*"), &old_rest, &new_rest);
    }
}

/// Whether all these values fit.
fn fit(values: &[Value], shape: &Shape, root: &Value) -> bool {
    compiled(&shape.to_schema(), root).is_some_and(|schema| values.iter().all(|value| schema.is_valid(value)))
}

/// The schemas of the first items, and that of the rest.
fn items(shape: &Shape) -> (Vec<Value>, Value) {
    let get = |keyword: &str| shape.keywords.get(keyword).cloned();
    let any = Value::Bool(true);
    match (get("prefixItems"), get("items")) {
        (Some(Value::Array(first)), rest) => (first, rest.unwrap_or(any)),
        (_, Some(Value::Array(first))) => (first, get("additionalItems").unwrap_or(any)),
        (_, items) => (Vec::new(), items.unwrap_or(any)),
    }
}
