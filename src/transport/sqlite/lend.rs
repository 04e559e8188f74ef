//! How deliveries are lent: what has become due is ready again, the first that are ready are lent, and their packets read.
//!
//! `Subscriber → lend → convoke_delivery (ready → lent) → convoke_message → Packet`

use std::sync::LazyLock;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row as _, SqlSafeStr, SqlStr, SqliteConnection};

use super::insert::lane_of;
use super::parking::most_counted;
use super::queue::Core;
use crate::sql::read_attributes;
use crate::sql::sqlite::{Joined, Moved, after, joined_columns, now, written};
use crate::transport::Packet;

// States of a delivery.
pub(super) const READY: i64 = 0;
pub(super) const HELD: i64 = 1;
pub(super) const LENT: i64 = 2;
// 3 is behind another of its key, and 4 dead in its place.

/// Makes ready what was held back or lent until now, so many at a time that others can write between.
pub(super) const WAKE: &str = "UPDATE convoke_delivery SET state = 0, sort = rank WHERE id IN ( \
        SELECT * FROM (SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 1 AND sort <= ?2 ORDER BY sort LIMIT 500) \
        UNION ALL \
        SELECT * FROM (SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 2 AND sort <= ?2 ORDER BY sort LIMIT 500) \
    )";

/// Lends the first that are ready, and reads them. Each of these is a transaction by itself; they are one request, because
/// each request costs as much as many rows.
pub(super) static LEND: LazyLock<SqlStr> = LazyLock::new(|| AssertSqlSafe(lend_sql()).into_sql_str());

/// The same behind what makes ready.
static WAKE_AND_LEND: LazyLock<SqlStr> =
    LazyLock::new(|| AssertSqlSafe(format!("{WAKE}; {}", lend_sql())).into_sql_str());

fn lend_sql() -> String {
    let columns = "d.lent, d.attempt, d.redriven, d.marked, d.rank, m.packet, m.topic, m.key, m.priority, m.attributes";
    format!(
        "UPDATE convoke_delivery SET state = 2, sort = ?3, ticket = ?5, attempt = attempt + 1, lent = lent + 1 WHERE id IN ( \
            SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 0 ORDER BY sort, id LIMIT ?4 \
        ); \
        SELECT {} FROM convoke_delivery AS d CROSS JOIN convoke_message AS m ON m.id = d.message \
        WHERE d.lane = ?1 AND d.state = 2 AND d.sort = ?3 AND d.ticket = ?5",
        joined_columns("d.id", columns)
    )
}

/// Those that are large, one by one.
pub(super) const LARGE: &str = "SELECT d.id, d.lent, d.attempt, m.packet, m.topic, m.key, m.priority, m.attributes, m.body, \
        d.marked, d.rank, d.redriven \
    FROM json_each(?1) AS large CROSS JOIN convoke_delivery AS d ON d.id = large.value \
    CROSS JOIN convoke_message AS m ON m.id = d.message";

/// Whether something is ready, and when the next is.
pub(super) const LOOK: &str = "SELECT \
    EXISTS (SELECT 1 FROM convoke_delivery WHERE lane = ?1 AND state = 0), \
    (SELECT sort FROM convoke_delivery WHERE lane = ?1 AND state = 1 ORDER BY sort LIMIT 1), \
    (SELECT sort FROM convoke_delivery WHERE lane = ?1 AND state = 2 ORDER BY sort LIMIT 1)";

/// How many wait, up to so many: all but those that are lent or dead.
pub(super) const COUNT: &str = "SELECT count(*) FROM ( \
        SELECT 1 FROM convoke_delivery WHERE lane = ?1 AND state IN (0, 1, 3) LIMIT ?2 \
    )";

/// A packet that is lent.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) id: i64,
    pub(super) lent: i64,
    pub(super) attempt: u32,
    pub(super) redriven: u64,
    rank: i64,
    /// Whether it was heard alone, and nobody has said how that ended.
    pub(super) marked: bool,
    pub(super) packet: Packet,
}

