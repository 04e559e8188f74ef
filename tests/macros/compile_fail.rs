//! What the compiler says when our macros are used wrongly, word for word: `wrong/` has a file for each
//! subject, in a folder for each macro, and beside it what is said about it.
//!
//! After a change of the words, `TRYBUILD=overwrite cargo test -p convoke-macros-tests` writes them anew: read the
//! difference as a user would.
#![cfg(test)]

use std::env;
use std::io::{Write, stderr};
use std::process::Command;

/// Half of what is said are the compiler's own words, which change from one version to the next: they are those of this.
const RUSTC: &str = "1.95";

#[test]
fn wrong_uses_of_the_macros_are_told_with_what_to_do() {
    let version = rustc();
    if version.starts_with(&format!("rustc {RUSTC}.")) {
        trybuild::TestCases::new().compile_fail("wrong/*/*.rs");
        return;
    }
    // Written past the test harness, which would keep it to itself.
    let version = version.trim_end();
    writeln!(
        stderr(),
        "\nnot compared: tests/macros/wrong/*/*.stderr are the words of rustc {RUSTC}, and this is {version}: \
         try `cargo +{RUSTC} test -p convoke-macros-tests`"
    )
    .unwrap();
}

/// What the compiler of this test says of itself.
fn rustc() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
