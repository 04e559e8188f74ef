//! Whether the process of a relay lives: it has a file beside the database locked, and the system takes that lock from it however it ends.
//!
//! `the first renewal → Sign::of → shop.db-relay-7f3a…, locked → its mark stands behind the relay, in its row → another process: is it locked?`
//!
//! A file that is not there says nothing, nor does one that cannot be opened: then the lease alone counts. So nobody takes what somebody has who
//! lives, whatever becomes of the files.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::__private::random;
use crate::Uuid;

/// What is between the name of the database and the mark.
const BETWEEN: &str = "-relay-";

/// What is between a relay and the mark of its process, in its row.
const BEHIND: char = '@';

/// How long a mark is.
const DIGITS: usize = 16;

static SIGNS: Mutex<Option<HashMap<PathBuf, Weak<Sign>>>> = Mutex::new(None);

/// That this process lives, for all who have the same database open. Dropped, it says no more.
pub(super) struct Sign {
    mark: String,
    path: PathBuf,
    /// Locked until it is closed.
    _file: File,
    is_new: AtomicBool,
}

impl Sign {
    /// The one of this process for the database of this path; `None` where no such file can be made or locked.
    pub(super) fn of(database: &Path) -> Option<Arc<Self>> {
        let mut signs = SIGNS.lock().unwrap_or_else(PoisonError::into_inner);
        let signs = signs.get_or_insert_default();
        signs.retain(|_, sign| sign.strong_count() > 0);
        if let Some(sign) = signs.get(database).and_then(Weak::upgrade) {
            return Some(sign);
        }
        let mark = format!("{:0DIGITS$x}", random());
        let path = path_of(database, &mark);
        match make(&path) {
            Ok(file) => {
                let sign = Arc::new(Self { mark, path, _file: file, is_new: AtomicBool::new(true) });
                signs.insert(database.to_owned(), Arc::downgrade(&sign));
                Some(sign)
            }
            Err(error) => {
                log::debug!(target: "convoke::relay", "{}: {error}: if this process dies, its lease says so", path.display());
                None
            }
        }
    }

    /// As a relay of this process stands in its row.
    pub(super) fn behind(sign: Option<&Self>, relay: Uuid) -> String {
        match sign {
            Some(sign) => format!("{relay}{BEHIND}{}", sign.mark),
            None => relay.to_string(),
        }
    }

    /// Whether nobody has looked yet for files that nobody needs.
    pub(super) fn is_new(&self) -> bool {
        self.is_new.swap(false, Ordering::Relaxed)
    }
}

fn make(path: &Path) -> io::Result<File> {
    let file = File::options().write(true).create_new(true).open(path)?;
    if let Err(error) = file.try_lock() {
        // It is of no use to anybody.
        let _ = fs::remove_file(path);
        return Err(error.into());
    }
    Ok(file)
}

/// Whether the process of a relay is known to be dead, by what stands in its row.
pub(super) fn is_dead(database: &Path, relay: &str) -> bool {
    mark_of(relay).is_some_and(|mark| is_free(&path_of(database, mark)))
}

/// Deletes the files that processes have left which are dead, unless a row knows them still: other outboxes look at them yet.
pub(super) fn sweep(database: &Path, relays: &[String]) {
    let (Some(folder), Some(name)) = (database.parent(), database.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let Ok(all) = fs::read_dir(folder) else { return };
    for file in all.flatten() {
        let (path, file) = (file.path(), file.file_name());
        let mark = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix(BETWEEN));
        let Some(mark) = mark.filter(|mark| is_mark(mark)) else { continue };
        if relays.iter().all(|relay| mark_of(relay) != Some(mark)) && is_free(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether the file is there, and nobody has it locked.
fn is_free(path: &Path) -> bool {
    File::options().read(true).write(true).open(path).is_ok_and(|file| file.try_lock().is_ok())
}

fn mark_of(relay: &str) -> Option<&str> {
    relay.split_once(BEHIND).map(|(_, mark)| mark).filter(|mark| is_mark(mark))
}

fn is_mark(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn path_of(database: &Path, mark: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(BETWEEN);
    path.push(mark);
    path.into()
}

impl Drop for Sign {
    fn drop(&mut self) {
        // Before it is free: whoever finds a file that is free takes its process for dead.
        let _ = fs::remove_file(&self.path);
    }
}

impl fmt::Debug for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sign").field(&self.path).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_dead_whose_file_is_there_and_free_and_no_other() {
        let folder = std::env::temp_dir().join(format!("convoke-alive-{:016x}", random()));
        fs::create_dir(&folder).unwrap();
        let database = folder.join("shop.db");
        let sign = Sign::of(&database).unwrap();
        assert!(sign.is_new() && !sign.is_new());
        let relay = Sign::behind(Some(&sign), Uuid::nil());
        assert!(Arc::ptr_eq(&sign, &Sign::of(&database).unwrap()));
        assert!(!is_dead(&database, &relay), "it lives");
        // As a process leaves it that is killed.
        let left = format!("{}{BEHIND}{}", Uuid::nil(), "0123456789abcdef");
        let file = path_of(&database, "0123456789abcdef");
        fs::write(&file, "").unwrap();
        assert!(is_dead(&database, &left));
        let locked = File::open(&file).unwrap();
        locked.lock().unwrap();
        assert!(!is_dead(&database, &left), "somebody has it");
        drop(locked);
        for other in [
            Uuid::nil().to_string(),
            format!("{}@../../../../x", Uuid::nil()),
            format!("{}@fedcba9876543210", Uuid::nil()),
        ] {
            assert!(!is_dead(&database, &other), "{other}");
        }
        // A row knows it still, and then none does.
        sweep(&database, &[left, relay.clone()]);
        assert!(file.exists());
        sweep(&database, &[]);
        assert!(!file.exists() && sign.path.exists());
        let path = sign.path.clone();
        drop(sign);
        assert!(!path.exists() && !is_dead(&database, &relay));
        fs::remove_dir(folder).unwrap();
    }

    #[test]
    fn where_no_file_can_be_made_the_lease_counts() {
        let sign = Sign::of(Path::new("/nowhere/at all/shop.db"));
        assert!(sign.is_none());
        assert_eq!(Sign::behind(sign.as_deref(), Uuid::nil()), Uuid::nil().to_string());
        sweep(Path::new("/nowhere/at all/shop.db"), &[]);
    }
}
