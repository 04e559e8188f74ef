//! Whose turn it is: of keys with a limit each has one job after the other, from where the last lending ended.
//!
//! `cursor → the keys behind it that have room, each with its first job → a second of each, if that is not enough → lend.rs`

use sqlx::SqliteConnection;

use super::add::millis;
use super::jobs::SqliteJobs;
use crate::sql::sqlite::{now, written};
use crate::tasks::queue::Lane;

/// So many keys are looked at beyond those that are wanted: that is how many may have no room without being in the way.
const BEYOND: usize = 256;

/// Walks over the keys of lane ?1 behind ?2, up to ?3, and at most ?4 of them: each is found by the index with its first job, however
/// many it has. Of each it says how many may be lent: no more than ?5, than ?6 less those that run or are in ?10, and than its rate has
/// left, of which ?7 are free at once and ?8 is the time of one in µs; ?9 is the time. What it lists is the key, that, and the id and
/// the rank of the first.
pub(super) const WALK: &str = "WITH RECURSIVE \
    walk (id, key, rank) AS ( \
        SELECT id, key, rank FROM convoke_job WHERE id = ( \
            SELECT id FROM convoke_job WHERE lane = ?1 AND state = 1 AND key > ?2 AND key <= ?3 ORDER BY key, rank, id LIMIT 1 \
        ) \
        UNION ALL \
        SELECT j.id, j.key, j.rank FROM walk CROSS JOIN convoke_job AS j ON j.id = ( \
            SELECT id FROM convoke_job WHERE lane = ?1 AND state = 1 AND key > walk.key AND key <= ?3 ORDER BY key, rank, id LIMIT 1 \
        ) LIMIT ?4 \
    ), \
    rates (id, key, rank, running, until) AS MATERIALIZED ( \
        SELECT id, key, rank, \
            iif(?6 IS NULL, 0, (SELECT count(*) FROM convoke_job WHERE state = 3 AND convoke_job.key = walk.key AND key IS NOT NULL) \
                + iif(?10 = '[]', 0, (SELECT count(*) FROM json_each(?10) AS taken WHERE taken.value = walk.key))), \
            iif(?8 IS NULL, 0, max(?9, coalesce((SELECT until FROM convoke_job_rate AS r WHERE r.key = walk.key), 0))) \
        FROM walk \
    ), \
    rooms (id, key, rank, room) AS ( \
        SELECT id, key, rank, min(?5, coalesce(?6 - running, ?5), iif(?8 IS NULL, ?5, (?9 + ?7 * ?8 - until) / ?8)) FROM rates \
    ) \
    SELECT coalesce((SELECT json_group_array(json_array(key, room, id, rank)) FROM rooms WHERE room > 0), '[]'), \
        (SELECT count(*) FROM rates), (SELECT max(key) FROM rates), \
        (SELECT min(until - (?7 - 1) * ?8) FROM rates WHERE until - (?7 - 1) * ?8 > ?9)";

/// Takes the first job of each of these keys of lane ?1, which are listed as [`WALK`] lists them, then a second, and so on; ?3 in all.
pub(super) const TAKE: &str = "WITH RECURSIVE turns (id, key, rank, turn, room) AS ( \
        SELECT value ->> 2, value ->> 0, value ->> 3, 1, value ->> 1 FROM json_each(?2) \
        UNION ALL \
        SELECT j.id, j.key, j.rank, turn + 1, turns.room FROM turns CROSS JOIN convoke_job AS j ON j.id = ( \
            SELECT id FROM convoke_job WHERE lane = ?1 AND state = 1 AND key = turns.key AND (rank, id) > (turns.rank, turns.id) \
            ORDER BY rank, id LIMIT 1 \
        ) WHERE turns.turn < turns.room \
        LIMIT ?3 \
    ) \
    SELECT coalesce((SELECT json_group_array(json_array(id, key)) FROM turns), '[]')";

