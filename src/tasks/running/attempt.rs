//! One attempt at a job.
//!
//! `Loan → is it to begin at all? → the function, until it returns, panics, or is told to end and does not → ending.rs → Finish`

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Fuse, FusedFuture, FutureExt};
use tokio::select;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::ending::{again, done, over};
use super::held::{Teller, cancel};
use super::meter::{Came, OfTask};
use super::options::FAR;
use super::removing::{Begun, Undone, deletes, end, kept, put_off};
use crate::__private::guarded;
use crate::tasks::function::{Call, Cancelling, Does, Done, Kit, Slot};
use crate::tasks::queue::{BatchOutcome, Cause, Follows};
use crate::tasks::{Ending, How, Loan, State};
use crate::tasks::{Fault, TaskDatabase, TaskProgress};

/// How often progress is kept, at most.
const PROGRESS: Duration = Duration::from_secs(1);

/// How long it waits before a job that ends by itself is ended again, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// An attempt that has ended.
pub(super) struct Finish {
    pub(super) job: i64,
    pub(super) attempt: u32,
    /// The task, if there is a function for it.
    pub(super) task: Option<&'static str>,
    pub(super) took: Duration,
    pub(super) what: What,
}

pub(super) enum What {
    /// It is to be settled.
    Settle(Box<Ending>),
    /// It was so, with the transaction of the function.
    Settled(Came),
    /// Somebody else has it.
    Lost,
}

fn settle(ending: Ending) -> What {
    What::Settle(Box::new(ending))
}

/// Runs an attempt.
pub(super) async fn run<D: TaskDatabase>(shared: Rc<Shared<D>>, loan: Loan, teller: Teller) -> Finish {
    let (job, attempt) = (loan.id, loan.attempt);
    let start = Instant::now();
    let does = shared.functions.get(&*loan.task).cloned();
    let task = does.as_ref().map(|does| does.task());
    let running = task.and_then(|task| shared.meter.of(task)).map(OfTask::begin);
    let what = match does {
        Some(does) => judge(&shared, &*does, loan, &teller).await,
        // Not asked for; whoever knows the task may do it.
        None => settle(release(&loan)),
    };
    drop(running);
    Finish { job, attempt, task, took: start.elapsed(), what }
}

pub(super) fn release(loan: &Loan) -> Ending {
    Ending { job: loan.id, attempt: loan.attempt, how: How::Released, counts: false, event: None, told: None }
}

async fn judge<D: TaskDatabase>(shared: &Rc<Shared<D>>, does: &dyn Does<D>, loan: Loan, teller: &Teller) -> What {
    let cause = Cause::read(loan.cause.as_deref());
    // A function may hold the only transaction that writes: so this is there before.
    if cause.seat.is_some() && shared.queue.hall().open().await.is_err() {
        return settle(release(&loan));
    }
    let spent = loan.attempt > loan.attempts;
    match kept(shared, does, &loan).await {
        Ok(None) => {}
        Ok(Some((state, fault))) => return end_unbegun(shared, does, &loan, (state, teller), &fault).await,
        // Whoever can look it up goes on from there.
        Err(_) => return settle(release(&loan)),
    }
    if loan.is_cancelled {
        let fault = Fault::coded("cancelled", "it was cancelled");
        return end_unbegun(shared, does, &loan, (State::Cancelled, teller), &fault).await;
    }
    if spent {
        let last = loan.reason.as_deref().map(|reason| format!("; before that: {reason}")).unwrap_or_default();
        let text =
            format!("its process has ended, or was not heard of, in the last of {} attempts{last}", loan.attempts);
        return end_unbegun(shared, does, &loan, (State::Failed, teller), &Fault::coded("crashed", text)).await;
    }
    if loan.is_expired {
        let text = format!("it has waited for {:?}, and was to begin before", loan.waited);
        return end_unbegun(shared, does, &loan, (State::Failed, teller), &Fault::coded("expired", text)).await;
    }
    let slot = Slot::<D>::default();
    let progress = TaskProgress::new();
    let call = Call {
        bus: cause.bus(&shared.bus),
        loan,
        cancel: teller.subscribe(),
        kit: Kit { queue: shared.queue.clone(), progress: progress.clone(), slot: slot.clone() },
        instance: Cell::default(),
        outcome: Cell::default(),
    };
    let came = perform(shared, does, &call, teller, &progress).await;
    let loan = call.loan;
    let reason = *teller.borrow();
    if reason == Some(Cancelling::Lost) {
        return What::Lost;
    }
    let fault = match came {
        Ok(told) => match done(shared, &loan, told) {
            Ok(ending) => match succeed(shared, does, &loan, (slot.take(), teller), ending).await {
                Ok(what) => return what,
                Err(fault) => fault,
            },
            Err(fault) => fault,
        },
        Err(fault) => fault,
    };
    // What it has written is rolled back.
    drop(slot.take());
    match reason {
        Some(Cancelling::Cancelled) => {
            let fault = fault.code("cancelled");
            fail(shared, does, &loan, (State::Cancelled, teller), &fault).await
        }
        Some(Cancelling::Stopping) => settle(release(&loan)),
        _ => match again(does, &loan, &fault) {
            Some(ending) => settle(ending),
            None => fail(shared, does, &loan, (State::Failed, teller), &fault).await,
        },
    }
}

