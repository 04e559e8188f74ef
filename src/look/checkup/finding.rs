//! What was found.

use std::fmt;

use serde::Serialize;

/// How serious a finding is. A later one is more serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Gravity {
    /// It is as it should be.
    Right,
    /// It is good to know, or the server does not tell.
    Known,
    /// Something is lost, stalls or grows in a case that happens: a restart, a full disk, a slow handler.
    Risk,
    /// It does not work now.
    Broken,
}

impl fmt::Display for Gravity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Right => "right",
            Self::Known => "known",
            Self::Risk => "risk",
            Self::Broken => "broken",
        })
    }
}

/// Something that a [`Checkup`](super::Checkup) has found: what it is about, what there is to say, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    gravity: Gravity,
    about: &'static str,
    says: String,
    todo: Option<String>,
}

#[allow(dead_code, reason = "what is found depends on the servers of this build")]
impl Finding {
    pub(super) fn right(about: &'static str, says: impl Into<String>) -> Self {
        Self { gravity: Gravity::Right, about, says: says.into(), todo: None }
    }

    pub(super) fn known(about: &'static str, says: impl Into<String>) -> Self {
        Self { gravity: Gravity::Known, ..Self::right(about, says) }
    }

    pub(super) fn risk(about: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { gravity: Gravity::Risk, todo: Some(todo.into()), ..Self::right(about, says) }
    }

    pub(super) fn broken(about: &'static str, says: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { gravity: Gravity::Broken, todo: Some(todo.into()), ..Self::right(about, says) }
    }

    /// A finding that is right if this holds, and a risk otherwise.
    pub(super) fn held(
        holds: bool,
        about: &'static str,
        right: impl Into<String>,
        risk: impl Into<String>,
        todo: impl Into<String>,
    ) -> Self {
        if holds { Self::right(about, right) } else { Self::risk(about, risk, todo) }
    }

    /// Returns how serious it is.
    pub fn gravity(&self) -> Gravity {
        self.gravity
    }

    /// Returns what it is about, in a word or two that do not change: `appendonly`, `vacuum`.
    pub fn about(&self) -> &'static str {
        self.about
    }

    /// Returns what there is to say. Names in it are the server's own.
    pub fn says(&self) -> &str {
        &self.says
    }

    /// Returns what to do about it; `None` if there is nothing to do.
    pub fn todo(&self) -> Option<&str> {
        self.todo.as_deref()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.gravity, self.about, self.says)?;
        match &self.todo {
            Some(todo) => write!(f, "; {todo}"),
            None => Ok(()),
        }
    }
}
