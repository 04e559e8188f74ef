//! The part of a bus on one arbiter: it takes what comes from other threads, and gives each listener its turn.
//!
//! `publish (same thread) → seat's queue → turn`, `publish, emit (another thread) → Door → arrival.rs → seats`

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use slab::Slab;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::arrival::arrive;
use super::desk::{leave, let_go};
use super::hearer::{AnySeat, Hearer, Reader, Seated, Viewer, Whole};
use crate::events::event::{JsonEvent, Subject};
use crate::events::hub::{Door, Hub, Post, ToStation};
use crate::events::verdict::panicked;
use crate::runtime::{self, Executor, Intake, Task, TaskId, Turn, drop_quietly, dropped_badly, panic_text, quietly};

/// How many events one listener takes before the next has its turn.
const VISIT: usize = 64;

/// The listeners of a bus on one arbiter.
pub(crate) struct Station {
    pub(crate) hub: Arc<Hub>,
    door: Arc<Door>,
    executor: Rc<Executor>,
    task: TaskId,
    /// A row is empty while its listener is being made.
    rows: RefCell<Slab<Option<Rc<dyn AnySeat>>>>,
    /// Those that have something in their queue and may take it.
    ready: RefCell<VecDeque<u32>>,
    /// Whose answer is looked at, and in which turn of the executor.
    answers: RefCell<VecDeque<(u32, u64)>>,
    /// The time of its turn, once somebody has asked for it.
    time: Cell<Option<Instant>>,
    /// Calls that are under way.
    running: Cell<usize>,
    resting: RefCell<Vec<oneshot::Sender<u64>>>,
    closing: Cell<bool>,
}

impl Station {
    /// Starts one on this arbiter.
    pub(crate) fn start(hub: &Arc<Hub>, executor: &Rc<Executor>) -> Rc<Self> {
        let mut made = None;
        executor.spawn(|task| {
            let door = Door::new(executor.home(task), executor.is_seeded());
            let station = Rc::new(Self {
                hub: hub.clone(),
                door: Arc::new(door),
                executor: executor.clone(),
                task,
                rows: RefCell::default(),
                ready: RefCell::default(),
                answers: RefCell::default(),
                time: Cell::new(None),
                running: Cell::new(0),
                resting: RefCell::default(),
                closing: Cell::new(false),
            });
            made = Some(station.clone());
            Box::new(Keeper { station, intake: Intake::new() })
        });
        match made {
            Some(station) => station,
            None => unreachable!("it was made above"),
        }
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    pub(crate) fn executor(&self) -> &Rc<Executor> {
        &self.executor
    }

    /// Whether this is its thread, and its arbiter the one that runs.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        self.executor.is_here()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.door.is_closed()
    }

    /// A row for a listener that is about to come.
    pub(crate) fn reserve_row(&self) -> u32 {
        self.rows.borrow_mut().insert(None) as u32
    }

    /// The listener does not come.
    pub(crate) fn give_back_row(&self, row: u32) {
        self.rows.borrow_mut().try_remove(row as usize);
        self.executor.wake(self.task);
    }

    pub(crate) fn seat<S: Subject>(&self, row: u32, seated: Seated<S>) {
        if let Some(row) = self.rows.borrow_mut().get_mut(row as usize) {
            *row = Some(seated.any);
        }
    }

    /// The seat of a post, as it hears parcels of `S`.
    pub(crate) fn hears<S: Subject>(&self, post: &Arc<Post>) -> Option<Hearer<S>> {
        let rows = self.rows.borrow();
        let seat = rows.get(post.row as usize)?.as_ref().filter(|seat| Arc::ptr_eq(seat.post(), post))?;
        if post.is_abandoned() {
            return None;
        }
        if let Some(whole) = seat.clone().whole() {
            return Some(Hearer::Other(Rc::new(Whole(whole))));
        }
        if let Some(own) = Hearer::of(seat) {
            return Some(own);
        }
        if let Some(seat) = Hearer::of(seat) {
            let viewer = Viewer { seat, hub: self.hub.clone(), post: post.clone() };
            return Some(Hearer::Other(Rc::new(viewer)));
        }
        // A parcel of JSON for a typed seat: `S` is `JsonEvent`.
        let reader: Hearer<JsonEvent> = Hearer::Other(Rc::new(Reader(seat.clone())));
        (&reader as &dyn Any).downcast_ref::<Hearer<S>>().cloned()
    }

    /// Looks whether somebody waits for rest, and whether there is still something to do.
    pub(crate) fn look(&self) {
        self.executor.wake(self.task);
    }

