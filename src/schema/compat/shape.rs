//! A schema as it is compared: what it names is in its place, and what can be said in several ways is said in one.
//!
//! `{"anyOf": [{"$ref": …}, {"type": "null"}]} → Shape { types, nullable, values, variants, keywords }`

use std::cell::Cell;
use std::collections::HashSet;

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

use crate::schema::{is_too_long, unpointer};

/// How many schemas that name each other are followed from one place.
const DEPTH: usize = 64;

/// What says nothing of which values are allowed.
const ANNOTATIONS: [&str; 13] = [
    "$comment",
    "$defs",
    "$schema",
    "$anchor",
    "default",
    "definitions",
    "deprecated",
    "description",
    "examples",
    "readOnly",
    "title",
    "writeOnly",
    "example",
];

/// What is compared.
const UNDERSTOOD: [&str; 25] = [
    "additionalItems",
    "additionalProperties",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "properties",
    "required",
    "uniqueItems",
];

/// The types of JSON but `null`, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NONE: Self = Self(0);
    pub(super) const BOOLEAN: Self = Self(1);
    pub(super) const INTEGER: Self = Self(2);
    /// Integers are numbers.
    pub(super) const NUMBER: Self = Self(2 | 4);
    pub(super) const STRING: Self = Self(8);
    pub(super) const ARRAY: Self = Self(16);
    pub(super) const OBJECT: Self = Self(32);
    pub(super) const ALL: Self = Self(63);

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn in_common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// None for `null`, and for what is no type.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => return None,
        })
    }

    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::NONE,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() != 0.0) => Self::NUMBER,
            Value::Number(_) => Self::INTEGER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    pub(super) fn text(self) -> String {
        let all = [
            (Self::BOOLEAN, "boolean"),
            (Self::NUMBER, "number"),
            (Self::INTEGER, "integer"),
            (Self::STRING, "string"),
            (Self::ARRAY, "array"),
            (Self::OBJECT, "object"),
        ];
        match self {
            Self::NONE => return "nothing".to_owned(),
            Self::ALL => return "anything".to_owned(),
            _ => {}
        }
        let names = all.into_iter().filter(|(types, _)| self.has(*types));
        // What is a number is an integer too.
        let names = names.filter(|(types, _)| *types != Self::INTEGER || !self.has(Self::NUMBER));
        names.map(|(_, name)| name).collect::<Vec<_>>().join(" or ")
    }
}

/// What may stand in one place.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) types: Types,
    pub(super) nullable: bool,
    /// The values that are allowed, but `null`, if they are told.
    pub(super) values: Option<Vec<Value>>,
    /// The variants, if there are several that are not values; and whether exactly one has to fit.
    pub(super) variants: Option<(Vec<Value>, bool)>,
    /// What else is said, without references.
    pub(super) keywords: Map<String, Value>,
    /// What was followed to get here.
    pub(super) references: Vec<String>,
    /// What is said and not understood.
    pub(super) unknown: Vec<String>,
}

impl Shape {
    /// A keyword that holds an object; one that is missing has no keys.
    pub(super) fn named(&self, keyword: &str) -> Map<String, Value> {
        self.keywords.get(keyword).and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The shape, without its variants, as a schema again.
    pub(super) fn to_schema(&self) -> Value {
        let mut keywords = self.keywords.clone();
        if let Some(values) = &self.values {
            keywords.insert("enum".to_owned(), Value::Array(values.clone()));
        }
        if self.types != Types::ALL {
            keywords.insert("type".to_owned(), to_type(self.types, false));
        }
        Value::Object(keywords)
    }

    /// Whether nothing is said but the variants.
    pub(super) fn is_bare(&self) -> bool {
        self.types == Types::ALL && self.values.is_none() && self.keywords.is_empty()
    }
}

/// What a schema says, in the document that is `root`. Each schema that has to be looked at for that is one less that is
/// left.
pub(super) fn shape(schema: &Value, root: &Value, left: &Cell<usize>) -> Shape {
    within(schema, root, left, 0)
}

fn within(schema: &Value, root: &Value, left: &Cell<usize>, depth: usize) -> Shape {
    let mut reading = Reading { root, left, depth, references: Vec::new(), unknown: Vec::new() };
    let keywords = reading.merged(schema);
    reading.shape(keywords)
}

struct Reading<'a> {
    root: &'a Value,
    left: &'a Cell<usize>,
    depth: usize,
    references: Vec<String>,
    unknown: Vec<String>,
}

