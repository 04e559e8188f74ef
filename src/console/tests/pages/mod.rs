//! What the pages of servers and databases show, and what is done there: over memory and SQLite, with real letters, jobs, rounds and
//! records.

mod shop;
mod overview;
mod letters;
mod many;
mod works;
mod away;
mod hostile;
