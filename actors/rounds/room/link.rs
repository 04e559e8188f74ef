//! The way between a broker and the session of one round.
//!
//! `broker → Link → session; session → Room::back → broker`

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use crate::base::Payload;
use crate::rounds::messages::Reply;
use crate::rounds::outcome::{Account, FailedConsumer};
use crate::rounds::round::{Abort, Slot, Standing, Terms, Who};
use crate::rounds::{Collector, Past, RoundId, RoundKey, Title};
use crate::runtime::{Executor, TaskId};

/// What a broker sends to the session of an open round.
pub(crate) enum ToSession<P: Payload> {
    Signal { slot: Slot, payload: P, reply: Option<Reply<P>> },
    Veto { slot: Slot, reason: Arc<str>, reply: Option<Reply<P>> },
    Join(Rc<Joining>),
    Leave(Slot),
    Lost(Slot),
    Abort(Abort),
    Inspect(Rc<Collector>),
}

/// An emitter that has joined while rounds are open.
pub(crate) struct Joining {
    pub(crate) slot: Slot,
    pub(crate) terms: Terms,
    pub(crate) who: Who,
}

/// What a session sends to its broker.
pub(crate) enum FromSession<P: Payload> {
    /// The round is over.
    Closed {
        place: u32,
        account: Arc<Account<P>>,
        /// How every emitter stood, by slot.
        standing: Vec<Standing>,
        /// What the round did not take any more, in its order.
        returned: VecDeque<ToSession<P>>,
    },
    /// The round is over, and everybody has kept the promise. Nothing of it waits for the broker, which hears of it in its next
    /// turn, before it looks for a round; what was emitted is not kept until then.
    Complete { place: u32, past: Past },
    /// Some consumers did not do their work.
    ConsumersFailed { round: RoundId, failed: Vec<FailedConsumer> },
}

/// The way from the broker to one session; both are on the same arbiter. The broker hands over no more than a turn
/// of inputs before the session runs, so this queue is bounded by the broker's own.
pub(crate) struct Link<P: Payload> {
    pub(crate) round: RoundId,
    pub(crate) key: Option<RoundKey>,
    pub(crate) opened: Instant,
    pub(crate) task: Cell<Option<TaskId>>,
    pub(crate) inbox: RefCell<VecDeque<ToSession<P>>>,
}

impl<P: Payload> Link<P> {
    /// Makes the way to a new session, with an empty queue of an earlier one.
    pub(crate) fn new(
        round: RoundId,
        key: Option<RoundKey>,
        opened: Instant,
        inbox: VecDeque<ToSession<P>>,
    ) -> Rc<Self> {
        Rc::new(Self { round, key, opened, task: Cell::new(None), inbox: RefCell::new(inbox) })
    }

    /// The round as the log names it.
    pub(crate) fn title(&self) -> Title<'_> {
        Title(self.round, self.key.as_ref())
    }

    #[inline(always)]
    pub(crate) fn push(&self, executor: &Executor, input: ToSession<P>) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.push_back(input);
        // While something waits here, the session has a turn coming.
        if inbox.len() == 1
            && let Some(task) = self.task.get()
        {
            executor.wake(task);
        }
    }
}
