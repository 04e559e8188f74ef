//! A server, and what is meant on it.
//!
//! `scheme:rest#name → Address`

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::error::AddressError;
use super::kind::ServerKind;
use super::options;
use super::shown::Shown;

/// How long an address may be: more than any needs, and little enough to be read at once.
const LONGEST: usize = 4096;

/// How long a name may be: as long as that of a queue of RabbitMQ.
const LONGEST_NAME: usize = 255;

/// Where something is: the URL of a server or database, and behind `#` the name of what is meant there, as a queue.
///
/// ```
/// use convoke::look::{Address, ServerKind};
///
/// let address: Address = "postgres://shop:secret@db.internal/shop#orders".parse()?;
/// assert_eq!(address.server(), ServerKind::Postgres);
/// assert_eq!(address.url(), "postgres://shop:secret@db.internal/shop");
/// assert_eq!(address.name(), Some("orders"));
/// assert_eq!(address.to_string(), "postgres://shop@db.internal/shop#orders"); // so it may be shown
/// # Ok::<(), convoke::look::AddressError>(())
/// ```
///
/// | address | is |
/// |---|---|
/// | `sqlite:shop.db#orders` | a queue in a file of SQLite |
/// | `postgres://user:password@host:5432/database#orders` | a queue in PostgreSQL |
/// | `postgres://…?schema=shop#orders` | the same where the tables are in another schema than `public` |
/// | `redis://host?prefix=shop` | where the durable rounds of Redis begin with another word than `convoke` |
/// | `redis://host#orders`, `rediss://…` with TLS, `redis+unix:///path#orders` | a stream of Redis |
/// | `amqp://user:password@host/vhost#orders`, `amqps://…` with TLS | a queue of RabbitMQ |
/// | `sqs:#orders` | a queue of Amazon SQS, found by the standard chain of the AWS SDK |
/// | `sqs://key:secret@region#orders`, `sqs://region#orders` | the same with this key, or in this region |
/// | `http://localhost:4566#orders`, `sqs://key:secret@region?endpoint=http://localhost:4566#orders` | a queue of a server that speaks the protocol of SQS |
/// | `sns:#orders`, `sns://key:secret@region#orders` | a topic of Amazon SNS |
/// | `memory:shop#orders` | a queue of the database of this name in this process, for tests |
///
/// `sqs://` and `sns://` also take `?token=` with a session token. A group of subscribers other than that without a name stands behind the
/// queue, as in `#orders/billing`. In a name, `%`, `#` and what does not print are written as `%XX`. A name has at most 255 bytes.
///
/// Behind a `?` stand the options that the server's own clients know, each once: what nobody knows is an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    server: ServerKind,
    url: String,
    /// The schema, or the prefix: what only we know, and no client is told.
    ours: Option<String>,
    name: Option<String>,
}

/// What an address says of an account of AWS.
#[cfg(feature = "sqs")]
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Aws {
    /// Key id and secret.
    pub(crate) key: Option<(String, String)>,
    pub(crate) token: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
}

impl Address {
    /// Returns the kind of server.
    pub fn server(&self) -> ServerKind {
        self.server
    }

    /// Returns the URL with its secrets, and without name, schema and prefix: what the server's own type takes. It is not for the eyes of
    /// others; show the address itself.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the schema of PostgreSQL in which the tables are, if the address names one. It is not in the [`url`](Self::url).
    pub fn schema(&self) -> Option<&str> {
        self.ours.as_deref().filter(|_| self.server == ServerKind::Postgres)
    }

    /// Returns the prefix of what durable rounds have in Redis, if the address names one. It is not in the [`url`](Self::url).
    pub fn prefix(&self) -> Option<&str> {
        self.ours.as_deref().filter(|_| self.server == ServerKind::Redis)
    }

    /// The one of these that there is, and what it is called.
    pub(super) fn ours(&self) -> Option<(&'static str, &str)> {
        self.server.option().zip(self.ours.as_deref())
    }

    /// Returns the name behind `#`, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the same server with this name, as it is and not escaped. A name that no address can have is found out when it is
    /// used.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Reads a URL that names nothing behind `#`, and a name beside it.
    pub(crate) fn of_url(url: &str, name: &str) -> Result<Self, AddressError> {
        Ok(Self { name: Some(name.to_owned()), ..Self::read(url)? })
    }

    fn read(url: &str) -> Result<Self, AddressError> {
        if url.len() > LONGEST {
            return Err(AddressError::Form("an address has at most 4096 bytes: write a shorter one"));
        }
        if url.chars().any(char::is_control) {
            return Err(AddressError::Form("an address has no characters that do not print: write them as `%XX`"));
        }
        let (scheme, rest) = url.split_once(':').ok_or(AddressError::Scheme)?;
        let server = ServerKind::of_scheme(scheme).ok_or(AddressError::Scheme)?;
        check(server, scheme, rest).map_err(AddressError::Form)?;
        let (url, ours) = match server.option() {
            Some(option) => without(url, option),
            None => (url.to_owned(), None),
        };
        Ok(Self { server, url, ours, name: None })
    }

    /// What follows the scheme.
    pub(super) fn rest(&self) -> (&str, &str) {
        self.url.split_once(':').unwrap_or((&self.url, ""))
    }

    /// The path of a file, or the name of a database in this process.
    pub(crate) fn path(&self) -> &str {
        let rest = self.rest().1;
        rest.strip_prefix("//").unwrap_or(rest)
    }

