//! What the pages of servers and databases show, and what is done there: over memory and SQLite, with real letters, jobs, rounds and
//! records.

mod away;
mod hostile;
mod many;
mod overview;
mod shop;
mod works;
