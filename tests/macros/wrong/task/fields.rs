//! Fields that the task does not have, or that cannot be what they are named for.

use convoke::Task;
use serde::{Deserialize, Serialize};

#[derive(Task, Serialize, Deserialize)]
#[task(unique(user, tenant))]
struct Register {
    user: u64,
    of: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(per_key(tenant, at_once = 1))]
enum Work {
    Open { tenant: u32 },
    Close,
}

#[derive(Task, Serialize, Deserialize)]
#[task(per_key(tenant, at_once = 1))]
struct Charge {
    tenant: Option<u32>,
}

#[derive(Task, Serialize, Deserialize)]
#[task(unique(since))]
struct Report {
    #[serde(skip)]
    since: Option<std::time::Instant>,
}

#[derive(Task, Serialize, Deserialize)]
#[task(id = "user")]
struct Greet {
    user: u64,
}

fn main() {}