/// What begins of a key counts for its rate: not what is lent to be ended, for it has waited too long, or has had all its attempts.
pub(super) const COUNT: &str = "INSERT INTO convoke_job_rate (key, until) \
    SELECT j.key, ?2 + count(*) * ?3 FROM json_each(?1) AS taken CROSS JOIN convoke_job AS j ON j.id = taken.value \
    WHERE j.attempt - j.spared < j.attempts \
        AND NOT (j.expires IS NOT NULL AND j.attempt = j.spared AND j.due + j.expires < ?4) GROUP BY j.key \
    ON CONFLICT (key) DO UPDATE SET until = max(until, ?2) + excluded.until - ?2";

/// A key, how many of it may be lent, and the id and the rank of its first job.
type Roomy = (i64, i64, i64, i64);

/// The jobs that were taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) ids: Vec<i64>,
    /// The key of each.
    pub(super) keys: Vec<i64>,
    /// When a key has room again by its rate, in ms since 1970.
    pub(super) room: Option<i64>,
}

/// Takes up to `most` jobs of a lane, which are to be lent in this transaction beside others that have these keys.
pub(super) async fn take(
    jobs: &SqliteJobs,
    connection: &mut SqliteConnection,
    lane: &Lane,
    most: usize,
    beside: &[i64],
) -> Result<Taken, sqlx::Error> {
    let cursor = jobs.lending().cursors.get(&lane.number).copied().unwrap_or(i64::MAX);
    let (mut taken, mut rooms, mut seen) = (Taken::default(), Vec::<Roomy>::new(), 0);
    let (mut from, mut to, mut is_second) = (cursor, i64::MAX, false);
    let mut reached = None;
    let moment = now();
    let now = moment.saturating_mul(1000);
    let (burst, each) = lane.rate().unzip();
    let rest = i64::try_from(most).unwrap_or(i64::MAX);
    while rooms.len() < most && seen <= most.saturating_add(BEYOND) {
        let width = i64::try_from((most - rooms.len()).max(16)).unwrap_or(i64::MAX);
        let query = sqlx::query_as::<_, (String, i64, Option<i64>, Option<i64>)>(WALK);
        let query = query.bind(lane.number).bind(from).bind(to).bind(width).bind(rest);
        let query = query.bind(lane.at_once()).bind(burst).bind(each).bind(now).bind(written(beside));
        let (found, walked, last, room) = query.fetch_one(&mut *connection).await?;
        // What SQLite has written can be read.
        rooms.extend(serde_json::from_str::<Vec<Roomy>>(&found).unwrap_or_default());
        taken.room = taken.room.into_iter().chain(room.map(millis)).min();
        seen = seen.saturating_add(usize::try_from(walked).unwrap_or_default());
        reached = last.or(reached);
        from = last.unwrap_or(from);
        if walked < width {
            if is_second {
                break;
            }
            // Once around.
            (from, to, is_second) = (i64::MIN, cursor, true);
        }
    }
    if rooms.len() >= most && most > 0 {
        // Each has a first job, and that is enough.
        (taken.ids, taken.keys) = rooms.iter().take(most).map(|(key, _, id, _)| (*id, *key)).unzip();
        reached = taken.keys.last().copied().or(reached);
    } else if !rooms.is_empty() {
        let rooms = serde_json::to_string(&rooms).unwrap_or_default();
        let query = sqlx::query_scalar::<_, String>(TAKE).bind(lane.number).bind(rooms).bind(rest);
        let found = query.fetch_one(&mut *connection).await?;
        let found: Vec<(i64, i64)> = serde_json::from_str(&found).unwrap_or_default();
        (taken.ids, taken.keys) = found.into_iter().unzip();
        // Whoever is behind the last has the next turn.
        reached = taken.keys.last().copied().or(reached);
    } else if seen > BEYOND {
        // There are more than were looked at: the next look begins behind them.
        taken.room = Some(0);
    }
    if let Some(reached) = reached {
        jobs.lending().cursors.insert(lane.number, reached);
    }
    if let Some(each) = each
        && !taken.keys.is_empty()
    {
        let count = sqlx::query(COUNT).bind(written(&taken.ids)).bind(now).bind(each).bind(moment);
        count.execute(connection).await?;
    }
    Ok(taken)
}
