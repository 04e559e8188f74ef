//! The place of one listener on a board, and those of one arbiter together.
//!
//! `a call that is not done at once → Ticket → Tally (of its arbiter) → Board`

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, Said};
use crate::base::Noted;
use crate::events::verdict::{ListenerError, Verdict};

/// The listeners of one arbiter whom an emission has called there: the last of them that is done writes on the board for all, so
/// that its lock is taken once.
pub(crate) struct Tally {
    board: Arc<Board>,
    left: Cell<usize>,
    others: RefCell<Said<Verdict>>,
    times: RefCell<Said<Duration>>,
}

impl Tally {
    /// Of those whom an emission calls on its own arbiter.
    pub(crate) fn new(board: Arc<Board>) -> Rc<Self> {
        Rc::new(Self { board, left: Cell::new(0), others: RefCell::default(), times: RefCell::default() })
    }

    fn finish(&self, place: u32, verdict: Option<Verdict>, took: Option<Duration>) {
        if let Some(verdict) = verdict {
            self.others.borrow_mut().push((place, verdict));
        }
        if let Some(took) = took {
            self.times.borrow_mut().push((place, took));
        }
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            self.board.finish_all(self.others.take(), self.times.take());
        }
    }
}

/// Where a result is written.
enum To {
    Board(Arc<Board>),
    Tally(Rc<Tally>),
    /// Nobody waits for it any more.
    Nobody,
}

/// One listener's place on a board; dropped before it is used, the listener counts as gone.
pub(crate) struct Ticket {
    to: To,
    place: u32,
    pub(crate) timed: bool,
}

impl Ticket {
    /// For one more that the board was told to [expect](Board::expect).
    pub(crate) fn new(board: Arc<Board>, place: u32, timed: bool) -> Self {
        let to = if board.hand_out(place, true) { To::Board(board) } else { To::Nobody };
        Self { to, place, timed }
    }

    /// For one more of those on the emission's own arbiter.
    #[inline]
    pub(crate) fn near(tally: &Rc<Tally>, place: u32, timed: bool) -> Self {
        if tally.left.get() == 0 {
            tally.board.expect(1);
        }
        tally.left.set(tally.left.get() + 1);
        Self { to: To::Tally(tally.clone()), place, timed }
    }

    /// For one on whose arbiter the event has come; none if it was given up before.
    pub(crate) fn on_arrival(board: &Arc<Board>, place: u32, timed: bool) -> Option<Self> {
        board.hand_out(place, false).then(|| Self { to: To::Board(board.clone()), place, timed })
    }

    #[inline]
    pub(crate) fn finish(mut self, verdict: Option<Verdict>, took: Option<Duration>) {
        self.tell(verdict, took);
    }

    #[inline]
    fn tell(&mut self, verdict: Option<Verdict>, took: Option<Duration>) {
        match std::mem::replace(&mut self.to, To::Nobody) {
            To::Tally(tally) => tally.finish(self.place, verdict, took),
            To::Board(board) => board.finish(self.place, verdict, took),
            To::Nobody => {}
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !matches!(self.to, To::Nobody) {
            self.tell(Some(Verdict::Failed(ListenerError::Gone, Noted::default())), None);
        }
    }
}
