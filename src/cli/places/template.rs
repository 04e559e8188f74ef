//! A URL whose parts stand in the environment: `postgres://${PGUSER}:${PGPASSWORD}@db/shop#orders`.
//!
//! `convoke.toml → Template: is a password in it? → the environment → a URL`

use std::fmt::Write as _;
use std::ops::Range;

/// A text with names of variables in it.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    /// The name of a variable, and whether it stands before the `@` of a URL, where it is escaped.
    Variable(String, bool),
}

/// Names of a query's keys that have a secret behind them, as parts of the name.
const SECRETS: [&str; 5] = ["pass", "pwd", "secret", "token", "credential"];

impl Template {
    /// Reads a text; `None` if a `${` has no name or no end.
    pub(super) fn read(text: &str) -> Option<Self> {
        let user = user(text);
        let (mut parts, mut at) = (Vec::new(), 0);
        while let Some(begin) = text[at..].find("${").map(|begin| begin + at) {
            let end = text[begin..].find('}')? + begin;
            let name = &text[begin + 2..end];
            let mut letters = name.chars();
            let is_name = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
                && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
            if !is_name {
                return None;
            }
            if begin > at {
                parts.push(Part::Text(text[at..begin].to_owned()));
            }
            parts.push(Part::Variable(name.to_owned(), user.as_ref().is_some_and(|user| user.contains(&begin))));
            at = end + 1;
        }
        if at < text.len() {
            parts.push(Part::Text(text[at..].to_owned()));
        }
        Some(Self(parts))
    }

    /// Sets the variables in.
    ///
    /// # Errors
    ///
    /// The name of one that is not set.
    pub(super) fn fill(&self, variable: impl Fn(&str) -> Option<String>) -> Result<String, String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Variable(name, escaped) => {
                    let value = variable(name).ok_or_else(|| name.clone())?;
                    if *escaped { escape(&value, &mut filled) } else { filled.push_str(&value) }
                }
            }
        }
        Ok(filled)
    }
}

/// Whether a text has a password, or the like of one, as it is.
pub(super) fn has_a_secret(text: &str) -> bool {
    let password =
        user(text).and_then(|user| text[user].split_once(':')).is_some_and(|(_, password)| is_plain(password));
    let query = outside(text, &['#']).0;
    let query = outside(query, &['?']).1.unwrap_or_default();
    password
        || query.split('&').filter_map(|pair| pair.split_once('=')).any(|(key, value)| {
            let key = key.to_ascii_lowercase();
            SECRETS.iter().any(|secret| key.contains(secret)) && is_plain(value)
        })
}

/// Whether a text has anything but variables.
fn is_plain(mut text: &str) -> bool {
    while let Some(rest) = text.strip_prefix("${") {
        let Some((_, behind)) = rest.split_once('}') else { return true };
        text = behind;
    }
    !text.is_empty()
}

/// Where user and password stand in a URL.
pub(super) fn user(text: &str) -> Option<Range<usize>> {
    let begin = text.find("://")? + 3;
    let authority = outside(&text[begin..], &['/', '?', '#']).0;
    if let Some(at) = authority.rfind('@') {
        return Some(begin..begin + at);
    }
    // A password may have a sign in it that should have been escaped, and is a password all the same; a port is none.
    let (_, behind) = authority.split_once(':')?;
    if behind.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text[begin..].rfind('@').map(|at| begin..begin + at)
}

/// A text before and behind the first of these signs that is not inside of `${…}`.
fn outside<'a>(text: &'a str, signs: &[char]) -> (&'a str, Option<&'a str>) {
    let mut inside = false;
    for (at, sign) in text.char_indices() {
        match sign {
            '{' if text[..at].ends_with('$') => inside = true,
            '}' => inside = false,
            sign if !inside && signs.contains(&sign) => return (&text[..at], Some(&text[at + sign.len_utf8()..])),
            _ => {}
        }
    }
    (text, None)
}

/// Writes a text as it stands before the `@` of a URL.
fn escape(text: &str, to: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            let _ = write!(to, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let variable = |name: &str| match name {
            "USER" => Some("ada".to_owned()),
            "PASSWORD" => Some("p@ss/w:rd#%".to_owned()),
            "URL" => Some("redis://:a%20b@cache:6379/1".to_owned()),
            _ => None,
        };
        Template::read(text).ok_or("no template".to_owned())?.fill(variable)
    }

    #[test]
    fn a_variable_is_what_the_environment_says_and_escaped_where_it_has_to_be() {
        for (text, url) in [
            ("sqlite:shop.db#orders", "sqlite:shop.db#orders"),
            ("postgres://${USER}:${PASSWORD}@db/shop#orders", "postgres://ada:p%40ss%2Fw%3Ard%23%25@db/shop#orders"),
            ("${URL}", "redis://:a%20b@cache:6379/1"),
            ("${URL}#orders", "redis://:a%20b@cache:6379/1#orders"),
            ("amqp://rabbit/${USER}", "amqp://rabbit/ada"),
            ("sqs://${USER}:${PASSWORD}@eu-west-1#o", "sqs://ada:p%40ss%2Fw%3Ard%23%25@eu-west-1#o"),
        ] {
            assert_eq!(filled(text).as_deref(), Ok(url), "{text}");
        }
        assert_eq!(filled("redis://${HOST}/").unwrap_err(), "HOST");
        for text in ["redis://${", "redis://${}", "redis://${a b}", "redis://${1A}", "${A:-b}"] {
            assert_eq!(filled(text).unwrap_err(), "no template", "{text}");
        }
    }

    #[test]
    fn a_password_that_stands_there_is_found_wherever_it_stands() {
        for text in [
            "postgres://ada:secret@db/shop",
            "postgres://${USER}:secret@db/shop",
            "postgres://${USER}:${PASSWORD}x@db/shop",
            "postgres://ada:se/cr@et@db/shop",
            "postgres://ada:se#cret@db/shop",
            "redis://:secret@cache",
            "amqp://guest:guest@rabbit/%2f",
            "sqs://key:secret@eu-west-1#orders",
            "postgres://db/shop?password=secret",
            "postgres://db/shop?user=a&sslpassword=secret#orders",
            "sqs:?secret_access_key=x",
            "sqs:?session_token=x",
        ] {
            assert!(has_a_secret(text), "{text}");
        }
        for text in [
            "sqlite:shop.db#orders",
            "postgres://db/shop",
            "postgres://ada@db/shop",
            "postgres://ada:@db/shop",
            "postgres://${USER}:${PASSWORD}@db/shop?sslmode=require#a@b",
            "postgres://db/shop?password=${PASSWORD}#orders",
            "sqs://${KEY}:${SECRET}@eu-west-1#orders",
            "redis://cache:6379/0#a@b",
            "${URL}",
        ] {
            assert!(!has_a_secret(text), "{text}");
        }
    }
}
