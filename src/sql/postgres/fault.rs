//! What PostgreSQL or its client says went wrong, as an error that says what to do.
//!
//! `sqlx::Error → its SQLSTATE → TransportError`
//!
//! Nothing of the server's own text is quoted: it may repeat values, and these may be personal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::transport::{ErrorKind, TransportError, in_vain};

/// The code of the server, https://www.postgresql.org/docs/current/errcodes-appendix.html.
fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(Into::into)
}

/// Whether the same statement may succeed when it is sent again: the server has undone it for somebody else's sake.
pub(super) fn is_worth_another(error: &sqlx::Error) -> bool {
    // serialization_failure, deadlock_detected.
    code(error).is_some_and(|code| code == "40001" || code == "40P01")
}

/// Whether the connection is of no use any more.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // The server goes down, or was made a standby.
        _ => code(error).is_some_and(|code| code.starts_with("08") || code.starts_with("57P") || code == "25006"),
    }
}

/// Whether the server lets nobody write, as a standby.
pub(super) fn only_reads(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| code == "25006")
}

/// Whether no connection came about because the server is not there, or has no room: it may be in a moment.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // too_many_connections, cannot_connect_now and those around them.
        _ => code(error).is_some_and(|code| code == "53300" || code.starts_with("57P")),
    }
}

pub(crate) fn describe(at: &Arc<str>, error: &sqlx::Error) -> TransportError {
    let (kind, text) = match error {
        sqlx::Error::Database(_) => of_code(&code(error).unwrap_or_default()),
        sqlx::Error::PoolTimedOut => in_vain(
            ErrorKind::Unreachable,
            "no connection was free or could be made in time: look whether the server runs, give the pool more, or end \
             transactions sooner",
        ),
        sqlx::Error::PoolClosed => (ErrorKind::Closed, "the pool is closed: open another".into()),
        sqlx::Error::Io(error) => of_io(error.kind()),
        sqlx::Error::Tls(_) => (
            ErrorKind::Unreachable,
            "no TLS comes about: look at the certificate of the server and `sslmode` of the URL".into(),
        ),
        sqlx::Error::Configuration(_) => (ErrorKind::Unsupported, "the URL asks for what is not there".into()),
        sqlx::Error::ColumnDecode { index, .. } => {
            (ErrorKind::Protocol, format!("column {index} of a row makes no sense: look who else writes these tables"))
        }
        _ => (ErrorKind::Protocol, "the client of PostgreSQL has failed: try again".into()),
    };
    TransportError::new(kind, at.clone(), text)
}

fn of_io(kind: io::ErrorKind) -> (ErrorKind, String) {
    let text = match kind {
        io::ErrorKind::ConnectionRefused => "nothing listens at its address: look whether the server runs".into(),
        io::ErrorKind::NotFound => "there is no such socket or certificate: look at the URL".into(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "the server has ended the connection".into()
        }
        kind => format!("no connection comes about ({kind:?}): look at the host of the URL, and the network"),
    };
    (ErrorKind::Unreachable, text)
}

fn of_code(code: &str) -> (ErrorKind, String) {
    let unreachable = |text: &str| (ErrorKind::Unreachable, text.to_owned());
    match code {
        // undefined_table, undefined_function, invalid_schema_name, undefined_column.
        "42P01" | "42883" | "3F000" | "42703" => (
            ErrorKind::Missing,
            "its tables are not there: call `migrate()` of the database once, and look at its `schema`".into(),
        ),
        "3D000" => (ErrorKind::Missing, "there is no such database: create it, or correct the URL".into()),
        // invalid_authorization_specification, invalid_password, invalid_role_specification.
        "28P01" | "28000" | "0P000" => {
            (ErrorKind::Denied, "the server refuses the user or the password: correct the URL or `pg_hba.conf`".into())
        }
        // insufficient_privilege.
        "42501" => (
            ErrorKind::Denied,
            "the user has no right to its tables: grant it, and for `migrate()` the right to create in the schema"
                .into(),
        ),
        // These two are our own, of steps/2.sql.
        "ZC001" => (
            ErrorKind::Missing,
            "the transaction is of another database than the outbox: begin it there, or open the outbox again if its \
             database was replaced"
                .into(),
        ),
        "ZC002" => (ErrorKind::Lost, "the database was replaced by another one: what was taken is not there".into()),
        "25P01" => (ErrorKind::Refused, "there is no transaction: begin one".into()),
        "25P02" => (
            ErrorKind::Refused,
            "a statement of this transaction has failed before: roll it back, and begin another".into(),
        ),
        "22021" | "22P05" => {
            (ErrorKind::Refused, "PostgreSQL keeps no such text: leave out characters of the code 0".into())
        }
        "54000" | "22001" => (ErrorKind::TooLarge, "PostgreSQL takes no row of this size: send a reference".into()),
        "55P03" => unreachable("another transaction holds a lock for longer than `lock_timeout`: end it sooner"),
        "53300" => unreachable("the server has no connection left: give it more, or the pools fewer"),
        "53100" => unreachable("the disk of the server is full: make room"),
        "53200" => unreachable("the server has no memory or no lock left: raise `max_locks_per_transaction`"),
        "25006" => unreachable(
            "the server only reads, and nothing was written: connect to the primary if it is a standby, or look at \
             `default_transaction_read_only`",
        ),
        "57014" => unreachable("the server has cancelled the statement: look at its `statement_timeout`"),
        "40001" | "40P01" => unreachable("others have changed the same rows again and again: try again"),
        "57P01" | "57P02" | "57P03" => unreachable("the server goes down or starts: try again"),
        code if code.starts_with("08") => unreachable("the connection has ended"),
        code => (
            ErrorKind::Refused,
            format!("PostgreSQL refused it with SQLSTATE {code}: look who else changes these tables"),
        ),
    }
}

/// Nobody has answered within the deadline.
pub(crate) fn late(at: &Arc<str>, deadline: Duration) -> TransportError {
    let text = format!("there was no answer within {deadline:?}: look at the network, and who holds locks");
    let (kind, text) = in_vain(ErrorKind::Unreachable, text);
    TransportError::new(kind, at.clone(), text)
}
