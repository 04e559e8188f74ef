//! Where a command works.

use std::env;
use std::fmt;
use std::path::Path;

use convoke::look::Address;

use super::file::{Context, File};
use super::likeness::Likeness;
use crate::error::{Error, Result, shown, told};

/// The variable with a URL, where nothing else says where.
const VARIABLE: &str = "CONVOKE_URL";

/// What a URL begins with that has no `//` behind it.
const SCHEMES: [&str; 12] =
    ["sqlite", "postgres", "postgresql", "redis", "rediss", "amqp", "amqps", "sqs", "sns", "http", "https", "memory"];

/// What a command was told of where it works.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) url: Option<&'a str>,
    pub(crate) context: Option<&'a str>,
    /// The queue, or what else the fragment of a URL names.
    pub(crate) name: Option<&'a str>,
}

/// An address, and the context that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    address: Address,
    context: Option<Context>,
}

/// Whether a word of a command line says where, and not what.
pub(crate) fn is_url(word: &str) -> bool {
    match word.split_once(':') {
        Some((scheme, rest)) => SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) || rest.starts_with("//"),
        None => false,
    }
}

impl Place {
    /// Finds out where: by a URL, by the name of a context, or by the environment.
    ///
    /// # Errors
    ///
    /// If nothing says where, if no such context is there, or if a URL is none.
    pub(crate) fn find(wanted: Wanted<'_>) -> Result<Self> {
        let here = env::current_dir().map_err(|error| Error::disk("find", Path::new("this folder"), &error))?;
        let file = File::find(&here)?;
        let variable = |name: &str| env::var(name).ok();
        let (url, context) = match (wanted.url, wanted.context) {
            (Some(_), Some(_)) => {
                return Err(Error::usage("a URL and `--context` both say where: leave one of them out"));
            }
            (Some(url), None) => (url.to_owned(), None),
            (None, Some(name)) => {
                let context = file.get(name)?;
                (context.url(variable)?, Some(context.clone()))
            }
            (None, None) => match variable(VARIABLE).filter(|url| !url.is_empty()) {
                Some(url) => (url, None),
                None => return Err(nowhere(&file)),
            },
        };
        let address = url.parse::<Address>().map_err(|error| unread(&url, &format!("{error}"), wanted))?;
        // What is production is so by its URL, too.
        let context = context.or_else(|| of_this(&address, &file, variable));
        let address = match wanted.name {
            // Which of two is meant nobody knows.
            Some(name) if wanted.url.is_some() && address.name().is_some_and(|there| there != name) => {
                return Err(Error::usage("the URL and `--queue` name two queues: leave one of them out"));
            }
            Some(name) => address.named(name),
            None => address,
        };
        Ok(Self { address, context })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The name of the context.
    pub(crate) fn context(&self) -> Option<&str> {
        self.context.as_ref().map(|context| context.name.as_str())
    }

    /// Whether a command asks before it writes here.
    pub(crate) fn is_production(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.is_production)
    }

    /// The file that tells who wrote what here.
    pub(crate) fn audit(&self) -> Option<&Path> {
        self.context.as_ref()?.audit.as_deref()
    }

    /// The name of the queue.
    ///
    /// # Errors
    ///
    /// If nothing names one.
    pub(crate) fn queue(&self) -> Result<&str> {
        self.address.name().ok_or_else(|| {
            Error::usage(format!("no queue is named: {self} is a server"))
                .hint(format!("name it behind the URL, as {self}#orders, or by `--queue orders`"))
        })
    }
}

/// The address without a password in it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&told(&self.address.to_string()))
    }
}

/// The context of a URL that somebody has written out; one that is production first.
fn of_this(address: &Address, file: &File, variable: impl Fn(&str) -> Option<String>) -> Option<Context> {
    let likeness = Likeness::of(address.url());
    // A password that is not set here makes no other place of it.
    let filled = |name: &str| Some(variable(name).unwrap_or_default());
    let address = |context: &Context| context.url(filled).ok()?.parse::<Address>().ok();
    let is_it = |context: &&Context| address(context).is_some_and(|it| Likeness::of(it.url()) == likeness);
    let mut all: Vec<&Context> = file.contexts.iter().filter(is_it).collect();
    all.sort_by_key(|context| (!context.is_production, context.audit.is_none()));
    all.first().map(|context| (*context).clone())
}

/// What is wrong with a URL, and what was meant by it.
fn unread(url: &str, error: &str, wanted: Wanted<'_>) -> Error {
    let error = Error::usage(told(error));
    if wanted.url.is_none() && wanted.context.is_none() {
        return error.hint(format!("it is what {VARIABLE} says"));
    }
    let path = Path::new(url.split('#').next().unwrap_or_default());
    match path.extension() {
        Some(end) if !url.contains(':') && (end == "db" || end == "sqlite" || end == "sqlite3") => {
            error.hint(format!("a file of SQLite is written as `sqlite:{}`", shown(url)))
        }
        _ => error,
    }
}

fn nowhere(file: &File) -> Error {
    let error = Error::usage("nothing says where: there is no URL, no `--context`, and CONVOKE_URL is not set");
    match file.listed() {
        Some(names) => error.hint(format!("convoke.toml has {names}: `--context NAME`")),
        None => error.hint("write a URL, as sqlite:shop.db#orders or postgres://localhost/shop#orders"),
    }
}
