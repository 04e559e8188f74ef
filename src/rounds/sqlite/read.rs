//! Rounds with their signals as one row, however many they are.
//!
//! `found: a SELECT of rounds → [[place, id, key, …], …], [[round, [number, …], bytes], …], all bodies → Lines`

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::Deserialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::rounds::SqliteRounds;
use crate::Uuid;
use crate::durable::plan::{ASIDE, Line};
use crate::durable::{Kept, Row};
use crate::sql::sqlite::{Joined, join, written};

/// How long a token is, which stands before the body.
const TOKEN: usize = 16;

/// The broker of this name, for the statements of this file: `?1` is its name.
pub(super) const BROKER: &str =
    "broker (id, tag) AS MATERIALIZED (SELECT id, tag FROM convoke_round_broker WHERE name = ?1)";

/// What is read of a round, as an element of a list.
pub(super) const LINE: &str =
    "json_array(place, id, key, state, rules, opened_at, look_at, due_at, closed_at, generation, text)";

/// A round as it stands in such a list; its place is what was asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Listed(
    pub(super) usize,
    i64,
    String,
    i16,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    i64,
    Option<String>,
);

impl Listed {
    pub(super) fn line(self) -> Line {
        let Self(_, id, key, state, rules, opened_at, look_at, due_at, closed_at, generation, text) = self;
        let (look_at, due_at) = (look_at.unwrap_or_default(), due_at.unwrap_or_default());
        Line { id, key, state, rules, opened_at, look_at, due_at, closed_at, generation, text }
    }
}

/// The columns of the signals of those in `found` that are not over: two, as [`Rows`] reads them.
pub(super) fn rows_sql() -> String {
    let body = "CAST(r.token || r.body AS BLOB)";
    let columns = join("r.round", "r.number, r.kind, r.at, r.name, r.terms", body, &["r.name", "r.terms"]);
    format!(
        "(SELECT {columns} FROM found CROSS JOIN convoke_round_row AS r ON r.round = found.id WHERE found.state <= {ASIDE}) AS rows"
    )
}

/// The statement that reads what is `found`, which has all columns of a round and a place.
fn sql(found: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(format!(
        "WITH {BROKER}, found AS MATERIALIZED ({found}) \
         SELECT rows.*, (SELECT json_group_array({LINE}) FROM found) FROM {}",
        rows_sql()
    ))
}

/// The signals of rounds.
#[derive(Debug, Default)]
pub(super) struct Rows {
    rows: HashMap<i64, Vec<Row>>,
    /// Rounds of which one is large: theirs are read one by one.
    large: BTreeSet<i64>,
}

type Columns = (i32, i16, i64, String, Option<String>);

impl Rows {
    /// Reads the first two columns.
    pub(super) fn read(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let joined = Joined::<Columns>::read(row)?;
        let mut rows = Self { large: joined.large.into_iter().collect(), ..Self::default() };
        for (round, (number, kind, at, name, terms), body) in joined.small {
            if rows.large.contains(&round) {
                continue;
            }
            let row = row_with(number, kind, at, name, terms, &body)?;
            rows.rows.entry(round).or_default().push(row);
        }
        Ok(rows)
    }

    /// Reads those of rounds of which one is large.
    pub(super) async fn complete(&mut self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        for round in std::mem::take(&mut self.large) {
            let sql = "SELECT number, kind, name, at, token, terms, body FROM convoke_round_row WHERE round = ?1";
            let mut rows = Vec::new();
            for row in sqlx::query(sql).bind(round).fetch_all(&mut *connection).await? {
                rows.push(row_of(&row, row.try_get(0)?, 1)?);
            }
            self.rows.insert(round, rows);
        }
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.large.is_empty()
    }

    /// Those of a round, in their order.
    pub(super) fn take(&mut self, round: i64) -> Vec<Row> {
        let mut rows = self.rows.remove(&round).unwrap_or_default();
        rows.sort_unstable_by_key(|row| row.number);
        rows
    }
}

fn row_with(
    number: i32,
    kind: i16,
    at: i64,
    name: String,
    terms: Option<String>,
    body: &[u8],
) -> Result<Row, sqlx::Error> {
    let (token, body) = body.split_at_checked(TOKEN).ok_or_else(|| bad("a token is missing"))?;
    Ok(Row { number, kind, name: name.into(), at, token: token_of(token)?, terms, body: body.to_vec() })
}

/// A signal, whose other columns begin at this one.
pub(super) fn row_of(row: &SqliteRow, number: i32, from: usize) -> Result<Row, sqlx::Error> {
    Ok(Row {
        number,
        kind: row.try_get(from)?,
        name: row.try_get::<String, _>(from + 1)?.into(),
        at: row.try_get(from + 2)?,
        token: token_of(row.try_get(from + 3)?)?,
        terms: row.try_get(from + 4)?,
        body: row.try_get(from + 5)?,
    })
}

fn token_of(token: &[u8]) -> Result<Uuid, sqlx::Error> {
    Uuid::from_slice(token).map_err(|_| bad("a token has another length"))
}

fn bad(text: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: "0".to_owned(), source: text.into() }
}

/// What SQLite has written as a list.
pub(super) fn listed<'r, T: Deserialize<'r>>(row: &'r SqliteRow, column: usize) -> Result<T, sqlx::Error> {
    serde_json::from_str(row.try_get::<&str, _>(column)?).map_err(|error| bad(&error.to_string()))
}

/// The texts of rules by their numbers: they never change, so what is not known yet is read once.
pub(super) async fn learn_rules(
    rounds: &SqliteRounds,
    connection: &mut SqliteConnection,
    numbers: impl Iterator<Item = i64>,
) -> Result<(), sqlx::Error> {
    let unknown: BTreeSet<i64> = {
        let names = rounds.names();
        numbers.filter(|number| names.rules(*number).is_none()).collect()
    };
    if unknown.is_empty() {
        return Ok(());
    }
    let unknown: Vec<i64> = unknown.into_iter().collect();
    let sql = "SELECT r.id, r.text FROM convoke_round_broker AS b JOIN convoke_round_rules AS r ON r.broker = b.id \
        WHERE b.name = ?1 AND r.id IN (SELECT value FROM json_each(?2))";
    let query = sqlx::query_as::<_, (i64, String)>(sql).bind(rounds.broker.to_string()).bind(written(&unknown));
    for (number, text) in query.fetch_all(connection).await? {
        rounds.names().note_rules(number, text.into());
    }
    Ok(())
}

/// Rounds as somebody looks at them, in the order in which they are found. `found` knows the values from `?2` on.
pub(super) async fn kept(
    rounds: &SqliteRounds,
    connection: &mut SqliteConnection,
    found: &str,
    values: [i64; 3],
) -> Result<Vec<Kept>, sqlx::Error> {
    let mut query = sqlx::query(sql(found)).bind(rounds.broker.to_string());
    for value in values {
        query = query.bind(value);
    }
    let row = query.fetch_one(&mut *connection).await?;
    let mut rows = Rows::read(&row)?;
    let lines: Vec<Listed> = listed(&row, 2)?;
    rows.complete(connection).await?;
    learn_rules(rounds, connection, lines.iter().filter(|line| line.3 <= ASIDE).map(|line| line.4)).await?;
    let names = rounds.names();
    let kept = |listed: Listed| {
        let line = listed.line();
        let (rules, rows): (Arc<str>, _) = (names.rules(line.rules).unwrap_or_default(), rows.take(line.id));
        line.kept(rules, rows)
    };
    Ok(lines.into_iter().map(kept).collect())
}
