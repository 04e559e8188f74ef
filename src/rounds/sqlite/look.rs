//! What there is, for who asks; and what is removed because it is old.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr, SqlStr};

use super::read::{BROKER, LINE, Listed, kept, learn_rules, listed, row_of};
use super::rounds::{SqliteRounds, micros, now};
use crate::durable::plan::{ASIDE, Line};
use crate::durable::{Due, Kept, Past, RoundFigures, Row};
use crate::sql::sqlite::written;
use crate::transport::TransportError;

/// The rounds of one state that somebody has to look at by ?2: those by rules of ?3 if they are due since ?4. It stands in the index
/// of each state by itself, so what cannot be decided hides nothing.
fn due_of(state: i64) -> String {
    format!(
        "SELECT * FROM (SELECT r.id, r.look_at FROM convoke_round AS r \
         WHERE r.broker = (SELECT id FROM broker) AND r.state = {state} AND r.look_at <= ?2 \
             AND (r.due_at <= ?4 OR r.rules NOT IN (SELECT value FROM json_each(?3))) ORDER BY r.look_at, r.id LIMIT ?5)"
    )
}

/// When the next of one state is to be looked at.
fn next_of(state: i64) -> String {
    format!(
        "SELECT * FROM (SELECT r.look_at AS at FROM convoke_round AS r \
         WHERE r.broker = (SELECT id FROM broker) AND r.state = {state} AND r.look_at > ?2 \
             AND r.rules NOT IN (SELECT value FROM json_each(?3)) ORDER BY r.look_at LIMIT 1)"
    )
}

static DUE: LazyLock<SqlStr> = LazyLock::new(|| {
    let (open, awaited, next_open, next_awaited) = (due_of(0), due_of(1), next_of(0), next_of(1));
    let sql = format!(
        "WITH {BROKER} SELECT \
         (SELECT json_group_array(id) FROM (SELECT id FROM ({open} UNION ALL {awaited}) ORDER BY look_at, id LIMIT ?5)), \
         (SELECT min(at) FROM ({next_open} UNION ALL {next_awaited}))"
    );
    AssertSqlSafe(sql).into_sql_str()
});

pub(super) async fn due(
    rounds: &SqliteRounds,
    foreign: &[i64],
    grace: Duration,
    most: usize,
) -> Result<Due, TransportError> {
    let now = now();
    // One more says whether there are others.
    let query = sqlx::query(DUE.clone()).bind(rounds.broker.to_string()).bind(now).bind(written(foreign));
    let query = query.bind(now.saturating_sub(micros(grace))).bind(limit(most.saturating_add(1)));
    let due = rounds.read(async |connection| {
        let row = query.fetch_one(connection).await?;
        Ok((listed::<Vec<i64>>(&row, 0)?, row.try_get::<Option<i64>, _>(1)?))
    });
    let (mut ids, next) = due.await?;
    let are_more = ids.len() > most;
    ids.truncate(most);
    let next = if are_more { Some(now) } else { next };
    Ok(Due { rounds: ids, next: next.map(|next| since(now, next)) })
}

static ENDED: LazyLock<SqlStr> = LazyLock::new(|| {
    let sql = format!(
        "WITH {BROKER} SELECT json_group_array({LINE}) FROM (SELECT asked.key AS place, r.id, r.key, r.state, r.rules, \
             r.opened_at, r.look_at, r.due_at, r.closed_at, r.generation, r.text \
         FROM json_each(?2) AS asked CROSS JOIN convoke_round AS r ON r.id = asked.value \
         WHERE r.broker = (SELECT id FROM broker) AND r.state >= 3)"
    );
    AssertSqlSafe(sql).into_sql_str()
});

pub(super) async fn ended(rounds: &SqliteRounds, asked: &[i64]) -> Result<Vec<Past>, TransportError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let query = sqlx::query(ENDED.clone()).bind(rounds.broker.to_string()).bind(written(asked));
    let ended = rounds.read(async |connection| listed::<Vec<Listed>>(&query.fetch_one(connection).await?, 0));
    Ok(ended.await?.into_iter().map(|listed| listed.line().past()).collect())
}

pub(super) async fn round(rounds: &SqliteRounds, round: i64) -> Result<Option<Kept>, TransportError> {
    let found = "SELECT 0 AS place, * FROM convoke_round WHERE id = ?2 AND broker = (SELECT id FROM broker)";
    let values = [round, 0, 0];
    let found = rounds.read(async |connection| kept(rounds, connection, found, values).await);
    Ok(found.await?.pop())
}

/// The rounds of a key, each row of the one that is not over beside it. There are few: so it is no list that is written and read.
static HISTORY: LazyLock<SqlStr> = LazyLock::new(|| {
    let all = "SELECT r.id, r.key, r.state, r.rules, r.opened_at, r.look_at, r.due_at, r.closed_at, r.generation, r.text \
        FROM convoke_round AS r WHERE r.broker = (SELECT id FROM convoke_round_broker WHERE name = ?1) AND r.key = ?2 AND r.id < ?3";
    let sql = format!(
        "SELECT f.*, s.number, s.kind, s.name, s.at, s.token, s.terms, s.body FROM ( \
             SELECT * FROM ({all} AND r.state <= 2) \
             UNION ALL SELECT * FROM ({all} AND r.state >= 3 ORDER BY r.id DESC LIMIT ?4) \
         ) AS f LEFT JOIN convoke_round_row AS s ON s.round = f.id AND f.state <= {ASIDE} ORDER BY f.id DESC, s.number"
    );
    AssertSqlSafe(sql).into_sql_str()
});

