//! An address as anybody may see it.
//!
//! `Address → Shown → the same without user, password, key, secret and token`

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::address::Address;
use super::kind::ServerKind;
use crate::__private::Shown as Printed;

/// What a name is not written with as it is.
const IN_NAME: &AsciiSet = &CONTROLS.add(b'%').add(b'#').add(b'@').add(b'&');

/// The options of which the value is no secret.
const PLAIN: [&str; 6] = ["sslmode", "heartbeat", "frame_max", "channel_max", "protocol", "endpoint"];

pub(super) struct Shown<'a> {
    pub(super) address: &'a Address,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.address.rest();
        write!(f, "{scheme}:")?;
        // A password that is not escaped may have anything in it: it ends at the last of these, wherever that is.
        match rest.rsplit_once('@') {
            // Of a password that is no value of ours, or one whose host was forgotten, nobody knows where it ends.
            _ if is_unclear(rest) => f.write_str("//…")?,
            None => place(f, rest)?,
            Some((secret, rest)) => {
                match user(secret, self.address.server()) {
                    Some(user) => write!(f, "//{}@", Printed::name(user))?,
                    None => f.write_str("//…@")?,
                }
                place(f, rest)?;
            }
        }
        if let Some((option, value)) = self.address.ours() {
            let first = if rest.contains('?') { '&' } else { '?' };
            write!(f, "{first}{option}={}", Printed::name(&written(value)))?;
        }
        match self.address.name() {
            Some(name) => write!(f, "#{}", Printed::name(&written(name))),
            None => Ok(()),
        }
    }
}

/// Whether what stands where the host is meant, or among the options, may be a password: `redis://user:secret`, `…?password=a@b`.
fn is_unclear(rest: &str) -> bool {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let Some(host) = place.strip_prefix("//") else { return false };
    let host = host.split('/').next().unwrap_or_default();
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let has_no_port = !host.contains(['@', '[']) && host.split_once(':').is_some_and(|(_, port)| !is_port(port));
    has_no_port && !rest.contains('@')
        || !place.contains('@') && query.split_once('@').is_some_and(|(option, _)| option.contains('='))
}

/// Whether a name is a URL with a user and perhaps a password, as nothing is called: it is refused, and not shown.
pub(crate) fn is_secret(name: &str) -> bool {
    name.contains("://") && name.contains('@')
}

/// The name as an address has it, so that it can be typed again.
fn written(name: &str) -> String {
    if is_secret(name) {
        return "…".to_owned();
    }
    utf8_percent_encode(name, IN_NAME).collect()
}

/// The user before a password, where it is plain who that is. One without a password may be a token.
fn user(secret: &str, server: ServerKind) -> Option<&str> {
    let (user, password) = secret.strip_prefix("//")?.split_once(':')?;
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
    let is_user = !user.is_empty() && user.chars().all(is_plain) && !password.is_empty();
    let has_users = matches!(server, ServerKind::Postgres | ServerKind::Redis | ServerKind::RabbitMq);
    (is_user && has_users && !password.contains(['/', '?', '@'])).then_some(user)
}

