//! How the tables of a database stand, for who asks before anything is changed.
//!
//! `convoke_schema (version, oldest) + Steps → Tables → a person, a deploy`

use std::fmt;

use super::steps::{Steps, Unfit, Version};

/// How the tables of a database stand: which steps they have had, and which are missing for this program. Returned by `tables` of a
/// database, which changes nothing; `migrate` takes the steps.
///
/// Its text is one line for a person, as in `version 5 of 7, without tasks and durable rounds; who runs now may go on beside them`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tables {
    /// How many steps they have had; `None` if there are no tables.
    pub there: Option<u32>,
    /// How many steps this program knows.
    pub known: u32,
    /// How many steps a program has to know to work with the tables as they are; `None` if there are none.
    pub oldest: Option<u32>,
    /// The same once this program has migrated them.
    pub oldest_then: u32,
    /// The steps that this program would take, in their order; none if the tables are newer.
    pub missing: Vec<TableStep>,
}

/// One step by which tables come to the form that a program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStep {
    /// Its number, from 1.
    pub number: u32,
    /// What is there with it, as in `durable rounds`.
    pub brings: &'static str,
    /// Whether a program that knows only the steps before it may go on beside it.
    pub older_go_on: bool,
}

impl Tables {
    pub(super) fn of(steps: Steps, there: Option<Version>) -> Self {
        let number = |number: i64| u32::try_from(number.max(0)).unwrap_or(u32::MAX);
        let missing = steps.missing(there).unwrap_or_default();
        let first = steps.0.len() - missing.len();
        let step = |(place, step): (usize, &super::Step)| TableStep {
            number: u32::try_from(first + place + 1).unwrap_or(u32::MAX),
            brings: step.brings,
            older_go_on: step.older_go_on,
        };
        let after = match missing {
            [] => there.map_or(0, |there| there.oldest),
            _ => steps.after_all().oldest,
        };
        Self {
            there: there.map(|there| number(there.number)),
            known: number(steps.known()),
            oldest: there.map(|there| number(there.oldest)),
            oldest_then: number(after),
            missing: missing.iter().enumerate().map(step).collect(),
        }
    }

    /// Returns whether this program may work with the tables as they are.
    pub fn fit(&self) -> bool {
        self.there.is_some() && self.missing.is_empty() && !self.are_too_new()
    }

    /// Returns whether a later program has made them such that this one may not use them.
    pub fn are_too_new(&self) -> bool {
        self.oldest.is_some_and(|oldest| oldest > self.known)
    }

    /// Returns whether programs that work with the tables now may go on once the missing steps are taken.
    pub fn older_go_on(&self) -> bool {
        self.missing.iter().all(|step| step.older_go_on)
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { there, known, oldest, missing, .. } = self;
        let Some(there) = there else {
            return write!(f, "there are no tables, and this program makes those of version {known}");
        };
        if self.are_too_new() {
            let version = Version { number: i64::from(*there), oldest: i64::from(oldest.unwrap_or_default()) };
            return Unfit::Newer(version).fmt(f);
        }
        if missing.is_empty() {
            return match there > known {
                true => {
                    write!(f, "version {there}, which is newer than this program's {known}, and it may work with them")
                }
                false => write!(f, "version {there}, which is the one of this program"),
            };
        }
        write!(f, "version {there} of {known}, without ")?;
        for (place, step) in missing.iter().enumerate() {
            let between = match place {
                0 => "",
                last if last + 1 == missing.len() => " and ",
                _ => ", ",
            };
            write!(f, "{between}{}", step.brings)?;
        }
        match self.older_go_on() {
            true => f.write_str("; who runs now may go on beside them"),
            false => {
                f.write_str("; who runs now has to be stopped before, for an older program may not go on beside them")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Step;

    const STEPS: Steps = Steps(&[
        Step { sql: "", older_go_on: false, brings: "queues" },
        Step { sql: "", older_go_on: false, brings: "marks" },
        Step { sql: "", older_go_on: true, brings: "stores" },
        Step { sql: "", older_go_on: true, brings: "tasks" },
    ]);

    fn at(number: i64, oldest: i64) -> Tables {
        Tables::of(STEPS, Some(Version { number, oldest }))
    }

    #[test]
    fn what_is_missing_is_named_and_who_may_go_on_is_said() {
        let some = at(2, 2);
        assert_eq!((some.there, some.known, some.oldest, some.oldest_then), (Some(2), 4, Some(2), 2));
        assert_eq!(
            some.missing.iter().map(|step| (step.number, step.brings)).collect::<Vec<_>>(),
            [(3, "stores"), (4, "tasks")]
        );
        assert!(!some.fit() && some.older_go_on());
        assert_eq!(some.to_string(), "version 2 of 4, without stores and tasks; who runs now may go on beside them");
        let old = at(1, 1);
        assert!(!old.older_go_on() && !old.fit());
        assert!(old.to_string().ends_with("an older program may not go on beside them"), "{old}");
    }

    #[test]
    fn no_tables_and_those_of_today_are_told_apart() {
        let none = Tables::of(STEPS, None);
        assert_eq!((none.there, none.missing.len(), none.fit(), none.oldest_then), (None, 4, false, 2));
        let present = at(4, 2);
        assert!(present.fit() && present.missing.is_empty());
        assert_eq!(present.to_string(), "version 4, which is the one of this program");
    }

    #[test]
    fn newer_tables_fit_if_they_say_so() {
        let newer = at(9, 3);
        assert!(newer.fit() && !newer.are_too_new());
        assert_eq!(newer.oldest_then, 3);
        let too_new = at(9, 5);
        assert!(!too_new.fit() && too_new.are_too_new() && too_new.missing.is_empty());
        assert!(too_new.to_string().contains("update this one"), "{too_new}");
    }
}
