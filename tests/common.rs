//! Helpers of the tests, and no test: waiting in virtual time, parties by name, and an actor of the user's own.

use std::cell::RefCell;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr, Arbiter, AsyncContext, Context, Handler, Message, System};
use convoke::prelude::*;
use convoke::{EmitterSpec, Membership, Payload, Summons};
use tokio::sync::oneshot;
use tokio::time::Instant;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Longer than any timeout that a test sets: who has to wait so long waits for ever.
const FOREVER: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Awaits what must be there without time passing.
#[track_caller]
pub(crate) fn at_once<T>(what: impl IntoFuture<Output = T>) -> impl Future<Output = T> {
    after(Duration::ZERO, what)
}

/// Awaits what must be there after exactly this long.
#[track_caller]
pub(crate) fn after<T>(wait: Duration, what: impl IntoFuture<Output = T>) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let start = Instant::now();
        let Ok(result) = tokio::time::timeout(FOREVER, what).await else {
            panic!("{caller}: nobody answered, for ever");
        };
        assert_eq!(start.elapsed(), wait, "{caller}: the answer came at another time");
        result
    }
}

/// Waits until nothing is left to do at this instant.
pub(crate) async fn settled() {
    convoke::testing::settle().await;
}

/// Runs this on that arbiter. It is boxed there, so that what tokio makes of a task is compiled once.
pub(crate) async fn on<T: Send + 'static>(arbiter: &Arbiter, task: impl AsyncFnOnce() -> T + Send + 'static) -> T {
    let (told, result) = oneshot::channel();
    arbiter.spawn_fn(move || {
        let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move { drop(told.send(task().await)) });
        actix_rt::spawn(task);
    });
    result.await.unwrap()
}

/// Runs this on a system of its own, on the real clock; boxed, for the same reason.
pub(crate) fn on_a_system<T>(test: impl Future<Output = T>) -> T {
    let mut result = None;
    let test: Pin<Box<dyn Future<Output = ()> + '_>> = Box::pin(async { result = Some(test.await) });
    System::new().block_on(test);
    result.unwrap()
}

pub(crate) async fn sleep(wait: Duration) {
    tokio::time::sleep(wait).await;
}

/// Lets emitters of these names join.
pub(crate) async fn join_all<P: Payload, const N: usize>(
    broker: &Addr<Broker<P>>,
    names: [&str; N],
) -> [EmitterHandle<P>; N] {
    let mut handles = Vec::new();
    for name in names {
        handles.push(Emitter::join(broker, name).await.unwrap());
    }
    handles.try_into().unwrap()
}

/// The names of those whose signals a round has, in their order.
pub(crate) fn kept_by<P>(outcome: &Outcome<P>) -> Vec<&str> {
    outcome.signals().map(|signal| &*signal.emitter.name).collect()
}

/// The names of those who have not kept their promise.
pub(crate) fn missing<P>(outcome: &Outcome<P>) -> Vec<&str> {
    outcome.missing().map(|emitter| &*emitter.name).collect()
}

/// Why it was cancelled.
#[track_caller]
pub(crate) fn cause<P: std::fmt::Debug>(outcome: &Outcome<P>) -> Cause {
    outcome.cause().unwrap_or_else(|| panic!("resolved: {outcome:?}"))
}

/// The cause of a round whose time was over while these were missing.
pub(crate) fn timed_out<const N: usize>(missing: [&str; N]) -> Cause {
    Cause::TimedOut { missing: missing.map(Into::into).into() }
}

/// The cause of a round that could not be released without these.
pub(crate) fn out_of_reach<const N: usize>(missing: [&str; N]) -> Cause {
    Cause::OutOfReach { missing: missing.map(Into::into).into(), vetoes: Vec::new() }
}

#[track_caller]
pub(crate) fn assert_lost<P: std::fmt::Debug>(outcome: &Outcome<P>, name: &str) {
    match cause(outcome) {
        Cause::Lost(emitter) => assert_eq!(&*emitter.name, name),
        other => panic!("not lost, but {other:?}"),
    }
}

