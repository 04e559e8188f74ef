//! A statement for a client that is not ours.
//!
//! `Outbox::statement(event) → Statement → tokio-postgres, diesel, rusqlite → a row`

use std::borrow::Cow;

/// The statement that publishes an event, for a transaction of a client other than sqlx: its text, and the values of its
/// parameters in their order. Created by [`Outbox::statement`](super::Outbox::statement).
///
/// `Debug` shows no values, because they may be personal.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Statement {
    /// The text, with the parameters as the database writes them: `?1` for SQLite, `$1` for PostgreSQL.
    pub sql: Cow<'static, str>,
    /// The values, the first for the first parameter.
    pub values: Vec<SqlValue>,
}

impl Statement {
    pub(crate) fn new(sql: impl Into<Cow<'static, str>>, values: Vec<SqlValue>) -> Self {
        Self { sql: sql.into(), values }
    }
}

impl std::fmt::Debug for Statement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds: Vec<_> = self.values.iter().map(SqlValue::kind).collect();
        f.debug_struct("Statement").field("sql", &self.sql).field("values", &kinds).finish()
    }
}

/// A value of a [`Statement`].
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum SqlValue {
    /// A text, or `NULL`.
    Text(Option<String>),
    /// An integer of 64 bits.
    Integer(i64),
    /// Bytes: `bytea` of PostgreSQL, `BLOB` of SQLite.
    Bytes(Vec<u8>),
}

impl SqlValue {
    /// Returns the type: `text`, `bigint` or `bytea`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "bigint",
            Self::Bytes(_) => "bytea",
        }
    }
}

impl std::fmt::Debug for SqlValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}