/// Lends up to `most` of a lane in this file, of those that there were at its path.
/// Before that it makes ready what has become due, if asked to.
pub(super) async fn lend(
    core: &Core,
    (lane, generation): (i64, u64),
    most: usize,
    wakes: bool,
) -> Result<Vec<Loan>, sqlx::Error> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut writer = core.store.write().await?;
    // It may just have been opened anew, and there is another lane of this number.
    if core.store.generation() != generation {
        return Err(Moved::Gone.into());
    }
    let now = now();
    let sql = if wakes { WAKE_AND_LEND.clone() } else { LEND.clone() };
    let lend = sqlx::query(sql).bind(lane).bind(now).bind(after(now, core.lease)).bind(most);
    let lent = lend.bind(fastrand::i64(..)).fetch_one(&mut *writer.connection).await;
    let Joined { small, large } = Joined::read(&core.store.verified(lent)?)?;
    let mut loans: Vec<_> = small.into_iter().map(|(id, columns, body)| loan(id, columns, body)).collect();
    if !large.is_empty() {
        let rows = sqlx::query(LARGE).bind(written(&large)).fetch_all(&mut *writer.connection).await;
        for row in core.store.verified(rows)? {
            loans.push(loan_of(&row)?);
        }
    }
    drop(writer);
    loans.sort_unstable_by_key(|loan| (loan.rank, loan.id));
    Ok(loans)
}

/// What stands beside an id and a body.
type Columns = (i64, i64, i64, u8, i64, String, String, Option<String>, u8, Option<String>);

fn loan(
    id: i64,
    (lent, attempt, redriven, marked, rank, name, topic, key, priority, attributes): Columns,
    body: Vec<u8>,
) -> Loan {
    let mut packet = Packet::new(name, body);
    packet.topic = topic;
    packet.key = key;
    packet.priority = priority;
    packet.attributes = read_attributes(attributes.as_deref());
    let attempt = attempt.try_into().unwrap_or(u32::MAX);
    Loan { id, lent, attempt, redriven: redriven.try_into().unwrap_or_default(), rank, marked: marked > 0, packet }
}

/// Returns when there will be something, in ms since 1970: 0 if there is, `None` if nobody knows.
pub(super) async fn look(core: &Core, lane: i64) -> Result<Option<i64>, sqlx::Error> {
    let look = sqlx::query_as::<_, (bool, Option<i64>, Option<i64>)>(LOOK).bind(lane);
    let mut reader = core.store.glance().await?;
    let (ready, held, lent) = look.fetch_one(&mut *reader.connection).await?;
    Ok(if ready { Some(0) } else { held.into_iter().chain(lent).min() })
}

/// Returns how many wait, counted up to 10,000; for a group that is not there yet, none.
pub(super) async fn count(core: &Core) -> Result<u64, sqlx::Error> {
    let mut connection = core.store.read().await?;
    let Some(lane) = lane_of(&mut connection, &core.queue, &core.group, true).await? else { return Ok(0) };
    let count = sqlx::query_scalar::<_, i64>(COUNT).bind(lane).bind(most_counted());
    let count = count.fetch_one(&mut *connection).await?;
    Ok(count.try_into().unwrap_or(0))
}

