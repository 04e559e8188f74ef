//! How jobs are lent: what has become due is ready, the first that are ready are lent, and read.
//!
//! `look: is there anything? → wake: due, or lost by another → turns.rs: of keys with a limit → UPDATE → Loan`

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, SqliteConnection};
use tokio::time::Instant;

use super::jobs::SqliteJobs;
use super::turns;
use crate::sql::sqlite::{Joined, after, join, now, written};
use crate::tasks::queue::{Lane, wakes};
use crate::tasks::{Held, Loan, Loans, Wanted};
use crate::transport::TransportError;

/// While there is more than is wanted, it is not looked more often what else there is.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// So many lanes are merged by one statement; of more, those whose first job goes first.
const MERGED: usize = 16;

/// What is ready in these lanes, in which of them jobs wait for their turn, and when the next is due or a lease ends.
pub(super) const LOOK: &str = "SELECT \
    EXISTS (SELECT 1 FROM json_each(?1) AS l WHERE EXISTS (SELECT 1 FROM convoke_job WHERE lane = l.value AND state = 0)), \
    (SELECT json_group_array(l.value) FROM json_each(?1) AS l \
        WHERE EXISTS (SELECT 1 FROM convoke_job WHERE lane = l.value AND state = 1)), \
    (SELECT at FROM convoke_job WHERE state = 2 AND state > 1 ORDER BY at LIMIT 1), \
    (SELECT at FROM convoke_job WHERE state = 3 AND state > 1 ORDER BY at LIMIT 1)";

/// Makes ready what is due, and what was lent for a time that is over, some at a time so that others can write between. What
/// was lost with its worker says nothing of why it failed.
pub(super) const WAKE: &str = "UPDATE convoke_job SET \
        state = iif(key IS NULL OR cancelled, 0, 1), text = iif(state = 3, NULL, text) \
    WHERE id IN ( \
        SELECT * FROM (SELECT id FROM convoke_job WHERE state = 2 AND state > 1 AND at <= ?1 ORDER BY at LIMIT ?2) \
        UNION ALL \
        SELECT * FROM (SELECT id FROM convoke_job WHERE state = 3 AND state > 1 AND at <= ?1 ORDER BY at LIMIT ?2) \
    )";

/// What a job is once it is lent: ?3 is the end of the lease, and ?4 the ticket.
const LENT: &str = "UPDATE convoke_job SET state = 3, at = ?3, ticket = ?4, attempt = attempt + 1, \
    hold = iif(hold = 2 AND coalesce(held_until, 0) <= ?1, -2, hold)";

/// Those that were just lent, as one row.
fn read_sql() -> String {
    let columns = "rank, attempt, attempts + spared, task, cause, due, cancelled, \
        expires IS NOT NULL AND attempt - spared = 1 AND due + expires < ?1, text";
    format!(
        "SELECT {} FROM convoke_job WHERE state = 3 AND state > 1 AND at = ?3 AND ticket = ?4",
        join("id", columns, "payload", &["task", "cause", "text"])
    )
}

/// Lends the first ?5 of so many lanes, which are behind that. The lanes are merged, so that nothing is sorted.
pub(super) fn lend_sql(lanes: usize) -> String {
    let lane = |lane: usize| format!("SELECT id, rank FROM convoke_job WHERE lane = ?{} AND state = 0", lane + 6);
    let all: Vec<_> = (0..lanes.max(1)).map(lane).collect();
    format!("{LENT} WHERE id IN (SELECT id FROM ({} ORDER BY rank, id LIMIT ?5))", all.join(" UNION ALL "))
}

/// Lends those of a list that are still ready.
pub(super) fn lend_these_sql() -> String {
    format!("{LENT} WHERE id IN (SELECT value FROM json_each(?5)) AND state <= 1")
}

/// Those that are large, one by one.
pub(super) const LARGE: &str = "SELECT j.id, j.payload, j.rank, j.attempt, j.attempts + j.spared, j.task, j.cause, j.due, j.cancelled, \
        j.expires IS NOT NULL AND j.attempt - j.spared = 1 AND j.due + j.expires < ?2, j.text \
    FROM json_each(?1) AS large CROSS JOIN convoke_job AS j ON j.id = large.value";

