//! How rounds are judged: what there is and what is written is one statement each, however many places there are, and what a few
//! consumers are to hear with it.
//!
//! `places → BEGIN → convoke_round_read_1: lock, read → Judge, place by place → convoke_round_write_1 with convoke_outbox_1 → COMMIT`

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};

use super::columns::Columns;
use super::look::line_of;
use super::names::{note_rules, register, rules_sql, unknown};
use super::rounds::PostgresRounds;
use crate::Uuid;
use crate::durable::plan::{Found, Line, Listed, Plan, check_places};
use crate::durable::{Judge, Party, Place, Row};
use crate::outbox::Insertion;
use crate::sql::postgres::{BEGIN, Failed};
use crate::transport::{ErrorKind, TransportError};

/// Longer than the server waits for a round, or for the key of an event.
const PATIENCE: Duration = Duration::from_secs(10);
/// To so many outboxes it is written by the statement that writes the rounds.
const TOGETHER: usize = 4;
/// How often it begins again because something has to be there that is not.
const TRIES: u32 = 5;

pub(super) async fn work(rounds: &PostgresRounds, places: &[Place], judge: &dyn Judge) -> Result<(), TransportError> {
    check_places(places, &rounds.at)?;
    if places.is_empty() {
        return Ok(());
    }
    let asked = &Asked::of(places);
    let deadline = rounds.database.deadline().saturating_add(PATIENCE);
    for _ in 0..TRIES {
        let worked = rounds.database.in_time_with(&rounds.at, deadline, |connection, _| {
            Box::pin(async move { work_within(rounds, connection, asked, judge).await })
        });
        match worked.await?? {
            Worked::Done(rings) => {
                if rings {
                    rounds.ring();
                }
                return Ok(());
            }
            Worked::Unknown => {
                rounds.forget_outboxes();
                register(rounds).await?;
            }
            Worked::Lacks(channels) => {
                for channel in channels {
                    rounds.open_outbox(&channel).await?;
                }
            }
        }
    }
    let text = "its broker or its consumers change again and again: try again";
    Err(TransportError::new(ErrorKind::Unreachable, rounds.at.clone(), text))
}

/// What came of a transaction.
enum Worked {
    /// It has committed; and whether somebody should look.
    Done(bool),
    /// Nothing was written: the database does not know the broker.
    Unknown,
    /// Nothing was written: first the outboxes of these have to be open.
    Lacks(Vec<Arc<str>>),
}

/// Keys and numbers, and where each of them stands among the places.
struct Asked<'a> {
    places: &'a [Place],
    keys: Vec<&'a str>,
    rounds: Vec<i64>,
    order: Vec<usize>,
}

impl<'a> Asked<'a> {
    fn of(places: &'a [Place]) -> Self {
        let (mut keys, mut rounds, mut order, mut behind) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (place, asked) in places.iter().enumerate() {
            match asked {
                Place::Key(key) => {
                    keys.push(&**key);
                    order.push(place);
                }
                Place::Round(round) => {
                    rounds.push(*round);
                    behind.push(place);
                }
            }
        }
        order.append(&mut behind);
        Self { places, keys, rounds, order }
    }

    /// Which place is meant by this one of the statement.
    fn place(&self, number: i32) -> Result<usize, sqlx::Error> {
        let at = usize::try_from(number.unsigned_abs()).unwrap_or_default().checked_sub(1);
        at.and_then(|at| self.order.get(at)).copied().ok_or(sqlx::Error::RowNotFound)
    }
}

/// What there is, by the places.
#[derive(Default)]
struct There {
    found: BTreeMap<usize, (Line, Vec<Row>)>,
    last: BTreeMap<usize, Line>,
    /// The numbers of new ones.
    numbers: BTreeMap<usize, i64>,
    listed: Listed,
    now: i64,
}

async fn read(
    rounds: &PostgresRounds,
    connection: &mut PgConnection,
    asked: &Asked<'_>,
) -> Result<Option<There>, sqlx::Error> {
    let tag = rounds.names().tag;
    let sql = format!("SELECT * FROM {}.convoke_round_read_1($1, $2, $3, $4)", rounds.database.schema());
    let query = sqlx::query(AssertSqlSafe(sql)).persistent(connection.cached_statements_size() > 0);
    let query = query.bind(&*rounds.broker).bind(tag).bind(&asked.keys).bind(&asked.rounds);
    let rows = query.fetch_all(&mut *connection).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut there = There::default();
    for row in &rows {
        match (row.try_get::<i32, _>(0)?, row.try_get::<i16, _>(3)?) {
            (0, _) => {
                there.now = row.try_get(5)?;
                there.listed.consumers = row.try_get::<Vec<String>, _>(13)?.into_iter().map(Into::into).collect();
                there.listed.parties = parties_of(row)?;
            }
            (place, _) if place < 0 => drop(there.last.insert(asked.place(place)?, line_of(row, 1)?)),
            (place, state) => {
                let place = asked.place(place)?;
                there.numbers.insert(place, row.try_get(FRESH)?);
                if state >= 0 {
                    there.found.insert(place, (line_of(row, 1)?, rows_of(row, 11)?));
                }
            }
        }
    }
    let unknown = unknown(rounds, there.found.values().map(|(line, _)| line.rules));
    if !unknown.is_empty() {
        let rows = sqlx::raw_sql(AssertSqlSafe(rules_sql(rounds, &unknown))).fetch_all(connection).await?;
        note_rules(rounds, &rows)?;
    }
    Ok(Some(there))
}