/// What several parties write down, to be looked at together.
pub(crate) struct Notes<T>(Rc<RefCell<Vec<T>>>);

impl<T> Notes<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn add(&self, note: T) {
        self.0.borrow_mut().push(note);
    }

    /// Takes back the last one.
    pub(crate) fn pop(&self) -> Option<T> {
        self.0.borrow_mut().pop()
    }

    /// What has been written since the last look.
    pub(crate) fn take(&self) -> Vec<T> {
        self.0.take()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }
}

impl<T> Clone for Notes<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// An actor of the user's own that is an emitter: what it does with a pledge is told when it is made, and its
/// membership stands in a field.
pub(crate) struct Clerk {
    answer: Box<Answer>,
    membership: Option<Membership<u32>>,
}

type Answer = dyn FnMut(Pledge<u32>, &mut Context<Clerk>);

impl Clerk {
    /// Starts a clerk and lets it join.
    pub(crate) async fn join(
        broker: &Addr<Broker<u32>>,
        name: &str,
        answer: impl FnMut(Pledge<u32>, &mut Context<Clerk>) + 'static,
    ) -> Addr<Self> {
        Self::join_as(broker, name.into(), answer).await.unwrap()
    }

    pub(crate) async fn join_as(
        broker: &Addr<Broker<u32>>,
        spec: EmitterSpec,
        answer: impl FnMut(Pledge<u32>, &mut Context<Clerk>) + 'static,
    ) -> Result<Addr<Self>, JoinError> {
        let clerk = Self { answer: Box::new(answer), membership: None }.start();
        let membership = broker.add_emitter(spec, clerk.clone().recipient()).await?;
        assert!(clerk.send(Hold(membership)).await.is_ok());
        Ok(clerk)
    }
}

impl Actor for Clerk {
    type Context = Context<Self>;
}

impl Handler<Summons<u32>> for Clerk {
    type Result = ();

    fn handle(&mut self, Summons { pledge }: Summons<u32>, ctx: &mut Context<Self>) {
        (self.answer)(pledge, ctx);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Hold(Membership<u32>);

impl Handler<Hold> for Clerk {
    type Result = ();

    fn handle(&mut self, Hold(membership): Hold, _: &mut Context<Self>) {
        self.membership = Some(membership);
    }
}

/// Tells a clerk to do something as itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Order(pub(crate) fn(&mut Clerk, &mut Context<Clerk>));

impl Handler<Order> for Clerk {
    type Result = ();

    fn handle(&mut self, Order(order): Order, ctx: &mut Context<Self>) {
        order(self, ctx);
    }
}

/// Orders for a clerk.
pub(crate) mod orders {
    use actix::ActorContext;

    use super::{AsyncContext, Clerk, Context, Order};

    pub(crate) const STOP: Order = Order(|_, ctx| ctx.stop());
    pub(crate) const PANIC: Order = Order(|_, _| panic!("as ordered"));
    pub(crate) const LEAVE: Order = Order(|clerk, _| {
        if let Some(membership) = clerk.membership.take() {
            membership.leave();
        }
    });
    /// To stop in a second, on its own.
    pub(crate) const STOP_LATER: Order = Order(|_, ctx: &mut Context<Clerk>| {
        ctx.run_later(super::SECOND, |_, ctx| ctx.stop());
    });
}

/// Runs a test, given by its path, in a process of its own, and prints what it prints.
pub(crate) fn in_a_process_of_its_own(path: &str, test: impl FnOnce()) {
    const INNER: &str = "CONVOKE_TEST_ALONE";
    if std::env::var_os(INNER).is_some() {
        return test();
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let run = command.args(["--exact", path, "--nocapture"]).env(INNER, "").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && out.contains("1 passed"), "{out}{err}");
    out.lines().filter(|line| line.starts_with("figure: ")).for_each(|line| println!("{line}"));
}
