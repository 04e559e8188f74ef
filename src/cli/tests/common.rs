//! A crate in a folder of its own, and the command in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What is needed of a checkout for a crate to depend on it.
const CHECKOUT: &str = "[package]\nname = \"convoke\"\nversion = \"0.1.0\"\n";

/// The checkout that these tests are part of.
pub(crate) fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The command in this folder, with these words.
pub(crate) fn convoke<S: AsRef<OsStr>>(folder: &Path, words: impl IntoIterator<Item = S>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(words)
        .current_dir(folder)
        .env_remove("CLICOLOR_FORCE")
        .env_remove("COLUMNS")
        .env_remove("CONVOKE_URL")
        .env_remove("CONVOKE_TEST_NOT_SET")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// The same, which is to go well; returns what it has said.
#[track_caller]
pub(crate) fn done(folder: &Path, line: &str) -> String {
    let output = convoke(folder, line.split(' '));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The same, which is to be refused with this code; returns why.
#[track_caller]
pub(crate) fn refused(folder: &Path, line: &str, code: i32) -> String {
    let output = convoke(folder, line.split(' '));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    assert!(output.stdout.is_empty(), "{line}: {}", String::from_utf8_lossy(&output.stdout));
    said
}

/// A folder with what stands for a checkout, and a crate that was begun with the command.
pub(crate) struct Shop {
    folder: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let folder = Self::without_a_crate();
        done(folder.folder(), "new shop --path convoke");
        folder
    }

    pub(crate) fn without_a_crate() -> Self {
        let folder = tempfile::tempdir().unwrap();
        lay_out(folder.path());
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }

    /// Everything that is there.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        tree(self.folder())
    }
}

/// Puts there what stands for a checkout.
pub(crate) fn lay_out(folder: &Path) {
    fs::create_dir_all(folder.join("convoke")).unwrap();
    fs::write(folder.join("convoke/Cargo.toml"), CHECKOUT).unwrap();
}

/// All files and folders below, and the bytes of the files. Links are not followed.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                open.push(path.clone());
            }
            found.insert(path.clone(), kind.is_file().then(|| fs::read(&path).unwrap()));
        }
    }
    found
}
