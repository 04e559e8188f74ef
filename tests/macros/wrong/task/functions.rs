//! Functions that do no task.

use std::sync::Arc;

use convoke::transport::Memory;
use convoke::{Event, EventBus, Fault, Repository, Task, Tasks, transport::MemoryDatabase};
use serde::{Deserialize, Serialize};

#[derive(Task, Serialize, Deserialize)]
struct Greet {
    user: u64,
}

#[derive(Event, Serialize, Deserialize)]
struct Greeted {
    user: u64,
}

struct Mailer;

#[derive(Debug)]
struct Away;

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is away")
    }
}

impl std::error::Error for Away {}

async fn borrows(_: &Greet) {}

async fn asks_for_what_it_cannot_have(_: Arc<Greet>, _: Mailer) {}

async fn returns_a_number(_: Arc<Greet>) -> Result<u32, Fault> {
    Ok(7)
}

async fn fails_with_another_error(_: Arc<Greet>) -> Result<Greeted, Fault> {
    Err(Away)?
}

async fn find(_: u64) -> Option<Mailer> {
    None
}

fn main() {
    let tasks = || -> Tasks<MemoryDatabase> { Tasks::new(&Memory::database(), &EventBus::default()) };
    let _ = tasks().on(borrows);
    let _ = tasks().on(asks_for_what_it_cannot_have);
    let _ = tasks().on(returns_a_number);
    let _ = tasks().on(fails_with_another_error);
    let _ = Repository::new(find);
}
