//! `convoke tasks cancel`, `convoke tasks retry`

use clap::Args;
use convoke::{JobId, JobState, TasksLook};
use serde_json::{Value, json};

use super::{job_id, no_job, tasks};
use crate::commands::works::Opened;
use crate::commands::{At, Consent, WHERE};
use crate::error::{Error, Result};
use crate::places::Place;
use crate::running::{Stop, run};
use crate::terminal::Terminal;
use crate::writing::{Act, Count};

const CANCELS: &str = "\
Examples:
  convoke tasks cancel sqlite:shop.db 1767323045000000
  convoke tasks cancel --context shop 1767323045000000 1767323045000001

A job that waits ends as soon as a worker finds it. One that runs is asked to end, and is dropped where
it waits if it goes on. How it ended is told as its failure, with the code cancelled.
";

const RETRIES: &str = "\
Examples:
  convoke tasks retry sqlite:shop.db 1767323045000000
  convoke tasks retry --context shop 1767323045000000 1767323045000001

What has failed for good, or was cancelled, waits once more, with all its attempts.
";

/// Asks jobs to end
#[derive(Args, Debug)]
#[command(after_help = format!("{CANCELS}\n{WHERE}"), override_usage = "convoke tasks cancel [OPTIONS] [URL] <ID>...")]
pub(super) struct Cancel {
    #[command(flatten)]
    change: Change,
}

/// Has jobs tried again that have failed for good, or were cancelled
#[derive(Args, Debug)]
#[command(after_help = format!("{RETRIES}\n{WHERE}"), override_usage = "convoke tasks retry [OPTIONS] [URL] <ID>...")]
pub(super) struct Retry {
    #[command(flatten)]
    change: Change,
}

#[derive(Args, Debug)]
struct Change {
    /// Where, as sqlite:shop.db; and the numbers of jobs, as `convoke tasks list` shows them
    #[arg(value_name = "URL ID", num_args = 1.., required = true)]
    words: Vec<String>,

    #[command(flatten)]
    at: At,

    #[command(flatten)]
    consent: Consent,
}

impl Cancel {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        self.change.run("tasks cancel", "is asked to end", cancel, terminal)
    }
}

impl Retry {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        self.change.run("tasks retry", "waits once more", retry, terminal)
    }
}

/// What became of one job.
enum Done {
    /// It is done, and the job was so before.
    Was(JobState),
    Missing,
    /// Why it is not.
    Not(String),
}

async fn cancel(at: &Opened, tasks: &TasksLook, id: JobId) -> Result<Done> {
    Ok(match at.patience.of(&at.who, tasks.job(id).cancel()).await? {
        None => Done::Missing,
        Some(state) if state.is_over() => Done::Not(format!("job {id} has ended already: it is {state}")),
        Some(state) => Done::Was(state),
    })
}

async fn retry(at: &Opened, tasks: &TasksLook, id: JobId) -> Result<Done> {
    let job = tasks.job(id);
    let before = at.patience.of(&at.who, job.status()).await?;
    if at.patience.of(&at.who, job.retry()).await? {
        return Ok(Done::Was(before.map_or(JobState::Failed, |status| status.state())));
    }
    Ok(match at.patience.of(&at.who, job.status()).await?.map(|status| status.state()) {
        None => Done::Missing,
        Some(JobState::Failed | JobState::Cancelled) => {
            Done::Not(format!("job {id} has a unique key that another job has now: it waits for the end of that one"))
        }
        Some(state) => Done::Not(format!("job {id} is {state}: what has failed or was cancelled is tried again")),
    })
}

impl Change {
    fn run(
        &self,
        command: &'static str,
        verb: &str,
        change: impl AsyncFn(&Opened, &TasksLook, JobId) -> Result<Done>,
        terminal: &Terminal,
    ) -> Result<()> {
        let (place, words) = self.at.split(&self.words)?;
        if words.is_empty() {
            return Err(Error::usage("no job is named").hint("name its number, as `convoke tasks list` shows it"));
        }
        let mut ids = words.iter().map(|word| job_id(word)).collect::<Result<Vec<_>>>()?;
        ids.sort_unstable();
        ids.dedup();
        let act = Act { command, what: json!({ "jobs": ids }), yes: self.consent.yes, asks: None };
        act.run(terminal, &place, |count| {
            run(async |stop| self.all(&place, &ids, verb, &change, (stop, count, terminal)).await)
        })
    }

    /// One after the other; who interrupts it ends it between two of them.
    async fn all(
        &self,
        place: &Place,
        ids: &[JobId],
        verb: &str,
        change: &impl AsyncFn(&Opened, &TasksLook, JobId) -> Result<Done>,
        (stop, count, terminal): (&Stop, &Count, &Terminal),
    ) -> Result<()> {
        let (at, tasks) = stop.or(tasks(place, self.at.patience())).await?;
        let (mut done, mut missing, mut not) = (Vec::new(), Vec::new(), Vec::new());
        let mut failed = None;
        for id in ids {
            if stop.is_asked() {
                failed = Some(Error::interrupted("it was interrupted"));
                break;
            }
            match change(&at, &tasks, *id).await {
                Ok(Done::Was(state)) => {
                    count.add(1);
                    done.push((*id, state));
                }
                Ok(Done::Missing) => missing.push(*id),
                Ok(Done::Not(why)) => not.push(why),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if failed.is_none() && missing.is_empty() && not.is_empty() {
            return say(&done, verb, terminal);
        }
        let said: Vec<String> = done.iter().map(|(id, _)| format!("job {id} {verb}")).chain(not).collect();
        let error = match failed {
            Some(error) => error,
            None if missing.is_empty() => return Err(Error::refused(said.join("; "))),
            None => no_job(&at.who, &missing),
        };
        Err(if said.is_empty() { error } else { error.after(&said.join("; ")) })
    }
}

fn say(done: &[(JobId, JobState)], verb: &str, terminal: &Terminal) -> Result<()> {
    if terminal.is_json() {
        let all: Vec<Value> = done.iter().map(|(id, was)| json!({ "id": id, "was": was.to_string() })).collect();
        terminal.document(&json!({ "jobs": all }))?;
    } else {
        let lines: String = done.iter().map(|(id, was)| format!("Job {id} {verb}: it was {was}\n")).collect();
        terminal.print(&lines)?;
    }
    Ok(())
}
