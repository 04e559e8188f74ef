//! The audit log: who did what, when, and from where. A line of JSON for each beginning and each end, as the command writes them.
//!
//! `a write → a line, before → its handler: what it is about → a line with the same id, after`
//!
//! ```text
//! {"at":"2026-01-02T03:04:05Z","command":"console","id":"…","is":"begun","place":"sqlite-shop.db","what":{"route":"POST /convoke/dead/{server}/letters"},"who":{"from":"10.0.0.7","person":"ada"}}
//! {"at":"2026-01-02T03:04:05Z","id":"…","is":"noted","what":{"did":"redrive","of":"orders"}}
//! {"at":"2026-01-02T03:04:06Z","id":"…","is":"done","status":303}
//! ```

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::rt::time::timeout;
use actix_web::{HttpResponse, ResponseError, web};
use convoke::Uuid;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::denied::Denied;

/// So long a line may take to be on the disk, behind those before it.
const TIME: Duration = Duration::from_secs(5);

/// What could not be noted, and so is not done.
#[derive(Debug)]
pub(crate) struct Unnoted(String);

impl fmt::Display for Unnoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the audit log cannot be written: {}", self.0)
    }
}

impl std::error::Error for Unnoted {}

impl ResponseError for Unnoted {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn error_response(&self) -> HttpResponse {
        let denied = Denied::new(self.status_code(), self.to_string());
        denied.hint("Nothing is written here that is not noted there").response()
    }
}

/// A log on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    path: PathBuf,
    /// One line at a time. Who hangs on a disk keeps it, so that no second thread hangs beside it.
    turn: Arc<Semaphore>,
}

impl Log {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, turn: Arc::new(Semaphore::new(1)) }
    }

    /// Begins a write.
    ///
    /// # Errors
    ///
    /// If it cannot be noted: then it must not be done.
    pub(super) async fn begin(
        self,
        route: &str,
        server: Option<&str>,
        person: &str,
        from: Option<String>,
    ) -> Result<Entry, Unnoted> {
        let entry = Entry { log: self, id: Uuid::now_v7().to_string() };
        let who = json!({ "from": from, "person": person });
        entry
            .line(
                json!({ "command": "console", "is": "begun", "place": server, "what": { "route": route }, "who": who }),
            )
            .await?;
        Ok(entry)
    }

    async fn write(&self, line: String) -> Result<(), Unnoted> {
        let late = || Unnoted(format!("it has not taken a line within {} s", TIME.as_secs()));
        let turn = timeout(TIME, Arc::clone(&self.turn).acquire_owned()).await.map_err(|_| late())?;
        let path = self.path.clone();
        let written = web::block(move || {
            let written = append(&path, &line);
            drop(turn);
            written
        });
        match timeout(TIME, written).await {
            Ok(Ok(written)) => written.map_err(|error| Unnoted(error.to_string())),
            Ok(Err(error)) => Err(Unnoted(error.to_string())),
            Err(_) => Err(late()),
        }
    }
}

/// A write that is under way.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    log: Log,
    id: String,
}

impl Entry {
    async fn line(&self, mut line: Value) -> Result<(), Unnoted> {
        if let Some(fields) = line.as_object_mut() {
            fields.insert("at".to_owned(), Timestamp::now().to_string().into());
            fields.insert("id".to_owned(), self.id.clone().into());
        }
        self.log.write(format!("{line}\n")).await
    }

    /// Notes what it is about.
    ///
    /// # Errors
    ///
    /// If that cannot be noted: then it must not go on.
    pub(super) async fn note(&self, what: &str, of: &str) -> Result<(), Unnoted> {
        self.line(json!({ "is": "noted", "what": { "did": what, "of": of } })).await
    }

    /// Notes how it ended.
    ///
    /// # Errors
    ///
    /// If that cannot be noted; it has ended so nevertheless.
    pub(super) async fn end(&self, status: StatusCode) -> Result<(), Unnoted> {
        let is = match status.as_u16() {
            ..400 => "done",
            400..500 => "refused",
            _ => "failed",
        };
        self.line(json!({ "is": is, "status": status.as_u16() })).await
    }
}

/// Whether a log can be there: a file, or nothing yet in a folder that is one.
///
/// # Errors
///
/// Why not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    open(path).map(drop)
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = open(path)?;
    // At once, so that two processes do not write into each other's line; and on the disk before anything is done.
    file.write_all(line.as_bytes())?;
    file.sync_data()
}

fn open(path: &Path) -> io::Result<File> {
    let is_file = |is_file: bool| if is_file { Ok(()) } else { Err(io::Error::other("it is no file")) };
    match fs::metadata(path) {
        // Before it is opened: a pipe would wait for its reader, and a device does what it likes.
        Ok(metadata) => is_file(metadata.is_file())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                fs::create_dir_all(folder)?;
            }
        }
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // Whoever may see the console need not read who did what.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
    let file = options.open(path)?;
    is_file(file.metadata()?.is_file())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_a_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(folder.path()).is_err());
        assert!(check(Path::new("/dev/null")).is_err());
        let path = folder.path().join("log/audit.jsonl");
        append(&path, "one\n").unwrap();
        append(&path, "two\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        assert!(check(&path.join("below")).is_err());
    }
}
