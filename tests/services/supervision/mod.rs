//! Several services together: what falls with which, in which order, within which budget; and an application of them.

/// What falls with which.
mod strategies;
/// How often it may come back.
mod budgets;
/// Those that give up: what is published meanwhile, and who is told.
mod given_up;
/// Supervisors of supervisors.
mod nesting;
/// In which order, and within which deadline, they stop.
mod stops;
/// What is told of all of them as a tree: changes, causes, what is left.
mod tree;
/// Applications: start, failure and shutdown of all.
mod applications;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::future::{Future, IntoFuture};
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{
    Backoff, OnError, Restart, ServiceError, ServiceState, Strategy, Supervised, Supervisor, SupervisorHandle,
};
use tokio::sync::oneshot;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

/// What a member does in a hook, or when it is told.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Well,
    Fail,
    Panic,
    Hang,
    Take(Duration),
    Stop,
}

impl Act {
    async fn play(self) -> Handled {
        match self {
            Self::Well | Self::Stop => Ok(()),
            Self::Fail => Err("as told".into()),
            Self::Panic => panic!("as told"),
            Self::Hang => std::future::pending().await,
            Self::Take(time) => {
                sleep(time).await;
                Ok(())
            }
        }
    }
}

/// Every member hears it, and the one that it is for acts.
#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Do(&'static str, Act);

/// Every member notes it.
#[derive(Event, Clone, Copy, Debug)]
#[event(local)]
struct Mark(u32);

/// What all members of a test share.
#[derive(Clone)]
struct Stage {
    bus: EventBus,
    notes: Notes<String>,
    built: Rc<RefCell<HashMap<&'static str, u32>>>,
    acts: Rc<RefCell<Acts>>,
}

/// What is told to a member in a hook, the next first.
type Acts = HashMap<(&'static str, &'static str), VecDeque<Act>>;

impl Stage {
    fn new() -> Self {
        Self { bus: EventBus::default(), notes: Notes::new(), built: Rc::default(), acts: Rc::default() }
    }

    /// What a member does the next times that it comes to a hook; afterwards as the last of them.
    fn say<const N: usize>(&self, who: &'static str, hook: &'static str, acts: [Act; N]) {
        self.acts.borrow_mut().insert((who, hook), acts.into());
    }

    fn next(&self, who: &'static str, hook: &'static str) -> Act {
        let mut acts = self.acts.borrow_mut();
        let Some(acts) = acts.get_mut(&(who, hook)) else { return Act::Well };
        if acts.len() > 1 { acts.pop_front().unwrap() } else { acts[0] }
    }

    fn member(&self, who: &'static str) -> Supervised<Member> {
        let stage = self.clone();
        let build = move |_| {
            let number = {
                let mut built = stage.built.borrow_mut();
                let number = built.entry(who).or_default();
                *number += 1;
                *number
            };
            let stage = stage.clone();
            match stage.next(who, "build") {
                Act::Fail => return Err("as told"),
                Act::Panic => panic!("as told"),
                _ => {}
            }
            Ok(Member { who, number, stage })
        };
        Member::supervised(&self.bus, build).named(who).backoff(Backoff::none())
    }

    /// What was noted since the last look, in one line.
    #[track_caller]
    fn noted(&self, expected: &str) {
        assert_eq!(self.notes.take().join(", "), expected);
    }

    fn publish(&self, who: &'static str, act: Act) {
        self.bus.publish(Do(who, act)).unwrap();
    }

    fn mark(&self, number: u32) {
        self.bus.publish(Mark(number)).unwrap();
    }
}

#[derive(BaseService)]
#[service(on(Do, Mark), start = open, begin = begin, stop = close)]
struct Member {
    who: &'static str,
    number: u32,
    stage: Stage,
}

impl Member {
    fn note(&self, note: &str) {
        self.stage.notes.add(format!("{}{} {note}", self.who, self.number));
    }

    async fn open(&mut self) -> Handled {
        self.note("start");
        self.stage.next(self.who, "start").play().await
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        match self.stage.next(self.who, "begin") {
            Act::Panic => panic!("as told"),
            Act::Stop => ctx.stop(),
            _ => {}
        }
    }

    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        self.note("stop");
        self.stage.next(self.who, "stop").play()
    }
}

impl Handler<Heard<Do>> for Member {
    type Result = Handled;

    fn handle(&mut self, told: Heard<Do>, ctx: &mut Context<Self>) -> Handled {
        let Do(who, act) = *told;
        if who != self.who {
            return Ok(());
        }
        match act {
            Act::Fail => return Err("as told".into()),
            Act::Panic => panic!("as told"),
            Act::Stop => ctx.stop(),
            _ => {}
        }
        Ok(())
    }
}

impl Handler<Heard<Mark>> for Member {
    type Result = Handled;

    fn handle(&mut self, mark: Heard<Mark>, _: &mut Context<Self>) -> Handled {
        self.note(&mark.0.to_string());
        Ok(())
    }
}

#[derive(Message)]
#[rtype(result = "u32")]
struct Number;

impl Handler<Number> for Member {
    type Result = u32;

    fn handle(&mut self, _: Number, _: &mut Context<Self>) -> u32 {
        self.number
    }
}

/// How all are, by the name of the state.
fn states(statuses: &[ServiceStatus]) -> String {
    let states: Vec<_> = statuses.iter().map(|status| format!("{} {}", status.service, status.state)).collect();
    states.join(", ")
}

/// Three members, under a supervisor of this strategy.
fn three(stage: &Stage, strategy: Strategy) -> Supervisor {
    Supervisor::new(&stage.bus, "all", strategy).add(stage.member("a")).add(stage.member("b")).add(stage.member("c"))
}

/// How all are, with what went wrong.
fn told(statuses: &[ServiceStatus]) -> Vec<String> {
    statuses.iter().map(ToString::to_string).collect()
}

/// The names of those who are registered, each once.
fn who_hears(bus: &EventBus) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = bus.subscriptions().iter().map(|one| one.listener.to_string()).collect();
    names.into_iter().collect()
}

/// Has the supervisor start, and stops waiting for it after this long.
async fn start_and_give_up(start: impl IntoFuture<Output = Result<SupervisorHandle, StartError>>, after: Duration) {
    let mut start = Box::pin(start.into_future());
    assert!(tokio::time::timeout(after, start.as_mut()).await.is_err(), "it has started");
}
