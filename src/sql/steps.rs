//! The steps by which the tables of a database come to the form that this program knows, and who may go on meanwhile.
//!
//! `convoke_schema (version, oldest) → Steps::missing → the steps that are left | an error that says what to do`

use std::fmt;

/// One step. A step that was released never changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) sql: &'static str,
    /// Whether a process that knows only the steps before may go on beside it, as it does in a rolling deploy.
    pub(crate) older_go_on: bool,
    /// What is there with it, for who asks.
    pub(crate) brings: &'static str,
}

/// What is written down in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// How many steps it has had.
    pub(crate) number: i64,
    /// How many a process has to know to work with it.
    pub(crate) oldest: i64,
}

/// Why a program does not work with the tables that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Newer(Version),
    Older { there: i64, known: i64 },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer(Version { number, oldest }) => write!(
                f,
                "its tables are of version {number}, and only programs that know version {oldest} may use them: update \
                 this one"
            ),
            Self::Older { there, known } => write!(
                f,
                "its tables are of version {there}, and this program needs version {known}: call `migrate()` once"
            ),
        }
    }
}

/// All steps of one kind of database, in their order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps(pub(crate) &'static [Step]);

impl Steps {
    /// The version that this program knows.
    pub(crate) fn known(self) -> i64 {
        self.0.len().try_into().unwrap_or(i64::MAX)
    }

    /// What is written down once all have been taken.
    pub(crate) fn after_all(self) -> Version {
        let must = self.0.iter().rposition(|step| !step.older_go_on).map_or(0, |at| at + 1);
        Version { number: self.known(), oldest: must.try_into().unwrap_or(i64::MAX) }
    }

    /// Returns the steps that are left to take; none if the tables are newer and this program may go on.
    pub(crate) fn missing(self, there: Option<Version>) -> Result<&'static [Step], Unfit> {
        let Some(there) = there else { return Ok(self.0) };
        if there.oldest > self.known() {
            return Err(Unfit::Newer(there));
        }
        let done = usize::try_from(there.number).unwrap_or(0).min(self.0.len());
        Ok(&self.0[done..])
    }

    /// Looks whether this program can work with the tables as they are.
    pub(crate) fn check(self, there: Version) -> Result<(), Unfit> {
        match self.missing(Some(there))? {
            [] => Ok(()),
            _ => Err(Unfit::Older { there: there.number, known: self.known() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(older_go_on: bool) -> Step {
        Step { sql: "", older_go_on, brings: "" }
    }

    const STEPS: Steps = Steps(&[step(false), step(true), step(false), step(true)]);

    fn version(number: i64, oldest: i64) -> Version {
        Version { number, oldest }
    }

    #[test]
    fn a_new_database_takes_all_steps_and_one_of_today_none() {
        assert_eq!(STEPS.missing(None).unwrap().len(), 4);
        assert_eq!(STEPS.missing(Some(version(1, 1))).unwrap().len(), 3);
        assert_eq!(STEPS.missing(Some(STEPS.after_all())).unwrap().len(), 0);
    }

    #[test]
    fn the_last_step_that_older_programs_cannot_bear_says_who_may_go_on() {
        assert_eq!(STEPS.after_all(), version(4, 3));
        const ONE: Steps = Steps(&[step(true)]);
        assert_eq!(ONE.after_all(), version(1, 0));
    }

    #[test]
    fn in_a_rolling_deploy_an_older_program_goes_on_until_a_step_forbids_it() {
        assert_eq!(STEPS.check(version(9, 4)), Ok(()));
        assert_eq!(STEPS.check(version(9, 5)), Err(Unfit::Newer(version(9, 5))));
        assert_eq!(STEPS.missing(Some(version(9, 5))).unwrap_err(), Unfit::Newer(version(9, 5)));
        assert_eq!(STEPS.check(version(2, 1)), Err(Unfit::Older { there: 2, known: 4 }));
    }
}
