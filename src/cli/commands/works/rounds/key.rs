//! Which rounds a command is about: those of a key, of one broker or of all that have it.
//!
//! `a word → a number, a UUID, a text → the brokers that have rounds of it`

use std::sync::Arc;

use clap::Args;
use convoke::{BrokerLook, DurableRound, RoundKey, RoundsLook, Uuid};

use crate::commands::At;
use crate::commands::works::Opened;
use crate::error::{Error, Result, shown};
use crate::places::Place;

/// How many brokers are asked for at a time.
const PAGE: usize = 100;

/// What a command takes that is about rounds of a key.
#[derive(Args, Debug)]
pub(super) struct AtKey {
    /// Where, as sqlite:shop.db; and the key, as `convoke rounds list` shows it
    #[arg(value_name = "URL KEY", num_args = 0.., allow_negative_numbers = true)]
    words: Vec<String>,

    /// The broker, if several have rounds of this key
    #[arg(short, long, value_name = "NAME")]
    broker: Option<String>,

    /// The key is a text, though it reads as a number or a UUID
    #[arg(long, conflicts_with = "no_key")]
    text: bool,

    /// The rounds without a key
    #[arg(long)]
    no_key: bool,

    #[command(flatten)]
    pub(super) at: At,
}

/// Rounds of a key: the latest first.
pub(super) struct Found {
    pub(super) broker: BrokerLook,
    pub(super) key: Option<RoundKey>,
    pub(super) rounds: Vec<DurableRound>,
}

/// A key as it was typed.
#[derive(Debug)]
pub(super) struct Typed {
    /// What it may be.
    keys: Vec<Option<RoundKey>>,
    shown: String,
}

impl AtKey {
    /// Where it works, and which key is meant.
    ///
    /// # Errors
    ///
    /// If no key is named, or several are.
    pub(super) fn split(&self) -> Result<(Place, Typed)> {
        let (place, words) = self.at.split(&self.words)?;
        let typed = match words {
            [] if self.no_key => Typed { keys: vec![None], shown: "rounds without a key".to_owned() },
            [_, ..] if self.no_key => return Err(Error::usage("`--no-key` and a key: leave one of them out")),
            [word] => Typed { keys: self.read(word), shown: format!("rounds of `{}`", shown(word)) },
            [] => {
                return Err(Error::usage("no key is named")
                    .hint("name it behind the URL, as `convoke rounds list` shows it, or say --no-key"));
            }
            _ => return Err(Error::usage("one key is named at a time, behind a URL if there is one")),
        };
        Ok((place, typed))
    }

    /// A number and the text of its digits are two keys.
    fn read(&self, word: &str) -> Vec<Option<RoundKey>> {
        let mut keys = Vec::new();
        if !self.text {
            let number = word.parse::<u64>().map(RoundKey::from).or_else(|_| word.parse::<i64>().map(RoundKey::from));
            // As they are written alone: `+7` and `007` are texts.
            let number = number.ok().filter(|number| number.to_string() == word);
            keys.extend(number.map(Some));
            let uuid = Uuid::parse_str(word).ok().filter(|uuid| uuid.to_string() == word.to_ascii_lowercase());
            keys.extend(uuid.map(|uuid| Some(RoundKey::from(uuid))));
        }
        keys.push(Some(RoundKey::from(word)));
        keys
    }

    /// Who has rounds of this key, and the latest of these, at most so many of each.
    ///
    /// # Errors
    ///
    /// If nobody has, and those of the database.
    pub(super) async fn find(
        &self,
        at: &Opened,
        rounds: &RoundsLook,
        typed: &Typed,
        most: usize,
    ) -> Result<Vec<Found>> {
        let names = match &self.broker {
            Some(name) => vec![Arc::from(name.as_str())],
            None => brokers(at, rounds).await?,
        };
        let mut found = Vec::new();
        for name in names {
            let mut left = Some(at.patience.of(&at.who, rounds.broker(&name)).await?);
            for key in &typed.keys {
                let broker = match left.take() {
                    Some(broker) => broker,
                    None => at.patience.of(&at.who, rounds.broker(&name)).await?,
                };
                let of_key = at.patience.of(&at.who, broker.history(key.clone(), most)).await?;
                if of_key.is_empty() {
                    left = Some(broker);
                } else {
                    found.push(Found { broker, key: key.clone(), rounds: of_key });
                }
            }
        }
        if found.is_empty() {
            let of = self.broker.as_ref().map(|name| format!(" of the broker `{}`", shown(name))).unwrap_or_default();
            return Err(Error::refused(format!("{} has no {}{of}", at.who, typed.shown))
                .hint("those that are open: `convoke rounds list`; outcomes are kept for a while, and then gone"));
        }
        Ok(found)
    }
}

/// The names of all brokers.
///
/// # Errors
///
/// Those of the database.
pub(super) async fn brokers(at: &Opened, rounds: &RoundsLook) -> Result<Vec<Arc<str>>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    loop {
        let behind = names.last().map(|name| &**name);
        let page = at.patience.of(&at.who, rounds.brokers(behind, PAGE)).await?;
        let is_last = page.len() < PAGE;
        names.extend(page);
        if is_last {
            return Ok(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::At;

    fn read(word: &str, text: bool) -> Vec<String> {
        let at = AtKey { words: Vec::new(), broker: None, text, no_key: false, at: At::nowhere() };
        at.read(word).into_iter().map(|key| format!("{key:?}")).collect()
    }

    #[test]
    fn a_word_is_every_key_that_is_written_so() {
        assert_eq!(read("7", false), ["Some(Number(7))", "Some(Text(\"7\"))"]);
        assert_eq!(read("-7", false), ["Some(Negative(-7))", "Some(Text(\"-7\"))"]);
        for word in ["007", "+7", "order-7", "", "99999999999999999999"] {
            assert_eq!(read(word, false), [format!("Some(Text({word:?}))")]);
        }
        assert_eq!(read("7", true), ["Some(Text(\"7\"))"]);
        assert_eq!(read("018f6a2b-7c3d-7000-8000-000000000001", false).len(), 2);
        assert_eq!(read("018f6a2b7c3d70008000000000000001", false).len(), 1);
    }
}
