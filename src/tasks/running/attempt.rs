//! One attempt at a job.
//!
//! `Loan → is it to begin at all? → the function, until it returns, panics, or is told to end and does not → ending.rs → Finish`

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::select;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::ending::{done, failed, over};
use super::held::{Teller, cancel};
use crate::__private::guarded;
use crate::tasks::function::{Call, Cancelling, Does, Done, Kit, Slot};
use crate::tasks::queue::Cause;
use crate::tasks::{Ending, How, Loan, State};
use crate::tasks::{Fault, TaskDatabase, TaskProgress};

/// How often progress is kept, at most.
const PROGRESS: Duration = Duration::from_secs(1);

/// An attempt that has ended.
pub(super) struct Finish {
    pub(super) job: i64,
    pub(super) attempt: u32,
    pub(super) took: Duration,
    pub(super) what: What,
}

pub(super) enum What {
    /// It is to be settled.
    Settle(Box<Ending>),
    /// It was, with the transaction of the function.
    Settled,
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
    let what = match shared.functions.get(&*loan.task).cloned() {
        Some(does) => judge(&shared, &*does, loan, &teller).await,
        // Not asked for; whoever knows the task may do it.
        None => settle(release(&loan)),
    };
    Finish { job, attempt, took: start.elapsed(), what }
}

pub(super) fn release(loan: &Loan) -> Ending {
    Ending { job: loan.id, attempt: loan.attempt, how: How::Released, event: None }
}

async fn judge<D: TaskDatabase>(shared: &Rc<Shared<D>>, does: &dyn Does<D>, loan: Loan, teller: &Teller) -> What {
    let spent = loan.attempt > loan.attempts;
    if loan.is_cancelled {
        let fault = Fault::coded("cancelled", "it was cancelled");
        return settle(over(shared, does, &loan, State::Cancelled, &fault));
    }
    if spent {
        let last = loan.reason.as_deref().map(|reason| format!("; before that: {reason}")).unwrap_or_default();
        let text =
            format!("its process has ended, or was not heard of, in the last of {} attempts{last}", loan.attempts);
        return settle(over(shared, does, &loan, State::Failed, &Fault::coded("crashed", text)));
    }
    if loan.is_expired {
        let text = format!("it has waited for {:?}, and was to begin before", loan.waited);
        return settle(over(shared, does, &loan, State::Failed, &Fault::coded("expired", text)));
    }
    let slot = Slot::<D>::default();
    let progress = TaskProgress::new();
    let call = Call {
        bus: Cause::read(loan.cause.as_deref()).bus(&shared.bus),
        loan,
        cancel: teller.subscribe(),
        kit: Kit { queue: shared.queue.clone(), progress: progress.clone(), slot: slot.clone() },
    };
    let came = perform(shared, does, &call, teller, &progress).await;
    let loan = call.loan;
    let reason = *teller.borrow();
    if reason == Some(Cancelling::Lost) {
        return What::Lost;
    }
    let fault = match came {
        Ok(told) => match done(shared, &loan, told) {
            Ok(ending) => match end_within(shared, &slot, ending).await {
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
            settle(over(shared, does, &loan, State::Cancelled, &fault))
        }
        Some(Cancelling::Stopping) => settle(release(&loan)),
        _ => settle(failed(shared, does, &loan, &fault)),
    }
}

/// Runs the function until it has ended, or was told to and has not.
async fn perform<D: TaskDatabase>(
    shared: &Rc<Shared<D>>,
    does: &dyn Does<D>,
    call: &Call<D>,
    teller: &Teller,
    progress: &TaskProgress,
) -> Done {
    let keeps = !shared.options.keep.is_zero();
    let stats = &shared.stats;
    let (id, attempt, name) = (call.loan.id, call.loan.attempt, does.task());
    let begun = match crate::__private::catch(|| does.attempt(call, keeps)) {
        Ok(begun) => begun,
        Err(panic) => return Err(Fault::coded("panicked", format!("it panicked: {panic}"))),
    };
    let mut function = pin!(guarded(begun));
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
            () = sleep_until(note_from), if has_news => {
                (note_from, has_news) = (Instant::now() + PROGRESS, false);
                let now = noted.borrow_and_update().clone();
                if let Err(error) = shared.queue.jobs().progress((id, attempt), &now).await {
                    log::debug!(target: "convoke::tasks", "how far {name} {id} is, is not kept: {error}");
                }
            }
            Ok(()) = noted.changed(), if !has_news => has_news = true,
        }
    }
}

/// A wait for longer is one for ever.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Ends the job with the transaction that the function has begun, or hands the ending on if it has begun none.
async fn end_within<D: TaskDatabase>(shared: &Rc<Shared<D>>, slot: &Slot<D>, ending: Ending) -> Result<What, Fault> {
    let Some(mut work) = slot.take() else { return Ok(settle(ending)) };
    let jobs = shared.queue.jobs();
    if !jobs.settle_within(ending, shared.outbox.keeping(), work.connection()).await? {
        work.rollback().await?;
        return Ok(What::Lost);
    }
    work.commit().await?;
    Ok(What::Settled)
}