/// Which lanes have anything, those first whose first goes first.
pub(super) const FIRSTS: &str = "SELECT value FROM (SELECT l.value AS value, \
        (SELECT rank FROM convoke_job WHERE lane = l.value AND state = 0 ORDER BY rank LIMIT 1) AS rank \
    FROM json_each(?1) AS l) WHERE rank IS NOT NULL ORDER BY rank";

/// What a look has found.
struct Look {
    is_ready: bool,
    /// The lanes in which jobs wait for their turn.
    turns: Vec<i64>,
    /// When there is more, in ms since 1970.
    next: Option<i64>,
}

pub(super) async fn lend(jobs: &SqliteJobs, wanted: &Wanted) -> Result<Loans, TransportError> {
    let lanes = Lane::all(wanted);
    let numbers: Vec<i64> = lanes.iter().map(|lane| lane.number).collect();
    if wanted.most == 0 || lanes.is_empty() {
        return Ok(Loans::default());
    }
    let is_limited = lanes.iter().any(Lane::is_limited);
    let is_fresh = jobs.lending().looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY);
    let mut turning = Vec::new();
    // When there is more than was ready, if that is known.
    let mut seen = None;
    // Who only looks waits for nobody who writes.
    if is_limited || !is_fresh {
        let look = look(jobs, &numbers).await?;
        let is_due = look.next.is_some_and(|next| next <= now());
        if !look.is_ready && look.turns.is_empty() && !is_due {
            return Ok(Loans { jobs: Vec::new(), next: wait(look.next) });
        }
        turning = lanes.iter().filter(|lane| look.turns.contains(&lane.number)).copied().collect();
        // A job of a key may just be due as well.
        if is_due && turning.is_empty() && is_limited {
            turning = lanes.iter().filter(|lane| lane.is_limited()).copied().collect();
        }
        jobs.lending().looked = Some(Instant::now());
        // Of what is due already there may be more than is made ready at a time.
        seen = Some(if is_due { Some(now()) } else { look.next });
    }
    let (mut lent, room) = match turning.is_empty() {
        true => (lend_first(jobs, &numbers, wanted).await?, None),
        false => {
            jobs.turns.store(true, Ordering::Relaxed);
            lend_in_turn(jobs, &numbers, &turning, wanted).await?
        }
    };
    lent.sort_unstable_by_key(|(rank, loan)| (*rank, loan.id));
    let mut loans = Loans { jobs: lent.into_iter().map(|(_, loan)| loan).collect(), next: None };
    if loans.jobs.len() < wanted.most {
        jobs.lending().looked = None;
        let next = match seen {
            // All that was ready is lent: whoever waits for these does not wait for another look.
            Some(next) if numbers.len() <= MERGED => {
                let lease = (!loans.jobs.is_empty()).then(|| after(now(), wanted.lease));
                next.into_iter().chain(lease).min()
            }
            _ => {
                let look = look(jobs, &numbers).await?;
                if look.is_ready { Some(0) } else { look.next }
            }
        };
        loans.next = wait(next.into_iter().chain(room).min());
    }
    Ok(loans)
}

/// In how long, if there is something at this time.
fn wait(at: Option<i64>) -> Option<Duration> {
    at.map(|at| Duration::from_millis(at.saturating_sub(now()).try_into().unwrap_or_default()))
}

async fn look(jobs: &SqliteJobs, lanes: &[i64]) -> Result<Look, TransportError> {
    let query = sqlx::query_as::<_, (bool, String, Option<i64>, Option<i64>)>(LOOK).bind(written(lanes));
    let mut reader = jobs.glance().await?;
    let looked = query.fetch_one(&mut *reader.connection).await;
    let (is_ready, turns, due, lease) = jobs.store.verified(looked).map_err(|error| jobs.error(&error))?;
    // What SQLite has written can be read.
    let turns = serde_json::from_str(&turns).unwrap_or_default();
    Ok(Look { is_ready, turns, next: due.into_iter().chain(lease).min() })
}

