//! The numbers of jobs: none is given twice, whatever is rolled back.
//!
//! `draw → a time in µs that no other job of this process has → the first of a statement is that, or higher → note`
//!
//! A file forgets what a transaction has drawn that is rolled back, and whoever has a handle from there would have one of another
//! job. So a number is the time: whoever draws later draws a higher one. In this process that holds whatever becomes of the clock.
//! Between processes it holds unless the clock was set back behind what the file has given: then a number goes beyond that by some
//! chance.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

/// The last number that this process has drawn, of whatever file.
static LAST: AtomicI64 = AtomicI64::new(0);

/// How far a number may go beyond the last one of a file that is ahead of the clock.
const BEYOND: i64 = 1 << 10;

/// The number of the first job of a statement: ?1 if the file has given none that is higher, and else one that goes beyond it by ?2.
/// The others have the next ones.
pub(super) const FIRST: &str = "(SELECT iif(seq < ?1, ?1, seq + ?2) FROM sqlite_sequence WHERE name = 'convoke_job')";

/// Draws so many numbers, and returns the first, and by how much one goes beyond that of a file that is ahead.
pub(super) fn draw(count: usize) -> (i64, i64) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let first = |last: i64| last.saturating_add(1).max(now);
    let drawn = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
        Some(first(last).saturating_add(count).saturating_sub(1))
    });
    (first(drawn.unwrap_or_else(|last| last)), fastrand::i64(1..=BEYOND))
}

/// A file has given this number.
pub(super) fn note(last: i64) {
    LAST.fetch_max(last, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::*;
    use crate::sql::sqlite::prepare;

    #[actix_rt::test]
    async fn of_a_file_that_is_ahead_of_the_clock_a_number_goes_beyond() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let ahead = draw(1).0 + 3_600_000_000;
        for seq in [0, ahead] {
            let set = "UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'convoke_job'";
            sqlx::query(set).bind(seq).execute(&mut connection).await.unwrap();
            let mut given = std::collections::BTreeSet::new();
            for _ in 0..4 {
                let sql = sqlx::AssertSqlSafe(format!("SELECT {FIRST}"));
                let (first, beyond) = draw(1);
                let drawn = sqlx::query_scalar::<_, i64>(sql).bind(first).bind(beyond).fetch_one(&mut connection).await;
                let drawn = drawn.unwrap();
                assert!(drawn > seq && drawn <= first.max(seq + BEYOND), "{drawn}");
                given.insert(drawn);
            }
            assert!(given.len() > 1, "as if somebody else had drawn them: {given:?}");
        }
    }

    #[test]
    fn what_is_drawn_is_not_drawn_again() {
        let drawing = || std::thread::spawn(|| (0..1_000).map(|_| draw(3).0).collect::<Vec<_>>());
        let mut all: Vec<_> = [drawing(), drawing()].into_iter().flat_map(|one| one.join().unwrap()).collect();
        all.sort_unstable();
        assert!(all.is_sorted_by(|one, next| one + 3 <= *next));
        let ahead = draw(1).0 + 1_000_000;
        note(ahead);
        assert_eq!(draw(1).0, ahead + 1);
    }
}
