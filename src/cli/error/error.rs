//! Why nothing was done: the one error of all commands.
//!
//! `Error::usage(…), Error::refused(…) → hints → terminal, exit code`

use std::fmt;
use std::io;
use std::path::Path;

use convoke::transport::TransportError;

use super::text::{shown, told};

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
    /// What it finds, or what the disk or a server says: code 1.
    Refused,
    /// Somebody ended it before it was done: code 130, as shells have it.
    Interrupted,
    /// What is wrong was told as what was asked for: code 1.
    Told,
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

    /// Somebody ended it, and this is how far it came.
    pub(crate) fn interrupted(text: impl Into<String>) -> Self {
        Self { kind: Kind::Interrupted, text: text.into(), hints: Vec::new() }
    }

    /// What is wrong was told already, as what was asked for: nothing more is said.
    pub(crate) fn told() -> Self {
        Self { kind: Kind::Told, text: String::new(), hints: Vec::new() }
    }

    /// Whether nothing more is to be said.
    pub(crate) fn is_told(&self) -> bool {
        self.kind == Kind::Told
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

    /// Says first what had happened until then.
    pub(crate) fn after(mut self, what: &str) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }

    /// How it ended, in one word for the audit log.
    pub(crate) fn outcome(&self) -> &'static str {
        match self.kind {
            Kind::Usage | Kind::Refused | Kind::Told => "failed",
            Kind::Interrupted => "interrupted",
        }
    }

    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The code that the command exits with.
    pub(crate) fn code(&self) -> u8 {
        match self.kind {
            Kind::Refused | Kind::Told => 1,
            Kind::Usage => 2,
            Kind::Interrupted => 130,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a server says may quote names that others have given.
impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        let text = error.to_string();
        let refused = Self::refused(told(&text));
        // What is called in a program is a command here.
        if text.contains("`migrate()`") {
            refused.hint("`convoke migrate` makes the tables; `--check` says what is missing")
        } else {
            refused
        }
    }
}
