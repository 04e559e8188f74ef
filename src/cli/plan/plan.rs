//! The files that a command changes, and what they will be.

use std::path::{Path, PathBuf};

use super::apply::apply;
use super::diff::diff;
use super::place::{exists, read};
use crate::error::{Error, Result};
use crate::terminal::{Made, Said};

/// One file: what it was, and what it will be.
#[derive(Debug)]
pub(super) struct Change {
    /// From the root, with `/` between its parts.
    pub(super) path: String,
    pub(super) before: Option<String>,
    pub(super) after: String,
    what: Option<&'static str>,
}

/// What a command is about to write under one root, in this order.
#[derive(Debug)]
pub(crate) struct Plan {
    root: PathBuf,
    changes: Vec<Change>,
}

impl Plan {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), changes: Vec::new() }
    }

    /// A file as it will be, or is.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>> {
        match self.changes.iter().find(|change| change.path == path) {
            Some(change) => Ok(Some(change.after.clone())),
            None => read(&self.root, path),
        }
    }

    /// Adds a new file, which is what the command is about if `what` says so.
    ///
    /// # Errors
    ///
    /// If there is one, unless it is to be replaced.
    pub(crate) fn create(&mut self, path: &str, text: String, what: Option<&'static str>, force: bool) -> Result<()> {
        if !force && exists(&self.root, path)? {
            return Err(Error::refused(format!("{path} is there already"))
                .hint("give it another name, or replace it by `--force`"));
        }
        self.set(path, text, what)
    }

    /// Changes a file, or adds it.
    pub(crate) fn set(&mut self, path: &str, text: String, what: Option<&'static str>) -> Result<()> {
        if let Some(change) = self.changes.iter_mut().find(|change| change.path == path) {
            change.after = text;
            change.what = change.what.or(what);
            return Ok(());
        }
        let before = read(&self.root, path)?;
        // What stays as it is, is not written; but the file that a command is about is named.
        if before.as_ref() != Some(&text) || what.is_some() {
            self.changes.push(Change { path: path.to_owned(), before, after: text, what });
        }
        Ok(())
    }

    /// What there is to say of it.
    pub(crate) fn said(&self) -> Said {
        let mut made: Vec<Made> = self
            .changes
            .iter()
            .map(|change| Made { what: change.what, path: change.path.clone(), changed: change.before.is_some() })
            .collect();
        // What the command is about comes first.
        made.sort_by_key(|made| made.what.is_none());
        Said { made, ..Said::default() }
    }

    /// What would change, as one unified diff.
    pub(crate) fn diff(&self) -> String {
        self.changes.iter().map(|change| diff(&change.path, change.before.as_deref(), &change.after)).collect()
    }

    /// Writes all of it, or leaves everything as it was.
    pub(crate) fn write(&self) -> Result<()> {
        apply(&self.root, &self.changes, &mut |_| Ok(()))
    }

    #[cfg(test)]
    pub(super) fn write_with(&self, step: &mut dyn FnMut(&str) -> std::io::Result<()>) -> Result<()> {
        apply(&self.root, &self.changes, step)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::{fs, io};

    use tempfile::tempdir;

    use super::*;

    /// Every file and folder below, with its bytes.
    fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut found = BTreeMap::new();
        let mut open = vec![root.to_path_buf()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let bytes = path.is_file().then(|| fs::read(&path).unwrap());
                if bytes.is_none() {
                    open.push(path.clone());
                }
                found.insert(path, bytes);
            }
        }
        found
    }

    fn plan(root: &Path) -> Plan {
        fs::create_dir(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "mod a;\n").unwrap();
        fs::write(root.join("src/old.rs"), "old\n").unwrap();
        let mut plan = Plan::new(root);
        plan.create("src/events/deep/new.rs", "new\n".into(), Some("Event"), false).unwrap();
        plan.create("src/old.rs", "replaced\n".into(), None, true).unwrap();
        plan.set("src/lib.rs", "mod a;\nmod events;\n".into(), None).unwrap();
        plan
    }

    #[test]
    fn whichever_step_fails_everything_is_as_it_was() {
        let mut steps = 0;
        let folder = tempdir().unwrap();
        let whole = plan(folder.path());
        whole
            .write_with(&mut |_| {
                steps += 1;
                Ok(())
            })
            .unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("src/events/deep/new.rs")).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(folder.path().join("src/lib.rs")).unwrap(), "mod a;\nmod events;\n");
        assert!(steps >= 8, "two folders, three files written and three put in place: {steps}");
        assert!(tree(folder.path()).keys().all(|path| !path.display().to_string().contains(".convoke-")));

        for failing in 0..steps {
            let folder = tempdir().unwrap();
            let plan = plan(folder.path());
            let (before, mut at) = (tree(folder.path()), 0);
            let error = plan
                .write_with(&mut |_| {
                    at += 1;
                    if at == failing + 1 { Err(io::Error::other("the disk is full")) } else { Ok(()) }
                })
                .unwrap_err();
            assert!(error.to_string().contains("the disk is full"), "{error}");
            assert_eq!(tree(folder.path()), before, "step {failing}");
        }
    }

    #[test]
    fn a_file_that_has_changed_meanwhile_is_not_written_over() {
        let folder = tempdir().unwrap();
        let plan = plan(folder.path());
        fs::write(folder.path().join("src/lib.rs"), "mod a;\nmod mine;\n").unwrap();
        let before = tree(folder.path());
        let error = plan.write().unwrap_err();
        assert!(error.to_string().contains("has changed"), "{error}");
        assert_eq!(tree(folder.path()), before);
    }

    #[test]
    fn a_file_that_has_come_meanwhile_is_not_written_over() {
        let folder = tempdir().unwrap();
        let plan = plan(folder.path());
        fs::create_dir_all(folder.path().join("src/events/deep")).unwrap();
        fs::write(folder.path().join("src/events/deep/new.rs"), "mine\n").unwrap();
        let before = tree(folder.path());
        assert!(plan.write().unwrap_err().to_string().contains("has changed"));
        assert_eq!(tree(folder.path()), before);
    }

    #[test]
    fn no_path_leaves_the_root() {
        let folder = tempdir().unwrap();
        let mut plan = Plan::new(folder.path());
        for path in ["", "..", "../x", "a/../../x", "/tmp/x", "./x", "a/./../b"] {
            assert!(plan.create(path, String::new(), None, true).is_err(), "{path}");
        }
        assert!(plan.changes.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn no_link_is_followed() {
        use std::os::unix::fs::symlink;

        let (folder, elsewhere) = (tempdir().unwrap(), tempdir().unwrap());
        fs::write(elsewhere.path().join("file"), "theirs").unwrap();
        symlink(elsewhere.path(), folder.path().join("src")).unwrap();
        symlink(elsewhere.path().join("file"), folder.path().join("file")).unwrap();
        symlink(elsewhere.path().join("none"), folder.path().join("dangling")).unwrap();
        let mut plan = Plan::new(folder.path());
        for path in ["src/new.rs", "file", "file/x", "dangling", "dangling/x"] {
            let error = plan.create(path, String::new(), None, true).unwrap_err();
            assert!(error.to_string().contains("link"), "{path}: {error}");
        }

        // A link that comes after the plan was made is not followed either.
        let late = tempdir().unwrap();
        let mut plan = Plan::new(late.path());
        plan.create("src/new.rs", "new".into(), None, false).unwrap();
        symlink(elsewhere.path(), late.path().join("src")).unwrap();
        assert!(plan.write().unwrap_err().to_string().contains("link"));
        assert!(!elsewhere.path().join("new.rs").exists());
    }

    #[test]
    fn a_diff_shows_what_is_new_and_what_changes() {
        let folder = tempdir().unwrap();
        let diff = plan(folder.path()).diff();
        assert!(diff.contains("--- /dev/null\n+++ b/src/events/deep/new.rs\n@@ -0,0 +1 @@\n+new\n"), "{diff}");
        assert!(diff.contains("--- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1 +1,2 @@\n mod a;\n+mod events;\n"), "{diff}");
    }
}
