//! Which letters a command is about.

use clap::Args;
use convoke::look::{Letter, LetterId};
use serde_json::{Value, json};

use crate::error::{Error, Result, shown};
use crate::view::Seen;

/// What letters may be told apart by.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Which {
    /// Those of events of this name
    #[arg(long, value_name = "NAME")]
    event: Option<String>,

    /// Those with this key of order
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl Which {
    pub(super) fn is_of(&self, letter: &Letter) -> bool {
        self.key.as_ref().is_none_or(|key| letter.packet.key.as_ref() == Some(key))
            && self.event.as_deref().is_none_or(|event| Seen::name_of(&letter.packet).is_some_and(|name| name == event))
    }

    /// Whether it leaves none out.
    pub(super) fn is_any(&self) -> bool {
        self.event.is_none() && self.key.is_none()
    }
}

/// Letters that were chosen: by their ids, or by what they are.
#[derive(Clone, Debug)]
pub(super) enum Chosen {
    These(Vec<LetterId>),
    Which(Which),
}

impl Chosen {
    /// What a command line has chosen.
    ///
    /// # Errors
    ///
    /// If it has chosen nothing, or in two ways.
    pub(super) fn new(ids: &[String], all: bool, which: &Which) -> Result<Self> {
        match (ids, all || !which.is_any()) {
            ([], false) => Err(Error::usage("no letters are chosen")
                .hint("name their ids, as `convoke dead list` shows them, or --event, --key or --all")),
            ([], true) if all && !which.is_any() => {
                Err(Error::usage("`--all` is all of them: leave it out, or `--event` and `--key`"))
            }
            ([], true) => Ok(Self::Which(which.clone())),
            (_, true) => Err(Error::usage("letters are chosen by ids or by what they are: leave one of them out")),
            (ids, false) => {
                let mut these: Vec<LetterId> = Vec::new();
                for id in ids {
                    let id = letter_id(id)?;
                    if !these.contains(&id) {
                        these.push(id);
                    }
                }
                Ok(Self::These(these))
            }
        }
    }

    /// For the audit log, which has no keys.
    pub(super) fn noted(&self, queue: &str) -> Value {
        match self {
            Self::These(ids) => {
                json!({ "ids": ids.iter().map(ToString::to_string).collect::<Vec<_>>(), "queue": queue })
            }
            Self::Which(which) => json!({
                "all": which.is_any(), "event": which.event, "key": which.key.is_some(), "queue": queue,
            }),
        }
    }

    /// In words, behind `deletes`; with their number, if somebody has counted them.
    pub(super) fn told(&self, count: Option<&str>) -> String {
        let all = count.map_or_else(|| "all dead letters".to_owned(), |count| format!("all {count} dead letters"));
        match self {
            Self::These(ids) if ids.len() == 1 => "one dead letter".to_owned(),
            Self::These(ids) => format!("{} dead letters", ids.len()),
            Self::Which(which) => match (&which.event, &which.key) {
                (None, None) => all,
                (Some(event), None) => format!("{all} of {}", shown(event)),
                (None, Some(_)) => format!("{all} of that key"),
                (Some(event), Some(_)) => format!("{all} of {} of that key", shown(event)),
            },
        }
    }
}

/// The id of a letter.
///
/// # Errors
///
/// If it can be none.
pub(super) fn letter_id(text: &str) -> Result<LetterId> {
    text.parse::<LetterId>().map_err(|error| match text.contains("://") {
        // It may have a password.
        true => Error::usage("a URL stands where an id is meant"),
        false => Error::usage(format!("`{}` is no id: {error}", shown(text))),
    })
}
