//! The server on which what is kept in a PostgreSQL is tried.

/// Its URL; nothing where none is named, and then nothing is tried there.
///
/// # Panics
///
/// If that is in CI: what passes there without having been tried would be noticed by nobody. `tests/run` starts a server.
pub(crate) fn url_of_the_tests() -> Option<String> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = value("CONVOKE_TEST_POSTGRES_URL");
    let is_ci = value("CI").is_some_and(|ci| ci != "false" && ci != "0");
    assert!(url.is_some() || !is_ci, "nothing is tried over PostgreSQL: CONVOKE_TEST_POSTGRES_URL names none");
    url
}
