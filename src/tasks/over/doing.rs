//! One job of a queue, from when a worker may begin it to how it is to end.
//!
//! `Given → job.rs: read → the function, until it returns, panics, or is told to end and does not → Ended: its event, and then ack, retry, dead letter`

use std::cell::Cell;
use std::collections::HashMap;
use std::future::ready;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::job::{QueuedJob, read, task};
use super::lacks;
use super::sender::TaskSender;
use super::telling::Telling;
use crate::__private::{Shown, derived, guarded};
use crate::tasks::function::{Call, Cancelling, Does, Done, Queued, Told};
use crate::tasks::queue::Cause;
use crate::tasks::running::{Came, FAR, OfTask, after, leaving, tell, wait};
use crate::tasks::{Fault, Loan};
use crate::transport::{Abilities, DeadReason, ErrorKind, Packet, TransportError};
use crate::worker::{Begun, Ended, Given, Handles, Stop, Stops, Then};
use crate::{EventBus, Uuid};

/// The functions of this process, by the names of their tasks.
pub(super) type Functions = HashMap<&'static str, Rc<dyn Does<Queued>>>;

/// Does the jobs of a queue.
pub(super) struct Doer {
    pub(super) bus: EventBus,
    pub(super) functions: Functions,
    pub(super) telling: Rc<Telling>,
    pub(super) sender: TaskSender,
    pub(super) grace: Duration,
    pub(super) drain_timeout: Duration,
    /// The longest wait that the server knows.
    pub(super) longest_wait: Duration,
    /// By the name of the task.
    pub(super) meters: HashMap<&'static str, OfTask>,
}

/// Tells a function that it is to end.
struct Teller(watch::Sender<Option<Cancelling>>);

impl Teller {
    fn cancel(&self, why: Cancelling) {
        self.0.send_if_modified(|there| {
            let is_first = there.is_none() || why == Cancelling::Lost;
            if is_first {
                *there = Some(why);
            }
            is_first
        });
    }
}

impl Stops for Teller {
    fn stop(&self, why: Stop) {
        self.cancel(match why {
            Stop::Lost => Cancelling::Lost,
            Stop::Drains => Cancelling::Stopping,
        });
    }
}

impl Handles for Doer {
    fn check(&self, name: &str, abilities: &Abilities) -> Result<(), TransportError> {
        let wrong = |text: String| Err(TransportError::new(ErrorKind::Unsupported, name, text));
        let mut all: Vec<_> = self.functions.iter().collect();
        all.sort_unstable_by_key(|(task, _)| **task);
        let Some((first, does)) = all.first() else {
            return wrong("nobody does its jobs: register a function with `.on(…)`".to_owned());
        };
        let queue = does.terms().queue;
        if let Some((other, does)) = all.iter().find(|(_, does)| does.terms().queue != queue) {
            let there = does.terms().queue;
            return wrong(format!(
                "`{first}` waits in the queue `{queue}`, and `{other}` in `{there}`: set up a `Tasks::over` for each"
            ));
        }
        let lacking: Vec<_> = all.iter().map(|(task, does)| (**task, lacks::of(&***does, abilities))).collect();
        lacks::error(name, &lacking)
    }

    fn attempts(&self, packet: &Packet) -> Option<u32> {
        Some(self.functions.get(task(packet)?)?.terms().attempts)
    }

    fn fewest_attempts(&self) -> u32 {
        self.functions.values().map(|does| does.terms().attempts).min().unwrap_or(1)
    }

    fn patience(&self) -> Duration {
        self.drain_timeout
    }

    fn begin(self: Rc<Self>, given: Given<'_>) -> Begun {
        let teller = Rc::new(Teller(watch::Sender::new(None)));
        let work: LocalBoxFuture<'static, Ended> = match self.find(&given) {
            Ok((does, loan)) => attempt(self, does, loan, given.doom, teller.clone()).boxed_local(),
            Err(then) => Box::pin(ready(Ended { tell: None, then })),
        };
        Begun { work, stops: teller }
    }
}

impl Doer {
    /// What the job is, and who does it.
    fn find(&self, given: &Given<'_>) -> Result<(Rc<dyn Does<Queued>>, Loan), Then> {
        let job = read(given.packet).map_err(|why| Then::Dead(DeadReason::Broken, why))?;
        let QueuedJob { task, number, waited, cause, payload } = job;
        let Some(does) = self.functions.get(&*task).cloned() else {
            return Err(Then::Unknown(format!("nobody does the task `{}` here", Shown::name(&task))));
        };
        let terms = does.terms();
        let loan = Loan {
            id: number,
            // The worker has one that may have killed its process come once more.
            attempt: given.attempt.min(terms.attempts),
            attempts: terms.attempts,
            task,
            payload,
            cause,
            waited,
            is_cancelled: false,
            is_expired: given.attempt == 1 && terms.expires.is_some_and(|limit| waited > limit),
            reason: None,
        };
        Ok((does, loan))
    }

    /// An attempt that was done.
    ///
    /// # Errors
    ///
    /// If its event cannot leave.
    fn done(&self, loan: &Loan, told: Told) -> Result<Ended, Fault> {
        let packet = match told.event {
            Some(event) => {
                let cause = Cause::read(loan.cause.as_deref());
                Some(leaving(event, &|event| self.telling.pack(event, &cause, Some(id_of(loan))))?)
            }
            None => None,
        };
        Ok(Ended { tell: packet.map(|packet| self.telling.tell(packet)), then: Then::Done })
    }