pub(super) async fn history(
    rounds: &SqliteRounds,
    key: &str,
    before: i64,
    most: usize,
) -> Result<Vec<Kept>, TransportError> {
    let query = sqlx::query(HISTORY.clone()).bind(rounds.broker.to_string()).bind(key.to_owned());
    let query = query.bind(before).bind(limit(most));
    let found = rounds.read(async |connection| {
        let mut found: Vec<(Line, Vec<Row>)> = Vec::new();
        for row in &query.fetch_all(&mut *connection).await? {
            let id: i64 = row.try_get(0)?;
            if found.last().is_none_or(|(line, _)| line.id != id) {
                found.push((line_of(row)?, Vec::new()));
            }
            if let (Some(number), Some((_, rows))) = (row.try_get(LINE_COLUMNS)?, found.last_mut()) {
                rows.push(row_of(row, number, LINE_COLUMNS + 1)?);
            }
        }
        // The one that is not over is one more.
        found.truncate(most);
        let living = found.iter().map(|(line, _)| line).filter(|line| !line.is_over()).map(|line| line.rules);
        learn_rules(rounds, connection, living).await?;
        Ok(found)
    });
    let found = found.await?;
    let names = rounds.names();
    let kept = |(line, rows): (Line, Vec<Row>)| {
        let rules = names.rules(line.rules).unwrap_or_default();
        line.kept(rules, rows)
    };
    Ok(found.into_iter().map(kept).collect())
}

/// How many columns are those of a round.
const LINE_COLUMNS: usize = 10;

/// What a row has of a round, as its first columns.
fn line_of(row: &SqliteRow) -> Result<Line, sqlx::Error> {
    Ok(Line {
        id: row.try_get(0)?,
        key: row.try_get(1)?,
        state: row.try_get(2)?,
        rules: row.try_get(3)?,
        opened_at: row.try_get(4)?,
        look_at: row.try_get::<Option<i64>, _>(5)?.unwrap_or_default(),
        due_at: row.try_get::<Option<i64>, _>(6)?.unwrap_or_default(),
        closed_at: row.try_get(7)?,
        generation: row.try_get(8)?,
        text: row.try_get(9)?,
    })
}

pub(super) async fn open(rounds: &SqliteRounds, after: i64, most: usize) -> Result<Vec<Kept>, TransportError> {
    let found = "SELECT 0 AS place, * FROM convoke_round \
        WHERE broker = (SELECT id FROM broker) AND state <= 2 AND id > ?2 ORDER BY id LIMIT ?3";
    let values = [after, limit(most), 0];
    rounds.read(async |connection| kept(rounds, connection, found, values).await).await
}

const PURGE: &str = "DELETE FROM convoke_round WHERE id IN ( \
        SELECT id FROM convoke_round WHERE broker = (SELECT id FROM convoke_round_broker WHERE name = ?1) \
            AND state >= 3 AND closed_at <= ?2 ORDER BY closed_at, id LIMIT ?3 \
    )";

pub(super) async fn purge(rounds: &SqliteRounds, older: Duration, most: usize) -> Result<u64, TransportError> {
    let until = now().saturating_sub(micros(older));
    let query = sqlx::query(PURGE).bind(rounds.broker.to_string()).bind(until).bind(limit(most));
    let sql = |error: sqlx::Error| rounds.error(&error);
    let mut writer = rounds.store.write().await.map_err(sql)?;
    let purged = query.execute(&mut *writer.connection).await;
    Ok(rounds.store.verified(purged).map_err(sql)?.rows_affected())
}

static FIGURES: LazyLock<SqlStr> = LazyLock::new(|| {
    let count = |holds: &str| {
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM convoke_round WHERE broker = (SELECT id FROM broker) AND {holds} LIMIT ?2))"
        )
    };
    let first = |state: i64| {
        format!(
            "(SELECT min(look_at) FROM convoke_round WHERE broker = (SELECT id FROM broker) AND state = {state} \
             AND look_at IS NOT NULL)"
        )
    };
    let sql = format!(
        "WITH {BROKER} SELECT {}, {}, {}, {}, {}, {}",
        count("state = 0 AND look_at IS NOT NULL"),
        count("state = 1 AND look_at IS NOT NULL"),
        count("state = 2 AND look_at IS NOT NULL"),
        count("state >= 3"),
        first(0),
        first(1)
    );
    AssertSqlSafe(sql).into_sql_str()
});

pub(super) async fn figures(rounds: &SqliteRounds, most: u64) -> Result<RoundFigures, TransportError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let query = sqlx::query(FIGURES.clone()).bind(rounds.broker.to_string()).bind(most);
    let now = now();
    let figures = rounds.read(async |connection| {
        let row: SqliteRow = query.fetch_one(connection).await?;
        let count = |column: usize| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(column)?.try_into().unwrap_or_default());
        let firsts: [Option<i64>; 2] = [row.try_get(4)?, row.try_get(5)?];
        let first = firsts.into_iter().flatten().min().filter(|first| *first <= now);
        Ok(RoundFigures {
            open: count(0)?,
            awaited: count(1)?,
            aside: count(2)?,
            over: count(3)?,
            overdue: first.map(|first| since(first, now)),
        })
    });
    figures.await
}

fn limit(most: usize) -> i64 {
    most.try_into().unwrap_or(i64::MAX)
}

fn since(from: i64, to: i64) -> Duration {
    Duration::from_micros(to.saturating_sub(from).max(0).cast_unsigned())
}
