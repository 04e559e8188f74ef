//! The dead letters of a queue: read page by page, sent back, deleted.
//!
//! `Server::letters → Letters → page → Letter → redrive | discard`

use std::fmt;
use std::sync::Arc;

use super::letter::{Letter, LetterId, Reading};
use super::looks::{Looks, Pile, check_name};
use crate::__private::Shown;
use crate::transport::{ErrorKind, TransportError, is_secret};

/// How many letters one page has at most: more are several.
const MOST: usize = 1_000;

/// What a queue of dead letters is called, behind the name of its queue.
const DEAD: &str = "-dead";

/// The dead letters of a queue: those in its queue of dead letters, and behind them those that stay in their places because a worker
/// [parks](crate::Worker::park).
///
/// Both are read in the order in which they died or, in their places, were published. To keep the order of each key, redrive
/// them in that order. A redrive can be interrupted at any letter, and gone on with: read the first page once more.
pub struct Letters {
    looks: Arc<dyn Looks>,
    queue: String,
    pile: Box<dyn Pile>,
}

impl Letters {
    pub(super) fn new(looks: Arc<dyn Looks>, queue: &str) -> Self {
        let pile = looks.pile(queue, None);
        Self { looks, queue: queue.to_owned(), pile }
    }

    /// Sets the queue of dead letters. The default is the name of the queue with `-dead` behind it; with SQS it is the queue that its redrive
    /// policy names, if it has one.
    pub fn dead_letter_queue(self, name: impl AsRef<str>) -> Self {
        let pile = self.looks.pile(&self.queue, Some(name.as_ref()));
        Self { pile, ..self }
    }

    /// Returns how letters are read here.
    pub fn reading(&self) -> Reading {
        self.pile.reading()
    }

    /// Returns up to `most` letters behind this one, or the first ones; at most 1,000. None are returned when there are no more. The one
    /// that it is `after` need not be there any more. A letter that is lent to somebody, as to another redrive, is left out.
    ///
    /// # Errors
    ///
    /// - `Missing` if the tables of a database are not there; a queue that is not there has no letters.
    /// - `Unsupported` for the name of a queue that is itself one of dead letters, and for a name that no queue can have.
    /// - `Unreachable` and others of the server.
    pub async fn page(&self, after: Option<&LetterId>, most: usize) -> Result<Vec<Letter>, TransportError> {
        self.check()?;
        if most == 0 {
            return Ok(Vec::new());
        }
        self.pile.page(after, most.min(MOST)).await
    }

    /// Returns one letter; `None` if there is none of this id.
    ///
    /// # Errors
    ///
    /// The same as [`page`](Self::page).
    pub async fn get(&self, id: &LetterId) -> Result<Option<Letter>, TransportError> {
        self.check()?;
        self.pile.get(id).await
    }

    /// Gives a letter another chance: it goes back into its queue, behind what is there, and its attempts count from 1. One that stayed in its
    /// place goes on from there, before what is parked behind it. Returns `false` if there is no such letter, or if somebody else has
    /// it at the moment.
    ///
    /// Only the group in which it died gets it; on Redis all groups of the stream do.
    ///
    /// # Errors
    ///
    /// - `Missing` if the queue is not there any more: the letter stays.
    /// - Those of [`page`](Self::page). Whether the letter is back is then unknown, and it is in one of the two queues; on RabbitMQ
    ///   and SQS it may be in both.
    pub async fn redrive(&self, id: &LetterId) -> Result<bool, TransportError> {
        self.check()?;
        self.pile.redrive(id).await
    }

    /// Deletes a letter for good. What is parked behind one in its place comes then. Returns `false` if there is no such letter, or if somebody
    /// else has it at the moment.
    ///
    /// # Errors
    ///
    /// The same as [`page`](Self::page).
    pub async fn discard(&self, id: &LetterId) -> Result<bool, TransportError> {
        self.check()?;
        self.pile.discard(id).await
    }

    /// Gives back what was read under a lease, and waits until that is done, so that whoever reads next finds it at once. The same is
    /// done in the background when the value is dropped, unless the process ends before. Where reading is plain this does nothing.
    pub async fn close(self) {
        self.pile.close().await;
    }

    /// Who names the queue of dead letters means the queue that they are of, and would be told that it has none.
    fn check(&self) -> Result<(), TransportError> {
        check_name(self.looks.at(), &self.queue)?;
        let queue = self.queue.split('/').next().unwrap_or_default();
        if !queue.trim_end_matches(".fifo").ends_with(DEAD) {
            return Ok(());
        }
        let text = "it is itself a queue of dead letters: name the queue that they are of, without `-dead`";
        Err(TransportError::new(ErrorKind::Unsupported, format!("{}:{}", self.looks.at(), self.queue), text))
    }
}

impl fmt::Debug for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Letters");
        shown.field("at", self.looks.at());
        if !is_secret(&self.queue) {
            shown.field("queue", &Shown::name(&self.queue));
        }
        shown.finish_non_exhaustive()
    }
}
