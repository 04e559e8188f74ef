//! How rounds are judged in a file: in one transaction, by as few statements as there are kinds of change.
//!
//! `places → BEGIN IMMEDIATE → one statement reads all → Judge, place by place → write.rs → COMMIT`

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr, SqlStr, SqliteConnection};

use super::names::there_is;
use super::read::{BROKER, LINE, Listed, Rows, learn_rules, listed, rows_sql};
use super::rounds::{SqliteRounds, now};
use super::write::write;
use crate::durable::plan::{self, Found, Line, Plan, check_places};
use crate::durable::{Judge, Party, Place};
use crate::transport::TransportError;

/// All that there is at these places: `?2` are keys and `?3` numbers, each with its place.
static READ: LazyLock<SqlStr> = LazyLock::new(|| {
    let columns = "r.id, r.key, r.state, r.rules, r.opened_at, r.look_at, r.due_at, r.closed_at, r.generation, r.text";
    let sql = format!(
        "WITH {BROKER}, by_key (place, key) AS MATERIALIZED (SELECT value ->> 0, value ->> 1 FROM json_each(?2)), \
         found AS MATERIALIZED ( \
             SELECT k.place, {columns} FROM by_key AS k CROSS JOIN broker AS b CROSS JOIN convoke_round AS r \
                 ON r.broker = b.id AND r.key = k.key AND r.state <= 2 \
             UNION ALL \
             SELECT k.value ->> 0 AS place, {columns} FROM json_each(?3) AS k CROSS JOIN broker AS b CROSS JOIN convoke_round AS r \
                 ON r.id = k.value ->> 1 AND r.broker = b.id AND r.state <= 2 \
         ), last AS MATERIALIZED ( \
             SELECT k.place, {columns} FROM ( \
                 SELECT place, key FROM by_key \
                 UNION ALL SELECT f.place, f.key FROM found AS f CROSS JOIN json_each(?3) AS k ON k.value ->> 0 = f.place \
             ) AS k CROSS JOIN convoke_round AS r ON r.id = ( \
                 SELECT max(l.id) FROM convoke_round AS l \
                 WHERE l.broker = (SELECT id FROM broker) AND l.key = k.key AND l.state >= 3 \
             ) \
         ) \
         SELECT rows.*, (SELECT tag FROM broker), (SELECT json_group_array({LINE}) FROM found), \
             (SELECT json_group_array({LINE}) FROM last), \
             (SELECT json_group_array(name) FROM ( \
                 SELECT name FROM convoke_round_consumer WHERE broker = (SELECT id FROM broker) ORDER BY name)), \
             (SELECT seq FROM sqlite_sequence WHERE name = 'convoke_round'), \
             (SELECT json_group_array(json_array(name, terms, asked)) FROM ( \
                 SELECT name, terms, asked FROM convoke_round_party WHERE broker = (SELECT id FROM broker) ORDER BY name)) \
         FROM {}",
        rows_sql()
    );
    AssertSqlSafe(sql).into_sql_str()
});

pub(super) async fn work(rounds: &SqliteRounds, places: &[Place], judge: &dyn Judge) -> Result<(), TransportError> {
    check_places(places, &rounds.at)?;
    if places.is_empty() {
        return Ok(());
    }
    let asked = Asked::of(places);
    loop {
        let worked = rounds.transact(async |connection| work_within(rounds, connection, &asked, judge).await).await?;
        match worked {
            Worked::Done(rings) => {
                if rings {
                    rounds.ring();
                }
                return Ok(());
            }
            Worked::Lacks(channels) => {
                for channel in channels {
                    rounds.open_outbox(&channel).await?;
                }
            }
        }
    }
}

/// What came of a transaction.
enum Worked {
    /// It may commit; and whether somebody should look.
    Done(bool),
    /// Nothing was written: first the outboxes of these have to be open.
    Lacks(Vec<Arc<str>>),
}

/// Places as lists, each with its number.
struct Asked<'a> {
    places: &'a [Place],
    keys: String,
    rounds: String,
}