    /// What it says of an account.
    #[cfg(feature = "sqs")]
    pub(crate) fn aws(&self) -> Aws {
        let (scheme, rest) = self.rest();
        if scheme.starts_with("http") {
            return Aws { endpoint: Some(self.url.clone()), ..Aws::default() };
        }
        let mut aws = Aws::default();
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let place = place.strip_prefix("//").unwrap_or(place);
        let (user, region) = place.rsplit_once('@').map_or((None, place), |(user, region)| (Some(user), region));
        aws.key = user.and_then(|user| user.split_once(':')).map(|(key, secret)| (decoded(key), decoded(secret)));
        aws.region = Some(region.trim_end_matches('/').to_owned()).filter(|region| !region.is_empty());
        for (name, value) in query.split('&').filter_map(|option| option.split_once('=')) {
            match name {
                "endpoint" => aws.endpoint = Some(decoded(value)),
                "token" => aws.token = Some(decoded(value)),
                _ => {}
            }
        }
        aws
    }
}

/// Reads each `%XX`. What would be no text stays as it is.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

impl FromStr for Address {
    type Err = AddressError;

    /// # Errors
    ///
    /// Says what is wrong, and quotes nothing of the text.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        // A path of a file may have a `#`, and so may the secret of who did not escape it: the last one counts.
        let (url, name) = text.rsplit_once('#').map_or((text, None), |(url, name)| (url, Some(name)));
        let address = Self::read(url)?;
        let name = name.map(|name| named(name, address.server)).transpose()?;
        Ok(Self { name, ..address })
    }
}

/// Takes an option out of a URL.
fn without(url: &str, option: &str) -> (String, Option<String>) {
    let Some((place, query)) = url.rsplit_once('?') else { return (url.to_owned(), None) };
    let value = |part: &str| part.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')).map(decoded);
    let (ours, others): (Vec<_>, Vec<_>) = query.split('&').partition(|part| value(part).is_some());
    let end = if others.is_empty() { String::new() } else { format!("?{}", others.join("&")) };
    (format!("{place}{end}"), ours.last().and_then(|part| value(part)))
}

/// Looks whether what follows the scheme has the form that it has there.
fn check(server: ServerKind, scheme: &str, rest: &str) -> Result<(), &'static str> {
    let host = rest.strip_prefix("//").unwrap_or_default();
    match server {
        ServerKind::Memory => Ok(()),
        ServerKind::Sqlite if rest.is_empty() || rest == "//" => Err("it names no file: write `sqlite:orders.db`"),
        ServerKind::Sqlite => Ok(()),
        ServerKind::Sqs | ServerKind::Sns if !scheme.starts_with("http") => check_aws(rest),
        _ if host.is_empty() => Err("it names no host: write it as in `redis://localhost`, with `//` behind the colon"),
        // Only the client knows what else it takes than options.
        _ => options::check(server, scheme, host.rsplit_once('?').map_or("", |(_, query)| query)),
    }
}

fn check_aws(rest: &str) -> Result<(), &'static str> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let Some(place) = place.strip_prefix("//") else {
        let text = "the queue stands behind `#`, as in `sqs:#orders`, and a key as in `sqs://key:secret@region#orders`";
        return if place.is_empty() { check_options(query) } else { Err(text) };
    };
    let (user, region) = place.rsplit_once('@').map_or((None, place), |(user, region)| (Some(user), region));
    let has_key = |user: &str| user.split_once(':').is_some_and(|(key, secret)| !key.is_empty() && !secret.is_empty());
    if !user.is_none_or(has_key) {
        return Err(
            "a key has two parts, as in `sqs://key:secret@region#orders`; what is special in them is written as `%XX`",
        );
    }
    let region = region.trim_end_matches('/');
    if region.is_empty() || !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err("behind the key stands the region alone, as in `sqs://key:secret@eu-central-1#orders`");
    }
    check_options(query)
}

fn check_options(query: &str) -> Result<(), &'static str> {
    let text = "the options are `endpoint=` with a URL, and `token=`: leave out what is none of these";
    for option in query.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("endpoint", url)) if decoded(url).starts_with("http://") || decoded(url).starts_with("https://") => {}
            Some(("token", token)) if !token.is_empty() => {}
            _ => return Err(text),
        }
    }
    options::once(query.split('&').filter_map(|option| option.split_once('=')).map(|(name, _)| name).collect())
}

/// Reads the name behind `#`.
fn named(name: &str, server: ServerKind) -> Result<String, AddressError> {
    // Else the rest of a password would be a name, and be shown.
    if name.contains('@') && !matches!(server, ServerKind::Sqlite | ServerKind::Memory) {
        return Err(AddressError::Name(
            "the name behind `#` has no `@`: write it as `%40`, and `#` in a password as `%23`",
        ));
    }
    let name = percent_decode_str(name).decode_utf8().map_err(|_| {
        AddressError::Name("the name behind `#` is no text of UTF-8: look at what stands behind each `%`")
    })?;
    if name.is_empty() || name.len() > LONGEST_NAME {
        return Err(AddressError::Name("a name behind `#` has 1 to 255 bytes"));
    }
    Ok(name.into_owned())
}

/// Without password, key secret or token.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown { address: self }.fmt(f)
    }
}

/// As it is displayed.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
