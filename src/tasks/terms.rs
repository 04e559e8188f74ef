//! By which rules a task is done.

use std::time::Duration;

use super::rows::Limit;

/// The rules of a task. `#[derive(Task)]` writes them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskTerms {
    pub(crate) queue: &'static str,
    pub(crate) attempts: u32,
    pub(crate) first_wait: Duration,
    pub(crate) longest_wait: Duration,
    pub(crate) timeout: Duration,
    pub(crate) priority: i8,
    pub(crate) expires: Option<Duration>,
    pub(crate) unique_for: Option<Duration>,
    pub(crate) unique_while_running: bool,
    pub(crate) limit: Limit,
}

impl TaskTerms {
    /// Creates the rules that hold if nothing is said.
    pub const fn new() -> Self {
        Self {
            queue: "default",
            attempts: 15,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60 * 60),
            timeout: Duration::from_secs(15 * 60),
            priority: 0,
            expires: None,
            unique_for: None,
            unique_while_running: true,
            limit: Limit { at_once: None, rate: None },
        }
    }

    /// Sets in which queue jobs wait. The default is `default`.
    pub const fn queue(mut self, queue: &'static str) -> Self {
        self.queue = queue;
        self
    }

    /// Sets how often a job is tried. The default is 15, and the least is 1.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = if attempts == 0 { 1 } else { attempts };
        self
    }

    /// Sets how long a job waits after a failure: a random time up to the first, which is doubled after each failure, up to the
    /// longest. The defaults are 1 s and 1 h.
    pub const fn waits(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_wait, self.longest_wait) = (first, longest);
        self
    }

    /// Sets how long an attempt may take. The default is 15 min.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how urgent a job is, from -9 to 9. The default is 0. A priority is a head start: of 1 s at priority 1, and each step
    /// doubles it, up to 256 s at 9; below 0 it is as much of a delay, when others wait. A job goes before those without one that
    /// became due up to so long before it, and so keeps no job waiting for longer than that.
    pub const fn priority(mut self, priority: i8) -> Self {
        self.priority = priority;
        self
    }

    /// Sets how long a job may be due before it begins. One that waits for longer fails. The default is for ever.
    pub const fn expires(mut self, limit: Duration) -> Self {
        self.expires = Some(limit);
        self
    }

    /// Sets that a unique key is taken for so long from when the job was enqueued, also if it is over by then.
    pub const fn unique_for(mut self, time: Duration) -> Self {
        self.unique_for = Some(time);
        self
    }

    /// Sets that a unique key is free again as soon as the job is running.
    pub const fn unique_while_waiting(mut self) -> Self {
        self.unique_while_running = false;
        self
    }

    /// Sets how many jobs of a key run at the same time.
    pub const fn at_once(mut self, most: u32) -> Self {
        self.limit.at_once = Some(if most == 0 { 1 } else { most });
        self
    }

    /// Sets how many jobs of a key begin in such a time.
    pub const fn rate(mut self, most: u32, time: Duration) -> Self {
        self.limit.rate = Some((if most == 0 { 1 } else { most }, time));
        self
    }
}

impl Default for TaskTerms {
    fn default() -> Self {
        Self::new()
    }
}
