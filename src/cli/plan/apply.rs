//! A plan on the disk: everything is written aside, then put in place; and taken back if a step fails.
//!
//! `Change → folders → a file beside its place → as it was read? → renamed → all done, or Undo::drop`

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::place::{place, read};
use super::plan::Change;
use crate::error::{Error, Result};

/// Said before each step; an error of it is that of the step.
type Step<'a> = dyn FnMut(&str) -> io::Result<()> + 'a;

/// What has been done, to be taken back in the reverse order.
#[derive(Debug, Default)]
struct Undo {
    done: Vec<Done>,
    kept: bool,
}

#[derive(Debug)]
enum Done {
    Folder(PathBuf),
    /// A file beside its place, while it is there.
    Aside(PathBuf),
    Created(PathBuf),
    /// A file that was another, and where that is kept meanwhile.
    Replaced(PathBuf, PathBuf),
}

impl Drop for Undo {
    fn drop(&mut self) {
        for done in self.done.drain(..).rev() {
            // It has failed already, and each of these is tried whatever becomes of the others.
            let _ = match (done, self.kept) {
                (Done::Replaced(_, old), true) => fs::remove_file(old),
                (_, true) => Ok(()),
                (Done::Folder(path), false) => fs::remove_dir(path),
                (Done::Aside(path) | Done::Created(path), false) => fs::remove_file(path),
                // Of two names for one file, which they are until it is replaced, a rename takes neither away.
                (Done::Replaced(path, old), false) => fs::rename(&old, path).and_then(|()| fs::remove_file(old)),
            };
        }
    }
}

/// Writes all changes, or none.
pub(super) fn apply(root: &Path, changes: &[Change], step: &mut Step<'_>) -> Result<()> {
    // What is new comes first, and then what names it: so even a kill between two steps leaves a crate that compiles.
    let (new, old): (Vec<_>, Vec<_>) = changes.iter().partition(|change| change.before.is_none());
    let changes: Vec<&Change> = new.into_iter().chain(old).collect();
    let mut undo = Undo::default();
    let mut aside = Vec::new();
    for (number, change) in changes.iter().enumerate() {
        let path = place(root, &change.path)?;
        folders(root, &path, &mut undo, step)?;
        let beside = beside(&path, number, "new");
        undo.done.push(Done::Aside(beside.clone()));
        write(&beside, &path, change.after.as_bytes(), step).map_err(|error| Error::disk("write", &path, &error))?;
        aside.push((path, beside));
    }
    for (number, (change, (path, beside_it))) in changes.iter().zip(&aside).enumerate() {
        // Somebody may have written to it, or made it a link, since the plan was made.
        if read(root, &change.path)? != change.before {
            return Err(Error::refused(format!("{} has changed meanwhile", change.path)).hint("try it again"));
        }
        let put = |error: io::Error| Error::disk("write", path, &error);
        if change.before.is_some() {
            let old = beside(path, number, "old");
            step("keep").map_err(put)?;
            fs::hard_link(path, &old).or_else(|_| fs::copy(path, &old).map(drop)).map_err(put)?;
            undo.done.push(Done::Replaced(path.clone(), old));
            step("replace").map_err(put)?;
            fs::rename(beside_it, path).map_err(put)?;
        } else {
            step("place").map_err(put)?;
            // A rename would write over what has come meanwhile, and a link does not. Some file systems have none.
            match fs::hard_link(beside_it, path) {
                Ok(()) => {
                    undo.done.push(Done::Created(path.clone()));
                    fs::remove_file(beside_it).map_err(put)?;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(put(error)),
                Err(_) => {
                    fs::rename(beside_it, path).map_err(put)?;
                    undo.done.push(Done::Created(path.clone()));
                }
            }
        }
    }
    undo.kept = true;
    Ok(())
}

/// Makes the folders of a file that are missing.
fn folders(root: &Path, path: &Path, undo: &mut Undo, step: &mut Step<'_>) -> Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().skip(1).take_while(|folder| *folder != root && !folder.exists()).collect();
    for folder in missing.into_iter().rev() {
        step("folder").and_then(|()| fs::create_dir(folder)).map_err(|error| Error::disk("make", folder, &error))?;
        undo.done.push(Done::Folder(folder.to_path_buf()));
    }
    Ok(())
}

/// A name in the same folder that is nobody's.
fn beside(path: &Path, number: usize, what: &str) -> PathBuf {
    path.with_file_name(format!(".convoke-{}-{number}-{what}", std::process::id()))
}

/// Writes a file that is not there yet, with the rights of the one that it is to replace.
fn write(beside: &Path, path: &Path, bytes: &[u8], step: &mut Step<'_>) -> io::Result<()> {
    step("write")?;
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(beside)?;
    file.write_all(bytes)?;
    if let Ok(found) = fs::metadata(path) {
        file.set_permissions(found.permissions())?;
    }
    file.sync_all()
}
