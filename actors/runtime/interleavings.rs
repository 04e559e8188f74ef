//! A model of the wakes: inbox, batch, turn and waker under every interleaving of a few pushes.
//!
//! What runs is the real inbox, context, executor and driver; tokio is a flag that says whether the driver was woken. A push
//! from another thread may come into every gap between two steps of theirs, and a push from the same thread wherever code of
//! the same thread can run: within a handler, and between two polls of the driver. All schedules are tried, one after the
//! other, in the order of a depth-first search. Whatever they are, everything must have been handled when nobody wakes the
//! driver any more.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use actix::Actor;

use super::context::Stage;
use super::driver::Driver;
use super::executor::HERE;
use super::{Executor, Inbox, Intake, LocalContext, Player};

/// Who has pushed an input, and how many he had pushed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Near(usize),
    Far(usize),
}

/// What is handed to an actor before the model begins, and how much may be pushed while it runs.
#[derive(Clone, Copy, Debug)]
struct Start {
    near: usize,
    far: usize,
    later: usize,
}

/// How many inputs the actor handles in a turn: so few that there is soon one that leaves something.
const BUDGET: usize = 2;

/// An actor that handles what comes, up to its budget, as all of ours do.
struct Sink {
    inbox: Arc<Inbox<Input>>,
    batch: Intake<Input>,
    world: Rc<World>,
}

impl Actor for Sink {
    type Context = LocalContext<Self>;
}

impl Player for Sink {
    fn turn(&mut self, budget: usize, _: &mut LocalContext<Self>) -> usize {
        self.batch.refill(&self.inbox);
        for handled in 0..BUDGET {
            match self.batch.next(&self.inbox) {
                Some(input) => {
                    self.world.handled.borrow_mut().push(input);
                    self.world.push_from_anywhere();
                }
                None => return handled,
            }
        }
        // As if that were all that it was given.
        budget
    }

    fn is_needed(&self, _: bool) -> bool {
        true
    }

    fn label(&self) -> String {
        "a sink".to_owned()
    }
}

/// The choices of one run: those that are given, and behind them always the first.
#[derive(Default)]
struct Schedule {
    /// What was chosen, and among how many.
    chosen: Vec<(usize, usize)>,
    at: usize,
}

impl Schedule {
    fn choose(&mut self, among: usize) -> usize {
        if self.at == self.chosen.len() {
            self.chosen.push((0, among));
        }
        let (chosen, bound) = self.chosen[self.at];
        assert_eq!(bound, among, "the same choices lead to the same question");
        self.at += 1;
        chosen
    }

    /// The next schedule; `false` after the last.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, among)) = self.chosen.pop() {
            if chosen + 1 < among {
                self.chosen.push((chosen + 1, among));
                return true;
            }
        }
        false
    }
}

/// What tokio is to the driver.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct World {
    inbox: Arc<Inbox<Input>>,
    schedule: RefCell<Schedule>,
    later: Cell<usize>,
    near: Cell<usize>,
    far: Cell<usize>,
    handled: RefCell<Vec<Input>>,
}

thread_local! {
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
}

/// Lets another thread come in, if the schedule says so.
pub(super) fn come_in() {
    if let Some(world) = WORLD.with_borrow(Clone::clone)
        && world.later.get() > 0
        && world.choose(2) == 1
    {
        world.push_far();
    }
}

impl World {
    fn choose(&self, among: usize) -> usize {
        self.schedule.borrow_mut().choose(among)
    }

    fn push_near(&self) {
        let number = self.near.replace(self.near.get() + 1);
        self.later.set(self.later.get().saturating_sub(1));
        self.inbox.push(Input::Near(number)).unwrap();
    }

    /// As from another thread, on which no executor is.
    fn push_far(&self) {
        let number = self.far.replace(self.far.get() + 1);
        self.later.set(self.later.get().saturating_sub(1));
        let here = HERE.take();
        self.inbox.push(Input::Far(number)).unwrap();
        HERE.set(here);
    }

    /// Where both this thread and another may push: nobody, this one, or the other.
    fn push_from_anywhere(&self) {
        if self.later.get() > 0 {
            match self.choose(3) {
                0 => {}
                1 => self.push_near(),
                _ => self.push_far(),
            }
        }
    }
}

/// One run; says what was pushed and what was handled.
fn run(start: Start, schedule: Schedule, runtime: tokio::runtime::Id) -> (Schedule, Vec<Input>, usize) {
    let executor = Executor::of(runtime);
    executor.settle_in();
    let inbox = Arc::new(Inbox::new(usize::MAX));
    let world = Rc::new(World {
        inbox: inbox.clone(),
        schedule: RefCell::new(schedule),
        later: Cell::new(0),
        near: Cell::new(0),
        far: Cell::new(0),
        handled: RefCell::default(),
    });
    executor.spawn(|id| {
        let make = |ctx: &mut LocalContext<Sink>| {
            inbox.attach(ctx.home());
            Sink { inbox, batch: Intake::new(), world: world.clone() }
        };
        Box::new(Stage::new(executor.clone(), id, make))
    });
    (0..start.near).for_each(|_| world.push_near());
    (0..start.far).for_each(|_| world.push_far());
    world.later.set(start.later);
    WORLD.set(Some(world.clone()));

    let tokio = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(tokio.clone());
    let mut driver = pin!(Driver::new(executor));
    loop {
        if tokio.0.swap(false, Ordering::Relaxed) {
            assert!(driver.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            world.push_from_anywhere();
        } else if world.later.get() > 0 {
            // Nothing goes on until somebody pushes.
            if world.choose(2) == 0 { world.push_near() } else { world.push_far() }
        } else {
            break;
        }
    }
    WORLD.take();
    let pushed = world.near.get() + world.far.get();
    let schedule = world.schedule.take();
    let handled = world.handled.take();
    (schedule, handled, pushed)
}

/// Runs every schedule; returns how many there were.
fn every_schedule(start: Start) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let runtime = runtime.handle().id();
    let mut schedule = Schedule::default();
    for runs in 1.. {
        let handled;
        let pushed;
        (schedule, handled, pushed) = run(start, schedule, runtime);
        let told = || format!("{start:?}, run {runs}: {:?}, handled {handled:?}", schedule.chosen);
        assert_eq!(handled.len(), pushed, "something waits, and nobody will come for it: {}", told());
        let numbers = |of: fn(&Input) -> Option<usize>| handled.iter().filter_map(of).collect::<Vec<_>>();
        let near = numbers(|input| if let Input::Near(number) = input { Some(*number) } else { None });
        let far = numbers(|input| if let Input::Far(number) = input { Some(*number) } else { None });
        assert!(near.is_sorted() && far.is_sorted(), "what one thread pushes stays in order: {}", told());
        if !schedule.advance() {
            return runs;
        }
    }
    unreachable!("there is a last schedule")
}

#[test]
fn no_wake_is_lost_under_any_interleaving() {
    let mut schedules = 0;
    for near in 0..=3 {
        for far in 0..=3 {
            schedules += every_schedule(Start { near, far, later: 3 });
        }
    }
    println!("figure: {schedules} schedules of up to three pushes into a turn of two, no wake lost");
    assert!(schedules > 100_000, "the model has lost its gaps: {schedules}");
}
