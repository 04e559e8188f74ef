//! The servers that an address may name.

use std::fmt;

/// A kind of server, or of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerKind {
    /// A database in this process.
    Memory,
    /// A file of SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// Redis, or Valkey.
    Redis,
    /// RabbitMQ.
    RabbitMq,
    /// Amazon SQS, or a server that speaks its protocol.
    Sqs,
    /// Amazon SNS.
    Sns,
}

impl ServerKind {
    /// The kind that this scheme of a URL names.
    pub(super) fn of_scheme(scheme: &str) -> Option<Self> {
        Some(match scheme {
            "memory" => Self::Memory,
            "sqlite" => Self::Sqlite,
            "postgres" | "postgresql" => Self::Postgres,
            "redis" | "rediss" | "redis+unix" | "unix" => Self::Redis,
            "amqp" | "amqps" => Self::RabbitMq,
            "sqs" | "http" | "https" => Self::Sqs,
            "sns" => Self::Sns,
            _ => return None,
        })
    }

    /// What an address may say that no client is told.
    pub(super) fn option(self) -> Option<&'static str> {
        match self {
            Self::Postgres => Some("schema"),
            Self::Redis => Some("prefix"),
            _ => None,
        }
    }

    /// Returns the feature of this crate that reaches such a server; `None` if it needs none.
    pub fn feature(self) -> Option<&'static str> {
        match self {
            Self::Memory => None,
            Self::Sqlite => Some("sqlite"),
            Self::Postgres => Some("postgres"),
            Self::Redis => Some("redis"),
            Self::RabbitMq => Some("rabbitmq"),
            Self::Sqs => Some("sqs"),
            Self::Sns => Some("sns"),
        }
    }
}

/// As it is called by those who make it.
impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::RabbitMq => "RabbitMQ",
            Self::Sqs => "SQS",
            Self::Sns => "SNS",
        })
    }
}
