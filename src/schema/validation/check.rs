//! Whether the examples of a document fit its schemas.
//!
//! `Document → check → each example against its schema → Checked, or CheckError`

use std::fmt;

use super::misfit::{Fault, Rules};
use super::validator::compiled;
use crate::__private::{Shown, debug_is_display};
use crate::schema::Document;
use crate::schema::SchemaError;

/// Validates the example of each event in a document against the event's schema.
///
/// # Errors
///
/// Returns an error that names each example that does not fit, with the field and the rule, and each schema that cannot
/// be used.
///
/// # Examples
///
/// ```
/// # use convoke::prelude::*;
/// # use convoke::schema::{self, Document};
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// #[derive(Event, JsonSchema, Serialize, Deserialize)]
/// #[event(example = Self { total: 0 })]
/// struct OrderPlaced {
///     #[schemars(range(min = 1))]
///     total: u32,
/// }
///
/// let document = Document::builder("shop", "1.4.0").publishes::<OrderPlaced>().build()?;
/// let error = schema::check(&document).unwrap_err();
/// assert!(error.to_string().contains("/total is less than the minimum of 1"), "{error}");
/// # Ok::<(), convoke::schema::SchemaError>(())
/// ```
pub fn check(document: &Document) -> Result<Checked, CheckError> {
    let (mut checked, mut faults) = (Checked::default(), Vec::new());
    for schema in document.registry.iter() {
        let rules: Rules = match compiled(schema) {
            Ok(rules) => rules,
            Err(error) => {
                faults.push(Wrong::Schema(error));
                continue;
            }
        };
        match &schema.example {
            None => checked.without.push(schema.called()),
            // The example was written by whoever wrote the type; so was the error.
            Some(Err(error)) => faults.push(Wrong::NoJson { event: schema.called(), why: error.clone() }),
            Some(Ok(example)) => match rules.faults(&example.payload, false) {
                found if found.is_empty() => checked.fit.push(schema.called()),
                found => faults.push(Wrong::Example { event: schema.called(), faults: found }),
            },
        }
    }
    if faults.is_empty() { Ok(checked) } else { Err(CheckError { faults }) }
}

/// What [`check`] has looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    fit: Vec<String>,
    without: Vec<String>,
}

impl Checked {
    /// Returns how many examples fit.
    pub fn examples(&self) -> usize {
        self.fit.len()
    }

    /// Returns the events that have no example, each as `version 1 of OrderPlaced`.
    pub fn without_example(&self) -> &[String] {
        &self.without
    }
}

/// The error of a document with examples that do not fit, or with schemas that cannot be used.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckError {
    faults: Vec<Wrong>,
}

#[derive(Clone, PartialEq, Eq)]
enum Wrong {
    Schema(SchemaError),
    NoJson { event: String, why: String },
    Example { event: String, faults: Vec<Fault> },
}

impl CheckError {
    /// Returns the faults of the examples, each with the event as `version 1 of OrderPlaced`.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &Fault)> {
        let examples = self.faults.iter().filter_map(|wrong| match wrong {
            Wrong::Example { event, faults } => Some((event.as_str(), faults)),
            Wrong::Schema(_) | Wrong::NoJson { .. } => None,
        });
        examples.flat_map(|(event, faults)| faults.iter().map(move |fault| (event, fault)))
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, wrong) in self.faults.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "; " })?;
            match wrong {
                Wrong::Schema(error) => error.fmt(f)?,
                Wrong::NoJson { event, why } => {
                    write!(f, "the example of {} has no form as JSON: {}", Shown::name(event), Shown::text(why))?;
                }
                Wrong::Example { event, faults } => {
                    write!(f, "the example of {} does not fit its schema: ", Shown::name(event))?;
                    for (place, fault) in faults.iter().enumerate() {
                        write!(f, "{}{fault}", if place == 0 { "" } else { ", " })?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl std::error::Error for CheckError {}

debug_is_display!(CheckError);
