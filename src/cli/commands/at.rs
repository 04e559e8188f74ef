//! What every command takes that works with a server: where it is, and how long it may take.

use clap::Args;

use crate::error::{Error, Result};
use crate::places::{Place, Wanted, is_url};
use crate::running::Patience;

/// What is said at the end of the help of each.
pub(crate) const WHERE: &str = "\
Where it works: a URL, or --context NAME of convoke.toml, or CONVOKE_URL; as
  sqlite:shop.db#orders    postgres://localhost/shop#orders
  redis://localhost#orders    amqp://localhost#orders
  sqs:#orders    http://localhost:4566#orders";

/// Where a command works, if no URL says so.
#[derive(Args, Debug)]
pub(crate) struct At {
    /// A context of convoke.toml, in place of a URL
    #[arg(short, long, value_name = "NAME", display_order = 80)]
    context: Option<String>,

    /// How many seconds a server may take to answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, display_order = 82,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    patience: u64,
}

/// The same, of a command that works on a queue.
#[derive(Args, Debug)]
pub(crate) struct AtQueue {
    #[command(flatten)]
    at: At,

    /// The queue, if the URL names none behind a #
    #[arg(short, long, value_name = "NAME", display_order = 81)]
    queue: Option<String>,
}

/// What a command takes that writes.
#[derive(Args, Debug)]
pub(crate) struct Consent {
    /// Asks nothing, for a script
    #[arg(long, display_order = 83)]
    pub(crate) yes: bool,
}

impl At {
    /// Where nothing says where.
    #[cfg(test)]
    pub(crate) fn nowhere() -> Self {
        Self { context: None, patience: 10 }
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience::seconds(self.patience)
    }

    /// Where it works, by a URL if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Place::find`].
    pub(crate) fn place(&self, url: Option<&str>) -> Result<Place> {
        Place::find(Wanted { url, context: self.context.as_deref(), name: None })
    }

    /// Where it works, and the words that say what: with a context all of them, or else those behind a URL.
    ///
    /// # Errors
    ///
    /// Those of [`Place::find`].
    pub(crate) fn split<'a>(&self, words: &'a [String]) -> Result<(Place, &'a [String])> {
        self.split_for(words, None)
    }

    fn split_for<'a>(&self, words: &'a [String], name: Option<&str>) -> Result<(Place, &'a [String])> {
        let context = self.context.as_deref();
        let (url, rest) = match words.split_first() {
            Some((url, rest)) if context.is_none() && is_url(url) => (Some(url.as_str()), rest),
            Some((_, rest)) if context.is_none() && rest.iter().any(|word| is_url(word)) => {
                let error = Error::usage("the URL stands behind what it is about");
                return Err(error.hint("write it first, right behind the command"));
            }
            _ => (None, words),
        };
        Ok((Place::find(Wanted { url, context, name })?, rest))
    }
}

impl AtQueue {
    pub(crate) fn patience(&self) -> Patience {
        self.at.patience()
    }

    /// Where it works, by a URL if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Place::find`].
    pub(crate) fn place(&self, url: Option<&str>) -> Result<Place> {
        Place::find(Wanted { url, context: self.at.context.as_deref(), name: self.queue.as_deref() })
    }

    /// As [`At::split`].
    pub(crate) fn split<'a>(&self, words: &'a [String]) -> Result<(Place, &'a [String])> {
        self.at.split_for(words, self.queue.as_deref())
    }
}
