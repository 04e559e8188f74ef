//! A server that is looked at again and again, and what is asked of it each time.
//!
//! `Source::ask → figures | dead letters, workers; tasks, rounds → noted, or a fault → tables`

use std::cell::{Cell as Flag, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use convoke::look::{Address, Server, ServerKind, Works};
use convoke::transport::{ErrorKind, TransportError};
use convoke::{DurableError, TasksLook};
use tokio::time::timeout;

use super::jobs::Jobs;
use super::letters::{Letters, SHOWN};
use super::queues::Queues;
use super::rounds::Rounds;
use super::table::Table;
use super::workers::Workers;
use crate::error::told;

/// A server that is looked at again and again. A clone is the same one.
#[derive(Clone)]
pub(crate) struct Source(Rc<Shared>);

struct Shared {
    address: Address,
    patience: Duration,
    seen: RefCell<Seen>,
    /// A question to the queues is under way, and one to the rest: no other is asked before it is answered.
    asks: [Flag<bool>; 2],
    /// How often something was noted.
    changes: Flag<u64>,
}

#[derive(Default)]
struct Seen {
    server: Option<Server>,
    queues: Queues,
    letters: Letters,
    workers: Workers,
    fault: Option<String>,
    /// Where the rest is kept; nothing where it never is.
    works: Rest,
    jobs: Jobs,
    rounds: Rounds,
    works_fault: Option<String>,
}

#[derive(Clone, Default)]
enum Rest {
    #[default]
    Unopened,
    /// The tasks, if it keeps any.
    Open(Works, Option<TasksLook>),
    /// This server keeps queues alone.
    Nothing,
}

impl Source {
    pub(crate) fn new(address: Address, patience: Duration) -> Self {
        let (seen, asks, changes) = (RefCell::default(), Default::default(), Flag::default());
        Self(Rc::new(Shared { address, patience, seen, asks, changes }))
    }

    /// How often something was noted: as long as it is the same number, the tables are the same.
    pub(super) fn changes(&self) -> u64 {
        self.0.changes.get()
    }

    fn changed(&self) {
        self.0.changes.set(self.0.changes.get().wrapping_add(1));
    }

    /// Asks the server, unless it is being asked already. What it does not answer in time is a fault, and what it has said before stays.
    pub(super) async fn ask(&self) {
        tokio::join!(self.once(0, self.ask_queues()), self.once(1, self.ask_works()));
    }

    async fn once(&self, which: usize, asked: impl Future<Output = ()>) {
        if let Some(asks) = self.0.asks.get(which)
            && !asks.replace(true)
        {
            asked.await;
            asks.set(false);
            self.changed();
        }
    }

    async fn ask_queues(&self) {
        let asked = timeout(self.0.patience, self.queues_asked()).await;
        let fault = self.fault(asked.map(|done| done.map_err(|error| error.to_string())));
        let mut seen = self.0.seen.borrow_mut();
        if fault.is_some() {
            seen.server = None;
            seen.queues.lose();
        }
        seen.fault = fault;
    }

    /// What to say of an answer that went wrong, or has not come.
    fn fault(&self, asked: Result<Result<(), String>, tokio::time::error::Elapsed>) -> Option<String> {
        match asked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(told(&error)),
            Err(_) => Some(format!("it has not answered within {} s", self.0.patience.as_secs_f32())),
        }
    }

    async fn queues_asked(&self) -> Result<(), TransportError> {
        let server = self.0.seen.borrow().server.clone();
        let server = match server {
            Some(server) => server,
            None => {
                let server = Server::connect(&self.0.address).await?;
                self.0.seen.borrow_mut().server = Some(server.clone());
                server
            }
        };
        if let Some((queue, count)) = self.letters_wanted() {
            let letters = server.letters(&queue).page(None, SHOWN).await?;
            self.0.seen.borrow_mut().letters.note(queue, count, &letters, Instant::now());
            return Ok(());
        }
        let name = self.0.address.name();
        let queues = match name {
            Some(name) => vec![server.queue(name).await?],
            None => server.queues().await?,
        };
        let names: Vec<String> = queues.iter().map(|queue| queue.name.clone()).collect();
        self.0.seen.borrow_mut().queues.note(queues, Instant::now());
        let workers = server.workers(names.iter().map(String::as_str)).await?;
        self.0.seen.borrow_mut().workers.note(workers);
        Ok(())
    }

    /// Where to read a letter is to receive it, nobody who only looks does so again and again.
    fn letters_wanted(&self) -> Option<(String, u64)> {
        if matches!(self.0.address.server(), ServerKind::RabbitMq | ServerKind::Sqs) {
            return None;
        }
        let mut seen = self.0.seen.borrow_mut();
        let Seen { queues, letters, .. } = &mut *seen;
        letters.wanted(queues.dead(), Instant::now())
    }

    async fn ask_works(&self) {
        let asked = timeout(self.0.patience, self.works_asked()).await;
        let fault = self.fault(asked);
        let mut seen = self.0.seen.borrow_mut();
        if fault.is_some() {
            seen.works = Rest::Unopened;
            seen.rounds.lose();
        }
        seen.works_fault = fault;
    }

    async fn works_asked(&self) -> Result<(), String> {
        let works = self.0.seen.borrow().works.clone();
        let (works, tasks) = match works {
            Rest::Nothing => return Ok(()),
            Rest::Open(works, tasks) => (works, tasks),
            Rest::Unopened => match self.opened().await.map_err(|error| error.to_string())? {
                Some(opened) => opened,
                None => {
                    self.0.seen.borrow_mut().works = Rest::Nothing;
                    return Ok(());
                }
            },
        };
        if let Some(tasks) = tasks {
            let question = self.0.seen.borrow_mut().jobs.next();
            let answer = question.ask(&tasks).await.map_err(|error| error.to_string())?;
            self.0.seen.borrow_mut().jobs.note(answer);
        }
        let question = self.0.seen.borrow_mut().rounds.next();
        if let Some(question) = question {
            match question.ask(&works.rounds()).await {
                Ok(answer) => self.0.seen.borrow_mut().rounds.note(answer),
                // It is gone meanwhile, and those that there are will be asked for.
                Err(DurableError::NoBroker { .. }) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Opens what is kept beside the queues; nothing where nothing is.
    async fn opened(&self) -> Result<Option<(Works, Option<TasksLook>)>, TransportError> {
        let works = match Works::at(&self.0.address).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            works => works?,
        };
        let tasks = match works.tasks().await {
            Err(error) if error.kind() == ErrorKind::Unsupported => None,
            tasks => Some(tasks?),
        };
        self.0.seen.borrow_mut().works = Rest::Open(works.clone(), tasks.clone());
        Ok(Some((works, tasks)))
    }

    /// What is shown of it: its name above its queues, and then the rest.
    pub(super) fn tables(&self) -> Vec<Table> {
        let seen = self.0.seen.borrow();
        let counts = matches!(self.0.address.server(), ServerKind::Sqlite | ServerKind::Postgres);
        let queues = seen.queues.table(counts);
        // What is wrong with all of it is said once.
        let works_fault = seen.works_fault.clone().filter(|fault| seen.fault.as_ref() != Some(fault));
        let fault = seen.fault.iter().chain(&works_fault).cloned().collect::<Vec<_>>();
        let fault = (!fault.is_empty()).then(|| fault.join("; "));
        let first = Table { title: told(&self.0.address.to_string()), fault, ..queues };
        let rest = [seen.letters.table(), seen.jobs.table(), seen.rounds.table(), seen.workers.table()];
        std::iter::once(first).chain(rest.into_iter().flatten()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_all_of_it_is_said_once_and_what_was_seen_stays() {
        let source = Source::new("sqlite:shop.db".parse().unwrap(), Duration::from_secs(1));
        let faults = |one: Option<&str>, other: Option<&str>| {
            let mut seen = source.0.seen.borrow_mut();
            (seen.fault, seen.works_fault) = (one.map(str::to_owned), other.map(str::to_owned));
            drop(seen);
            source.tables()[0].fault.clone()
        };
        assert_eq!(faults(None, None), None);
        assert_eq!(faults(Some("it is away"), Some("it is away")).as_deref(), Some("it is away"));
        assert_eq!(faults(None, Some("no tables")).as_deref(), Some("no tables"));
        assert_eq!(faults(Some("a"), Some("b")).as_deref(), Some("a; b"));
        assert_eq!(source.tables()[0].title, "sqlite:shop.db");
    }
}
