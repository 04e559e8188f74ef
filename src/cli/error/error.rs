//! Why nothing was done: the one error of all commands.
//!
//! `Error::usage(…), Error::refused(…) → hints → terminal, exit code`

use std::fmt;
use std::io;
use std::path::Path;

use super::text::shown;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why nothing was done, and what to do about it.
#[derive(Debug)]
pub(crate) struct Error {
    kind: Kind,
    text: String,
    hints: Vec<String>,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What the command line says: code 2.
    Usage,
    /// What it finds, or what the disk says: code 1.
    Refused,
}

impl Error {
    /// The command line asks for what cannot be.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, text: text.into(), hints: Vec::new() }
    }

    /// What is there does not allow it, or something has failed.
    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, text: text.into(), hints: Vec::new() }
    }

    /// The disk did not let it: `cannot read src/lib.rs: permission denied`.
    pub(crate) fn disk(what: &str, path: &Path, error: &io::Error) -> Self {
        Self::refused(format!("cannot {what} {}: {error}", shown(&path.display().to_string())))
    }

    /// Adds a line that says what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The code that the command exits with.
    pub(crate) fn code(&self) -> u8 {
        match self.kind {
            Kind::Refused => 1,
            Kind::Usage => 2,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
