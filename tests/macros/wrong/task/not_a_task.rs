//! What cannot be a task, and what is no event of one.

use convoke::Task;
use serde::{Deserialize, Serialize};

#[derive(Task, Serialize)]
struct Borrowed<'a> {
    name: &'a str,
}

#[derive(Task, Clone, Copy)]
union Both {
    id: u64,
    of: u32,
}

#[derive(Task, Serialize, Deserialize)]
struct Misplaced {
    #[task(unique)]
    id: u64,
}

struct Plain;

#[derive(Task, Serialize, Deserialize)]
#[task(fails = Plain)]
struct Register {
    id: u64,
}

#[derive(Task, Serialize, Deserialize)]
struct Here {
    #[serde(skip)]
    of: std::rc::Rc<u64>,
}

struct Greet;

fn name<T: Task>() -> &'static str {
    T::NAME
}

fn main() {
    name::<Greet>();
}