/// A loan, with its rank.
type Ranked = (i64, Loan);

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// The values that each of these statements has.
fn begun(sql: String, wanted: &Wanted, most: usize) -> (Query, i64) {
    let now = now();
    let query = sqlx::query(AssertSqlSafe(sql)).bind(now).bind(wakes(most));
    (query.bind(after(now, wanted.lease)).bind(fastrand::i64(..)), now)
}

/// Lends where no key has a limit. Each of the statements is a transaction by itself; they are one request, because each
/// request costs as much as many rows.
async fn lend_first(jobs: &SqliteJobs, lanes: &[i64], wanted: &Wanted) -> Result<Vec<Ranked>, TransportError> {
    jobs.write(async |connection| {
        let firsts = firsts(connection, lanes).await?;
        let sql = format!("{WAKE}; {}; {}", lend_sql(firsts.len()), read_sql());
        let (query, now) = begun(sql, wanted, wanted.most);
        let mut query = query.bind(i64::try_from(wanted.most).unwrap_or(i64::MAX));
        for lane in firsts {
            query = query.bind(lane);
        }
        read(connection, query, now).await
    })
    .await
}

/// The lanes that are merged.
async fn firsts(connection: &mut SqliteConnection, lanes: &[i64]) -> Result<Vec<i64>, sqlx::Error> {
    if lanes.len() <= MERGED {
        return Ok(lanes.to_vec());
    }
    let mut firsts: Vec<i64> = sqlx::query_scalar(FIRSTS).bind(written(lanes)).fetch_all(connection).await?;
    firsts.truncate(MERGED);
    Ok(firsts)
}

/// Lends where some wait for their turn. Keys have a share of what is wanted, as their lanes are a share of all that have
/// something: so neither they nor others wait for ever. Returns with it when a key has room again, in ms since 1970.
async fn lend_in_turn(
    jobs: &SqliteJobs,
    lanes: &[i64],
    turning: &[Lane],
    wanted: &Wanted,
) -> Result<(Vec<Ranked>, Option<i64>), TransportError> {
    let lent = jobs.transact(async |connection| {
        let lent = in_turn(jobs, connection, lanes, turning, wanted).await;
        lent.map(Some).map_err(|error| jobs.error(&error))
    });
    Ok(lent.await?.unwrap_or_default())
}

async fn in_turn(
    jobs: &SqliteJobs,
    connection: &mut SqliteConnection,
    lanes: &[i64],
    turning: &[Lane],
    wanted: &Wanted,
) -> Result<(Vec<Ranked>, Option<i64>), sqlx::Error> {
    let start = now();
    sqlx::query(WAKE).bind(start).bind(wakes(wanted.most)).execute(&mut *connection).await?;
    let firsts: Vec<i64> = sqlx::query_scalar(FIRSTS).bind(written(lanes)).fetch_all(&mut *connection).await?;
    let mut rest = wanted.most;
    if !firsts.is_empty() {
        let share = rest.saturating_mul(turning.len()) as f64 / (turning.len() + firsts.len()) as f64;
        // By chance where there is no whole number, so that one that is wanted at a time is any of them in turn.
        rest = (share + fastrand::f64()) as usize;
    }
    let (mut ids, mut keys, mut room) = (Vec::new(), Vec::new(), None);
    let mut turning = turning.to_vec();
    fastrand::shuffle(&mut turning);
    for (place, lane) in turning.iter().enumerate() {
        let share = rest.div_ceil(turning.len() - place);
        let taken = turns::take(jobs, connection, lane, share, &keys).await?;
        rest -= taken.ids.len().min(rest);
        ids.extend(taken.ids);
        keys.extend(taken.keys);
        room = room.into_iter().chain(taken.room).min();
    }
    let (mut lent, mut queries) = (Vec::new(), Vec::new());
    if !ids.is_empty() {
        let (query, now) = begun(format!("{}; {}", lend_these_sql(), read_sql()), wanted, wanted.most);
        queries.push((query.bind(written(&ids)), now));
    }
    let rest = wanted.most.saturating_sub(ids.len());
    if !firsts.is_empty() && rest > 0 {
        let firsts = &firsts[..firsts.len().min(MERGED)];
        let (query, now) = begun(format!("{}; {}", lend_sql(firsts.len()), read_sql()), wanted, rest);
        let mut query = query.bind(i64::try_from(rest).unwrap_or(i64::MAX));
        for lane in firsts {
            query = query.bind(*lane);
        }
        queries.push((query, now));
    }
    for (query, now) in queries {
        lent.extend(read(connection, query, now).await?);
    }
    Ok((lent, room))
}

