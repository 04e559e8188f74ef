//! A name in small letters: the party of a round, a queue, a worker.

use std::fmt;

use super::words::{LONGEST, is_device, is_keyword, is_module};
use crate::error::{Error, Result, shown};

/// Small letters, digits, and `-` or `_` between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word(String);

impl Word {
    /// Checks a word that is only ever a text in the code.
    pub(crate) fn text(word: &str, what: &str) -> Result<Self> {
        match fault(word) {
            None => Ok(Self(word.to_owned())),
            Some(fault) => Err(Error::usage(format!("`{}` cannot be the name of {what}: {fault}", shown(word)))),
        }
    }

    /// Checks a word that is a file's name and a name in the code too: no `-`, and nothing that means something else.
    pub(crate) fn identifier(word: &str, what: &str) -> Result<Self> {
        let fault = fault(word).or_else(|| {
            if word.contains('-') {
                Some("a `-` cannot stand in an identifier: write `_`".to_owned())
            } else if word.contains("__") || word.ends_with('_') {
                Some("one `_` stands between words, and none at the end".to_owned())
            } else if is_keyword(word) {
                Some("it is a keyword".to_owned())
            } else if is_device(word) {
                Some("files of this name are devices on Windows".to_owned())
            } else {
                None
            }
        });
        match fault {
            None => Ok(Self(word.to_owned())),
            Some(fault) => Err(Error::usage(format!("`{}` cannot be the name of {what}: {fault}", shown(word)))),
        }
    }

    /// Checks a word that is a binary of the crate.
    pub(crate) fn binary(word: &str, what: &str) -> Result<Self> {
        let binary = Self::identifier(word, what)?;
        if is_module(word) || matches!(word, "build" | "deps" | "examples" | "incremental") {
            return Err(Error::usage(format!(
                "`{}` cannot be the name of {what}: cargo or the code has another of it",
                shown(word)
            )));
        }
        Ok(binary)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn fault(word: &str) -> Option<String> {
    if word.is_empty() {
        return Some("it is empty".into());
    }
    if word.len() > LONGEST {
        return Some(format!("it has {} bytes, and {LONGEST} are the most", word.len()));
    }
    if !word.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some("it begins with a small letter of ASCII, as `order_id`".into());
    }
    let strange =
        |letter: &char| !(letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '_' | '-'));
    word.chars()
        .find(strange)
        .map(|sign| format!("`{}` is neither a small letter of ASCII nor a digit nor `_`", shown(&sign.to_string())))
}