/// Where the number of a new round stands.
const FRESH: usize = 18;

/// The parties; there is no text where there are none.
fn parties_of(row: &PgRow) -> Result<Vec<Party>, sqlx::Error> {
    let Some(text) = row.try_get::<Option<&str>, _>(10)? else { return Ok(Vec::new()) };
    let all: Vec<(String, String, bool)> = serde_json::from_str(text)
        .map_err(|error| sqlx::Error::ColumnDecode { index: "10".into(), source: error.into() })?;
    Ok(all.into_iter().map(|(name, terms, asked)| Party { name: name.into(), terms, asked }).collect())
}

/// The signals of a round, as arrays from this column on; there are none where there is no signal.
pub(super) fn rows_of(row: &PgRow, from: usize) -> Result<Vec<Row>, sqlx::Error> {
    let Some(numbers) = row.try_get::<Option<Vec<i32>>, _>(from)? else { return Ok(Vec::new()) };
    let kinds: Vec<i16> = row.try_get(from + 1)?;
    let names: Vec<String> = row.try_get(from + 2)?;
    let ats: Vec<i64> = row.try_get(from + 3)?;
    let tokens: Vec<Vec<u8>> = row.try_get(from + 4)?;
    let terms: Vec<Option<String>> = row.try_get(from + 5)?;
    let bodies: Vec<Vec<u8>> = row.try_get(from + 6)?;
    let all = numbers.into_iter().zip(kinds).zip(names).zip(ats).zip(tokens).zip(terms).zip(bodies);
    all.map(|((((((number, kind), name), at), token), terms), body)| {
        let token = Uuid::from_slice(&token)
            .map_err(|error| sqlx::Error::ColumnDecode { index: "tokens".into(), source: error.into() })?;
        Ok(Row { number, kind, name: name.into(), at, token, terms, body })
    })
    .collect()
}

async fn work_within(
    rounds: &PostgresRounds,
    connection: &mut PgConnection,
    asked: &Asked<'_>,
    judge: &dyn Judge,
) -> Result<Result<Worked, TransportError>, Failed> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
    let Some(there) = read(rounds, &mut transaction, asked).await.map_err(Failed::undone)? else {
        transaction.rollback().await?;
        return Ok(Ok(Worked::Unknown));
    };
    let lacks: Vec<_> = there.listed.channels().filter(|channel| rounds.outbox(channel).is_none()).collect();
    if !lacks.is_empty() {
        transaction.rollback().await?;
        return Ok(Ok(Worked::Lacks(lacks)));
    }
    let mut plan = judged(rounds, asked.places, there, judge);
    if plan.is_empty() {
        transaction.rollback().await?;
        return Ok(Ok(Worked::Done(false)));
    }
    let (rings, heard) = (plan.rings(), std::mem::take(&mut plan.heard));
    // All of them are open.
    let open = |(channel, packets): (Arc<str>, _)| Some((rounds.outbox(&channel)?, packets));
    let mut heard: Vec<_> = heard.into_iter().filter_map(open).collect();
    let rest = heard.split_off(heard.len().min(TOGETHER));
    let (mut insertions, mut told) = (Vec::new(), Vec::new());
    for (outbox, packets) in heard {
        let insertion = Insertion::of(&*outbox, packets).ok_or(sqlx::Error::WorkerCrashed);
        insertions.push(insertion.map_err(Failed::undone)?);
        told.push(outbox);
    }
    Columns::of(plan).write(&insertions, rounds, &mut transaction).await.map_err(Failed::undone)?;
    for (outbox, packets) in rest {
        if let Err(error) = outbox.insert(packets, &mut transaction).await {
            transaction.rollback().await?;
            return Ok(Err(error));
        }
    }
    transaction.commit().await?;
    told.iter().for_each(|outbox| Insertion::ring(&**outbox));
    Ok(Ok(Worked::Done(rings)))
}

fn judged(rounds: &PostgresRounds, places: &[Place], there: There, judge: &dyn Judge) -> Plan {
    let There { mut found, mut last, numbers, listed, now } = there;
    let mut plan = Plan::default();
    for (place, asked) in places.iter().enumerate() {
        let (line, rows) = found.remove(&place).unzip();
        let key = match (asked, &line) {
            (Place::Key(key), _) => key.clone(),
            (Place::Round(_), Some(line)) => line.key.clone(),
            (Place::Round(_), None) => continue,
        };
        let there = Found {
            key,
            rules: line.as_ref().and_then(|line| rounds.names().rules(line.rules)),
            rows: rows.unwrap_or_default(),
            line,
            number: numbers.get(&place).copied().unwrap_or_default(),
            last: last.remove(&place).map(Line::past),
        };
        plan.judge(place, there, judge, &listed, now);
    }
    plan
}
