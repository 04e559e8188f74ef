//! Keys that do not exist, say what cannot be, or are given twice.

use convoke::Task;
use serde::{Deserialize, Serialize};

#[derive(Task, Serialize, Deserialize)]
#[task(retries = 5)]
struct Unknown;

#[derive(Task, Serialize, Deserialize)]
#[task("mail")]
struct Keyless;

#[derive(Task, Serialize, Deserialize)]
#[task]
struct Bare;

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 0)]
struct NoAttempt;

#[derive(Task, Serialize, Deserialize)]
#[task(timeout = 30)]
struct NoUnit;

#[derive(Task, Serialize, Deserialize)]
#[task(timeout = "30 seconds")]
struct OtherUnit;

#[derive(Task, Serialize, Deserialize)]
#[task(expires = "0s")]
struct NoTime;

#[derive(Task, Serialize, Deserialize)]
#[task(expires = "99999999999999999999d")]
struct TooLong;

#[derive(Task, Serialize, Deserialize)]
#[task(priority = 10)]
struct TooUrgent;

#[derive(Task, Serialize, Deserialize)]
#[task(first_wait = "2h")]
struct Waits;

#[derive(Task, Serialize, Deserialize)]
#[task(unique(id, while = "running"))]
struct State {
    id: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(per_key(tenant))]
struct NoLimit {
    tenant: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(per_key(tenant, rate = "10/m"))]
struct NoRate {
    tenant: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(attempts = 5)]
#[task(timeout = "30s", attempts = 6)]
struct Twice;

#[derive(Task, Serialize, Deserialize)]
#[task(queue = "mail/slow")]
struct Queue;

/// Whoever enqueues one of them has no fault of his own.
fn name<T: Task>(_: &T) -> &'static str {
    T::NAME
}

fn main() {
    name(&Unknown);
    name(&NoAttempt);
    name(&Twice);
}
