//! What a queue cannot do of what tasks ask for: named before anything is done.
//!
//! `TaskTerms, arguments, Abilities → everything that is missing → one error`

use crate::tasks::function::{Does, Queued};
use crate::tasks::{NewJob, State, TaskTerms};
use crate::transport::{Abilities, Demand, ErrorKind, TransportError};

/// What this server cannot do of what a task asks for, and what its function does.
pub(super) fn of(does: &dyn Does<Queued>, abilities: &Abilities) -> Vec<String> {
    let terms = does.terms();
    let mut lacks = of_terms(&terms, does.is_unique(), terms.priority, abilities);
    let longest = terms.longest_wait;
    if !abilities.include(Demand::RetryAfter(longest)) {
        let most = abilities.retry_after.map_or_else(String::new, |most| format!(", and {most:?} is the most"));
        lacks.push(format!("`longest_wait`, which is {longest:?}{most}"));
    }
    if let Some(found) = does.found() {
        if found.needs_connection() {
            lacks.push(format!("an instance of {} that is found on a connection of the database", found.model()));
        }
        for (state, key) in [(State::Done, "delete_on_success"), (State::Failed, "delete_on_failure")] {
            if found.is_deleted(state) {
                lacks.push(format!("`{key}`"));
            }
        }
    }
    lacks.extend(does.lacks().iter().map(|argument| format!("the argument `{argument}`")));
    lacks
}

/// What it cannot do of the rules of a task, whoever does it.
pub(super) fn of_terms(terms: &TaskTerms, unique: bool, priority: i8, abilities: &Abilities) -> Vec<String> {
    let mut lacks = Vec::new();
    if unique {
        lacks.push("`unique`".to_owned());
    }
    if terms.limit.at_once.is_some() || terms.limit.rate.is_some() {
        lacks.push("`per_key`".to_owned());
    }
    if priority != 0 && abilities.priority == 0 {
        lacks.push("`priority`".to_owned());
    }
    lacks
}

/// The same of one job, whose task may say nothing of it.
pub(super) fn of_job(job: &NewJob, terms: &TaskTerms, priority: i8, abilities: &Abilities) -> Vec<String> {
    of_terms(terms, job.unique.is_some(), priority, abilities)
}

/// The error that names all of it, by task.
pub(super) fn error(name: &str, lacking: &[(&str, Vec<String>)]) -> Result<(), TransportError> {
    let named: Vec<_> = lacking
        .iter()
        .filter(|(_, lacks)| !lacks.is_empty())
        .map(|(task, lacks)| format!("`{task}`: {}", lacks.join(", ")))
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let text = format!(
        "it cannot do what these tasks ask for: {}; do without, or keep these jobs in a database, by `Tasks::new(&db, …)`",
        named.join("; ")
    );
    Err(TransportError::new(ErrorKind::Unsupported, name, text))
}
