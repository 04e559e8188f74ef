//! Every form of listener: functions, closures, structs and actors; what they may ask for, and what they are called.

/// Functions, closures, what is injected, and structs.
mod functions;
/// Their names.
mod names;
/// Actors, from within.
mod actors;
/// Actors, by their recipient.
mod recipients;
/// Actors, by messages to their mailbox.
mod mailboxes;
/// Actors that are sent what they hear, and not heeded.
mod unheeded;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{ContainerError, ListenerError, Reason};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::common::{Notes, SECOND, after, at_once, ms, settled, sleep};

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "users/registered")]
struct UserRegistered {
    id: u64,
}

const fn user(id: u64) -> UserRegistered {
    UserRegistered { id }
}

/// What is provided: writes down what is sent.
#[derive(Default)]
struct Outbox(std::sync::Mutex<Vec<String>>);

impl Outbox {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

trait Mail: Send + Sync {
    fn send(&self, text: String);
}

impl Mail for Outbox {
    fn send(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
}

fn failures(report: &Report) -> Vec<String> {
    report.failed().map(|(name, error)| format!("{name} {error}")).collect()
}

/// Calls all listeners with one event and tells what they have sent.
async fn sent(bus: &EventBus) -> Vec<String> {
    let report = bus.emit(user(7)).await;
    assert!(report.is_ok(), "{report}");
    bus.container().get::<Outbox>().unwrap().take()
}

struct Audit {
    notes: Notes<String>,
}

impl Audit {
    fn method(_: &UserRegistered) {}

    fn closure(bus: &EventBus) -> Subscription {
        bus.on(|_: &UserRegistered| ()).unwrap()
    }
}

impl Listener<UserRegistered> for Audit {
    async fn hear(&self, user: Heard<UserRegistered>) -> Handled {
        sleep(ms(user.id)).await;
        let kept: Arc<UserRegistered> = user.event().clone();
        self.notes.add(format!("{} {}", kept.id, user.metadata().event));
        if user.id == 9 { Err(Failure::new("nine")) } else { Ok(()) }
    }
}

type Answering = ResponseActFuture<Clerk, Handled>;

type Handle = dyn FnMut(Heard<UserRegistered>, &mut Context<Clerk>) -> Answering;

/// An actor that does what it was made with.
struct Clerk {
    bus: EventBus,
    handle: Box<Handle>,
    subscription: Option<Subscription>,
}

impl Clerk {
    fn start_with(
        bus: &EventBus,
        handle: impl FnMut(Heard<UserRegistered>, &mut Context<Self>) -> Answering + 'static,
    ) -> Addr<Self> {
        Self { bus: bus.clone(), handle: Box::new(handle), subscription: None }.start()
    }

    /// One that listens from within, and writes down when it begins and, with 100 added, when it has ended.
    async fn listening(bus: &EventBus, notes: &Notes<u64>, takes: std::time::Duration) -> Addr<Self> {
        let notes = notes.clone();
        let clerk = Self::start_with(bus, move |user, _| {
            let notes = notes.clone();
            notes.add(user.id);
            Box::pin(fut::wrap_future(async move {
                sleep(takes).await;
                notes.add(100 + user.id);
                Ok(())
            }))
        });
        clerk.send(Subscribe).await.unwrap();
        clerk
    }
}

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Heard<UserRegistered>> for Clerk {
    type Result = Answering;

    fn handle(&mut self, user: Heard<UserRegistered>, ctx: &mut Context<Self>) -> Answering {
        (self.handle)(user, ctx)
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Subscribe;

#[derive(Message)]
#[rtype(result = "()")]
struct Stop;

#[derive(Message)]
#[rtype(result = "()")]
struct Unsubscribe;

#[derive(Message)]
#[rtype(result = "()")]
struct Panic;

impl Handler<Subscribe> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Subscribe, ctx: &mut Context<Self>) {
        self.subscription = Some(self.bus.subscribe::<UserRegistered, Self>(ctx).unwrap());
    }
}

impl Handler<Stop> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        ctx.stop();
    }
}

impl Handler<Unsubscribe> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Unsubscribe, _: &mut Context<Self>) {
        self.subscription = None;
    }
}

impl Handler<Panic> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("as told");
    }
}
