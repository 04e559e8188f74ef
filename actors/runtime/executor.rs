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
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use slab::Slab;
use tokio::time::{Instant, Sleep};
use uuid::Uuid;

use super::inbox::{Refused, swap};
use super::seed::Seed;
use super::timers::Timers;

/// How many polls the executor makes before it lets the other tasks of the arbiter run.
const POLLS: usize = 128;

/// How many inputs one actor handles in one poll; one under a seed, so that every order can be seen.
pub(crate) const TURN: usize = 64;

thread_local! {
    static HERE: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

/// One row of the table; the generation tells it from an earlier actor in the same row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId {
    row: u32,
    generation: u32,
}

/// What the executor polls: an actor with its context, or a plain future.
pub(crate) trait Task {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()>;

    /// What a person calls it, for the leak check and the log.
    fn label(&self) -> String;
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
    /// A `Vec` of what actors of this arbiter have pushed to the task's inbox, which takes no lock.
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
    state: RefCell<State>,
    timers: RefCell<Timers>,
    /// The driver is running or will be: nobody has to wake it.
    busy: Cell<bool>,
    driver: RefCell<Option<Waker>>,
    remote: Arc<Remote>,
}

impl Executor {
    /// The executor of this arbiter, started when it is first wanted; `None` outside an arbiter.
    #[expect(clippy::disallowed_methods, reason = "the driver is what actors run on")]
    pub(crate) fn here() -> Option<Rc<Self>> {
        if let Some(executor) = HERE.with_borrow(Clone::clone) {
            return Some(executor);
        }
        actix::System::try_current()?;
        let executor = Rc::new(Self {
            state: RefCell::new(State {
                table: Slab::new(),
                ready: VecDeque::new(),
                generation: 0,
                seed: Seed::take(),
            }),
            timers: RefCell::new(Timers::default()),
            busy: Cell::new(true),
            driver: RefCell::new(None),
            remote: Arc::new(Remote::default()),
        });
        HERE.set(Some(executor.clone()));
        actix_rt::spawn(Driver::new(executor.clone()));
        Some(executor)
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

    /// Pushes an input to the task's inbox and wakes the task.
    #[inline]
    pub(crate) fn push<T: 'static>(&self, id: TaskId, bound: usize, input: T) -> Result<(), Refused<T>> {
        let mut state = self.state.borrow_mut();
        let State { table, ready, .. } = &mut *state;
        let Some(row) = find(table, id) else { return Err(Refused::Closed(input)) };
        let lane = row.lane.get_or_insert_with(|| Box::new(Vec::<T>::with_capacity(16)));
        match lane.downcast_mut::<Vec<T>>() {
            Some(lane) if lane.len() < bound => lane.push(input),
            _ => return Err(Refused::Full(input)),
        }
        if !std::mem::replace(&mut row.queued, true) {
            ready.push_back(id);
            drop(state);
            self.rouse();
        }
        Ok(())
    }

