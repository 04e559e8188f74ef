//! Polls our actors: one executor on each arbiter, itself one task of that arbiter's runtime.
//!
//! `start → table of tasks → ready queue → one poll → table, or gone`
//!
//! actix gives every actor a task of its own in tokio, which costs more than a short-lived actor does: a session
//! lives for one round. Here an actor is a row in a table, a wake on the same thread is one push, and all timers
//! of an arbiter share one armed timer of tokio's. The same loop, with a seeded choice instead of first come first
//! served, is the scheduler of the tests.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use slab::Slab;
use tokio::runtime::Handle;
use tokio::time::Instant;
use uuid::Uuid;

use super::clock::now;
use super::counted::step;
use super::driver::Driver;
use super::gap::gap;
use super::guarded::{drop_quietly, panic_text, quietly};
use super::inbox::Refused;
use super::seed::Seed;
use super::timers::Timers;
use super::wake::{Home, Remote, WakeHandle};

/// How many inputs one actor handles in one poll; one under a seed, so that every order can be seen.
pub(crate) const TURN: usize = 64;

thread_local! {
    /// The executor whose actors run, or ran last, on this thread.
    pub(super) static HERE: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
    /// All of this thread: one for each runtime that has actors, and there may be several systems on a thread.
    pub(super) static ALL: RefCell<Vec<Rc<Executor>>> = const { RefCell::new(Vec::new()) };
}

/// One row of the table; the generation tells it from an earlier actor in the same row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId {
    row: u32,
    generation: u32,
}

/// What the executor polls: an actor with its context, or a plain future.
pub(crate) trait Task {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()>;

    /// What a person calls it, for the leak check and the log.
    fn label(&self) -> String;

    /// It has panicked with this message, and is about to be dropped.
    fn panicked(&self, _why: &str) {}
}

/// One poll as the polled task sees it.
pub(crate) struct Turn<'a> {
    pub(crate) executor: &'a Rc<Executor>,
    pub(crate) id: TaskId,
    /// A timer of this task is due.
    pub(crate) fired: bool,
    /// It is the first poll, or a waker of this task was used: its mailbox or a future may have something.
    pub(crate) woken: bool,
}

impl Turn<'_> {
    /// The waker of this task, made when it is first wanted: a session never wants one.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.executor.wake_handle(self.id))
    }
}

struct Row {
    generation: u32,
    queued: bool,
    fired: bool,
    woken: bool,
    /// Absent while it is being polled.
    task: Option<Box<dyn Task>>,
    wake: Option<Arc<WakeHandle>>,
    /// A `VecDeque` of what actors of this arbiter have pushed to the task's inbox, which takes no lock.
    lane: Option<Box<dyn Any>>,
}

struct State {
    table: Slab<Row>,
    ready: VecDeque<TaskId>,
    generation: u32,
    seed: Option<Seed>,
}

/// The tasks of one arbiter.
pub(crate) struct Executor {
    runtime: tokio::runtime::Id,
    state: RefCell<State>,
    timers: RefCell<Timers>,
    /// The driver is running or will be: nobody has to wake it.
    pub(super) busy: Cell<bool>,
    /// Twice the number of the driver's turns so far, and one more while it has one.
    turns: Cell<u64>,
    /// Those who are woken for the turn after this one, or after the next if there is none now.
    behind: RefCell<Vec<TaskId>>,
    pub(super) driver: RefCell<Option<Waker>>,
    pub(super) remote: Arc<Remote>,
}

/// Whether actors can be started here.
pub(crate) fn is_arbiter() -> bool {
    actix::System::try_current().is_some() && Handle::try_current().is_ok()
}

impl Executor {
    /// The executor of this arbiter, started when it is first wanted; `None` outside an arbiter.
    #[expect(clippy::disallowed_methods, reason = "the driver is what actors run on")]
    pub(crate) fn here() -> Option<Rc<Self>> {
        let runtime = Handle::try_current().ok()?.id();
        if let Some(executor) = ALL.with_borrow(|all| all.iter().find(|other| other.runtime == runtime).cloned()) {
            HERE.set(Some(executor.clone()));
            return Some(executor);
        }
        if !is_arbiter() {
            return None;
        }
        let executor = Self::of(runtime);
        HERE.set(Some(executor.clone()));
        ALL.with_borrow_mut(|all| all.push(executor.clone()));
        actix_rt::spawn(Driver::new(executor.clone()));
        Some(executor)
    }