/// What stands beside a payload.
type Columns = (i64, u32, u32, String, Option<String>, i64, u8, u8, Option<String>);

async fn read(connection: &mut SqliteConnection, query: Query, now: i64) -> Result<Vec<Ranked>, sqlx::Error> {
    let Joined { small, large } = Joined::<Columns>::read(&query.fetch_one(&mut *connection).await?)?;
    let small = small.into_iter().map(|(id, columns, payload)| loan(id, columns, payload, now));
    let mut loans = small.collect::<Result<Vec<_>, _>>()?;
    if !large.is_empty() {
        let rows = sqlx::query(LARGE).bind(written(&large)).bind(now).fetch_all(connection).await?;
        for row in rows {
            loans.push(loan_of(&row, now)?);
        }
    }
    Ok(loans)
}

fn loan(
    id: i64,
    (rank, attempt, attempts, task, cause, due, is_cancelled, is_expired, reason): Columns,
    payload: Vec<u8>,
    now: i64,
) -> Result<Ranked, sqlx::Error> {
    let waited = Duration::from_millis(now.saturating_sub(due).try_into().unwrap_or_default());
    let (is_cancelled, is_expired, payload) = (is_cancelled > 0, is_expired > 0, text_of(payload)?);
    Ok((rank, Loan { id, attempt, attempts, task, payload, cause, waited, is_cancelled, is_expired, reason }))
}

fn loan_of(row: &SqliteRow, now: i64) -> Result<Ranked, sqlx::Error> {
    let columns = (
        row.try_get(2)?,
        row.try_get(3)?,
        row.try_get(4)?,
        row.try_get(5)?,
        row.try_get(6)?,
        row.try_get(7)?,
        row.try_get(8)?,
        row.try_get(9)?,
        row.try_get(10)?,
    );
    loan(row.try_get(0)?, columns, row.try_get(1)?, now)
}

/// A payload, which is JSON.
pub(super) fn text_of(payload: Vec<u8>) -> Result<String, sqlx::Error> {
    String::from_utf8(payload)
        .map_err(|_| sqlx::Error::ColumnDecode { index: "payload".to_owned(), source: "it is no text".into() })
}

/// Those that are still lent, with whether they were asked to end.
pub(super) const RENEW: &str = "UPDATE convoke_job AS j SET at = ?2 FROM json_each(?1) AS held \
    WHERE j.id = held.value ->> 0 AND j.attempt = held.value ->> 1 AND j.state = 3 \
    RETURNING id, attempt, cancelled";

pub(super) async fn renew(
    jobs: &SqliteJobs,
    held: &[(i64, u32)],
    lease: Duration,
) -> Result<Vec<Held>, TransportError> {
    if held.is_empty() {
        return Ok(Vec::new());
    }
    // Numbers can always be written.
    let asked = serde_json::to_string(held).unwrap_or_default();
    let renew = sqlx::query_as::<_, (i64, u32, bool)>(RENEW).bind(asked).bind(after(now(), lease));
    let renewed = jobs.write(async |connection| renew.fetch_all(connection).await).await?;
    let renewed: HashMap<_, _> =
        renewed.into_iter().map(|(id, attempt, is_cancelled)| ((id, attempt), is_cancelled)).collect();
    let how = |job: &(i64, u32)| match renewed.get(job) {
        None => Held::Lost,
        Some(false) => Held::Still,
        Some(true) => Held::Cancelled,
    };
    Ok(held.iter().map(how).collect())
}

/// Every statement of this file that looks for rows.
#[cfg(test)]
pub(super) fn all() -> Vec<String> {
    let of_lending = [LOOK, WAKE, LARGE, RENEW].into_iter().map(str::to_owned);
    of_lending.chain([lend_sql(1), lend_sql(5), lend_these_sql(), read_sql()]).collect()
}