/// Removes the lane of a group and what it still owes: most of that some at a time, so that others can write between.
pub(super) async fn remove_lane(core: &Core) -> Result<(), sqlx::Error> {
    const SOME: u64 = 1000;
    let some = "DELETE FROM convoke_delivery WHERE id IN (SELECT id FROM convoke_delivery WHERE lane = ?1 LIMIT 1000)";
    let mut connection = core.store.read().await?;
    let Some(lane) = lane_of(&mut connection, &core.queue, &core.group, true).await? else { return Ok(()) };
    drop(connection);
    loop {
        let mut writer = core.store.write().await?;
        if sqlx::query(some).bind(lane).execute(&mut *writer.connection).await?.rows_affected() < SOME {
            break;
        }
    }
    let mut writer = core.store.write().await?;
    let mut transaction = writer.connection.begin_with("BEGIN IMMEDIATE").await?;
    for rest in ["DELETE FROM convoke_delivery WHERE lane = ?1", "DELETE FROM convoke_lane WHERE id = ?1"] {
        sqlx::query(rest).bind(lane).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Returns the packet of one that was lent so often, if it still is.
pub(super) async fn packet(
    connection: &mut SqliteConnection,
    id: i64,
    lent: i64,
) -> Result<Option<Packet>, sqlx::Error> {
    let read = "SELECT d.id, d.lent, d.attempt, m.packet, m.topic, m.key, m.priority, m.attributes, m.body, \
        d.marked, d.rank, d.redriven \
        FROM convoke_delivery AS d JOIN convoke_message AS m ON m.id = d.message WHERE d.id = ?1 AND d.lent = ?2";
    let row = sqlx::query(read).bind(id).bind(lent).fetch_optional(connection).await?;
    row.map(|row| Ok(loan_of(&row)?.packet)).transpose()
}

fn loan_of(row: &SqliteRow) -> Result<Loan, sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(3)?, row.try_get::<Vec<u8>, _>(8)?);
    packet.topic = row.try_get(4)?;
    packet.key = row.try_get(5)?;
    packet.priority = row.try_get(6)?;
    packet.attributes = read_attributes(row.try_get(7)?);
    Ok(Loan {
        id: row.try_get(0)?,
        lent: row.try_get(1)?,
        attempt: row.try_get::<i64, _>(2)?.try_into().unwrap_or(u32::MAX),
        marked: row.try_get(9)?,
        rank: row.try_get(10)?,
        redriven: row.try_get::<i64, _>(11)?.try_into().unwrap_or_default(),
        packet,
    })
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

    use super::{COUNT, LARGE, LEND, LOOK, WAKE};
    use crate::sql::sqlite::{hundreds_of_steps, prepare};
    use crate::transport::sqlite::parking;
    use crate::transport::sqlite::settle::{DELETE, DELETE_ALL, MARK, UPDATE};

    /// What SQLite does for each statement, with a million rows as with ten: statistics are never gathered.
    async fn plan(connection: &mut SqliteConnection, sql: &str) -> String {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>("detail") + "\n").collect()
    }

    #[actix_rt::test]
    async fn nothing_that_is_done_for_a_delivery_reads_a_whole_table_or_sorts_one() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let parks = [
            parking::PARK,
            parking::BEHIND,
            parking::LETTERS,
            parking::FIGURES,
            parking::REDRIVE,
            parking::REDRIVE_SOME,
            parking::DISCARD,
        ];
        for sql in
            LEND.as_str().split(';').chain([WAKE, LOOK, LARGE, COUNT, DELETE_ALL, DELETE, UPDATE, MARK]).chain(parks)
        {
            let plan = plan(&mut connection, sql).await;
            assert!(plan.contains("SEARCH"), "{sql}\n{plan}");
            for line in plan.lines() {
                let of_table = line.contains("SCAN convoke_") || line.contains("SCAN d") || line.contains("SCAN m");
                assert!(!of_table, "it reads a whole table: {line}\n{sql}\n{plan}");
                let sorts = line.contains("TEMP B-TREE");
                assert!(!sorts, "it sorts: {line}\n{sql}\n{plan}");
            }
        }
    }

    #[actix_rt::test]
    async fn what_is_counted_takes_no_more_with_more_rows() {
        let most = parking::most_counted();
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let connection = &mut connection;
        prepare(connection).await.unwrap();
        let fill = "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
            INSERT INTO convoke_message (queue, packet, topic, key, priority, due, body) \
            SELECT 'orders', n, '', 'key ' || ?2 || n, 0, 0, x'' FROM number";
        let mut found = Vec::new();
        for more in [2, 4] {
            sqlx::query(fill).bind(more * most).bind(more).execute(&mut *connection).await.unwrap();
            // Ready, held back, lent, behind another, dead.
            for (state, waiting, dead) in [(0, most, 0), (1, most, 0), (2, 0, 0), (3, most, 0), (4, 0, most)] {
                let all = sqlx::query("UPDATE convoke_delivery SET state = ?1").bind(state);
                all.execute(&mut *connection).await.unwrap();
                let count = sqlx::query_scalar::<_, i64>(COUNT).bind(1).bind(most);
                let (count, steps) = hundreds_of_steps(connection, async |c| count.fetch_one(c).await.unwrap()).await;
                assert_eq!(count, waiting, "{state}");
                found.push(steps);
                let figures = sqlx::query_as::<_, (i64, i64)>(parking::FIGURES).bind(1).bind(most);
                let (figures, steps) =
                    hundreds_of_steps(connection, async |c| figures.fetch_one(c).await.unwrap()).await;
                assert_eq!(figures, (dead, 0), "{state}");
                found.push(steps);
            }
        }
        let (few, many) = found.split_at(found.len() / 2);
        assert!(few.iter().sum::<u64>() > 0 && few.iter().zip(many).all(|(few, many)| many <= &(few + 2)), "{found:?}");
    }
}
