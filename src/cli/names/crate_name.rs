//! The name of a crate, as cargo takes it and the code bears it.

use std::fmt;

use super::case::camel;
use super::words::{LONGEST, is_device, is_keyword, is_module};
use crate::error::{Error, Result, shown};

/// Small letters, digits, and `-` or `_` between them; no crate that the new one needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CrateName(String);

impl CrateName {
    pub(crate) fn new(name: &str) -> Result<Self> {
        match fault(name) {
            None => Ok(Self(name.to_owned())),
            Some(fault) => Err(Error::usage(format!("`{}` cannot be the name of a crate: {fault}", shown(name)))
                .hint("the folder may have another name: `convoke new FOLDER --name shop`")),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As the code names it: `web_shop`.
    pub(crate) fn identifier(&self) -> String {
        self.0.replace('-', "_")
    }

    /// As the publisher of its events is called: `WebShop`.
    pub(crate) fn publisher(&self) -> String {
        camel(&self.0)
    }
}

impl fmt::Display for CrateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".into());
    }
    if name.len() > LONGEST {
        return Some(format!("it has {} bytes, and {LONGEST} are the most", name.len()));
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some("it begins with a small letter of ASCII, as `shop`".into());
    }
    let strange =
        |letter: &char| !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '-'));
    if let Some(sign) = name.chars().find(strange) {
        return Some(format!("`{}` is neither a small letter of ASCII nor a digit nor `-`", shown(&sign.to_string())));
    }
    if name.ends_with(['-', '_']) || name.contains("--") || name.contains("__") {
        return Some("one `-` stands between words, and none at the end".into());
    }
    let identifier = name.replace('-', "_");
    if is_keyword(&identifier) {
        return Some("it is a keyword".into());
    }
    if is_device(&identifier) {
        return Some("folders of this name are devices on Windows".into());
    }
    if is_module(&identifier)
        || matches!(&*identifier, "build" | "deps" | "examples" | "incremental" | "sqlx" | "proc_macro2")
    {
        return Some("another crate or folder of this name is needed to build it".into());
    }
    None
}
