//! One actor of a service: an actix actor in its own context, polled where its panic can be caught.
//!
//! `life.rs → Instance (a task) → actix's context → handlers`, `its end → Reins → life.rs`
//!
//! actix's own arbiter lets a panicking actor be dropped while the panic unwinds, so that a `Drop` which panics too ends
//! the process. Here the panic is over before anything is dropped.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as TaskContext, Poll};

use actix::dev::ContextFut;
use actix::{ActorContext, ActorFuture, AsyncContext, Context, ResponseFuture};
use tokio::sync::Notify;

use super::living::Living;
use super::oversight::Oversight;
use crate::base::Handled;
use crate::runtime::{Executor, Guarded, Home, Task, Turn, catch, drop_quietly};

/// How the actor of a service has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It has stopped by itself.
    Stopped,
    /// It was told to stop: this is what its `stop` returned.
    Told(Result<(), String>),
    /// It has panicked, with this message.
    Panicked(String),
    /// A handler has failed, or it has asked for it.
    Failed(String),
    /// It was not done in time.
    Killed,
    /// Its arbiter ends.
    Gone,
}

impl End {
    /// What went wrong, if anything.
    pub(crate) fn error(&self) -> Option<String> {
        match self {
            Self::Stopped | Self::Told(Ok(())) => None,
            Self::Told(Err(text)) => Some(format!("its stop {text}")),
            Self::Panicked(text) => Some(format!("panicked: {text}")),
            Self::Failed(text) => Some(text.clone()),
            Self::Killed => Some("was not done in time".to_owned()),
            Self::Gone => Some("its arbiter has ended".to_owned()),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Stop,
    Kill,
}

type OnEnd = Box<dyn FnOnce(End)>;

type OnLeave = Box<dyn FnOnce(&End)>;

/// By which the keeper of a service has hold of its actor.
pub(crate) struct Reins {
    home: RefCell<Option<Home>>,
    order: Cell<Option<Order>>,
    started: Cell<bool>,
    end: RefCell<Option<End>>,
    changed: Notify,
    /// Who is told of an end that nobody has ordered.
    on_end: RefCell<Option<OnEnd>>,
}

impl Reins {
    pub(crate) fn new(on_end: impl FnOnce(End) + 'static) -> Rc<Self> {
        Rc::new(Self {
            home: RefCell::default(),
            order: Cell::new(None),
            started: Cell::new(false),
            end: RefCell::default(),
            changed: Notify::new(),
            on_end: RefCell::new(Some(Box::new(on_end))),
        })
    }

    /// Waits for its first turn to be over; an error is how it has ended in it.
    pub(crate) async fn started(&self) -> Result<(), End> {
        loop {
            if let Some(end) = &*self.end.borrow() {
                return Err(end.clone());
            }
            if self.started.get() {
                return Ok(());
            }
            self.changed.notified().await;
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) -> End {
        loop {
            if let Some(end) = &*self.end.borrow() {
                return end.clone();
            }
            self.changed.notified().await;
        }
    }

    /// From now on nobody is told of its end but who waits for it.
    pub(crate) fn expect_end(&self) {
        self.on_end.take();
    }

    /// Has it called its `stop` and end.
    pub(crate) fn stop(&self) {
        self.order(Order::Stop);
    }

    /// Has it end as it is.
    pub(crate) fn kill(&self) {
        self.order(Order::Kill);
    }

    fn order(&self, order: Order) {
        self.expect_end();
        self.order.set(Some(order));
        if let Some(home) = &*self.home.borrow() {
            home.wake();
        }
    }

    fn tell_end(&self, end: &End) {
        let before = self.end.borrow_mut().replace(end.clone());
        debug_assert!(before.is_none(), "an actor ends once");
        let on_end = self.on_end.take();
        self.changed.notify_one();
        if let Some(on_end) = on_end {
            on_end(end.clone());
        }
    }
}

/// The task of one actor of a service.
pub(crate) struct Instance<A: Living> {
    actor: Option<ContextFut<A, Context<A>>>,
    oversight: Rc<Oversight>,
    reins: Rc<Reins>,
    /// What `stop` has returned.
    told: Rc<RefCell<Option<Result<(), String>>>>,
    /// Called before the actor is dropped, so that nobody sends it more.
    on_leave: Option<OnLeave>,
}

impl<A: Living> Instance<A> {
    /// Has the executor poll this actor from now on.
    pub(crate) fn start(
        executor: &Rc<Executor>,
        actor: ContextFut<A, Context<A>>,
        oversight: &Rc<Oversight>,
        reins: &Rc<Reins>,
        on_leave: impl FnOnce(&End) + 'static,
    ) {
        executor.spawn(|id| {
            let home = executor.home(id);
            oversight.begin(home.clone());
            *reins.home.borrow_mut() = Some(home);
            Box::new(Self {
                actor: Some(actor),
                oversight: oversight.clone(),
                reins: reins.clone(),
                told: Rc::default(),
                on_leave: Some(Box::new(on_leave)),
            })
        });
    }

    /// Drops the actor and says how it has ended.
    fn leave(&mut self, end: &End) {
        let Some(mut actor) = self.actor.take() else { return };
        self.oversight.end();
        if let Some(on_leave) = self.on_leave.take() {
            on_leave(end);
        }
        // Or its drop would poll it once more, and with it what has panicked.
        actor.ctx().terminate();
        let polled = self.oversight.poll();
        drop_quietly(actor);
        drop(polled);
        // How its first turn has ended is told to who waits for that.
        if let (End::Panicked(text), true) = (end, self.reins.started.get()) {
            self.oversight.unseen(&format!("panicked: {text}"));
        }
        self.reins.tell_end(end);
    }
}

impl<A: Living> Task for Instance<A> {
    fn poll(&mut self, turn: &Turn<'_>) -> Poll<()> {
        let Some(actor) = &mut self.actor else { return Poll::Ready(()) };
        match self.reins.order.take() {
            Some(Order::Kill) => {
                self.leave(&End::Killed);
                return Poll::Ready(());
            }
            Some(Order::Stop) => {
                let told = self.told.clone();
                actor.ctx().spawn(Stopping { future: None, told });
            }
            None => {}
        }
        let waker = turn.waker();
        let polled = self.oversight.poll();
        let result = catch(|| Pin::new(actor).poll(&mut TaskContext::from_waker(&waker)));
        drop(polled);
        let end = match result {
            Err(text) => {
                self.oversight.panicked(&text);
                Some(End::Panicked(text))
            }
            Ok(Poll::Ready(())) => Some(self.told.take().map_or(End::Stopped, End::Told)),
            Ok(Poll::Pending) => None,
        };
        // What has failed counts before what has stopped by itself in the same turn.
        let end = match (end, self.oversight.is_doomed()) {
            (None | Some(End::Stopped), Some(why)) => Some(End::Failed(why)),
            (end, _) => end,
        };
        if let Some(end) = end {
            self.leave(&end);
            return Poll::Ready(());
        }
        if !self.reins.started.replace(true) {
            self.reins.changed.notify_one();
        }
        Poll::Pending
    }

    fn label(&self) -> String {
        format!("the service `{}`", self.oversight.standing.status().service)
    }
}

impl<A: Living> Drop for Instance<A> {
    fn drop(&mut self) {
        self.leave(&End::Gone);
    }
}

/// Has the actor's `stop` called, waits for what it returns, and stops the actor.
struct Stopping {
    future: Option<Guarded<ResponseFuture<Handled>>>,
    told: Rc<RefCell<Option<Result<(), String>>>>,
}

impl<A: Living> ActorFuture<A> for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, task: &mut TaskContext<'_>) -> Poll<()> {
        let future = match &mut self.future {
            Some(future) => future,
            None => match catch(|| actor.let_go(ctx)) {
                Ok(future) => self.future.insert(Guarded::new(future)),
                Err(text) => return self.tell(ctx, Err(format!("panicked: {text}"))),
            },
        };
        match Pin::new(future).poll(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Ok(()))) => self.tell(ctx, Ok(())),
            Poll::Ready(Ok(Err(error))) => self.tell(ctx, Err(format!("failed: {}", error.chain()))),
            Poll::Ready(Err(text)) => self.tell(ctx, Err(format!("panicked: {text}"))),
        }
    }
}

impl Stopping {
    fn tell<A: Living>(&self, ctx: &mut Context<A>, result: Result<(), String>) -> Poll<()> {
        *self.told.borrow_mut() = Some(result);
        ctx.stop();
        Poll::Ready(())
    }
}