    /// A seat has something to do.
    pub(crate) fn list(&self, post: &Post) {
        self.ready.borrow_mut().push_back(post.row);
        self.executor.wake(self.task);
    }

    /// A seat has sent a message to an actor, and looks at the answer when that has had its turn.
    pub(crate) fn list_answer(&self, post: &Post) {
        let mut answers = self.answers.borrow_mut();
        // Who sends before the others have had their turn wakes nobody anew.
        let turn = self.executor.turn_behind();
        if answers.back().is_none_or(|(_, last)| *last != turn) {
            self.executor.wake_behind(self.task);
        }
        answers.push_back((post.row, turn));
    }

    /// The time of its turn.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.time.get().unwrap_or_else(|| {
            let now = runtime::now();
            self.time.set(Some(now));
            now
        })
    }

    /// The next whose answer is to be looked at.
    fn next_answer(&self) -> Option<u32> {
        if !self.has_answers() {
            return None;
        }
        Some(self.answers.borrow_mut().pop_front()?.0)
    }

    fn has_answers(&self) -> bool {
        self.answers.borrow().front().is_some_and(|(_, turn)| *turn <= self.executor.turn())
    }

    /// Has those look at answers whose actors have had their turn.
    fn look_at_answers(self: &Rc<Self>, budget: usize) {
        for _ in 0..budget {
            let Some(row) = self.next_answer() else { return };
            let seat = self.rows.borrow().get(row as usize).and_then(Clone::clone);
            let Some(seat) = seat else { continue };
            quietly(|| seat.look(self));
            if Rc::strong_count(&seat) == 1 {
                drop_quietly(seat);
            }
        }
    }

    pub(crate) fn began(&self) {
        self.running.set(self.running.get() + 1);
    }

    pub(crate) fn ended(&self, post: &Arc<Post>, queued: bool) {
        self.running.set(self.running.get() - 1);
        self.door.count();
        if queued && let Some(seat) = self.seat_of(post) {
            seat.ended_one(self);
        }
        if self.running.get() == 0 {
            self.executor.wake(self.task);
        }
    }

    /// The same of a call whose answer was looked at.
    #[inline]
    pub(crate) fn ended_answer(&self) {
        self.running.set(self.running.get() - 1);
        self.door.count();
        if self.running.get() == 0 {
            self.executor.wake(self.task);
        }
    }

    /// The seat of a post, unless that is no longer here.
    pub(crate) fn seat_of(&self, post: &Arc<Post>) -> Option<Rc<dyn AnySeat>> {
        let rows = self.rows.borrow();
        let row = rows.get(post.row as usize)?.as_ref()?;
        Arc::ptr_eq(row.post(), post).then(|| row.clone())
    }

    /// The same, unless nothing comes to it any more.
    pub(crate) fn reach(&self, post: &Arc<Post>) -> Option<Rc<dyn AnySeat>> {
        self.seat_of(post).filter(|_| !post.is_abandoned())
    }

    /// A registration has ended: no call of it begins any more.
    pub(crate) fn end(&self, post: &Arc<Post>) {
        let row = {
            let mut rows = self.rows.borrow_mut();
            let row = rows.get(post.row as usize).and_then(Option::as_ref);
            let there = row.is_some_and(|seat| Arc::ptr_eq(seat.post(), post));
            if there { rows.try_remove(post.row as usize).flatten() } else { None }
        };
        let Some(row) = row else { return };
        row.end();
        let_go(&self.hub, &post.hearing);
        // What it has captured may hold other guards, which end other registrations.
        drop_quietly(row);
        self.executor.wake(self.task);
    }

    fn is_idle(&self) -> bool {
        self.running.get() == 0
            && self.ready.borrow().is_empty()
            && self.door.inbox().is_empty()
            && self.rows.borrow().iter().filter_map(|(_, row)| row.as_ref()).all(|seat| seat.is_idle())
    }

    fn take_in(self: &Rc<Self>, what: ToStation) {
        self.door.count();
        match what {
            ToStation::Arrive(freight) => arrive(freight, self),
            ToStation::End { post, told } => {
                self.end(&post);
                if let Some(told) = told {
                    quietly(|| {
                        let _ = told.send(());
                    });
                }
            }
            ToStation::Rest { told } => {
                self.door.ask(true);
                self.resting.borrow_mut().push(told);
            }
            ToStation::Passed { told } => quietly(|| {
                let _ = told.send(());
            }),
            ToStation::Close => self.closing.set(true),
        }
    }

    /// Lets one listener take from its queue; says how many events it took.
    fn visit_one(self: &Rc<Self>, budget: usize) -> Option<usize> {
        let row = {
            let mut ready = self.ready.borrow_mut();
            match self.door.is_seeded() {
                false => ready.pop_front()?,
                true if ready.is_empty() => return None,
                true => {
                    let chosen = self.executor.choose(ready.len());
                    ready.swap_remove_back(chosen)?
                }
            }
        };
        let seat = self.rows.borrow().get(row as usize).and_then(Clone::clone);
        let Some(seat) = seat else { return Some(0) };
        self.door.count();
        // What it calls is guarded; what may panic here is the `Drop` of an event.
        let ran = catch_unwind(AssertUnwindSafe(|| seat.run(self, budget))).unwrap_or_else(|panic| {
            dropped_badly(panic_text(&*panic));
            let (name, why) = (seat.post().name(), panicked(panic));
            log::error!(target: "convoke::bus", "an event for `{name}` {why} when it was dropped");
            self.list(seat.post());
            1
        });
        // It may have ended itself, and this be the last of what it has captured.
        if Rc::strong_count(&seat) == 1 {
            drop_quietly(seat);
        }
        Some(ran)
    }
}

