//! An emission: every listener is called now, and awaited.
//!
//! `emit → LocalRoute → seats (here), Door (elsewhere, giving_up.rs) → Board → Report`

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::giving_up::give_up;
use super::line::Line;
use super::publish_error::PublishError;
use super::publishing::{NotPacked, Packed, pack};
use crate::events::event::{Name, Subject};
use crate::events::hub::{Errand, Freight, Hub, Reserved};
use crate::events::listener::Report;
use crate::events::parcel::{Away, Board, Parcel, Within};
use crate::events::seats::{Near, Station, Tickets, let_go};
use crate::events::verdict::{Verdict, panicked};
use crate::runtime::{self, drop_quietly};

/// A pending emission. When it is first polled, all listeners are called. It resolves to a [`Report`] when all calls
/// are done.
///
/// If you drop it before that, the calls continue, and only dead letters tell which of them failed.
#[must_use = "nobody is called before it is awaited"]
pub struct Emitting<E> {
    line: Arc<Line>,
    timed: bool,
    state: State<E>,
}

enum State<E> {
    Fresh(E),
    Waiting(Report, Arc<Board>),
    Done,
}

impl<E> Emitting<E> {
    pub(crate) fn new(line: Arc<Line>, event: E) -> Self {
        Self { line, timed: false, state: State::Fresh(event) }
    }

    /// Records in the report how long each listener took.
    pub fn timed(mut self) -> Self {
        self.timed = true;
        self
    }
}

/// Calls all who hear an event. The board is there if some of them are not done yet.
fn begin<S: Subject>(line: &Line, event: S, timed: bool) -> (Report, Option<Arc<Board>>) {
    let name = event.name();
    match pack(&line.hub, &line.given, event, Reserved::Nobody) {
        Ok(Some(packed)) => call(&line.hub, name, packed, timed),
        Ok(None) => (Report::new(name, line.hub.nobody()), None),
        // No place is asked for, so that nothing else can go wrong.
        Err(NotPacked { error: PublishError::TooDeep(error), noted }) => {
            (Report::stopped(name, line.hub.nobody(), error, noted), None)
        }
        Err(_) => (Report::new(name, line.hub.nobody()), None),
    }
}

fn call<S: Subject>(hub: &Arc<Hub>, name: Name, packed: Packed<S>, timed: bool) -> (Report, Option<Arc<Board>>) {
    let Packed { route, parcel } = packed;
    let mut report = Report::new(name, route.route.posts.clone());
    let mut board = None;
    let (station, near, far) = route.reach();
    for group in far {
        let board = board.get_or_insert_with(|| Arc::new(Board::with_away(Away::new(parcel.clone()))));
        let errand = Errand::Call { board: board.clone(), timed };
        // If that is refused, the board is told.
        let _ = group.door.push_freight(Freight::new(hub, parcel.clone(), group, errand));
    }
    let Some(station) = station.filter(|_| !near.is_empty()) else { return (report, board) };
    // As it waits in queues: the one of an event before, or made by the first who needs it.
    let mut waiting = if route.route.sees { route.take_laid(&parcel) } else { None };
    let held = route.hold(parcel);
    {
        let _within = Within::call_of(held.clone());
        let parcel = held.parcel();
        let Some(parcel) = &*parcel else { return (report, board) };
        let mut next = 0;
        while next < near.len() {
            // One guard for all: after a panic it goes on with the one behind.
            let run = catch_unwind(AssertUnwindSafe(|| {
                if timed {
                    call_timed(station, near, &mut next, parcel, &mut report, &mut board, &mut waiting);
                } else {
                    call_each(station, near, &mut next, parcel, &mut report, &mut board, &mut waiting);
                }
            }));
            if let (Err(panic), Some(listener)) = (run, near.get(next - 1))
                && let Some(post) = route.route.posts.get(listener.place as usize)
            {
                report.add(listener.place, hub.failed(post, parcel.clone(), panicked(panic)));
            }
        }
    }
    // The last of an event, or of a listener that has ended itself: both are the user's code.
    if let Some(last) = route.let_go(held) {
        drop_quietly(last);
        if let Some(waiting) = waiting {
            route.keep_emitted(waiting);
        }
    }
    let_go(route);
    (report, board)
}

#[inline]
fn call_each<S: Subject>(
    station: &Rc<Station>,
    near: &[Near<S>],
    next: &mut usize,
    parcel: &Arc<Parcel<S>>,
    report: &mut Report,
    board: &mut Option<Arc<Board>>,
    waiting: &mut Option<Rc<dyn Any>>,
) {
    let mut tickets = Tickets::new(board, waiting, station, (false, near.len() == 1));
    while let Some(listener) = near.get(*next) {
        *next += 1;
        if !listener.seat.call(parcel, listener.place, &mut tickets)
            && let Some(verdict) = tickets.verdict.take()
        {
            report.add(listener.place, verdict);
        }
    }
}

fn call_timed<S: Subject>(
    station: &Rc<Station>,
    near: &[Near<S>],
    next: &mut usize,
    parcel: &Arc<Parcel<S>>,
    report: &mut Report,
    board: &mut Option<Arc<Board>>,
    waiting: &mut Option<Rc<dyn Any>>,
) {
    while let Some(listener) = near.get(*next) {
        *next += 1;
        let mut tickets = Tickets::new(board, waiting, station, (true, true));
        let began = runtime::now();
        listener.seat.call(parcel, listener.place, &mut tickets);
        if !tickets.taken && tickets.verdict != Some(Verdict::Skipped) {
            report.add_time(listener.place, runtime::now() - began);
        }
        if let Some(verdict) = tickets.verdict {
            report.add(listener.place, verdict);
        }
    }
}

/// `Emitting` moves its event out before it uses the event, and so needs no pinning.
impl<E> Unpin for Emitting<E> {}

impl<E: Subject> Emitting<E> {
    fn poll_report(&mut self, waker: &Waker) -> Poll<Report> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Fresh(event) => match begin(&self.line, event, self.timed) {
                    (report, None) => return Poll::Ready(report),
                    (report, Some(board)) => self.state = State::Waiting(report, board),
                },
                State::Waiting(mut report, board) => {
                    let mut done = board.poll_done(waker);
                    if !done && let Some(mut away) = board.take_away() {
                        // Whoever gives somebody up looks again.
                        done = give_up(&mut away, &self.line.hub, &board, &mut report, waker) && board.poll_done(waker);
                        board.put_away(away);
                    }
                    if done {
                        report.merge(&board);
                        return Poll::Ready(report);
                    }
                    self.state = State::Waiting(report, board);
                    return Poll::Pending;
                }
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<E: Subject> Future for Emitting<E> {
    type Output = Report;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        self.get_mut().poll_report(cx.waker())
    }
}

impl<E> fmt::Debug for Emitting<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emitting").field("timed", &self.timed).finish_non_exhaustive()
    }
}