/// Host, path and options; of the options what may be seen.
fn place(f: &mut fmt::Formatter<'_>, rest: &str) -> fmt::Result {
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    write!(f, "{}", Printed::text(place))?;
    for (at, option) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        f.write_str(if at == 0 { "?" } else { "&" })?;
        match option.split_once('=') {
            Some((name, value)) if PLAIN.contains(&name) && !value.contains('%') => {
                write!(f, "{name}={}", Printed::name(value))?;
            }
            Some((name, _)) if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') => {
                write!(f, "{name}=…")?
            }
            _ => f.write_str("…")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::AddressError;

    fn shown(text: &str) -> String {
        let address: Address = text.parse().unwrap();
        assert_eq!(format!("{address:?}"), format!("Address({address})"));
        address.to_string()
    }

    #[test]
    fn what_may_be_a_password_is_not_shown_though_its_host_is_missing() {
        for text in [
            "redis://ada:geheim#q",
            "postgres://ada:geheim/shop",
            "http://ada:geheim",
            "postgres://db/x?password=a@geheim",
        ] {
            let Ok(address) = text.parse::<Address>() else { continue };
            assert!(!address.to_string().contains("geheim"), "{text}: {address}");
        }
        assert_eq!(shown("redis://db:6379#q"), "redis://db:6379#q");
        assert_eq!(shown("redis://[::1]:6379#q"), "redis://[::1]:6379#q");
    }

    #[test]
    fn an_address_is_shown_as_it_can_be_typed_again_but_for_its_secrets() {
        for (text, as_shown) in [
            ("sqlite:shop.db#orders", "sqlite:shop.db#orders"),
            ("sqlite:///var/a b/shop#1.db#orders/billing", "sqlite:///var/a b/shop#1.db#orders/billing"),
            (
                "postgres://shop:geheim@db:5432/shop?sslmode=require#orders",
                "postgres://shop@db:5432/shop?sslmode=require#orders",
            ),
            (
                "postgres://shop:geheim@db/shop?schema=a&sslmode=require#orders",
                "postgres://shop@db/shop?sslmode=require&schema=a#orders",
            ),
            ("postgres://db/shop?schema=a", "postgres://db/shop?schema=a"),
            ("postgres://db/shop?password=geheim&user=shop", "postgres://db/shop?password=…&user=…"),
            ("redis://:geheim@localhost/1#orders", "redis://…@localhost/1#orders"),
            ("redis://geheim@localhost#orders", "redis://…@localhost#orders"),
            ("rediss://shop:geheim@r", "rediss://shop@r"),
            ("redis://:geheim@r/1?prefix=sh%23op#orders", "redis://…@r/1?prefix=sh%23op#orders"),
            ("redis+unix:///run/redis.sock?pass=geheim", "redis+unix:///run/redis.sock?pass=…"),
            (
                "amqp://shop:geheim@rabbit/vhost?heartbeat=5#orders%2Femails",
                "amqp://shop@rabbit/vhost?heartbeat=5#orders/emails",
            ),
            ("sqs:#orders", "sqs:#orders"),
            ("sqs:", "sqs:"),
            ("sqs://AKIAKEY:geheim@eu-central-1#orders.fifo", "sqs://…@eu-central-1#orders.fifo"),
            (
                "sqs://AKIAKEY:geheim@eu-central-1?token=geheim&endpoint=http://localhost:4566#orders",
                "sqs://…@eu-central-1?token=…&endpoint=http://localhost:4566#orders",
            ),
            ("sqs://eu-central-1#orders", "sqs://eu-central-1#orders"),
            ("http://AKIAKEY:geheim@localhost:4566#orders", "http://…@localhost:4566#orders"),
            ("sns://AKIAKEY:geheim@eu-central-1#placed", "sns://…@eu-central-1#placed"),
            ("memory:shop#orders", "memory:shop#orders"),
            // What was not escaped.
            ("redis://:ge/he?i@m@localhost#orders", "redis://…@localhost#orders"),
            ("redis://:ge#heim@localhost#orders", "redis://…@localhost#orders"),
            ("postgres://u:geheim@h/d?x=geheim@y", "postgres://…@y"),
            ("postgres://h/d?options[geheim]=geheim&user=geheim", "postgres://h/d?…&user=…"),
        ] {
            assert_eq!(shown(text), as_shown);
            assert!(!shown(text).to_lowercase().contains("geheim") && !shown(text).contains("AKIA"), "{text}");
        }
    }

    #[test]
    fn a_name_comes_back_as_it_was_whatever_it_is() {
        for name in [
            "orders",
            "orders/billing",
            "ü 100 %",
            "a#b",
            "a@b:c?d",
            "\u{1b}[31m",
            "\u{202e}sredro",
            "https://h/1/orders",
        ] {
            let address = "redis://localhost".parse::<Address>().unwrap().named(name);
            assert_eq!(address.name(), Some(name));
            if !name.contains('\u{202e}') {
                assert_eq!(address.to_string().parse::<Address>().unwrap(), address, "{address}");
            }
            assert!(!address.to_string().contains(['\u{1b}', '\u{202e}']), "{address:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none_and_not_quoted() {
        let long = format!("sqlite:{}", "geheim".repeat(1000));
        for (text, error) in [
            ("geheim", AddressError::Scheme),
            ("", AddressError::Scheme),
            ("mysql://geheim", AddressError::Scheme),
            ("file:geheim", AddressError::Scheme),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error));
        }
        for text in [
            "sqlite:",
            "sqlite://",
            "sqlite:#geheim",
            "postgres:geheim",
            "redis:geheim",
            "amqp://",
            "http:",
            "sqs:geheim",
            "sqs://geheim@eu-1",
            "sqs://:geheim@eu-1",
            "sqs://key:@eu-1",
            "sqs://key:geheim@",
            "sqs://key:geheim@eu-1/geheim",
            "sqs:?geheim",
            "sqs:?endpoint=geheim",
            "sqs:?token=",
            "sns:geheim",
            "sqlite:a\u{7}geheim",
            "redis://geheim\n",
            long.as_str(),
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(error, AddressError::Form(_)), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
        for text in
            ["redis://:ge#heim@localhost", "sqs:#", "redis://h#%ff", "amqp://u:p#geheim:1@h", "redis://:p#geheim?@h"]
        {
            let error = text.parse::<Address>().unwrap_err();
            assert!(matches!(error, AddressError::Name(_)), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("heim"), "{error}");
        }
        let name = format!("sqs:#{}", "a".repeat(256));
        assert!(matches!(name.parse::<Address>(), Err(AddressError::Name(_))));
    }

    #[cfg(feature = "sqs")]
    #[test]
    fn what_it_says_of_an_account_is_read() {
        let aws = |text: &str| text.parse::<Address>().unwrap().aws();
        let all = aws("sqs://AKIA%2F:a%2Fb%3A@eu-central-1?endpoint=http%3A%2F%2Flocalhost:4566&token=x%3D#orders");
        assert_eq!(all.key, Some(("AKIA/".to_owned(), "a/b:".to_owned())));
        assert_eq!((all.token.as_deref(), all.region.as_deref()), (Some("x="), Some("eu-central-1")));
        assert_eq!(all.endpoint.as_deref(), Some("http://localhost:4566"));
        let none = aws("sqs:#orders");
        assert!(none.key.is_none() && none.region.is_none() && none.endpoint.is_none() && none.token.is_none());
        let http = aws("http://localhost:4566#orders");
        assert_eq!((http.endpoint.as_deref(), http.key), (Some("http://localhost:4566"), None));
        assert_eq!(aws("sqs:?endpoint=http://h#orders").endpoint.as_deref(), Some("http://h"));
    }
}
