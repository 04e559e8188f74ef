//! What others require of work that is divided and comes together again, as rows of one table: each is tried by itself, and named if it
//! fails.
//!
//! `table.rs: rules, steps, what comes of them → case.rs → a durable broker over a database in memory, opened anew where a row says so`
//!
//! The rows follow, in words of our own, the public requirements of aws/aws-durable-execution-conformance-tests (Apache-2.0) for its
//! operations *parallel* (8-…), *map* (9-…), *callback* (4-…) and *wait for callback* (7-…), which are 76. A row begins with the number of
//! its requirement. A branch or an item is a party here, a success its signal, a failure its veto; the least number of successes is
//! `Release::at_least`, tolerated failures are `OnVeto::Tolerate` and `TolerateShare`, a callback is a signal for a key, and an execution
//! that is suspended and replayed is a broker that is closed and opened anew.
//!
//! What is decided otherwise here stands in its row: of nobody there is no round, so an empty set is an error when the broker is set up
//! (8-5, 9-4); a number that cannot be reached any more ends the round at once, with what there is (8-17); and signals come in the order
//! in which they were given, so whoever wants another asks by name (8-11, 9-11).
//!
//! Not counted, for there is nothing here that could do it right or wrong:
//!
//! - 8-12 and 9-12, by which branches leave no records of their own: there is no history of operations.
//! - 9-19 and 9-20, a serializer of the whole result: an outcome is written by us alone, and what is the user's in it are its payloads
//!   (8-15, 9-14).
//! - 4-4, 4-5, 7-12 and 7-13, heartbeats: those are of a party that is asked, and are tried in `summons`.

mod case;
mod table;

use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn each_row_comes_out_as_it_says() {
    let only = std::env::var("CONVOKE_CASE").unwrap_or_default();
    let rows: Vec<_> = table::rows().into_iter().filter(|row| row.name.contains(&only)).collect();
    let mut names: Vec<_> = rows.iter().map(|row| row.name.split_once(' ').unwrap().0).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len(), "each requirement has one row");
    let failed: Vec<_> =
        rows.iter().filter(|row| catch_unwind(AssertUnwindSafe(|| row.run())).is_err()).map(|row| row.name).collect();
    println!("figure: {} rows of requirements for work that comes together again, {} failed", rows.len(), failed.len());
    assert!(failed.is_empty(), "these have failed, and say above why: {failed:#?}");
}
