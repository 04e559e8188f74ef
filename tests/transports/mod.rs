//! The conformance suite over each transport, and one table of all of them.
//!
//! `fixture → conform → Suite → Table → the joint table, printed and kept in a file`

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use convoke::transport::conformance::{Fixture, Scale, Suite, Table};

/// How servers are started, killed, started again and ended: a file for each.
pub(crate) mod servers;
/// SNS and SQS, over what stands in for them.
mod aws;
/// One log for all tests of the binary.
mod logged;
/// Workers in processes of their own, killed with `kill -9`.
mod killed;
/// Whoever looks at them.
mod look;
/// The queue in this process.
mod memory;
/// Outboxes: one suite over each database.
pub(crate) mod outbox;
/// Workers in processes of their own that die of one event.
mod poisoned;
/// PostgreSQL.
mod postgres;
/// RabbitMQ.
mod rabbitmq;
/// Redis.
mod redis;
/// SQLite.
mod sqlite;
/// Stores: one suite over each database.
mod store;
/// Tasks: one suite over each database.
mod tasks;
/// Servers that cannot be reached.
mod unreached;

/// What all suites of this process have found out.
static JOINT: Mutex<Option<Table>> = Mutex::new(None);

/// Runs the suite over what `make` gives, in real time, prints the joint table, and fails unless all holds.
///
/// A server that cannot be had is an error of `make`, one clear line: the test passes and the table says so, but under CI
/// it fails.
pub(crate) fn conform<F: Fixture, E: Display>(name: &str, make: impl AsyncFnOnce() -> Result<F, E>) {
    let table = actix::System::new().block_on(async {
        match make().await {
            Ok(fixture) => suite().run(&fixture).await,
            Err(unavailable) => {
                let mut table = Table::new();
                table.add_absent(name, unavailable.to_string());
                table
            }
        }
    });
    let joint = record(&table);
    println!("{joint}");
    if table.rows().next().is_some() {
        table.assert_passed();
    } else {
        assert!(
            !crate::transports::servers::is_ci(),
            "{name} could not be tried, and under CI that is a failure:\n{table}"
        );
    }
}

/// Names what is run only where somebody asks for it: a line of the table, and no failure under CI.
pub(crate) fn not_asked_for(name: &str, how: &str) {
    let mut table = Table::new();
    table.add_absent(name, how);
    println!("{}", record(&table));
}

/// The suite as the environment wants it.
fn suite() -> Suite {
    let scale = if std::env::var_os("CONVOKE_FULL").is_some() { Scale::Full } else { Scale::Small };
    let suite = Suite::new().scale(scale);
    match std::env::var("CONVOKE_CASE") {
        Ok(part) => suite.only(part),
        Err(_) => suite,
    }
}

/// Adds it to the joint table, and keeps that where `tests/run` finds it.
fn record(table: &Table) -> String {
    let mut joint = JOINT.lock().unwrap_or_else(PoisonError::into_inner);
    let joint = joint.get_or_insert_with(Table::new);
    joint.merge(table);
    let text = joint.to_string();
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/transports.txt");
    if let Err(error) = std::fs::write(file, &text) {
        println!("the table could not be written to {file}: {error}");
    }
    text
}
