//! Whether two URLs lead to the same place, whatever their users, passwords, options and queues.
//!
//! `a URL of the command line, that of a context → Likeness → is it the same?`

use super::template::user;

/// What is the same of two URLs that lead to the same place.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Likeness(String);

impl Likeness {
    /// That of a URL without a name behind `#`, as an address has it.
    pub(super) fn of(url: &str) -> Self {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        let scheme = scheme.to_ascii_lowercase();
        let (scheme, port) = match scheme.as_str() {
            "postgres" | "postgresql" => ("postgres", "5432"),
            "redis" | "rediss" => ("redis", "6379"),
            "amqp" => ("amqp", "5672"),
            "amqps" => ("amqp", "5671"),
            "http" => ("http", "80"),
            "https" => ("http", "443"),
            other => (other, ""),
        };
        if scheme == "sqlite" {
            return Self(format!("sqlite:{}", file(rest)));
        }
        // Who one is may have any sign in it.
        let rest = user(url).map_or(rest, |user| url[user.end..].trim_start_matches('@'));
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        let rest = match rest.strip_prefix("//") {
            Some(rest) => rest,
            None if user(url).is_some() => rest,
            None => return Self(format!("{scheme}:{rest}")),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.to_ascii_lowercase();
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (host.as_str(), port),
        };
        // PostgreSQL takes any part of it from the options, too.
        let option = |name: &str| {
            let all = options.split('&').filter_map(|option| option.split_once('='));
            all.filter(|(is, _)| scheme == "postgres" && *is == name).map(|(_, value)| value).next_back()
        };
        let (host, port) = (option("host").unwrap_or(host), option("port").unwrap_or(port));
        let path = option("dbname").unwrap_or(path);
        let host = match host {
            "" | "localhost" | "[::1]" => "127.0.0.1",
            host => host.strip_suffix('.').unwrap_or(host),
        };
        let port = port.trim_start_matches('0');
        // The first database of Redis, and the first virtual host of RabbitMQ.
        let path = match (scheme, path.trim_matches('/')) {
            ("redis", path) => path.trim_start_matches('0'),
            ("amqp", "%2f" | "%2F") => "",
            (_, path) => path,
        };
        Self(format!("{scheme}://{host}:{port}/{path}"))
    }
}

/// A file by its one name, whichever way leads to it.
fn file(path: &str) -> String {
    let path = std::path::Path::new(path.strip_prefix("//").unwrap_or(path));
    match path.canonicalize() {
        Ok(path) => path.display().to_string(),
        Err(_) => {
            std::path::absolute(path).map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_one_is_and_what_one_asks_for_is_no_other_place() {
        for (one, other) in [
            ("postgres://db/shop", "postgresql://ada:secret@DB:5432/shop?sslmode=require&a=b@c"),
            ("postgres://db/shop", "postgres://ada:se/c#r?e@t@db/shop"),
            ("postgres://db/shop", "postgres://ada@nowhere:1/other?host=db&port=5432&dbname=shop"),
            ("postgres://db/shop", "postgres://db//shop"),
            ("redis://cache/0", "redis://cache:06379/00"),
            ("redis://localhost", "rediss://:secret@127.0.0.1:6379/0"),
            ("amqp://rabbit", "amqp://guest:guest@rabbit./%2f"),
            ("amqps://rabbit:5671/", "amqps://rabbit"),
            ("http://localhost:4566", "http://127.0.0.1:4566/"),
            ("sqlite:shop.db", "sqlite:./shop.db"),
            ("sqlite:shop.db", "sqlite://shop.db"),
            ("sqs://eu-central-1", "sqs://key:secret@eu-central-1?token=x"),
        ] {
            assert_eq!(Likeness::of(one), Likeness::of(other), "{one} {other}");
        }
        for (one, other) in [
            ("postgres://db/shop", "postgres://db/test"),
            ("postgres://db/shop", "postgres://db:5433/shop"),
            ("redis://cache/1", "redis://cache"),
            ("sqlite:shop.db", "sqlite:test.db"),
            ("sqs:", "sqs://eu-central-1"),
            ("redis+unix:///a", "redis+unix:///b"),
            ("sqs:", "http://localhost:4566"),
        ] {
            assert_ne!(Likeness::of(one), Likeness::of(other), "{one} {other}");
        }
    }
}