/// An attempt that was done. It ends by itself if its function has begun a transaction, or if something is deleted with it;
/// else with others.
async fn succeed<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    (begun, teller): (Begun<D>, &Teller),
    ending: Ending,
) -> Result<What, Fault> {
    match begun {
        // What it has written is lost with its transaction, so it is not tried to end again.
        Some(begun) => {
            let came = Came::of(&ending.how);
            let is_ended = end(shared, does, loan, Some(begun), ending).await?;
            Ok(if is_ended { What::Settled(came) } else { What::Lost })
        }
        None if deletes(does, State::Done) => end_alone(shared, does, loan, ending, teller).await,
        None => Ok(settle(ending)),
    }
}

/// A job that has failed for good, or was cancelled.
async fn fail<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    (state, teller): (State, &Teller),
    fault: &Fault,
) -> What {
    fail_with(shared, does, loan, (state, teller, true), fault).await
}

/// The same of one whose function was not called in this attempt, which does not count.
async fn end_unbegun<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    (state, teller): (State, &Teller),
    fault: &Fault,
) -> What {
    fail_with(shared, does, loan, (state, teller, false), fault).await
}

async fn fail_with<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    (state, teller, counts): (State, &Teller, bool),
    fault: &Fault,
) -> What {
    let ending = over(shared, does, loan, (state, counts), fault);
    if !deletes(does, state) {
        return settle(ending);
    }
    match end_alone(shared, does, loan, ending, teller).await {
        Ok(what) => what,
        Err(why) => settle(put_off(shared, does, loan, (state, fault), &why).await),
    }
}

/// Ends a job by itself: again and again while the database is away, as what ends with others.
async fn end_alone<D: TaskDatabase>(
    shared: &Shared<D>,
    does: &dyn Does<D>,
    loan: &Loan,
    ending: Ending,
    teller: &Teller,
) -> Result<What, Fault> {
    let mut told = teller.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match end(shared, does, loan, None, ending.clone()).await {
            Ok(is_ended) => {
                shared.stats.has_ended();
                break Ok(if is_ended { What::Settled(Came::of(&ending.how)) } else { What::Lost });
            }
            Err(Undone::Wrong(fault)) => break Err(fault),
            Err(Undone::Away(error)) => error,
        };
        shared.stats.unended(&error);
        select! {
            biased;
            reason = told.wait_for(|reason| matches!(reason, Some(Cancelling::Lost | Cancelling::Stopping))) => {
                break Ok(match reason.ok().and_then(|reason| *reason) {
                    Some(Cancelling::Stopping) => settle(release(loan)),
                    _ => What::Lost,
                });
            }
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
        }
    }
}

