//! The audit log of a context: who wrote what, when, and how many.
//!
//! `an act → a line of JSON, before → the act → a line of JSON with the same id, after`
//!
//! ```text
//! {"at":"2026-01-02T03:04:05Z","command":"dead redrive","context":"shop","id":"…","is":"begun","place":"…","what":{…},"who":{…}}
//! {"at":"2026-01-02T03:04:06Z","count":12,"id":"…","is":"done"}
//! ```
//!
//! Two lines, and not one that is opened and closed: several commands may write at once, and one that was killed leaves the first.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use convoke::Uuid;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::places::Place;

/// What was noted of an act that is under way; nothing if no log is named.
#[derive(Debug)]
pub(super) struct Audit(Option<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    id: String,
}

impl Audit {
    /// Notes what is about to be done.
    ///
    /// # Errors
    ///
    /// If that cannot be written: then it must not be done.
    pub(super) fn begin(place: &Place, command: &str, what: Value) -> Result<Self> {
        let Some(path) = place.audit() else { return Ok(Self(None)) };
        let file = open(path).map_err(|error| cannot(path, &error))?;
        let id = Uuid::now_v7().to_string();
        let mut open = Open { file, path: path.to_path_buf(), id };
        let line = json!({
            "at": now(), "command": command, "context": place.context(), "id": open.id, "is": "begun",
            "place": place.to_string(), "what": what, "who": who(),
        });
        open.write(&line)?;
        Ok(Self(Some(open)))
    }

    /// Notes how it ended.
    ///
    /// # Errors
    ///
    /// If that cannot be written, which says that it was done nevertheless.
    pub(super) fn end(self, outcome: &str, count: u64) -> Result<()> {
        let Some(mut open) = self.0 else { return Ok(()) };
        let line = json!({ "at": now(), "count": count, "id": open.id, "is": outcome });
        open.write(&line).map_err(|error| error.after(&format!("{count} were written, but that is not noted")))
    }
}

impl Open {
    fn write(&mut self, line: &Value) -> Result<()> {
        // At once, so that two commands do not write into each other's line; and on the disk before anything is done.
        let written = self.file.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.file.sync_data());
        written.map_err(|error| cannot(&self.path, &error))
    }
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::disk("write to the audit log", path, error).hint("nothing is written here that is not noted there")
}

/// Whoever may read the file of a context need not read who did what. A pipe keeps nothing, and would be waited for.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let at_once = rustix::fs::OFlags::NONBLOCK.bits();
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, i32::try_from(at_once).unwrap_or_default());
    }
    let no_file = || io::Error::other("it is no file, and would keep nothing: name a file");
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(no_file());
    }
    let file = options.open(path)?;
    // It may have been put there in between.
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

fn now() -> String {
    Timestamp::now().to_string()
}

fn named(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
}

/// Whose name stands in the audit log of a console: that of the environment, and the number that the system knows.
#[cfg(feature = "console")]
pub(crate) fn user() -> String {
    let name = named(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "console".to_owned());
    match uid() {
        Some(uid) => format!("{name} ({uid})"),
        None => name,
    }
}

/// What the system says, and not only what the environment does, which anybody may set.
fn who() -> Value {
    json!({
        "host": host(),
        "process": std::process::id(),
        "sudo": named(&["SUDO_USER"]),
        "uid": uid(),
        "user": named(&["USER", "LOGNAME", "USERNAME"]),
    })
}

#[cfg(unix)]
fn uid() -> Option<u32> {
    Some(rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn uid() -> Option<u32> {
    None
}

fn host() -> Option<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    kernel.or_else(|| env::var("HOSTNAME").or_else(|_| env::var("COMPUTERNAME")).ok()).filter(|name| !name.is_empty())
}