    pub(super) fn of(runtime: tokio::runtime::Id) -> Rc<Self> {
        Rc::new(Self {
            runtime,
            state: RefCell::new(State {
                table: Slab::new(),
                ready: VecDeque::new(),
                generation: 0,
                seed: Seed::take(),
            }),
            timers: RefCell::new(Timers::default()),
            busy: Cell::new(true),
            turns: Cell::new(0),
            behind: RefCell::default(),
            driver: RefCell::new(None),
            remote: Arc::new(Remote::default()),
        })
    }

    /// Whether this is the executor whose actors run, or ran last, on this thread.
    #[inline]
    pub(crate) fn is_here(&self) -> bool {
        let here = HERE.try_with(|here| {
            here.try_borrow().is_ok_and(|here| here.as_ref().is_some_and(|here| std::ptr::eq(&raw const **here, self)))
        });
        here.unwrap_or(false)
    }

    /// Adds a task, which `make` builds with its own id in hand, and polls it soon.
    pub(crate) fn spawn(self: &Rc<Self>, make: impl FnOnce(TaskId) -> Box<dyn Task>) -> TaskId {
        let id = {
            let mut state = self.state.borrow_mut();
            state.generation = state.generation.wrapping_add(1);
            let generation = state.generation;
            let row = state.table.insert(Row {
                generation,
                queued: true,
                fired: false,
                woken: true,
                task: None,
                wake: None,
                lane: None,
            });
            TaskId { row: row as u32, generation }
        };
        let task = make(id);
        let mut state = self.state.borrow_mut();
        if let Some(row) = state.table.get_mut(id.row as usize) {
            row.task = Some(task);
        }
        state.ready.push_back(id);
        drop(state);
        self.rouse();
        id
    }

    /// Polls this task soon; nothing if it is gone.
    #[inline]
    pub(crate) fn wake(&self, id: TaskId) {
        self.wake_with(id, |_| ());
    }

    /// Polls this task soon, with its mailbox and futures.
    #[inline]
    pub(crate) fn wake_all_of(&self, id: TaskId) {
        self.wake_with(id, |row| row.woken = true);
    }

    #[inline]
    fn wake_with(&self, id: TaskId, change: impl FnOnce(&mut Row)) {
        let mut state = self.state.borrow_mut();
        let State { table, ready, .. } = &mut *state;
        let Some(row) = find(table, id) else { return };
        change(row);
        if !std::mem::replace(&mut row.queued, true) {
            ready.push_back(id);
            drop(state);
            self.rouse();
        }
    }

    /// Polls this task once whoever of the arbiter is awake now has had a turn, be it a task of tokio's or of ours; returns the
    /// [turn](Self::turn) in which it is polled.
    pub(crate) fn wake_behind(&self, id: TaskId) -> u64 {
        self.behind.borrow_mut().push(id);
        self.rouse();
        self.turn_behind()
    }

    /// The turn in which those are polled who are [woken behind](Self::wake_behind) all others now.
    #[inline]
    pub(crate) fn turn_behind(&self) -> u64 {
        (self.turns.get() | 1) + 2
    }

    /// The driver's turn.
    #[inline]
    pub(crate) fn turn(&self) -> u64 {
        self.turns.get()
    }

    pub(super) fn begin_turn(&self) {
        self.turns.set(self.turns.get() + 1);
    }

    /// Wakes those whose turn is the next one.
    pub(super) fn end_turn(&self) {
        self.turns.set(self.turns.get() + 1);
        if !self.behind.borrow().is_empty() {
            let mut behind = self.behind.take();
            behind.drain(..).for_each(|id| self.wake(id));
            // Its place is used again.
            self.behind.replace(behind);
        }
    }

