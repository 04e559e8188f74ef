//! What there is, for who asks; and what is removed because it is old.

use std::time::Duration;

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::names::learn_rules;
use super::rounds::{PostgresRounds, micros};
use super::work::rows_of;
use crate::Uuid;
use crate::durable::plan::{ASIDE, Line};
use crate::durable::{Due, Kept, Past, RoundFigures, Row};
use crate::sql::postgres::{body_of, quoted};
use crate::transport::TransportError;

/// The plans of these are the same with a million rows as with none.
const PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_hashjoin = off; \
    SET LOCAL enable_mergejoin = off; SET LOCAL jit = off;";

/// The number of the broker, as it is named.
fn broker(rounds: &PostgresRounds) -> String {
    let (schema, name) = (rounds.database.schema(), quoted(&rounds.broker));
    format!("(SELECT b.id FROM {schema}.convoke_round_broker AS b WHERE b.name = {name})")
}

pub(super) async fn due(
    rounds: &PostgresRounds,
    foreign: &[i64],
    grace: Duration,
    most: usize,
) -> Result<Due, TransportError> {
    let sql = format!("SELECT * FROM {}.convoke_round_due_1($1, $2, $3, $4)", rounds.database.schema());
    // One more says whether there are others.
    let (grace, limit) = (micros(grace), limit(most.saturating_add(1)));
    let rows = rounds
        .asked(&sql, |query| query.bind(rounds.broker.to_string()).bind(foreign.to_vec()).bind(grace).bind(limit));
    let rows = rows.await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    let read = row.and_then(|row| Ok((row.try_get::<Vec<i64>, _>(0)?, row.try_get::<Option<i64>, _>(1)?)));
    let (mut ids, next) = read.map_err(|error| rounds.error(&error))?;
    let are_more = ids.len() > most;
    ids.truncate(most);
    let next = if are_more { Some(0) } else { next };
    Ok(Due { rounds: ids, next: next.map(time_of) })
}

const LINE: &str = "f.id, f.key, f.state, f.rules, f.opened_at, f.look_at, f.due_at, f.closed_at, f.generation, f.text";

pub(super) async fn ended(rounds: &PostgresRounds, asked: &[i64]) -> Result<Vec<Past>, TransportError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {LINE} FROM {}.convoke_round_ended_1($1, $2) AS f", rounds.database.schema());
    let rows = rounds.asked(&sql, |query| query.bind(rounds.broker.to_string()).bind(asked.to_vec())).await?;
    let past = |row: &PgRow| Ok(line_of(row, 0)?.past());
    rows.iter().map(past).collect::<Result<_, _>>().map_err(|error: sqlx::Error| rounds.error(&error))
}

/// What a row has of a round, from this column on.
pub(super) fn line_of(row: &PgRow, from: usize) -> Result<Line, sqlx::Error> {
    Ok(Line {
        id: row.try_get(from)?,
        key: row.try_get(from + 1)?,
        state: row.try_get(from + 2)?,
        rules: row.try_get(from + 3)?,
        opened_at: row.try_get(from + 4)?,
        look_at: row.try_get::<Option<i64>, _>(from + 5)?.unwrap_or_default(),
        due_at: row.try_get::<Option<i64>, _>(from + 6)?.unwrap_or_default(),
        closed_at: row.try_get(from + 7)?,
        generation: row.try_get::<i32, _>(from + 8)?.into(),
        text: row.try_get(from + 9)?,
    })
}

/// Rounds with their signals, in the order of this column: one statement, so that both are of one moment.
async fn kept(rounds: &PostgresRounds, found: &str, order: &str) -> Result<Vec<Kept>, TransportError> {
    let schema = rounds.database.schema();
    let sql = format!(
        "{PLAN} SELECT {LINE}, s.number, s.kind, s.name, s.at, encode(s.token, 'hex'), s.terms, s.body \
         FROM ({found}) AS f LEFT JOIN {schema}.convoke_round_row AS s ON s.round = f.id AND f.state <= {ASIDE} \
         ORDER BY {order}, s.number"
    );
    let rows = rounds.rows(&sql).await?;
    let found = read(&rows).map_err(|error| rounds.error(&error))?;
    with_rules(rounds, found).await
}

/// These, each with the text of its rules.
async fn with_rules(rounds: &PostgresRounds, found: Vec<(Line, Vec<Row>)>) -> Result<Vec<Kept>, TransportError> {
    let living = found.iter().map(|(line, _)| line).filter(|line| !line.is_over());
    learn_rules(rounds, living.map(|line| line.rules)).await?;
    let names = rounds.names();
    let kept = |(line, rows): (Line, Vec<Row>)| {
        let rules = names.rules(line.rules).unwrap_or_default();
        line.kept(rules, rows)
    };
    Ok(found.into_iter().map(kept).collect())
}

