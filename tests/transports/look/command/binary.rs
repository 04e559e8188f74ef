//! The binary that stands beside this test, as cargo has built it.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The command with these words, and nothing of the environment that would say where it works.
///
/// # Panics
///
/// If it was not built: `cargo test --workspace` builds it, and so does `cargo build -p convoke-cli`.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(path());
    command.args(words).env_remove("CONVOKE_URL").env_remove("COLUMNS").stdin(Stdio::null());
    // Where nobody has put a convoke.toml.
    command.current_dir(std::env::temp_dir());
    command
}

fn path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap();
    let path = folder.join(format!("convoke{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is not built: cargo build -p convoke-cli", path.display());
    path
}

/// Runs it to its end, beside what else the test has to do.
pub(crate) async fn run(words: &[&str]) -> Output {
    let mut command = command(words);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// The same, which is to go well; returns what it has said.
pub(crate) async fn done(words: &[&str]) -> String {
    let output = run(words).await;
    // To a machine it says on the one why, and to a person on the other.
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said));
    String::from_utf8(output.stdout).unwrap()
}

/// The same, which is to be refused; returns why.
pub(crate) async fn refused(words: &[&str]) -> String {
    let output = run(words).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {said}");
    said
}

/// What it says to a machine, a line for each thing.
pub(crate) async fn lines(words: &[&str]) -> Vec<serde_json::Value> {
    done(words).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
