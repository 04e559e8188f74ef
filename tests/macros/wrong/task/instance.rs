//! An instance that is not named as it has to be, or that is deleted and not named at all.

use convoke::Task;
use serde::{Deserialize, Serialize};

#[derive(Task, Serialize, Deserialize)]
#[task(instance(User))]
struct NoField {
    user: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(id: User, account: User))]
struct Two {
    id: u64,
    account: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User))]
struct OtherField {
    id: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(delete_on_success)]
struct OfWhat {
    id: u64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(id: User), delete_on_failure = true)]
struct Valued {
    id: u64,
}

fn main() {}