/// Finds what the function asks for.
async fn load<D: TaskDatabase>(shared: &Shared<D>, does: &dyn Does<D>, call: &Call<D>) -> Result<(), Fault> {
    let Some(found) = does.found().filter(|found| found.is_asked_for()) else { return Ok(()) };
    let id = does.instance_id(&call.loan.payload)?;
    let loaded = match found.needs_connection() {
        // In no transaction: nothing is locked, or kept from being vacuumed, while the function runs.
        true => found.load(&id, &mut **shared.queue.jobs().connect().await?).await?,
        false => found.load(&id, &mut ()).await?,
    };
    call.instance.set(Some(loaded));
    Ok(())
}

/// What became of the batch behind which a job was enqueued; `None` if that is kept no longer.
async fn gathered<D: TaskDatabase>(shared: &Shared<D>, follows: Follows) -> Result<Option<BatchOutcome>, Fault> {
    let Some(tally) = shared.queue.hall().open().await?.rounds.round(follows.round).await? else { return Ok(None) };
    BatchOutcome::of(&tally).map(Some).map_err(|why| Fault::coded("unreadable", why))
}

/// Runs the function until it has ended, or was told to and has not.
async fn perform<D: TaskDatabase>(
    shared: &Rc<Shared<D>>,
    does: &dyn Does<D>,
    call: &Call<D>,
    teller: &Teller,
    progress: &TaskProgress,
) -> Done {
    let cause = Cause::read(call.loan.cause.as_deref());
    let keeps = !shared.options.keep.is_zero() || cause.seat.is_some();
    let stats = &shared.stats;
    let (id, attempt, name) = (call.loan.id, call.loan.attempt, does.task());
    let mut function = pin!(guarded(async {
        load(shared, does, call).await?;
        if let Some(follows) = cause.follows {
            call.outcome.set(gathered(shared, follows).await?);
        }
        does.attempt(call, keeps).await
    }));
    // Who asks from another thread sees what keeps this one.
    let mut function = pin!(poll_fn(move |context| {
        stats.enters(name, id);
        let polled = function.as_mut().poll(context);
        stats.leaves();
        polled
    }));
    let mut told = teller.subscribe();
    let mut noted = progress.watch();
    let mut end = Instant::now() + does.terms().timeout.min(FAR);
    let mut is_told = false;
    let (mut note_from, mut has_news) = (Instant::now(), false);
    // Beside the function, which waits for no database: one that hangs keeps the next from being written, and nothing else. It goes
    // on when the function has ended, for nobody else may get a connection whose answer is under way.
    let mut noting: Fuse<JoinHandle<()>> = Fuse::terminated();
    loop {
        select! {
            biased;
            came = &mut function => {
                return match came {
                    Ok(came) => came,
                    Err(panic) => Err(Fault::coded("panicked", format!("it panicked: {panic}"))),
                };
            }
            _ = told.wait_for(Option::is_some), if !is_told => {
                is_told = true;
                end = Instant::now() + shared.options.grace;
            }
            () = sleep_until(end) => {
                if !is_told {
                    cancel(teller, Cancelling::TimedOut);
                    continue;
                }
                let reason = teller.borrow().unwrap_or(Cancelling::TimedOut);
                let code = if reason == Cancelling::TimedOut { "timed_out" } else { "cancelled" };
                return Err(Fault::coded(code, format!("{reason}, and was dropped where it waited")));
            }
            _ = &mut noting, if !noting.is_terminated() => {}
            () = sleep_until(note_from), if has_news && noting.is_terminated() => {
                (note_from, has_news) = (Instant::now() + PROGRESS, false);
                let now = noted.borrow_and_update().clone();
                let jobs = shared.queue.jobs().clone();
                let note = async move {
                    if let Err(error) = jobs.progress((id, attempt), &now).await {
                        log::debug!(target: "convoke::tasks", "how far {name} {id} is, is not kept: {error}");
                    }
                };
                noting = tokio::spawn(note).fuse();
            }
            Ok(()) = noted.changed(), if !has_news => has_news = true,
        }
    }
}
