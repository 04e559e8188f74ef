//! Tasks without the derives of serde.

use convoke::Task;
use serde::{Deserialize, Serialize};

#[derive(Task)]
struct Register {
    user: u64,
}

#[derive(Task, Serialize)]
#[task(unique)]
struct Greet {
    user: u64,
}

#[derive(Task, Deserialize)]
#[task(unique(user))]
struct Leave {
    user: u64,
}

fn main() {}
