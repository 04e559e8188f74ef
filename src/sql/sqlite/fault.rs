//! What SQLite says went wrong, as an error that says what to do.
//!
//! `sqlx::Error → its code → TransportError`

use std::sync::Arc;
use std::time::Duration;

use super::schema::SchemaError;
use super::standing::moved;
use crate::sql::Unfit;
use crate::transport::{ErrorKind, TransportError, in_vain};

// Primary result codes, https://www.sqlite.org/rescode.html.
const PERMISSION: i32 = 3;
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const IO: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANNOT_OPEN: i32 = 14;
const TOO_BIG: i32 = 18;
const AUTHORIZATION: i32 = 23;
const NOT_A_DATABASE: i32 = 26;

/// One of the extended codes of BUSY: what was read is old, and cannot be written on.
const BUSY_SNAPSHOT: i32 = 517;

/// The result code of SQLite, with what it has above the lowest byte.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Whether somebody else has the file locked.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| matches!(code & 0xff, BUSY | LOCKED))
}

/// Nothing of the error's own text is in it: what a trigger of the application says may be personal.
pub(crate) fn describe(at: &Arc<str>, error: &sqlx::Error) -> TransportError {
    if let Some(moved) = moved(error) {
        return TransportError::new(ErrorKind::Unreachable, at.clone(), moved.to_string());
    }
    let (kind, text) = match error {
        // Only the beginning of the text is looked at, which is SQLite's own.
        sqlx::Error::Database(error) if error.message().starts_with("no such table: convoke_") => (
            ErrorKind::Missing,
            "its tables are not there: call `migrate()`, or look whether it is another file".into(),
        ),
        sqlx::Error::Database(_) => of_code(code(error).unwrap_or_default()),
        sqlx::Error::PoolTimedOut => in_vain(
            ErrorKind::Unreachable,
            "no connection of the pool was free in time: give it more, or end transactions sooner",
        ),
        sqlx::Error::PoolClosed => (ErrorKind::Closed, "the pool is closed: open another".into()),
        sqlx::Error::WorkerCrashed => (ErrorKind::Unreachable, "the thread of a connection has died: try again".into()),
        sqlx::Error::Io(error) => (ErrorKind::Unreachable, format!("input or output has failed ({:?})", error.kind())),
        sqlx::Error::ColumnDecode { index, .. } => {
            (ErrorKind::Protocol, format!("column {index} of a row makes no sense: look who else writes these tables"))
        }
        _ => (ErrorKind::Protocol, "the client of SQLite has failed: try again".into()),
    };
    TransportError::new(kind, at.clone(), text)
}

fn of_code(code: i32) -> (ErrorKind, String) {
    match code & 0xff {
        _ if code == BUSY_SNAPSHOT => (
            ErrorKind::Unreachable,
            "somebody has written since this transaction has read, and it cannot write any more: roll it back, and begin with \
             `db.begin()`, which takes the lock at once"
                .into(),
        ),
        BUSY | LOCKED => (ErrorKind::Unreachable, "the file stays locked: keep other transactions on it short".into()),
        FULL => (ErrorKind::Unreachable, "the disk is full: make room".into()),
        IO => (ErrorKind::Unreachable, format!("the disk has failed (SQLite's code {code}): look at its health")),
        READ_ONLY | PERMISSION => (
            ErrorKind::Denied,
            "the file may not be written to: give this process the right to the file and its directory".into(),
        ),
        AUTHORIZATION => (ErrorKind::Denied, "an authorizer of the application forbids it: let it through".into()),
        CANNOT_OPEN => (
            ErrorKind::Denied,
            "the file cannot be opened: look whether its directory is there, and may be written to".into(),
        ),
        CORRUPT => {
            (ErrorKind::Refused, "the file is damaged: recover it with `sqlite3 … .recover`, or take another".into())
        }
        NOT_A_DATABASE => {
            (ErrorKind::Refused, "the file is no database of SQLite, or is encrypted: take another".into())
        }
        TOO_BIG => (ErrorKind::TooLarge, "SQLite takes no row of this size: send a reference to what is large".into()),
        _ => (ErrorKind::Refused, format!("SQLite refused it with code {code}: look who else changes these tables")),
    }
}

pub(super) fn of_schema(at: &Arc<str>, error: &SchemaError) -> TransportError {
    match error {
        SchemaError::Unfit(unfit) => {
            let kind = match unfit {
                Unfit::Newer(_) => ErrorKind::Refused,
                Unfit::Older { .. } => ErrorKind::Missing,
            };
            TransportError::new(kind, at.clone(), unfit.to_string())
        }
        SchemaError::Missing => {
            let text = "its tables are not there: call `migrate()` of the database once";
            TransportError::new(ErrorKind::Missing, at.clone(), text)
        }
        SchemaError::Sql(error) => describe(at, error),
    }
}

/// Nobody has answered within the deadline.
pub(crate) fn late(at: &Arc<str>, deadline: Duration) -> TransportError {
    let text = format!(
        "there was no answer within {deadline:?}: look who keeps the file locked, which may be a transaction of your own, or has \
         the disk busy"
    );
    let (kind, text) = in_vain(ErrorKind::Unreachable, text);
    TransportError::new(kind, at.clone(), text)
}
