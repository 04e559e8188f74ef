//! The options of a URL: which a server's client knows, and that each stands there once.
//!
//! `?sslmode=require&schema=shop → names → known, once`

use percent_encoding::percent_decode_str;

use super::kind::ServerKind;

/// What the client of PostgreSQL takes, what libpq knows beside that, and our own.
const POSTGRES: [&str; 52] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "schema",
    "service",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "statement-cache-capacity",
    "target_session_attrs",
    "tcp_user_timeout",
    "tty",
    "user",
];

const REDIS: [&str; 2] = ["prefix", "protocol"];
const REDIS_OF_A_SOCKET: [&str; 5] = ["db", "pass", "prefix", "protocol", "user"];

/// What the client takes, and what else the URLs of RabbitMQ have.
const AMQP: [&str; 10] = [
    "auth_mechanism",
    "cacertfile",
    "certfile",
    "channel_max",
    "connection_timeout",
    "frame_max",
    "heartbeat",
    "keyfile",
    "server_name_indication",
    "verify",
];

/// Looks whether all options are known, and each stands there once.
///
/// # Errors
///
/// Says which are known; of the URL nothing is quoted.
pub(super) fn check(server: ServerKind, scheme: &str, query: &str) -> Result<(), &'static str> {
    // It is the rest of a password that should have been escaped, or may be: the client says more of that.
    if query.contains('@') {
        return Ok(());
    }
    let (known, text): (&[&str], _) = match server {
        ServerKind::Postgres => (
            &POSTGRES,
            "it has an option that is not known: PostgreSQL takes those of its own clients, as `sslmode`, `sslrootcert`, `sslcert`, \
             `sslkey`, `host`, `port`, `dbname`, `user`, `password`, `application_name` and `options`, and `schema` with our tables",
        ),
        ServerKind::Redis if scheme.ends_with("unix") => (
            &REDIS_OF_A_SOCKET,
            "it has an option that is not known: a socket of Redis takes `db`, `user`, `pass`, `protocol` and `prefix`",
        ),
        ServerKind::Redis => {
            (&REDIS, "it has an option that is not known: Redis takes `protocol`, and `prefix` with our durable rounds")
        }
        ServerKind::RabbitMq => (
            &AMQP,
            "it has an option that is not known: RabbitMQ takes `heartbeat`, `connection_timeout`, `frame_max`, `channel_max` and \
             `auth_mechanism`",
        ),
        ServerKind::Sqs => {
            (&[], "the address of a server like SQS has no options: leave out the `?` and what is behind it")
        }
        _ => return Ok(()),
    };
    let mut names = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let name = option.split_once('=').map_or(option, |(name, _)| name);
        let name = percent_decode_str(name).decode_utf8().map_err(|_| text)?;
        let is_setting = server == ServerKind::Postgres && name.starts_with("options[") && name.ends_with(']');
        if !is_setting && !known.contains(&&*name) {
            return Err(text);
        }
        names.push(name);
    }
    once(names)
}

/// Looks whether each of these stands there once: of two values the client takes one, and does not say which.
///
/// # Errors
///
/// Says that one does not.
pub(super) fn once<T: Ord>(mut names: Vec<T>) -> Result<(), &'static str> {
    names.sort_unstable();
    match names.windows(2).any(|pair| pair[0] == pair[1]) {
        true => Err("it has an option twice: leave one of them out"),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::transport::{Address, AddressError};

    #[test]
    fn what_the_clients_of_a_server_understand_is_let_through() {
        for text in [
            "postgres://h/d?sslmode=require&application_name=shop&connect_timeout=5&options=-c%20a%3Db#q",
            "postgres://h/d?options[search_path]=a&options[lock_timeout]=5s&schema=shop",
            "postgres:///d?host=/run/postgresql&statement-cache-capacity=100&target_session_attrs=any",
            "postgresql://h/d?",
            "rediss://h/1?protocol=resp3&prefix=shop",
            "redis+unix:///run/redis.sock?db=1&user=a&pass=b",
            "amqps://h/v?heartbeat=10&connection_timeout=5000&auth_mechanism=external&cacertfile=/a",
            "amqp://h?frame%5Fmax=131072",
            "sqs://eu-central-1?endpoint=http://localhost:4566&token=x",
            "postgres://u:geheim@h/d?x=geheim@y",
        ] {
            assert!(text.parse::<Address>().is_ok(), "{text}: {:?}", text.parse::<Address>());
        }
    }

    #[test]
    fn a_slip_is_an_error_that_names_what_there_is_and_quotes_nothing() {
        for (text, known) in [
            ("postgres://h/d?geheim=require", "`sslmode`"),
            ("postgres://h/d?schema=a&geheim", "`schema`"),
            ("postgres://h/d?SSLMODE=geheim", "`sslmode`"),
            ("postgres://h/d?sslmode=require&sslmode=geheim", "twice"),
            ("postgres://h/d?schema=a&schema=geheim", "twice"),
            ("postgres://h/d?options[geheim]=a&options[geheim]=b", "twice"),
            ("redis://h?db=1&geheim=2", "`prefix`"),
            ("redis://h?prefix=geheim&prefix=b", "twice"),
            ("redis+unix:///s?database=geheim", "`db`"),
            ("amqp://h/v?heart_beat=geheim", "`heartbeat`"),
            ("amqp://h?heartbeat=1&heartbeat=2&geheim", "`heartbeat`"),
            ("http://localhost:4566?region=geheim", "no options"),
            ("sqs://eu-1?token=geheim&token=b", "twice"),
            ("sqs:?endpoint=http://a&endpoint=http://geheim", "twice"),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(error, AddressError::Form(_)), "{text}");
            assert!(error.to_string().contains(known) && !error.to_string().contains("geheim"), "{text}: {error}");
        }
    }
}
