//! What a command is about to write, and the steps around it.

use std::cell::Cell;
use std::rc::Rc;

use serde_json::Value;

use super::audit::Audit;
use super::consent::consent;
use crate::error::{Error, Result};
use crate::places::Place;
use crate::terminal::Terminal;

/// What a command is about to write.
#[derive(Debug)]
pub(crate) struct Act<'a> {
    /// The command, as it is called: `dead redrive`.
    pub(crate) command: &'static str,
    /// What it is about, for the audit log: no key and no payload.
    pub(crate) what: Value,
    /// Somebody has said `--yes`.
    pub(crate) yes: bool,
    /// What is asked even where it is not production, because it cannot be undone.
    pub(crate) asks: Option<&'a str>,
}

/// How many were written until now; it is read even when the command fails.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Rc<Cell<u64>>);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.set(self.0.get().saturating_add(more));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

impl Act<'_> {
    /// Asks, notes it, does it, and notes how that ended.
    ///
    /// # Errors
    ///
    /// If it was not allowed, or cannot be noted: then nothing was done. And those of the work.
    pub(crate) fn run(self, terminal: &Terminal, place: &Place, work: impl FnOnce(&Count) -> Result<()>) -> Result<()> {
        consent(terminal, place, &self)?;
        let audit = Audit::begin(place, self.command, self.what)?;
        let count = Count::default();
        let done = work(&count);
        let outcome = done.as_ref().map_or_else(Error::outcome, |()| "done");
        let noted = audit.end(outcome, count.get());
        // Why the work has failed says more.
        done.and(noted)
    }
}