    /// Pushes an input to the task's inbox and wakes the task.
    #[inline(always)]
    pub(crate) fn push<T: 'static>(&self, id: TaskId, bound: usize, input: T) -> Result<(), Refused<T>> {
        let mut state = self.state.borrow_mut();
        let State { table, ready, .. } = &mut *state;
        if let Some(row) = find(table, id)
            && let Some(lane) = row.lane.as_mut().and_then(|lane| lane.downcast_mut::<VecDeque<T>>())
            && lane.len() < bound
        {
            lane.push_back(input);
            if !std::mem::replace(&mut row.queued, true) {
                ready.push_back(id);
                drop(state);
                self.rouse();
            }
            return Ok(());
        }
        drop(state);
        self.push_first(id, bound, input)
    }

    /// The same where nothing has been pushed to it yet, or it does not take one more.
    #[cold]
    #[inline(never)]
    fn push_first<T: 'static>(&self, id: TaskId, bound: usize, input: T) -> Result<(), Refused<T>> {
        let mut state = self.state.borrow_mut();
        let Some(row) = find(&mut state.table, id) else { return Err(Refused::Closed(input)) };
        if row.lane.is_some() || bound == 0 {
            return Err(Refused::Full(input));
        }
        row.lane = Some(Box::new(VecDeque::from([input])));
        drop(state);
        self.wake(id);
        Ok(())
    }

    /// Makes room for so many inputs in the task's inbox, whose number is known beforehand.
    pub(crate) fn reserve<T: 'static>(&self, id: TaskId, inputs: usize) {
        if let Some(row) = find(&mut self.state.borrow_mut().table, id) {
            row.lane.get_or_insert_with(|| Box::new(VecDeque::<T>::with_capacity(inputs)));
        }
    }

    /// Swaps what was pushed to the task's inbox on this arbiter with `batch`, which is empty.
    pub(crate) fn take<T: 'static>(&self, id: TaskId, batch: &mut VecDeque<T>) {
        let mut state = self.state.borrow_mut();
        let lane = find(&mut state.table, id).and_then(|row| row.lane.as_mut());
        let lane = lane.and_then(|lane| lane.downcast_mut::<VecDeque<T>>());
        if let Some(lane) = lane.filter(|lane| !lane.is_empty()) {
            std::mem::swap(lane, batch);
        }
    }

    /// Whether something waits in the task's inbox that was pushed on this arbiter.
    pub(crate) fn has_input<T: 'static>(&self, id: TaskId) -> bool {
        let state = self.state.borrow();
        let row = state.table.get(id.row as usize).filter(|row| row.generation == id.generation);
        let lane = row.and_then(|row| row.lane.as_ref()).and_then(|lane| lane.downcast_ref::<VecDeque<T>>());
        lane.is_some_and(|lane| !lane.is_empty())
    }

    #[inline]
    fn rouse(&self) {
        if !self.busy.replace(true)
            && let Some(driver) = &*self.driver.borrow()
        {
            driver.wake_by_ref();
        }
    }

    /// A handle by which any thread can wake this task.
    pub(crate) fn wake_handle(&self, id: TaskId) -> Arc<WakeHandle> {
        let make = || Arc::new(WakeHandle::new(self.home(id)));
        match find(&mut self.state.borrow_mut().table, id) {
            Some(row) => row.wake.get_or_insert_with(make).clone(),
            None => make(),
        }
    }

    /// Where this task lives, for whoever wakes it from anywhere.
    pub(crate) fn home(&self, id: TaskId) -> Home {
        Home::new(self.remote.clone(), id)
    }

    /// Wakes this task at that time, with [`Turn::fired`] set.
    pub(crate) fn wake_at(&self, when: Instant, id: TaskId) {
        self.timers.borrow_mut().insert(when, id);
    }

    /// Counts timers whose task has lost interest, so that they are swept out in time.
    pub(crate) fn forget_timers(&self, count: usize) {
        if self.timers.borrow_mut().forget(count) {
            let state = self.state.borrow();
            self.timers.borrow_mut().sweep(|id| state.lives(id));
        }
    }

    /// Chooses below `bound`: by the seed, or zero without one.
    pub(crate) fn choose(&self, bound: usize) -> usize {
        match &mut self.state.borrow_mut().seed {
            Some(seed) => seed.choose(bound),
            None => 0,
        }
    }

    /// An id that the seed determines; `None` without one.
    pub(crate) fn seeded_id(&self) -> Option<Uuid> {
        self.state.borrow_mut().seed.as_mut().map(Seed::id)
    }

    pub(crate) fn is_seeded(&self) -> bool {
        self.state.borrow().seed.is_some()
    }

    /// The fingerprint of all choices so far, with their number; `None` without a seed.
    #[cfg(feature = "testing")]
    pub(crate) fn trace(&self) -> Option<(u64, u64)> {
        self.state.borrow().seed.as_ref().map(Seed::trace)
    }

    /// The names of all tasks that live.
    #[cfg(feature = "testing")]
    pub(crate) fn labels(&self) -> Vec<String> {
        let state = self.state.borrow();
        state.table.iter().filter_map(|(_, row)| row.task.as_ref()).map(|task| task.label()).collect()
    }

    /// How many tasks live.
    #[cfg(feature = "testing")]
    pub(crate) fn live(&self) -> usize {
        self.state.borrow().table.len()
    }

    /// Whether nothing is ready: what lives waits for a message, a timer, or another thread.
    #[cfg(feature = "testing")]
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_ready() && !self.remote.has_any() && self.behind.borrow().is_empty()
    }

    pub(super) fn poll_next(self: &Rc<Self>) -> bool {
        let mut state = self.state.borrow_mut();
        let State { table, ready, seed, .. } = &mut *state;
        let id = match seed {
            None => ready.pop_front(),
            Some(_) if ready.is_empty() => None,
            Some(seed) => {
                let chosen = seed.choose(ready.len());
                let id = ready.swap_remove_back(chosen);
                seed.record(id.map_or(0, |id| u64::from(id.row)));
                id
            }
        };
        let Some(id) = id else { return false };
        let Some(row) = find(table, id) else { return true };
        row.queued = false;
        let fired = std::mem::take(&mut row.fired);
        let woken = std::mem::take(&mut row.woken);
        let Some(mut task) = row.task.take() else { return true };
        drop(state);

        gap();
        step();
        let turn = Turn { executor: self, id, fired, woken };
        let polled = catch_unwind(AssertUnwindSafe(|| task.poll(&turn)));
        gap();
        match polled {
            Ok(Poll::Pending) => {
                if let Some(row) = self.state.borrow_mut().table.get_mut(id.row as usize) {
                    row.task = Some(task);
                }
            }
            Ok(Poll::Ready(())) => self.remove(id, task),
            Err(panic) => {
                quietly(|| {
                    log::error!(
                        target: "convoke::runtime", "{} panicked and is gone; its neighbors go on", label(&*task)
                    );
                });
                quietly(|| task.panicked(&panic_text(&*panic)));
                drop_quietly(panic);
                self.remove(id, task);
            }
        }
        true
    }

    fn remove(&self, id: TaskId, task: Box<dyn Task>) {
        // The actor first, while its inbox still answers. What either holds may message others when it is dropped, so
        // nothing is dropped under the borrow.
        drop_quietly(task);
        let row = self.state.borrow_mut().table.try_remove(id.row as usize);
        // A session has neither, and there is one for each round.
        if let Some(row) = row
            && (row.lane.is_some() || row.wake.is_some())
        {
            drop_quietly(row);
        }
    }

    pub(super) fn poll_due(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.is_empty() {
            return;
        }
        let now = now();
        while let Some(id) = timers.pop_due(now) {
            self.wake_with(id, |row| row.fired = true);
        }
    }

    pub(super) fn next_timer(&self) -> Option<Instant> {
        let state = self.state.borrow();
        self.timers.borrow_mut().next(|id| state.lives(id))
    }

    /// Whether a task is ready.
    pub(super) fn is_ready(&self) -> bool {
        !self.state.borrow().ready.is_empty()
    }

    /// Drops what lives, in the order of the table; the cleaning of one may wake or message another.
    pub(super) fn shut_down(&self) {
        loop {
            let rows: Vec<Row> = self.state.borrow_mut().table.drain().collect();
            if rows.is_empty() {
                break;
            }
            for row in rows {
                // Two steps: a second panic while the first unwinds would end the process.
                drop_quietly(row.task);
                drop_quietly(row.lane);
            }
        }
    }
}

#[inline]
fn find(table: &mut Slab<Row>, id: TaskId) -> Option<&mut Row> {
    table.get_mut(id.row as usize).filter(|row| row.generation == id.generation)
}

impl State {
    fn lives(&self, id: TaskId) -> bool {
        self.table.get(id.row as usize).is_some_and(|row| row.generation == id.generation)
    }
}

fn label(task: &dyn Task) -> String {
    catch_unwind(AssertUnwindSafe(|| task.label())).unwrap_or_else(|_| "an actor".to_owned())
}
