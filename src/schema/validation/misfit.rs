//! What does not fit a schema: where, and which rule says so.
//!
//! `payload → Rules → is it valid? → Misfit { /total, /properties/total/maximum }`

use std::fmt;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, paths::LocationSegment};
use serde_json::Value;

use crate::__private::{Shown, debug_is_display};
use crate::Metadata;

/// How many faults of one payload are told.
const FAULTS: usize = 8;

/// How many characters of a path are told.
const PATH: usize = 200;

/// The rules of one version of an event.
pub(super) struct Rules {
    validator: jsonschema::Validator,
    /// The names that stand in the schema, in order: they say nothing of anybody.
    names: Vec<String>,
    is_personal: bool,
}

impl Rules {
    pub(super) fn new(validator: jsonschema::Validator, names: Vec<String>, is_personal: bool) -> Self {
        Self { validator, names, is_personal }
    }

    /// Whether a payload fits.
    pub(super) fn check(&self, payload: &Value, metadata: &Metadata) -> Result<(), Misfit> {
        let hides = self.is_personal || metadata.contains_personal_data;
        match self.faults(payload, hides) {
            faults if faults.is_empty() => Ok(()),
            faults => Err(Misfit { faults, ..Misfit::of(&metadata.event, metadata.version) }),
        }
    }

    /// What does not fit, and one more than is told if there is more.
    pub(super) fn faults(&self, payload: &Value, hides: bool) -> Vec<Fault> {
        // Nearly all do, and that is told much sooner.
        if self.validator.is_valid(payload) {
            return Vec::new();
        }
        self.validator.iter_errors(payload).take(FAULTS + 1).map(|error| self.fault(&error, hides)).collect()
    }

    fn fault(&self, error: &ValidationError<'_>, hides: bool) -> Fault {
        let mut path = String::new();
        for segment in error.instance_path() {
            path.push('/');
            match segment {
                LocationSegment::Index(index) => path.push_str(&index.to_string()),
                LocationSegment::Property(name) if hides && !self.is_known(&name) => path.push('*'),
                LocationSegment::Property(name) => path.push_str(&name.replace('~', "~0").replace('/', "~1")),
            }
        }
        let why = match error.kind() {
            // These quote the names that were found.
            Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } if hides => {
                "has a field that the schema does not have".to_owned()
            }
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                let name = unexpected.first().map(String::as_str).unwrap_or_default();
                format!("has a field that the schema does not have: `{}`", Shown::name(name))
            }
            Kind::PropertyNames { .. } => "has a field whose name the schema does not allow".to_owned(),
            // These quote a part of it, or how each of the variants fails.
            Kind::AnyOf { .. } => "fits none of the schemas under `anyOf`".to_owned(),
            Kind::OneOfNotValid { .. } => "fits none of the schemas under `oneOf`".to_owned(),
            Kind::OneOfMultipleValid { .. } => "fits several of the schemas under `oneOf`".to_owned(),
            Kind::FalseSchema => "has to be missing".to_owned(),
            Kind::Required { property } => format!("has no field `{}`", property.as_str().unwrap_or_default()),
            // The rest quote the schema alone, once the value is masked.
            _ => error.masked_with("").to_string().trim().to_owned(),
        };
        Fault { path: cut(path), rule: cut(error.evaluation_path().to_string()), why: Shown::text(&why).to_string() }
    }

    fn is_known(&self, name: &str) -> bool {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }
}

/// A path that is not too long to be shown.
fn cut(path: String) -> String {
    match path.char_indices().nth(PATH) {
        Some((at, _)) => format!("{}…", &path[..at]),
        None => path,
    }
}

/// One place of a payload that does not fit.
#[derive(Clone, PartialEq, Eq)]
pub struct Fault {
    path: String,
    rule: String,
    why: String,
}

impl Fault {
    /// Returns where in the payload it is, as a JSON pointer; empty for the payload as a whole. A name that does not stand
    /// in the schema is `*` if the event contains personal data.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns which rule of the schema it breaks, as a JSON pointer into the schema.
    pub fn rule(&self) -> &str {
        &self.rule
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the payload" } else { &self.path };
        write!(f, "{} {} (rule {})", Shown::text(path), self.why, Shown::text(&self.rule))
    }
}

debug_is_display!(Fault);

/// The error of a payload that does not fit the schema of its event. It quotes no value of the payload.
#[derive(Clone, PartialEq, Eq)]
pub struct Misfit {
    event: String,
    version: u32,
    faults: Vec<Fault>,
    /// If the version is not known: those that are.
    known: Option<Vec<u32>>,
}

impl Misfit {
    pub(super) fn of(event: &str, version: u32) -> Self {
        Self { event: Shown::name(event).to_string(), version, faults: Vec::new(), known: None }
    }

    /// Nobody has a schema for this version of it.
    pub(super) fn unknown(metadata: &Metadata, known: impl IntoIterator<Item = u32>) -> Self {
        Self { known: Some(known.into_iter().collect()), ..Self::of(&metadata.event, metadata.version) }
    }

    /// Returns what does not fit: at most 9 places, also if there are more. None if there is no schema for the version.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, version, faults, known } = self;
        match known.as_deref() {
            Some([]) => {
                return write!(f, "no schema is of an event {event} on its topic: add one, or leave its topic out");
            }
            Some(known) => {
                write!(f, "there is no schema of version {version} of {event}, but of ")?;
                for (place, version) in known.iter().take(FAULTS).enumerate() {
                    write!(f, "{}{version}", if place == 0 { "" } else { ", " })?;
                }
                return f.write_str(if known.len() > FAULTS { " and more" } else { "" });
            }
            None => write!(f, "version {version} of {event} does not fit its schema: ")?,
        }
        for (place, fault) in faults.iter().take(FAULTS).enumerate() {
            write!(f, "{}{fault}", if place == 0 { "" } else { "; " })?;
        }
        f.write_str(if faults.len() > FAULTS { "; and more" } else { "" })
    }
}

impl std::error::Error for Misfit {}

debug_is_display!(Misfit);
