//! Whose turn it is: of keys with a limit each has one job after the other, from where the last lending ended.
//!
//! `cursor → the keys behind it that have room → a job of each, then a second of each → lend.rs`

use sqlx::SqliteConnection;

use super::jobs::SqliteJobs;
use crate::sql::sqlite::now;
use crate::tasks::queue::Lane;

/// So many keys are looked at beyond those that are wanted: that is how many may have no room without being in the way.
const BEYOND: usize = 256;

/// Walks over the keys of lane ?1 behind ?2, up to ?3, and at most ?4 of them: each is found by the index, however many jobs it
/// has. Of each it says how many may be lent: no more than ?5, than ?6 less those that run, and than its rate has left, of which
/// ?7 are free at once and ?8 is the time of one in µs; ?9 is the time. Then it takes a first job of each that has room, a second, and so on.
pub(super) const TURNS: &str = "WITH RECURSIVE \
    walk (key, place) AS ( \
        SELECT (SELECT key FROM convoke_job WHERE lane = ?1 AND state = 1 AND key > ?2 AND key <= ?3 ORDER BY key LIMIT 1), 1 \
        UNION ALL \
        SELECT (SELECT key FROM convoke_job WHERE lane = ?1 AND state = 1 AND key > walk.key AND key <= ?3 ORDER BY key LIMIT 1), \
            place + 1 \
        FROM walk WHERE key IS NOT NULL LIMIT ?4 \
    ), \
    rates (key, place, running, until) AS MATERIALIZED ( \
        SELECT key, place, \
            iif(?6 IS NULL, 0, (SELECT count(*) FROM convoke_job WHERE state = 3 AND convoke_job.key = walk.key AND key IS NOT NULL)), \
            iif(?8 IS NULL, 0, max(?9, coalesce((SELECT until FROM convoke_job_rate AS r WHERE r.key = walk.key), 0))) \
        FROM walk WHERE key IS NOT NULL \
    ), \
    rooms (key, place, room) AS MATERIALIZED ( \
        SELECT key, place, \
            min(?5, coalesce(?6 - running, ?5), iif(?8 IS NULL, ?5, (?9 + ?7 * ?8 - until) / ?8)) \
        FROM rates \
    ), \
    turns (id, key, rank, turn, room) AS ( \
        SELECT j.id, j.key, j.rank, 1, rooms.room FROM rooms CROSS JOIN convoke_job AS j ON j.id = ( \
            SELECT id FROM convoke_job WHERE lane = ?1 AND state = 1 AND key = rooms.key ORDER BY rank, id LIMIT 1 \
        ) WHERE rooms.room > 0 \
        UNION ALL \
        SELECT j.id, j.key, j.rank, turn + 1, turns.room FROM turns CROSS JOIN convoke_job AS j ON j.id = ( \
            SELECT id FROM convoke_job WHERE lane = ?1 AND state = 1 AND key = turns.key AND (rank, id) > (turns.rank, turns.id) \
            ORDER BY rank, id LIMIT 1 \
        ) WHERE turns.turn < turns.room \
        LIMIT ?5 \
    ) \
    SELECT coalesce((SELECT json_group_array(json_array(id, key)) FROM turns), '[]'), \
        (SELECT count(*) FROM rates), (SELECT max(key) FROM rates), \
        (SELECT min(until - (?7 - 1) * ?8) FROM rates WHERE until - (?7 - 1) * ?8 > ?9)";

/// What has begun of a key counts for its rate.
pub(super) const COUNT: &str = "INSERT INTO convoke_job_rate (key, until) \
    SELECT value, ?2 + count(*) * ?3 FROM json_each(?1) WHERE true GROUP BY value \
    ON CONFLICT (key) DO UPDATE SET until = max(until, ?2) + excluded.until - ?2";

/// The jobs that were taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) ids: Vec<i64>,
    /// When a key has room again by its rate, in ms since 1970.
    pub(super) room: Option<i64>,
}

/// Takes up to `most` jobs of a lane, which are to be lent in this transaction.
pub(super) async fn take(
    jobs: &SqliteJobs,
    connection: &mut SqliteConnection,
    lane: &Lane,
    most: usize,
) -> Result<Taken, sqlx::Error> {
    let cursor = jobs.lending().cursors.get(&lane.number).copied().unwrap_or(i64::MAX);
    let (mut taken, mut keys, mut seen) = (Taken::default(), Vec::new(), 0);
    let (mut from, mut to, mut is_second) = (cursor, i64::MAX, false);
    if cursor == i64::MAX {
        (from, to, is_second) = (i64::MIN, i64::MAX, true);
    }
    let now = now().saturating_mul(1000);
    let (burst, each) = lane.rate().unzip();
    while taken.ids.len() < most && seen <= most.saturating_add(BEYOND) {
        let rest = most - taken.ids.len();
        let width = i64::try_from(rest.max(16)).unwrap_or(i64::MAX);
        let query = sqlx::query_as::<_, (String, i64, Option<i64>, Option<i64>)>(TURNS);
        let query = query.bind(lane.number).bind(from).bind(to).bind(width);
        let query = query.bind(i64::try_from(rest).unwrap_or(i64::MAX)).bind(lane.at_once()).bind(burst).bind(each);
        let (found, walked, last, room) = query.bind(now).fetch_one(&mut *connection).await?;
        // What SQLite has written can be read.
        let found: Vec<(i64, i64)> = serde_json::from_str(&found).unwrap_or_default();
        // A key that was not reached any more has its turn first the next time.
        let reached = if found.len() < rest { last } else { found.iter().map(|(_, key)| *key).max() };
        taken.ids.extend(found.iter().map(|(id, _)| *id));
        keys.extend(found.iter().map(|(_, key)| *key));
        taken.room = taken.room.into_iter().chain(room.map(|room| super::add::millis(room))).min();
        seen = seen.saturating_add(usize::try_from(walked).unwrap_or_default());
        if let Some(reached) = reached {
            from = reached;
            jobs.lending().cursors.insert(lane.number, reached);
        }
        if walked < width {
            if is_second {
                break;
            }
            (from, to, is_second) = (i64::MIN, cursor, true);
        }
    }
    if let Some(each) = each
        && !keys.is_empty()
    {
        let keys = crate::sql::sqlite::written(&keys);
        sqlx::query(COUNT).bind(keys).bind(now).bind(each).execute(connection).await?;
    }
    // There are more than were looked at: the next look begins behind them.
    if taken.ids.is_empty() && seen > BEYOND {
        taken.room = Some(0);
    }
    Ok(taken)
}
