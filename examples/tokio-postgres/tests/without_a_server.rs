//! What the example says where no server is. With one it is run by `outbox::postgres` of the tests over servers.

use std::process::Command;

#[test]
fn an_address_where_nobody_is_is_named() {
    let mut example = Command::new(env!("CARGO_BIN_EXE_convoke-example-tokio-postgres"));
    let output = example.env("DATABASE_URL", "postgres://127.0.0.1:1/shop").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing listens at its address"), "{said}");
}