impl<'a> Asked<'a> {
    fn of(places: &'a [Place]) -> Self {
        let (mut keys, mut rounds) = (Vec::new(), Vec::new());
        for (place, asked) in places.iter().enumerate() {
            match asked {
                Place::Key(key) => keys.push((place, &**key)),
                Place::Round(round) => rounds.push((place, *round)),
            }
        }
        // Texts and numbers can always be written.
        let keys = serde_json::to_string(&keys).unwrap_or_default();
        Self { places, keys, rounds: serde_json::to_string(&rounds).unwrap_or_default() }
    }
}

/// What there is, by the places.
struct There {
    found: BTreeMap<usize, Line>,
    last: BTreeMap<usize, Line>,
    rows: Rows,
    listed: plan::Listed,
    /// The last number that the file has given.
    given: i64,
}

async fn read(
    rounds: &SqliteRounds,
    connection: &mut SqliteConnection,
    asked: &Asked<'_>,
) -> Result<Option<There>, sqlx::Error> {
    let query = sqlx::query(READ.clone()).bind(rounds.broker.to_string());
    let row = query.bind(asked.keys.clone()).bind(asked.rounds.clone()).fetch_one(&mut *connection).await?;
    if !rounds.names().are_of(row.try_get(2)?) {
        return Ok(None);
    }
    let by_place = |lines: Vec<Listed>| lines.into_iter().map(|listed| (listed.0, listed.line())).collect();
    let mut there = There {
        found: by_place(listed(&row, 3)?),
        last: by_place(listed(&row, 4)?),
        rows: Rows::read(&row)?,
        listed: plan::Listed {
            consumers: listed::<Vec<String>>(&row, 5)?.into_iter().map(Into::into).collect(),
            parties: listed::<Vec<(String, String, u8)>>(&row, 7)?.into_iter().map(party).collect(),
        },
        given: row.try_get::<Option<i64>, _>(6)?.unwrap_or_default(),
    };
    if !there.rows.is_complete() {
        there.rows.complete(connection).await?;
    }
    learn_rules(rounds, connection, there.found.values().map(|line| line.rules)).await?;
    Ok(Some(there))
}

fn party((name, terms, asked): (String, String, u8)) -> Party {
    Party { name: name.into(), terms, asked: asked != 0 }
}

async fn work_within(
    rounds: &SqliteRounds,
    connection: &mut SqliteConnection,
    asked: &Asked<'_>,
    judge: &dyn Judge,
) -> Result<Worked, TransportError> {
    let sql = |error: sqlx::Error| rounds.error(&error);
    let there = match read(rounds, connection, asked).await.map_err(sql)? {
        Some(there) => there,
        // The file was replaced.
        None => {
            there_is(rounds, connection).await?;
            read(rounds, connection, asked).await.map_err(sql)?.ok_or_else(|| sql(sqlx::Error::RowNotFound))?
        }
    };
    let lacks: Vec<_> = there.listed.channels().filter(|channel| rounds.outbox(channel).is_none()).collect();
    if !lacks.is_empty() {
        return Ok(Worked::Lacks(lacks));
    }
    let plan = judged(rounds, asked.places, there, judge);
    if plan.is_empty() {
        return Ok(Worked::Done(false));
    }
    let rings = plan.rings();
    write(rounds, connection, plan).await?;
    Ok(Worked::Done(rings))
}

fn judged(rounds: &SqliteRounds, places: &[Place], there: There, judge: &dyn Judge) -> Plan {
    let There { mut found, mut last, mut rows, listed, given } = there;
    // Nobody else draws one before this commits. What is rolled back was nobody's.
    let mut number = given.saturating_add(1);
    let (now, mut plan) = (now(), Plan::default());
    for (place, asked) in places.iter().enumerate() {
        let line = found.remove(&place);
        let key = match (asked, &line) {
            (Place::Key(key), _) => key.clone(),
            (Place::Round(_), Some(line)) => line.key.clone(),
            (Place::Round(_), None) => continue,
        };
        let there = Found {
            key,
            rules: line.as_ref().and_then(|line| rounds.names().rules(line.rules)),
            rows: line.as_ref().map(|line| rows.take(line.id)).unwrap_or_default(),
            line,
            number,
            last: last.remove(&place).map(Line::past),
        };
        number += 1;
        plan.judge(place, there, judge, &listed, now);
    }
    plan
}
