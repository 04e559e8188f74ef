//! The name of a type, as that of an event or a service.
//!
//! `"OrderPlaced" → TypeName → the type, its module, its file`

use std::fmt;

use super::case::{camel, snake};
use super::words::{LONGEST, SHADOWED, is_device, is_function, is_keyword, is_module};
use crate::error::{Error, Result, shown};

/// A name in capitals, of which type, module, function and file are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    name: String,
    module: String,
}

impl TypeName {
    /// Checks a name; `what` says what it is for, as in `an event`.
    pub(crate) fn new(name: &str, what: &str) -> Result<Self> {
        if let Some(fault) = fault(name) {
            let error = Error::usage(format!("`{}` cannot be the name of {what}: {fault}", shown(name)));
            let meant = camel(name);
            let close = meant != name && self::fault(&meant).is_none() && meant.eq_ignore_ascii_case(&bare(name));
            return Err(if close { error.hint(format!("did you mean `{meant}`?")) } else { error });
        }
        Ok(Self { name: name.to_owned(), module: snake(name) })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// The name of its module, its function, and its file without `.rs`.
    pub(crate) fn module(&self) -> &str {
        &self.module
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// An event that is there, by its name, or by the end of its path where two have one name: `orders::OrderPlaced`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EventName(Vec<String>);

impl EventName {
    pub(crate) fn new(path: &str) -> Result<Self> {
        let path = path.strip_prefix("crate::").unwrap_or(path);
        let segments: Vec<&str> = path.split("::").collect();
        let good = path.len() <= 4 * LONGEST
            && segments.iter().all(|segment| {
                segment.starts_with(|first: char| first.is_ascii_alphabetic())
                    && segment.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
            });
        if !good {
            return Err(Error::usage(format!(
                "`{}` cannot be the name of an event: write it as `OrderPlaced`",
                shown(path)
            ))
            .hint("where two have one name, write as much of its path as tells them apart: `orders::OrderPlaced`"));
        }
        Ok(Self(segments.into_iter().map(str::to_owned).collect()))
    }

    /// What stands behind the last `::`.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", |last| last)
    }

    pub(crate) fn is_end_of(&self, path: &[String]) -> bool {
        path.ends_with(&self.0)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("::"))
    }
}

fn bare(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".into());
    }
    if name.len() > LONGEST {
        return Some(format!("it has {} bytes, and {LONGEST} are the most", name.len()));
    }
    if let Some(sign) = name.chars().find(|letter| !letter.is_ascii_alphanumeric()) {
        return Some(format!("`{}` is neither a letter of ASCII nor a digit", shown(&sign.to_string())));
    }
    if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
        return Some("the name of a type begins with a capital, as `OrderPlaced`".into());
    }
    if SHADOWED.contains(&name) {
        return Some("it would hide what std, actix or convoke have under this name".into());
    }
    let module = snake(name);
    if is_keyword(&module) {
        return Some(format!("its module would be `{module}`, a keyword"));
    }
    if is_device(&module) {
        return Some(format!("its file would be `{module}.rs`, a device on Windows"));
    }
    if is_module(&module) || is_function(&module) {
        return Some(format!("its module `{module}` would hide another of this name"));
    }
    None
}
