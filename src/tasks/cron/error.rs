//! What is wrong with a schedule.

use std::convert::Infallible;
use std::fmt;

use crate::__private::{Shown, debug_is_display};

/// The reason why a text is no schedule.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScheduleError {
    /// It has neither five fields nor six, and is no word such as `@daily`.
    Fields {
        /// How many it has.
        count: usize,
    },
    /// It is a word that nobody knows.
    Word {
        /// The word.
        word: String,
    },
    /// One of its fields cannot be read.
    Field {
        /// Which one, as in `minute`.
        field: &'static str,
        /// What it says.
        text: String,
        /// The reason.
        reason: String,
    },
    /// It never fires: none of its months has one of its days.
    Never {
        /// The text.
        schedule: String,
    },
    /// There is no time zone of this name.
    Zone {
        /// The name.
        name: String,
    },
}

impl fmt::Display for ScheduleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields { count } => write!(
                f,
                "{count} fields, and a schedule has five (minute, hour, day of month, month, day of week), or six with a second \
                 before them, as in `0 3 * * *`"
            ),
            Self::Word { word } => write!(
                f,
                "`{}` is no schedule: use `@hourly`, `@daily`, `@weekly`, `@monthly` or `@yearly`, or five fields as in `0 3 * * *`",
                Shown::name(word)
            ),
            Self::Field { field, text, reason } => {
                write!(f, "the {field} `{}`: {}", Shown::name(text), Shown::text(reason))
            }
            Self::Never { schedule } => {
                write!(f, "`{}` never fires: none of its months has one of its days", Shown::name(schedule))
            }
            Self::Zone { name } => write!(
                f,
                "no time zone has the name `{}`: use one of the IANA time zone database, as `Europe/Berlin`",
                Shown::name(name)
            ),
        }
    }
}

impl std::error::Error for ScheduleError {}

debug_is_display!(ScheduleError);

/// What is a schedule already is never wrong.
impl From<Infallible> for ScheduleError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
