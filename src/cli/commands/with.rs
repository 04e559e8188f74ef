//! What an application can be begun with.

use clap::ValueEnum;
use minijinja::{Value, context};

/// A server, or a web server of its own. Each is code that uses it, and is named by a URL in the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum With {
    /// A web server: WEB_URL
    ActixWeb,
    /// Tasks in PostgreSQL: DATABASE_URL
    Postgres,
    /// Events by a stream of Redis: REDIS_URL
    Redis,
    /// Events by a queue of RabbitMQ: RABBITMQ_URL
    Rabbitmq,
    /// Events by a queue of SQS: SQS_URL
    Sqs,
}

/// A server by which events leave and come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queue {
    pub(super) module: &'static str,
    server: &'static str,
    variable: &'static str,
    example: &'static str,
    kind: &'static str,
    open: &'static str,
}

impl With {
    /// The feature of convoke that it needs.
    pub(super) fn feature(self) -> Option<&'static str> {
        match self {
            Self::ActixWeb => None,
            Self::Postgres => Some("postgres"),
            Self::Redis => Some("redis"),
            Self::Rabbitmq => Some("rabbitmq"),
            Self::Sqs => Some("sqs"),
        }
    }

    /// Whether it needs a newer Rust than the rest: sqlx and the AWS SDK do.
    pub(super) fn is_newer(self) -> bool {
        matches!(self, Self::Postgres | Self::Sqs)
    }

    pub(super) fn queue(self) -> Option<Queue> {
        match self {
            Self::ActixWeb | Self::Postgres => None,
            Self::Redis => Some(Queue {
                module: "redis",
                server: "Redis",
                variable: "REDIS_URL",
                example: "redis://localhost",
                kind: "Redis",
                open: "Redis::stream(name).at(url).create_if_missing().await?",
            }),
            Self::Rabbitmq => Some(Queue {
                module: "rabbitmq",
                server: "RabbitMQ",
                variable: "RABBITMQ_URL",
                example: "amqp://localhost",
                kind: "RabbitMq",
                open: "RabbitMq::queue(name).at(&url).create_if_missing().await?",
            }),
            // `sqs:` for that of Amazon, or the address of a server like it.
            Self::Sqs => Some(Queue {
                module: "sqs",
                server: "SQS",
                variable: "SQS_URL",
                example: "sqs:",
                kind: "AnyQueue",
                open: "AnyQueue::open(&url, name).await?",
            }),
        }
    }

    /// The variable without which it does not start, and an example.
    pub(super) fn wants(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::ActixWeb => None,
            Self::Postgres => Some(("DATABASE_URL", "postgres://localhost/shop")),
            Self::Redis | Self::Rabbitmq | Self::Sqs => self.queue().map(|queue| (queue.variable, queue.example)),
        }
    }

    /// The variable of the environment, and what it is.
    pub(super) fn variable(self) -> Value {
        match self {
            Self::ActixWeb => {
                context! { name => "WEB_URL", is => "where the web server listens: `http://127.0.0.1:8080` unless told otherwise" }
            }
            Self::Postgres => context! { name => "DATABASE_URL", is => "the database, as `postgres://localhost/shop`" },
            Self::Redis => {
                context! { name => "REDIS_URL", is => "the Redis by which events leave and come, as `redis://localhost`" }
            }
            Self::Rabbitmq => {
                context! { name => "RABBITMQ_URL", is => "the RabbitMQ by which events leave and come, as `amqp://localhost`" }
            }
            Self::Sqs => {
                context! { name => "SQS_URL", is => "`sqs:` for SQS with the account of the environment, or the address of a server like it" }
            }
        }
    }
}

impl Queue {
    pub(super) fn value(self) -> Value {
        context! {
            module => self.module,
            server => self.server,
            variable => self.variable,
            example => self.example,
            kind => self.kind,
            open => self.open,
        }
    }
}