    /// An attempt that has failed: there is another, or its failure is told.
    fn failed(&self, does: &dyn Does<Queued>, loan: &Loan, fault: &Fault) -> Ended {
        let parts = fault.parts();
        if !parts.permanent && loan.attempt < loan.attempts {
            let after = parts.retry_after.unwrap_or_else(|| wait(&does.terms(), loan.attempt));
            let then = Then::Again(after.min(self.longest_wait), parts.detail.clone());
            return Ended { tell: None, then };
        }
        let reason = if parts.permanent { DeadReason::Permanent } else { DeadReason::Exhausted };
        self.over(does, loan, loan.attempt, (fault, reason))
    }

    /// A job that has failed for good after so many attempts.
    fn over(&self, does: &dyn Does<Queued>, loan: &Loan, begun: u32, (fault, reason): (&Fault, DeadReason)) -> Ended {
        let detail = fault.parts().detail.clone();
        log::warn!(
            target: "convoke::tasks",
            "{} {} has failed for good {}: {}",
            Shown::name(&loan.task),
            loan.id,
            after(begun),
            Shown::text(&detail)
        );
        let cause = Cause::read(loan.cause.as_deref());
        let packet = tell(does, loan, fault, &|event| self.telling.pack(event, &cause, None));
        Ended { tell: packet.map(|packet| self.telling.tell(packet)), then: Then::Dead(reason, detail) }
    }
}

/// By which id it is told that a job is done: the same each time that it is, so that whoever hears it twice can see that.
fn id_of(loan: &Loan) -> Uuid {
    derived("Tasks", &loan.id.to_be_bytes())
}

/// Runs an attempt, and measures it.
async fn attempt(
    doer: Rc<Doer>,
    does: Rc<dyn Does<Queued>>,
    loan: Loan,
    doom: Option<String>,
    teller: Rc<Teller>,
) -> Ended {
    let meter = doer.meters.get(does.task());
    let (running, start) = (meter.map(OfTask::begin), Instant::now());
    let ended = judge(&doer, &*does, loan, doom, &teller).await;
    drop(running);
    if let Some(meter) = meter {
        meter.took(start.elapsed());
        meter.ended(match ended.then {
            Then::Done => Came::Done,
            Then::Again(..) => Came::Retried,
            Then::Dead(..) | Then::Unknown(_) => Came::Failed,
            Then::Release => Came::Released,
        });
    }
    ended
}

async fn judge(doer: &Rc<Doer>, does: &dyn Does<Queued>, loan: Loan, doom: Option<String>, teller: &Teller) -> Ended {
    if let Some(text) = doom {
        return doer.over(does, &loan, loan.attempt, (&Fault::coded("crashed", text), DeadReason::Exhausted));
    }
    if loan.is_expired {
        let text = format!("it has waited for {:?}, and was to begin before", loan.waited);
        return doer.over(does, &loan, 0, (&Fault::coded("expired", text), DeadReason::Permanent));
    }
    let call = Call {
        bus: Cause::read(loan.cause.as_deref()).bus(&doer.bus),
        loan,
        cancel: teller.0.subscribe(),
        kit: doer.sender.clone(),
        instance: Cell::default(),
        outcome: Cell::default(),
    };
    let came = perform(does, &call, teller, doer.grace).await;
    let loan = call.loan;
    let reason = *teller.0.borrow();
    if reason == Some(Cancelling::Lost) {
        return Ended { tell: None, then: Then::Release };
    }
    match came.and_then(|told| doer.done(&loan, told)) {
        Ok(ended) => ended,
        Err(_) if reason == Some(Cancelling::Stopping) => Ended { tell: None, then: Then::Release },
        Err(fault) => doer.failed(does, &loan, &fault),
    }
}

/// Finds what the function asks for, by a repository that has a connection of its own.
async fn load(does: &dyn Does<Queued>, call: &Call<Queued>) -> Result<(), Fault> {
    let Some(found) = does.found().filter(|found| found.is_asked_for()) else { return Ok(()) };
    let loaded = found.load(&does.instance_id(&call.loan.payload)?, &mut ()).await?;
    call.instance.set(Some(loaded));
    Ok(())
}

/// Runs the function until it has ended, or was told to and has not.
async fn perform(does: &dyn Does<Queued>, call: &Call<Queued>, teller: &Teller, grace: Duration) -> Done {
    let panicked = |panic: String| Fault::coded("panicked", format!("it panicked: {panic}"));
    let mut function = pin!(guarded(async {
        load(does, call).await?;
        does.attempt(call, false).await
    }));
    let mut told = teller.0.subscribe();
    let mut end = Instant::now() + does.terms().timeout.min(FAR);
    let mut is_told = false;
    loop {
        select! {
            biased;
            came = &mut function => return came.map_err(panicked)?,
            _ = told.wait_for(Option::is_some), if !is_told => {
                is_told = true;
                end = Instant::now() + grace.min(FAR);
            }
            () = sleep_until(end) => {
                if !is_told {
                    teller.cancel(Cancelling::TimedOut);
                    continue;
                }
                let reason = teller.0.borrow().unwrap_or(Cancelling::TimedOut);
                let code = if reason == Cancelling::TimedOut { "timed_out" } else { "cancelled" };
                return Err(Fault::coded(code, format!("{reason}, and was dropped where it waited")));
            }
        }
    }
}
