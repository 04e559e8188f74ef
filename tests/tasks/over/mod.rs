//! Tasks over a queue in memory, in virtual time.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use convoke::transport::{Memory, MemoryQueue, Source};
use convoke::{QueueTasks, Tasks};
use tokio::time::sleep;

use super::lab::{Heard, Lab, Register};
use crate::common::SECOND;

/// How jobs end, and when they come again.
mod ends;
/// Who is told how they have ended, and when the server is.
mod told;
/// What is asked for that a queue cannot do.
mod lacking;
/// Jobs that take too long, outlive their worker, or are somebody else's meanwhile.
mod stopped;

/// A queue, beside the bus of the lab.
struct Over {
    queue: MemoryQueue,
    lab: Lab,
}

impl Over {
    fn new() -> Self {
        Self { queue: Memory::queue("tasks"), lab: Lab::new() }
    }

    fn tasks(&self) -> QueueTasks<MemoryQueue> {
        Tasks::over(&self.queue, &self.lab.bus)
    }

    fn heard(&self) -> &Heard {
        &self.lab.heard
    }

    /// Waits until all has ended, for a day at most.
    async fn ended(&self) {
        for _ in 0..24 * 60 * 60 {
            if self.queue.waiting() + self.queue.lent() == 0 {
                return crate::common::settled().await;
            }
            sleep(SECOND).await;
        }
        panic!("{} wait and {} are lent for ever", self.queue.waiting(), self.queue.lent());
    }

    /// The reasons of the dead letters, and their errors.
    async fn dead(&self) -> Vec<(convoke::transport::DeadReason, String)> {
        let mut dead = self.queue.dead_letters();
        dead.open(10).await.unwrap();
        let mut all = Vec::new();
        for letter in dead.receive(10).await.unwrap() {
            let record = convoke::transport::DeadLetterRecord::of(letter.packet()).unwrap();
            all.push((record.reason, record.errors.join("; ")));
            letter.ack().await.unwrap();
        }
        all
    }
}

/// How a call of such a function ends.
type Told = Result<super::lab::Registered, String>;

/// A function that counts how often it was called, and fails before it was called so often.
fn done_at(call: u32) -> (Rc<Cell<u32>>, impl AsyncFn(Arc<Register>) -> Told) {
    let calls = Rc::new(Cell::new(0));
    let count = calls.clone();
    let function = async move |user: Arc<Register>| {
        count.set(count.get() + 1);
        if count.get() < call {
            return Err(format!("call {}", count.get()));
        }
        Ok(super::lab::Registered { id: user.id })
    };
    (calls, function)
}