/// The task of a station.
struct Keeper {
    station: Rc<Station>,
    intake: Intake<ToStation>,
}

impl Keeper {
    /// Says whether something is left to do.
    fn work(&mut self, budget: usize) -> bool {
        let Self { station, intake } = self;
        station.time.set(None);
        station.look_at_answers(budget);
        let inbox = station.door.inbox();
        if !inbox.is_empty() {
            // Before it is taken out, or for a moment it would be nowhere for whoever looks from another thread.
            station.door.count();
        }
        intake.refill(inbox);
        let mut left = budget;
        // Under a seed it decides whether somebody arrives or somebody is visited.
        if station.door.is_seeded()
            && !intake.is_empty()
            && station.executor.choose(2) == 1
            && station.visit_one(1).is_some()
        {
            return true;
        }
        while left > 0 {
            if intake.is_empty() && intake.is_behind() {
                // The same.
                station.door.count();
            }
            let Some(what) = intake.next(inbox) else { break };
            station.take_in(what);
            left -= 1;
        }
        while left > 0 {
            let Some(taken) = station.visit_one(left.min(VISIT)) else { break };
            left -= taken.clamp(1, left);
        }
        !intake.is_empty() || intake.is_behind() || !station.ready.borrow().is_empty() || station.has_answers()
    }
}

impl Task for Keeper {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()> {
        let budget = if turn.executor.is_seeded() { 1 } else { runtime::TURN };
        if self.work(budget) {
            turn.executor.wake(turn.id);
            return Poll::Pending;
        }
        let closing = self.station.closing.get() || self.station.rows.borrow().is_empty();
        // To look at every listener costs more than to call one.
        if !(closing || self.station.door.is_asked()) || !self.station.is_idle() {
            return Poll::Pending;
        }
        let activity = self.station.door.activity();
        self.station.door.ask(false);
        for told in self.station.resting.take() {
            quietly(|| {
                let _ = told.send(activity);
            });
        }
        if closing { Poll::Ready(()) } else { Poll::Pending }
    }

    fn label(&self) -> String {
        let rows = self.station.rows.borrow();
        let names = rows.iter().filter_map(|(_, row)| row.as_ref());
        let names: Vec<_> = names.map(|row| format!("`{}`", row.post().name())).collect();
        format!("an event bus that listeners hold, or hold open: {}", names.join(", "))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let station = &self.station;
        let posts = |seat: &Rc<dyn AnySeat>| seat.post().clone();
        let posts: Vec<_> = station.rows.borrow().iter().filter_map(|(_, row)| row.as_ref().map(posts)).collect();
        posts.iter().for_each(|post| post.lose());
        station.door.close();
        // Struck before anything of the user's is dropped, so that whatever that does, nobody is left in the registry.
        posts.iter().for_each(|post| station.hub.strike(post));
        station.door.inbox().close();
        while let Some(what) = self.intake.pop() {
            drop_quietly(what);
        }
        station.resting.take().into_iter().for_each(drop_quietly);
        quietly(|| leave(station));
        let rows: Vec<Rc<dyn AnySeat>> = station.rows.borrow_mut().drain().flatten().collect();
        for row in rows {
            quietly(|| row.end());
            drop_quietly(row);
        }
        station.hub.registry.left(&station.door);
    }
}