impl Reading<'_> {
    /// A schema without `$ref` and `allOf`, whose schemas it has in itself.
    fn merged(&mut self, schema: &Value) -> Map<String, Value> {
        if self.left.get() == 0 || self.depth == DEPTH {
            self.unknown.push("$ref".to_owned());
            return Map::new();
        }
        self.left.set(self.left.get() - 1);
        let mut keywords = match schema {
            Value::Object(keywords) => keywords.clone(),
            Value::Bool(true) => Map::new(),
            // Nothing fits.
            _ => Map::from_iter([("enum".to_owned(), Value::Array(Vec::new()))]),
        };
        let reference = keywords.remove("$ref");
        let all = keywords.remove("allOf");
        keywords.retain(|keyword, _| !ANNOTATIONS.contains(&keyword.as_str()) && !keyword.starts_with("x-"));
        if let Some(reference) = reference {
            let reference = reference.as_str().unwrap_or_default();
            let target = match reference.strip_prefix('#').and_then(unpointer) {
                Some(pointer) => self.root.pointer(&pointer).cloned(),
                None => None,
            };
            match target {
                Some(target) => {
                    self.references.push(reference.to_owned());
                    self.depth += 1;
                    let target = self.merged(&target);
                    self.depth -= 1;
                    self.merge(&mut keywords, target, "$ref");
                }
                None => self.unknown.push("$ref".to_owned()),
            }
        }
        for schema in all.as_ref().and_then(Value::as_array).into_iter().flatten() {
            self.depth += 1;
            let schema = self.merged(schema);
            self.depth -= 1;
            self.merge(&mut keywords, schema, "allOf");
        }
        keywords
    }

    /// Adds what has to fit too.
    fn merge(&mut self, into: &mut Map<String, Value>, from: Map<String, Value>, what: &str) {
        // What one of them forbids beside its own fields, the other's fields are too.
        let closes = |keywords: &Map<String, Value>| {
            keywords.contains_key("patternProperties")
                || keywords.get("additionalProperties").is_some_and(|additional| additional != &Value::Bool(true))
        };
        let names = |keywords: &Map<String, Value>| keywords.contains_key("properties");
        let mut fits = !(closes(into) && names(&from) || closes(&from) && names(into));
        for (keyword, value) in from {
            match (into.get_mut(&keyword), value) {
                (None, value) => {
                    into.insert(keyword, value);
                }
                (Some(one), other) if *one == other => {}
                (Some(Value::Array(one)), Value::Array(other)) if keyword == "required" => {
                    one.extend(other);
                }
                (Some(Value::Object(one)), Value::Object(other)) if keyword == "properties" => {
                    for (name, schema) in other {
                        fits &= one.get(&name).is_none_or(|there| *there == schema);
                        one.insert(name, schema);
                    }
                }
                (Some(one), other) if keyword == "type" => {
                    let ((one_types, one_null), (other_types, other_null)) = (types(one), types(&other));
                    *one = to_type(one_types.in_common(other_types), one_null && other_null);
                }
                _ => fits = false,
            }
        }
        if !fits {
            self.unknown.push(what.to_owned());
        }
    }

    fn shape(mut self, mut keywords: Map<String, Value>) -> Shape {
        let (mut types, mut nullable) = keywords.remove("type").map_or((Types::ALL, true), |said| types(&said));
        let mut values = match (keywords.remove("enum"), keywords.remove("const")) {
            (Some(Value::Array(values)), None) => Some(values),
            (None, Some(value)) => Some(vec![value]),
            (Some(Value::Array(values)), Some(value)) if values.contains(&value) => Some(vec![value]),
            (Some(_), _) => {
                self.unknown.push("enum".to_owned());
                None
            }
            (None, None) => None,
        };
        if let Some(values) = &mut values {
            nullable &= values.contains(&Value::Null);
            values.retain(|value| !value.is_null());
            types = types.in_common(values.iter().fold(Types::NONE, |types, value| types.with(Types::of(value))));
        }
        let (any, one) = (keywords.remove("anyOf"), keywords.remove("oneOf"));
        let exclusive = one.is_some();
        let variants = match (any, one) {
            (None, None) => None,
            (Some(Value::Array(variants)), None) | (None, Some(Value::Array(variants))) => Some(variants),
            _ => {
                self.unknown.extend(["anyOf".to_owned(), "oneOf".to_owned()]);
                None
            }
        };
        self.unknown.extend(keywords.keys().filter(|keyword| !UNDERSTOOD.contains(&keyword.as_str())).cloned());
        // In the fourth draft they were flags.
        for bound in ["exclusiveMaximum", "exclusiveMinimum"] {
            if keywords.get(bound).is_some_and(Value::is_boolean) {
                self.unknown.push(bound.to_owned());
            }
        }
        let Self { root, references, unknown, left, depth } = self;
        let mut shape = Shape { types, nullable, values, variants: None, keywords, references, unknown };
        shape.choose(root);
        match variants {
            Some(variants) => {
                shape.with_variants(root, variants, exclusive, &|schema| within(schema, root, left, depth + 1))
            }
            None => shape,
        }
    }
}

