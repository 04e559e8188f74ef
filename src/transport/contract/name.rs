//! Names that are ours to choose: of queues, groups and inboxes in a database.
//!
//! `a builder → check_name → Unsupported, by name`

use std::sync::Arc;

use super::error::{ErrorKind, TransportError};

/// The longest, in bytes.
const MOST: usize = 80;

/// A name stands in errors, logs and metrics, so it is plain.
///
/// # Errors
///
/// `Unsupported` if it is not.
pub(crate) fn check_name(at: &Arc<str>, what: &str, name: &str) -> Result<(), TransportError> {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.:".contains(letter);
    if !name.is_empty() && name.len() <= MOST && name.chars().all(plain) {
        return Ok(());
    }
    let text = format!("{what} is named by 1 to {MOST} bytes of letters, digits, `-`, `_`, `.` and `:`");
    Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text))
}

/// The same of an inbox or a group, which may have no name at all.
///
/// # Errors
///
/// `Unsupported` if it has one that is not plain.
pub(crate) fn check_name_if_any(at: &Arc<str>, what: &str, name: &str) -> Result<(), TransportError> {
    if name.is_empty() { Ok(()) } else { check_name(at, what, name) }
}
