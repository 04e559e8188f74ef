//! What a command has done, for a person and for a machine.

use serde_json::{Value, json};

/// A file that a command is about, by its path from the crate's root.
#[derive(Debug)]
pub(crate) struct Made {
    /// What it is: `Event`, `Listener`, …; nothing for one that only goes with it.
    pub(crate) what: Option<&'static str>,
    pub(crate) path: String,
    /// It was there before.
    pub(crate) changed: bool,
}

/// What a command has done.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What was made of many files, as `Crate created` and its folder, in place of their list.
    pub(crate) whole: Option<(&'static str, String)>,
    pub(crate) made: Vec<Made>,
    /// What else there is to know of it.
    pub(crate) notes: Vec<String>,
    /// What remains to be done by hand: a sentence, and what to paste.
    pub(crate) remember: Vec<(String, Option<String>)>,
    /// What would be done, as a unified diff, where nothing was.
    pub(crate) diff: Option<String>,
}

impl Said {
    /// The keys stand in their alphabetical order, whichever map `serde_json` is built with.
    pub(crate) fn json(&self) -> Value {
        let paths = |changed: bool| -> Vec<&str> {
            self.made.iter().filter(|made| made.changed == changed).map(|made| made.path.as_str()).collect()
        };
        let remember: Vec<Value> =
            self.remember.iter().map(|(text, paste)| json!({ "paste": paste, "text": text })).collect();
        let (changed, created, notes) = (paths(true), paths(false), &self.notes);
        match &self.diff {
            // Nothing was done, and this is what would be.
            Some(diff) => {
                json!({ "changed": changed, "created": created, "diff": diff, "notes": notes, "remember": remember })
            }
            None => json!({ "changed": changed, "created": created, "notes": notes, "remember": remember }),
        }
    }
}