fn read(rows: &[PgRow]) -> Result<Vec<(Line, Vec<Row>)>, sqlx::Error> {
    let mut found: Vec<(Line, Vec<Row>)> = Vec::new();
    for row in rows {
        let id: i64 = row.try_get(0)?;
        if found.last().is_none_or(|(line, _)| line.id != id) {
            found.push((line_of(row, 0)?, Vec::new()));
        }
        if let Some(number) = row.try_get(10)?
            && let Some((_, rows)) = found.last_mut()
        {
            let token: &str = row.try_get(14)?;
            let token = Uuid::parse_str(token);
            let token =
                token.map_err(|error| sqlx::Error::ColumnDecode { index: "14".into(), source: error.into() })?;
            rows.push(Row {
                number,
                kind: row.try_get(11)?,
                name: row.try_get::<String, _>(12)?.into(),
                at: row.try_get(13)?,
                token,
                terms: row.try_get(15)?,
                body: body_of(row, 16)?,
            });
        }
    }
    Ok(found)
}

pub(super) async fn round(rounds: &PostgresRounds, round: i64) -> Result<Option<Kept>, TransportError> {
    let (schema, broker) = (rounds.database.schema(), broker(rounds));
    let found = format!("SELECT r.* FROM {schema}.convoke_round AS r WHERE r.id = {round} AND r.broker = {broker}");
    Ok(kept(rounds, &found, "f.id").await?.pop())
}

pub(super) async fn history(
    rounds: &PostgresRounds,
    key: &str,
    before: i64,
    most: usize,
) -> Result<Vec<Kept>, TransportError> {
    let sql = format!("SELECT * FROM {}.convoke_round_history_1($1, $2, $3, $4)", rounds.database.schema());
    let rows = rounds
        .asked(&sql, |query| query.bind(rounds.broker.to_string()).bind(key.to_owned()).bind(before).bind(limit(most)));
    let found = rows.await?.iter().map(|row| Ok((line_of(row, 0)?, rows_of(row, 10)?))).collect::<Result<_, _>>();
    with_rules(rounds, found.map_err(|error: sqlx::Error| rounds.error(&error))?).await
}

pub(super) async fn open(rounds: &PostgresRounds, after: i64, most: usize) -> Result<Vec<Kept>, TransportError> {
    let (schema, broker, most) = (rounds.database.schema(), broker(rounds), limit(most));
    let found = format!(
        "SELECT r.* FROM {schema}.convoke_round AS r WHERE r.broker = {broker} AND r.state <= 2 AND r.id > {after} \
         ORDER BY r.broker, r.id LIMIT {most}"
    );
    kept(rounds, &found, "f.id").await
}

/// Another one who does so at the same time takes others.
pub(super) async fn purge(rounds: &PostgresRounds, older: Duration, most: usize) -> Result<u64, TransportError> {
    let (schema, broker) = (rounds.database.schema(), broker(rounds));
    let sql = format!(
        "{PLAN} WITH old AS MATERIALIZED ( \
             SELECT r.id FROM {schema}.convoke_round AS r WHERE r.broker = {broker} AND r.state >= 3 \
                 AND r.closed_at <= (SELECT {schema}.convoke_micros_1()) - {} ORDER BY r.broker, r.closed_at LIMIT {} FOR UPDATE SKIP LOCKED \
         ), deleted AS (DELETE FROM {schema}.convoke_round AS r USING old WHERE r.id = old.id RETURNING 1) \
         SELECT count(*) FROM deleted",
        micros(older),
        limit(most),
    );
    let rows = rounds.rows(&sql).await?;
    let count = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get::<i64, _>(0));
    Ok(count.map_err(|error| rounds.error(&error))?.try_into().unwrap_or_default())
}

pub(super) async fn figures(rounds: &PostgresRounds, most: u64) -> Result<RoundFigures, TransportError> {
    let (schema, broker) = (rounds.database.schema(), broker(rounds));
    let count = |holds: &str| {
        format!(
            "(SELECT count(*) FROM (SELECT 1 FROM {schema}.convoke_round AS r WHERE r.broker = {broker} AND {holds} LIMIT {most}) AS c)"
        )
    };
    let first = |state: i64| {
        format!(
            "(SELECT r.look_at FROM {schema}.convoke_round AS r WHERE r.broker = {broker} AND r.state = {state} \
                 AND r.look_at IS NOT NULL ORDER BY r.broker, r.state, r.look_at LIMIT 1)"
        )
    };
    let sql = format!(
        "{PLAN} SELECT {}, {}, {}, {}, {schema}.convoke_micros_1() - least({}, {})",
        count("r.state = 0 AND r.look_at IS NOT NULL"),
        count("r.state = 1 AND r.look_at IS NOT NULL"),
        count("r.state = 2 AND r.look_at IS NOT NULL"),
        count("r.state >= 3"),
        first(0),
        first(1),
    );
    let rows = rounds.rows(&sql).await?;
    let row = rows.first().ok_or(sqlx::Error::RowNotFound);
    let read = row.and_then(|row| {
        let count = |column: usize| Ok::<_, sqlx::Error>(row.try_get::<i64, _>(column)?.try_into().unwrap_or_default());
        let waited: Option<i64> = row.try_get(4)?;
        Ok(RoundFigures {
            open: count(0)?,
            awaited: count(1)?,
            aside: count(2)?,
            over: count(3)?,
            overdue: waited.filter(|waited| *waited >= 0).map(time_of),
        })
    });
    read.map_err(|error| rounds.error(&error))
}

fn limit(most: usize) -> i64 {
    most.try_into().unwrap_or(i64::MAX)
}

fn time_of(micros: i64) -> Duration {
    Duration::from_micros(micros.max(0).cast_unsigned())
}