impl Shape {
    /// Of values that are told one by one, what else is said leaves some.
    fn choose(&mut self, root: &Value) {
        let Some(values) = &mut self.values else { return };
        values.retain(|value| self.types.has(Types::of(value)));
        if !self.keywords.is_empty() {
            match compiled(&Value::Object(self.keywords.clone()), root) {
                Some(schema) => values.retain(|value| schema.is_valid(value)),
                None => self.unknown.push("enum".to_owned()),
            }
        }
    }

    /// `null` among the variants says that this may be null, and variants that are values are values.
    fn with_variants(
        mut self,
        root: &Value,
        mut variants: Vec<Value>,
        exclusive: bool,
        shape: &dyn Fn(&Value) -> Self,
    ) -> Self {
        let before = variants.len();
        variants.retain(|variant| !is_null(variant));
        let null = before - variants.len();
        let mut shapes: Vec<_> = variants.into_iter().map(|variant| (shape(&variant), variant)).collect();
        // What nothing fits is no variant.
        let is_empty = |shape: &Self| shape.types.is_empty() && !shape.nullable && shape.unknown.is_empty();
        shapes.retain(|(shape, _)| !is_empty(shape));
        let nullable: Vec<_> = shapes.iter().map(|(shape, _)| shape).filter(|shape| shape.nullable).collect();
        self.nullable &= null + nullable.len() > 0;
        // It may be said where that is not understood.
        if null == 0 && !nullable.is_empty() && nullable.iter().all(|shape| !shape.unknown.is_empty()) {
            self.unknown.push("anyOf".to_owned());
        }
        if exclusive && null + nullable.len() > 1 {
            self.unknown.push("oneOf".to_owned());
        }
        if shapes.len() == 1
            && self.is_bare()
            && let Some((mut only, _)) = shapes.pop()
        {
            only.nullable = self.nullable;
            only.references.splice(0..0, self.references);
            only.unknown.extend(self.unknown);
            return only;
        }
        let is_values = |shape: &Self| shape.values.is_some() && shape.unknown.is_empty();
        if self.values.is_none() && !shapes.is_empty() && shapes.iter().all(|(shape, _)| is_values(shape)) {
            let values: Vec<_> = shapes.into_iter().flat_map(|(shape, _)| shape.values.unwrap_or_default()).collect();
            if exclusive && values.iter().collect::<HashSet<_>>().len() < values.len() {
                self.unknown.push("oneOf".to_owned());
            }
            let types = values.iter().fold(Types::NONE, |types, value| types.with(Types::of(value)));
            self.types = self.types.in_common(types);
            self.values = Some(values);
            self.choose(root);
            return self;
        }
        self.variants = Some((shapes.into_iter().map(|(_, variant)| variant).collect(), exclusive));
        self
    }
}

/// A schema that can be asked, with the parts that it names; none if it is no schema.
pub(super) fn compiled(schema: &Value, root: &Value) -> Option<Validator> {
    if is_too_long(root) {
        return None;
    }
    let mut schema = schema.clone();
    for parts in ["definitions", "$defs"] {
        if let Some(definitions) = root.get(parts) {
            schema[parts] = definitions.clone();
        }
    }
    jsonschema::options().with_draft(Draft::Draft7).offline().should_validate_formats(true).build(&schema).ok()
}

fn is_null(schema: &Value) -> bool {
    let Value::Object(keywords) = schema else { return false };
    let says = |keyword: &str, value: &Value| keywords.get(keyword) == Some(value);
    says("type", &"null".into()) || says("const", &Value::Null) || says("enum", &Value::Array(vec![Value::Null]))
}

/// Which types a `type` allows, and whether `null`.
fn types(said: &Value) -> (Types, bool) {
    let names = match said {
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        said => Vec::from_iter(said.as_str()),
    };
    let types = names.iter().filter_map(|name| Types::named(name));
    (types.fold(Types::NONE, Types::with), names.contains(&"null"))
}

/// What `types` reads.
fn to_type(types: Types, nullable: bool) -> Value {
    let mut names: Vec<Value> = match types {
        Types::NONE => Vec::new(),
        // In words it would be anything.
        Types::ALL => ["array", "boolean", "number", "object", "string"].map(Value::from).to_vec(),
        types => types.text().split(" or ").map(Value::from).collect(),
    };
    names.extend(nullable.then(|| "null".into()));
    Value::Array(names)
}
