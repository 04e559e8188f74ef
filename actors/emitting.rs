//! An emission: every listener is called now, and awaited.
//!
//! `emit → LocalRoute → seats (here), Door (elsewhere) → Board → Report`

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::hub::Hub;
use crate::name::Name;
use crate::parcel::{Current, Given, Subject, Within};
use crate::publishing::{Packed, pack};
use crate::report::{Board, ListenerError, Report, Ticket, Verdict};
use crate::runtime::{self, Refused};
use crate::seat::{Tickets, panicked};
use crate::station::{Errand, ToStation};

/// An emission: when it is first polled all listeners are called, and it is ready with a [`Report`] when all are done.
///
/// Dropped before that, the calls go on, and nobody is told how they ended but for the dead letters.
#[must_use = "nobody is called before it is awaited"]
pub struct Emitting<E> {
    hub: Arc<Hub>,
    given: Arc<Given>,
    timed: bool,
    state: State<E>,
}

enum State<E> {
    Fresh(E),
    Waiting(Report, Arc<Board>),
    Done,
}

impl<E> Emitting<E> {
    pub(crate) fn new(hub: Arc<Hub>, given: Arc<Given>, event: E) -> Self {
        Self { hub, given, timed: false, state: State::Fresh(event) }
    }

    /// Has the report say how long each listener took.
    pub fn timed(mut self) -> Self {
        self.timed = true;
        self
    }
}

/// Calls all who hear an event. The board is there if some of them are not done yet.
fn begin<S: Subject>(hub: &Arc<Hub>, given: &Arc<Given>, event: S, timed: bool) -> (Report, Option<Arc<Board>>) {
    let name: Name = event.name();
    match pack(hub, given, event) {
        Ok(Some(packed)) => call(hub, name, &packed, timed),
        Ok(None) => (Report::new(name, hub.nobody()), None),
        Err(too_deep) => (Report::stopped(name, too_deep), None),
    }
}

/// Calls all who hear a parcel.
pub(crate) fn call<S: Subject>(
    hub: &Arc<Hub>,
    name: Name,
    packed: &Packed<S>,
    timed: bool,
) -> (Report, Option<Arc<Board>>) {
    let Packed { route, parcel } = packed;
    let mut report = Report::new(name, route.route.posts.clone());
    let mut board = None;
    let (_, near, far) = route.reach();
    for group in far {
        let board = board.get_or_insert_with(|| Arc::new(Board::new(0)));
        board.expect(group.places.len());
        let errand = Errand::Call { board: board.clone(), timed };
        let arrive = ToStation::Arrive { parcel: parcel.clone(), group: group.clone(), errand };
        let error = match group.door.push(arrive) {
            Ok(()) => continue,
            Err(Refused::Full(_)) => ListenerError::Busy,
            Err(Refused::Closed(_)) => ListenerError::Gone,
        };
        for place in &group.places {
            let verdict = hub.failed(&place.post, parcel.clone(), error.clone());
            Ticket::new(board.clone(), place.place, false).finish(Some(verdict), None);
        }
    }
    if !near.is_empty() {
        let _within = Within::call_of(Current::Emitted(parcel.clone()));
        let mut next = 0;
        while next < near.len() {
            // One guard for all: after a panic it goes on with the one behind.
            let run = catch_unwind(AssertUnwindSafe(|| {
                while let Some(listener) = near.get(next) {
                    next += 1;
                    let mut tickets = Tickets { board: &mut board, place: listener.place, timed, taken: false };
                    if timed {
                        let began = runtime::now();
                        let verdict = listener.seat.call(parcel, &mut tickets);
                        if !tickets.taken && verdict != Some(Verdict::Skipped) {
                            report.add_time(listener.place, runtime::now() - began);
                        }
                        if let Some(verdict) = verdict {
                            report.add(listener.place, verdict);
                        }
                    } else if let Some(verdict) = listener.seat.call(parcel, &mut tickets) {
                        report.add(listener.place, verdict);
                    }
                }
            }));
            if let (Err(panic), Some(listener)) = (run, near.get(next - 1))
                && let Some(post) = route.route.posts.get(listener.place as usize)
            {
                report.add(listener.place, hub.failed(post, parcel.clone(), panicked(panic)));
            }
        }
    }
    (report, board)
}

/// The event is moved out before it is used.
impl<E> Unpin for Emitting<E> {}

impl<E: Subject> Emitting<E> {
    fn poll_report(&mut self, waker: &Waker) -> Poll<Report> {
        loop {
            match std::mem::replace(&mut self.state, State::Done) {
                State::Fresh(event) => match begin(&self.hub, &self.given, event, self.timed) {
                    (report, None) => return Poll::Ready(report),
                    (report, Some(board)) => self.state = State::Waiting(report, board),
                },
                State::Waiting(mut report, board) => {
                    if board.poll_done(waker) {
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
