//! Where a file may be: inside the root, and behind no link.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result, shown};

/// The largest file that is read: sources and manifests are far smaller.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Returns where a path leads from this root, having looked at each of its folders.
///
/// # Errors
///
/// If it is absolute or has `..`, if one of its folders is a link or no folder, or if it is itself no regular file.
pub(super) fn place(root: &Path, path: &str) -> Result<PathBuf> {
    let outside =
        || Error::refused(format!("`{}` would be outside of {}", shown(path), shown(&root.display().to_string())));
    let relative = Path::new(path);
    if relative.components().any(|part| !matches!(part, Component::Normal(_))) || path.is_empty() {
        return Err(outside());
    }
    let mut at = root.to_path_buf();
    let mut parts = relative.components().peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let found = match fs::symlink_metadata(&at) {
            Ok(found) => found.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(root.join(relative)),
            Err(error) => return Err(Error::disk("look at", &at, &error)),
        };
        let shown_at = shown(&at.display().to_string());
        if found.is_symlink() {
            return Err(Error::refused(format!("{shown_at} is a link, and links are not followed"))
                .hint("put a folder or a file of its own in its place"));
        }
        let fits = if parts.peek().is_some() { found.is_dir() } else { found.is_file() };
        if !fits {
            let wanted = if parts.peek().is_some() { "a folder" } else { "a file" };
            return Err(Error::refused(format!("{shown_at} is there, and is not {wanted}")));
        }
    }
    Ok(at)
}

/// Whether a file is there; an error if something else is.
pub(crate) fn exists(root: &Path, path: &str) -> Result<bool> {
    let at = place(root, path)?;
    Ok(fs::symlink_metadata(at).is_ok())
}

/// Reads a text of this root; nothing if it is not there.
pub(crate) fn read(root: &Path, path: &str) -> Result<Option<String>> {
    let at = place(root, path)?;
    match fs::metadata(&at) {
        Ok(found) if found.len() > LARGEST => {
            return Err(Error::refused(format!("{} is larger than {LARGEST} bytes", shown(&at.display().to_string()))));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::disk("look at", &at, &error)),
    }
    match fs::read_to_string(&at) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(Error::disk("read", &at, &error)),
    }
}
