//! The executor's own task in tokio: gives the actors their turns, and sleeps until the next timer.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, Sleep};

use super::executor::{ALL, Executor, HERE, TaskId};
use super::gap::gap;
use super::wake::Alarm;

/// How many polls the executor makes before it lets the other tasks of the arbiter run.
const POLLS: usize = 128;

/// How many wakes from other threads have room without an allocation.
const WAKES: usize = 1024;

/// The executor's own task in tokio.
pub(super) struct Driver {
    executor: Rc<Executor>,
    alarm: Waker,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Option<Instant>,
    /// The last poll left something to do, so that time may have passed without an alarm.
    overdue: bool,
    /// Empty, with room for the wakes from other threads.
    woken: Vec<(TaskId, bool)>,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let executor = self.executor.clone();
        executor.busy.set(true);
        executor.settle_in();
        executor.begin_turn();
        self.know(cx.waker());
        gap();
        let rang = self.take_remote();
        gap();
        if rang {
            self.armed = None;
        }
        if rang || self.overdue {
            executor.poll_due();
        }
        // Under a seed one poll at a time, so that the test's own future runs in between as well.
        let polls = if executor.is_seeded() { 1 } else { POLLS };
        for _ in 0..polls {
            if !executor.poll_next() {
                break;
            }
        }
        executor.end_turn();
        self.overdue = executor.is_ready();
        gap();
        if self.overdue {
            cx.waker().wake_by_ref();
        } else {
            executor.busy.set(false);
            gap();
            self.arm();
        }
        Poll::Pending
    }
}

impl Driver {
    pub(super) fn new(executor: Rc<Executor>) -> Self {
        let alarm = Waker::from(Arc::new(Alarm(executor.remote.clone())));
        Self { executor, alarm, sleep: None, armed: None, overdue: true, woken: Vec::new() }
    }

    /// Takes over the wakes from other threads; says whether the alarm has rung.
    fn take_remote(&mut self) -> bool {
        let rang = self.executor.remote.take(&mut self.woken);
        for (id, all) in self.woken.drain(..) {
            if all { self.executor.wake_all_of(id) } else { self.executor.wake(id) }
        }
        // After a flood it is given back.
        self.woken.shrink_to(WAKES);
        rang
    }

    /// Lets everyone know whom to wake, if that is news.
    fn know(&self, waker: &Waker) {
        let mut driver = self.executor.driver.borrow_mut();
        if !driver.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *driver = Some(waker.clone());
            self.executor.remote.lock().driver = Some(waker.clone());
        }
    }

    /// Arms tokio's timer for the earliest of ours. A timer that is armed for an earlier time stays: waking once
    /// for nothing is cheaper than moving it.
    fn arm(&mut self) {
        let Some(next) = self.executor.next_timer() else { return };
        if self.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        self.armed = Some(next);
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(next),
            None => self.sleep = Some(Box::pin(tokio::time::sleep_until(next))),
        }
        if let Some(sleep) = &mut self.sleep
            && sleep.as_mut().poll(&mut Context::from_waker(&self.alarm)).is_ready()
        {
            self.alarm.wake_by_ref();
        }
    }
}

impl Executor {
    /// Makes this the executor of its thread, while its actors run.
    pub(super) fn settle_in(self: &Rc<Self>) {
        HERE.with_borrow_mut(|here| {
            if !here.as_ref().is_some_and(|here| Rc::ptr_eq(here, self)) {
                *here = Some(self.clone());
            }
        });
    }

    /// Is no more.
    fn move_out(self: &Rc<Self>) {
        HERE.set(None);
        ALL.with_borrow_mut(|all| all.retain(|other| !Rc::ptr_eq(other, self)));
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.executor.settle_in();
        self.executor.shut_down();
        self.executor.move_out();
    }
}
