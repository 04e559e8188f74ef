//! How an actor of ours is started, and how one is told something past the bound of its mailbox.

use std::mem::MaybeUninit;
use std::rc::Rc;

use actix::{Addr, AsyncContext, Handler, Message, Recipient};

use super::context::{LocalContext, Player, Stage};
use super::executor::{Executor, Task, TaskId};

/// Starts an actor on this arbiter and answers with its address.
///
/// # Panics
///
/// Outside an actix system, as `Actor::start` of actix does.
#[track_caller]
pub(crate) fn start<A: Player>(make: impl FnOnce(&mut LocalContext<A>) -> A) -> Addr<A> {
    let executor = executor_here();
    let mut addr = None;
    executor.spawn(|id| {
        let stage = Stage::new(executor.clone(), id, |ctx| {
            addr = Some(ctx.address());
            make(ctx)
        });
        Box::new(stage)
    });
    match addr {
        Some(addr) => addr,
        None => unreachable!("the stage was made above"),
    }
}

/// Starts an actor on this arbiter whose address nobody has asked for yet.
pub(crate) fn start_unaddressed<A: Player>(executor: &Rc<Executor>, make: impl FnOnce(TaskId) -> A) -> TaskId {
    // Made where it stays: for a session, which lives for one round, to be moved there costs as much as to be made.
    executor.spawn(|id| {
        let place: Box<MaybeUninit<Stage<A>>> = Box::new_uninit();
        Box::write(place, Stage::new(executor.clone(), id, |_| make(id))) as Box<dyn Task>
    })
}

#[track_caller]
pub(crate) fn executor_here() -> Rc<Executor> {
    match Executor::here() {
        Some(executor) => executor,
        #[expect(clippy::panic, reason = "there is no actor and no answer without a system; actix panics here too")]
        None => panic!(
            "no actix system on this thread: start actors under #[actix::main], #[convoke::test] or inside System::new().block_on(…)"
        ),
    }
}

/// Posts a message past the bound of an actix mailbox: here and in the next function alone. What is under way is
/// bounded by a counter of the callers': one summons for each emitter, and one outcome for each consumer, of the rounds
/// that a broker counts; the events of which a listener counts how many its actor may not have taken.
pub(crate) fn post<M>(to: &Recipient<M>, message: M)
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.do_send(message);
}

/// Posts a message to an actor of ours: one for each member that is handed over for ever, whose number is bounded, and
/// the one that stops it.
pub(crate) fn post_to<A, M>(to: &Addr<A>, message: M)
where
    A: Player + Handler<M>,
    M: Message + Send + 'static,
    M::Result: Send,
{
    to.do_send(message);
}