    /// Swaps what was pushed to the task's inbox on this arbiter with `batch`, which is empty; says whether there was
    /// anything.
    pub(crate) fn take<T: 'static>(&self, id: TaskId, batch: &mut VecDeque<T>) -> bool {
        let mut state = self.state.borrow_mut();
        let lane = find(&mut state.table, id).and_then(|row| row.lane.as_mut());
        let lane = lane.and_then(|lane| lane.downcast_mut::<Vec<T>>());
        match lane.filter(|lane| !lane.is_empty()) {
            Some(lane) => {
                swap(lane, batch);
                true
            }
            None => false,
        }
    }

    /// Whether something waits in the task's inbox that was pushed on this arbiter.
    pub(crate) fn has_input<T: 'static>(&self, id: TaskId) -> bool {
        let state = self.state.borrow();
        let row = state.table.get(id.row as usize).filter(|row| row.generation == id.generation);
        let lane = row.and_then(|row| row.lane.as_ref()).and_then(|lane| lane.downcast_ref::<Vec<T>>());
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
        let make = || Arc::new(WakeHandle(self.home(id)));
        match find(&mut self.state.borrow_mut().table, id) {
            Some(row) => row.wake.get_or_insert_with(make).clone(),
            None => make(),
        }
    }

    /// Where this task lives, for whoever wakes it from anywhere.
    pub(crate) fn home(&self, id: TaskId) -> Home {
        Home { remote: self.remote.clone(), id }
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
        self.state.borrow().ready.is_empty() && !self.remote.any.load(Ordering::Acquire)
    }

    fn poll_next(self: &Rc<Self>) -> bool {
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

        let turn = Turn { executor: self, id, fired, woken };
        match catch_unwind(AssertUnwindSafe(|| task.poll(&turn))) {
            Ok(Poll::Pending) => {
                if let Some(row) = self.state.borrow_mut().table.get_mut(id.row as usize) {
                    row.task = Some(task);
                }
            }
            Ok(Poll::Ready(())) => self.remove(id, task),
            Err(_) => {
                log::error!(target: "convoke::runtime", "{} panicked and is gone; its neighbours go on", label(&*task));
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
        drop_quietly(row);
    }

    fn poll_due(&self) {
        let mut timers = self.timers.borrow_mut();
        if timers.is_empty() {
            return;
        }
        let now = super::now();
        while let Some(id) = timers.pop_due(now) {
            self.wake_with(id, |row| row.fired = true);
        }
    }

    fn next_timer(&self) -> Option<Instant> {
        let state = self.state.borrow();
        self.timers.borrow_mut().next(|id| state.lives(id))
    }

    /// Takes over the wakes from other threads; says whether the alarm has rung.
    fn take_remote(&self) -> bool {
        // Looked at before it is written to, which costs ten times as much.
        if !self.remote.any.load(Ordering::Acquire) || !self.remote.any.swap(false, Ordering::AcqRel) {
            return false;
        }
        let (woken, rang) = {
            let mut wakes = self.remote.lock();
            (std::mem::take(&mut wakes.woken), std::mem::take(&mut wakes.rang))
        };
        for (id, all) in woken {
            if all { self.wake_all_of(id) } else { self.wake(id) }
        }
        rang
    }

    /// Drops what lives, in the order of the table; the cleaning of one may wake or message another.
    fn shut_down(&self) {
        loop {
            let rows: Vec<Row> = self.state.borrow_mut().table.drain().collect();
            if rows.is_empty() {
                break;
            }
            rows.into_iter().for_each(drop_quietly);
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

/// A panic in the `Drop` of a user's value must not take the neighbours along.
fn drop_quietly<T>(value: T) {
    if catch_unwind(AssertUnwindSafe(|| drop(value))).is_err() {
        log::error!(target: "convoke::runtime", "a value panicked while it was dropped with its actor");
    }
}

fn label(task: &dyn Task) -> String {
    catch_unwind(AssertUnwindSafe(|| task.label())).unwrap_or_else(|_| "an actor".to_owned())
}

/// The wakes that come from other threads, and the alarm of the timers.
#[derive(Default)]
pub(crate) struct Remote {
    /// There is something behind the lock.
    any: AtomicBool,
    wakes: Mutex<Wakes>,
}

#[derive(Default)]
struct Wakes {
    /// The tasks, and whether a waker of theirs was used.
    woken: Vec<(TaskId, bool)>,
    /// tokio's timer has fired.
    rang: bool,
    driver: Option<Waker>,
}

impl Remote {
    fn lock(&self) -> MutexGuard<'_, Wakes> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, what: impl FnOnce(&mut Wakes)) {
        let driver = {
            let mut wakes = self.lock();
            what(&mut wakes);
            // Whoever is first wakes the driver; for the rest it is under way.
            if self.any.swap(true, Ordering::AcqRel) { None } else { wakes.driver.clone() }
        };
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// What tokio's timer wakes: the driver need not look at the clock unless it was this.
struct Alarm(Arc<Remote>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.note(|wakes| wakes.rang = true);
    }
}

/// Where a task lives: wakes it from any thread, with a push on its own and a lock from another.
#[derive(Clone)]
pub(crate) struct Home {
    remote: Arc<Remote>,
    id: TaskId,
}

impl Home {
    /// The executor of the task, if this is its thread.
    #[inline]
    pub(crate) fn executor(&self) -> Option<Rc<Executor>> {
        let here = HERE.try_with(|here| {
            let here = here.try_borrow().ok()?;
            here.as_ref().filter(|here| Arc::ptr_eq(&here.remote, &self.remote)).cloned()
        });
        here.ok().flatten()
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    pub(crate) fn wake(&self) {
        match self.executor() {
            Some(executor) => executor.wake(self.id),
            None => self.wake_from_afar(false),
        }
    }

    pub(crate) fn wake_from_afar(&self, all: bool) {
        self.remote.note(|wakes| wakes.woken.push((self.id, all)));
    }
}

/// The waker of one task, for its mailbox and its futures.
pub(crate) struct WakeHandle(Home);

impl Wake for WakeHandle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.0.executor() {
            Some(executor) => executor.wake_all_of(self.0.id),
            None => self.0.wake_from_afar(true),
        }
    }
}

/// The executor's own task in tokio.
struct Driver {
    executor: Rc<Executor>,
    alarm: Waker,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
    /// The last poll left something to do, so that time may have passed without an alarm.
    overdue: bool,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor.clone();
        executor.busy.set(true);
        self.know(cx.waker());
        let rang = executor.take_remote();
        if rang {
            self.armed = None;
        }
        if rang || self.overdue {
            executor.poll_due();
        }
        // Under a seed one poll at a time, so that the test's own future runs in between as well.
        let polls = if executor.is_seeded() { 1 } else { POLLS };
        for _ in 0..polls {
            if !executor.poll_next() {
                break;
            }
        }
        self.overdue = !executor.state.borrow().ready.is_empty();
        if self.overdue {
            cx.waker().wake_by_ref();
        } else {
            executor.busy.set(false);
            self.arm();
        }
        Poll::Pending
    }
}

impl Driver {
    fn new(executor: Rc<Executor>) -> Self {
        let alarm = Waker::from(Arc::new(Alarm(executor.remote.clone())));
        Self { executor, alarm, sleep: None, armed: None, overdue: true }
    }

    /// Lets everyone know whom to wake, if that is news.
    fn know(&self, waker: &Waker) {
        let mut driver = self.executor.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *driver = Some(waker.clone());
            self.executor.remote.lock().driver = Some(waker.clone());
        }
    }

    /// Arms tokio's timer for the earliest of ours. A timer that is armed for an earlier time stays: waking once
    /// for nothing is cheaper than moving it.
    fn arm(&mut self) {
        let Some(next) = self.executor.next_timer() else { return };
        if self.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        self.armed = Some(next);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(next),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(next))),
        }
        if let Some(sleep) = &mut self.sleep
            && sleep.as_mut().poll(&mut Context::from_waker(&self.alarm)).is_ready()
        {
            self.alarm.wake_by_ref();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.executor.shut_down();
        HERE.with_borrow_mut(|here| {
            if here.as_ref().is_some_and(|here| Rc::ptr_eq(here, &self.executor)) {
                *here = None;
            }
        });
    }
}
