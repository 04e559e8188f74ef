//! A service alone: its lifecycle, what it hears, what restarts it, and who finds it.

/// Its start, its end, and its restart.
mod restarts;
/// What it is told while it is away.
mod away;
/// Each form of its hooks.
mod hooks;

use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture};
use std::rc::Rc;

use actix::prelude::*;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// What a clerk does with an order, or in a hook.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Act {
    Well,
    Fail,
    Panic,
    Hang,
}

impl Act {
    async fn play(self) -> Handled {
        match self {
            Self::Well => Ok(()),
            Self::Fail => Err("as told".into()),
            Self::Panic => panic!("as told"),
            Self::Hang => std::future::pending().await,
        }
    }
}

/// What all clerks of a test share.
#[derive(Clone)]
struct Office {
    notes: Notes<String>,
    built: Rc<Cell<u64>>,
    start: Rc<Cell<Act>>,
    stop: Rc<Cell<Act>>,
}

impl Office {
    fn new() -> Self {
        let well = || Rc::new(Cell::new(Act::Well));
        Self { notes: Notes::new(), built: Rc::default(), start: well(), stop: well() }
    }

    fn hire(&self) -> Clerk {
        self.built.set(self.built.get() + 1);
        Clerk { office: self.clone(), number: self.built.get() }
    }
}

#[derive(BaseService)]
#[service(on(OrderPlaced), topics("stock/*"), start = open, begin = begin, stop = close)]
struct Clerk {
    office: Office,
    number: u64,
}

impl Clerk {
    fn note(&self, note: &str) {
        self.office.notes.add(format!("{}: {note}", self.number));
    }

    async fn open(&mut self) -> Handled {
        self.note("open");
        self.office.start.get().play().await
    }

    fn begin(&mut self, _: &mut Context<Self>) {
        self.note("begin");
    }

    fn close(&mut self) -> impl Future<Output = Handled> + use<> {
        self.note("close");
        self.office.stop.get().play()
    }
}

impl Handler<Heard<OrderPlaced>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, ctx: &mut Context<Self>) -> Handled {
        self.note(&format!("order {}", order.id));
        match order.id {
            500 => return Err("no such order".into()),
            666 => panic!("cursed order"),
            700 => ctx.stop(),
            800 => ctx.degrade("the pen is dry"),
            801 => ctx.recover(),
            900 => ctx.restart("had enough"),
            _ => {}
        }
        Ok(())
    }
}

impl Handler<Heard<JsonEvent>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, event: Heard<JsonEvent>, _: &mut Context<Self>) -> Handled {
        self.note(event.topic());
        Ok(())
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Number;

impl Handler<Number> for Clerk {
    type Result = u64;

    fn handle(&mut self, _: Number, _: &mut Context<Self>) -> u64 {
        self.number
    }
}

/// Writes down every change of a status.
fn watch(bus: &EventBus) -> Rc<RefCell<Vec<String>>> {
    let seen: Rc<RefCell<Vec<String>>> = Rc::default();
    let notes = seen.clone();
    bus.on(move |status: &ServiceStatus| notes.borrow_mut().push(status.to_string())).unwrap().forever();
    seen
}
