//! What a broker has in a database: its name, its rules, its consumers, its parties.
//!
//! `open_rounds → convoke_round_register_1`, `enroll → convoke_round_enroll_1`, `add_consumer → convoke_round_consumer_1`,
//! `add_party → convoke_round_party_1`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Postgres, Row as _};

use super::rounds::{PostgresRounds, micros};
use crate::durable::plan::{channel_of, number_of};
use crate::durable::{Enrolled, Party};
use crate::sql::postgres::{array, quoted};
use crate::transport::TransportError;

/// What a handle knows of its broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Which broker of this name it was: in a database that was replaced it is another one, or there is none.
    pub(super) tag: Option<i64>,
    /// By their number, which is the same in every database.
    rules: BTreeMap<i64, Arc<str>>,
    /// By which it opens rounds.
    enrolled: Option<i64>,
    /// Those that were added by it.
    consumers: BTreeSet<Arc<str>>,
    parties: BTreeMap<Arc<str>, Party>,
}

impl Names {
    pub(super) fn rules(&self, number: i64) -> Option<Arc<str>> {
        self.rules.get(&number).cloned()
    }
}

/// Makes the broker, if there is none. A database that was replaced gets what this handle knows of it.
pub(super) async fn register(rounds: &PostgresRounds) -> Result<(), TransportError> {
    let names = rounds.names().clone();
    let null = |number: Option<i64>| number.map_or("NULL".to_owned(), |number| number.to_string());
    let sql = format!(
        "SELECT {}.convoke_round_register_1({}, {}, '{}', {}, {}, {}, {}, {}, ARRAY[{}]::boolean[])",
        rounds.database.schema(),
        quoted(&rounds.broker),
        null(names.tag),
        array(names.rules.keys()),
        texts(names.rules.values()),
        null(names.enrolled),
        texts(names.consumers.iter()),
        texts(names.parties.keys()),
        texts(names.parties.values().map(|party| &party.terms)),
        names.parties.values().map(|party| party.asked.to_string()).collect::<Vec<_>>().join(", "),
    );
    let tag = value(rounds, &rounds.rows(&sql).await?)?;
    rounds.names().tag = Some(tag);
    Ok(())
}

/// Looks whether there is the broker; by which rules it opens rounds, if it has some.
pub(super) async fn find_broker(rounds: &PostgresRounds) -> Result<Option<Option<(i64, Arc<str>)>>, TransportError> {
    let sql = format!(
        "SELECT b.tag, r.id, r.text FROM {schema}.convoke_round_broker AS b \
         LEFT JOIN {schema}.convoke_round_rules AS r ON r.broker = b.id AND r.id = b.rules WHERE b.name = {}",
        quoted(&rounds.broker),
        schema = rounds.database.schema(),
    );
    let rows = rounds.rows(&sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let read = || Ok((row.try_get(0)?, row.try_get::<Option<i64>, _>(1)?, row.try_get::<Option<String>, _>(2)?));
    let (tag, rules, text) = read().map_err(|error: sqlx::Error| rounds.error(&error))?;
    rounds.names().tag = Some(tag);
    Ok(Some(rules.zip(text.map(Into::into))))
}

pub(super) async fn brokers(
    rounds: &PostgresRounds,
    behind: &str,
    most: usize,
) -> Result<Vec<Arc<str>>, TransportError> {
    let sql = format!(
        "SELECT b.name FROM {}.convoke_round_broker AS b WHERE b.name > {} ORDER BY b.name LIMIT {}",
        rounds.database.schema(),
        quoted(behind),
        i64::try_from(most).unwrap_or(i64::MAX),
    );
    let rows = rounds.rows(&sql).await?;
    let name = |row: &PgRow| Ok(row.try_get::<String, _>(0)?.into());
    rows.iter().map(name).collect::<Result<_, _>>().map_err(|error| rounds.error(&error))
}

/// Texts as an array.
fn texts<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> String {
    format!("ARRAY[{}]::text[]", texts.map(|text| quoted(text.as_ref())).collect::<Vec<_>>().join(", "))
}

/// The first value of the first row.
fn value<'r, T>(rounds: &PostgresRounds, rows: &'r [PgRow]) -> Result<T, TransportError>
where
    T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    let value = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get(0));
    value.map_err(|error| rounds.error(&error))
}

pub(super) async fn enroll(rounds: &PostgresRounds, rules: &str, replaces: bool) -> Result<Enrolled, TransportError> {
    let number = number_of(rules);
    let (schema, broker, text) = (rounds.database.schema(), quoted(&rounds.broker), quoted(rules));
    let sql = format!("SELECT {schema}.convoke_round_enroll_1({broker}, {number}, {text}, {replaces})");
    if let Some(other) = value(rounds, &rounds.rows(&sql).await?)? {
        return Ok(Enrolled::Other(other));
    }
    let mut names = rounds.names();
    names.rules.insert(number, rules.into());
    names.enrolled = Some(number);
    Ok(Enrolled::As(number))
}

/// Whoever enrolls some of them meanwhile is waited for, and keeps them.
pub(super) async fn forget_rules(rounds: &PostgresRounds, older: Duration) -> Result<u64, TransportError> {
    let sql = format!(
        "DELETE FROM {schema}.convoke_round_rules AS r USING {schema}.convoke_round_broker AS b \
         WHERE b.name = {} AND r.broker = b.id AND r.id IS DISTINCT FROM b.rules AND r.noted_at <= {schema}.convoke_micros_1() - {} \
             AND NOT EXISTS (SELECT 1 FROM {schema}.convoke_round AS l WHERE l.broker = b.id AND l.state <= 2 AND l.rules = r.id) \
         RETURNING r.id",
        quoted(&rounds.broker),
        micros(older),
        schema = rounds.database.schema(),
    );
    let rows = rounds.rows(&sql).await?;
    let forgotten = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>();
    let forgotten = forgotten.map_err(|error| rounds.error(&error))?;
    let mut names = rounds.names();
    forgotten.iter().for_each(|number| drop(names.rules.remove(number)));
    Ok(forgotten.len() as u64)
}

pub(super) async fn add_consumer(rounds: &PostgresRounds, name: &str) -> Result<(), TransportError> {
    let consumer: Arc<str> = name.into();
    rounds.open_outbox(&consumer).await?;
    set_consumer(rounds, name, true).await?;
    rounds.names().consumers.insert(consumer);
    Ok(())
}

pub(super) async fn remove_consumer(rounds: &PostgresRounds, name: &str) -> Result<bool, TransportError> {
    rounds.names().consumers.remove(name);
    set_consumer(rounds, name, false).await
}

async fn set_consumer(rounds: &PostgresRounds, name: &str, is_there: bool) -> Result<bool, TransportError> {
    let (schema, broker, name) = (rounds.database.schema(), quoted(&rounds.broker), quoted(name));
    let sql = format!("SELECT {schema}.convoke_round_consumer_1({broker}, {name}, {is_there})");
    value(rounds, &rounds.rows(&sql).await?)
}

pub(super) async fn add_party(rounds: &PostgresRounds, party: &Party) -> Result<(), TransportError> {
    if party.asked {
        rounds.open_outbox(&channel_of(&party.name)).await?;
    }
    set_party(rounds, &party.name, Some(party)).await?;
    rounds.names().parties.insert(party.name.clone(), party.clone());
    Ok(())
}

pub(super) async fn remove_party(rounds: &PostgresRounds, name: &str) -> Result<bool, TransportError> {
    rounds.names().parties.remove(name);
    set_party(rounds, name, None).await
}

async fn set_party(rounds: &PostgresRounds, name: &str, party: Option<&Party>) -> Result<bool, TransportError> {
    let terms = party.map_or("NULL".to_owned(), |party| quoted(&party.terms));
    let (schema, broker, name) = (rounds.database.schema(), quoted(&rounds.broker), quoted(name));
    let asked = party.is_some_and(|party| party.asked);
    let sql = format!("SELECT {schema}.convoke_round_party_1({broker}, {name}, {terms}, {asked})");
    value(rounds, &rounds.rows(&sql).await?)
}

pub(super) async fn parties(rounds: &PostgresRounds) -> Result<Vec<Party>, TransportError> {
    let sql = format!(
        "SELECT p.name, p.terms, p.asked FROM {schema}.convoke_round_broker AS b JOIN {schema}.convoke_round_party AS p \
         ON p.broker = b.id WHERE b.name = {} ORDER BY p.name",
        quoted(&rounds.broker),
        schema = rounds.database.schema(),
    );
    let rows = rounds.rows(&sql).await?;
    let party = |row: &PgRow| {
        let (name, terms, asked) = (row.try_get::<String, _>(0)?.into(), row.try_get(1)?, row.try_get(2)?);
        Ok(Party { name, terms, asked })
    };
    rows.iter().map(party).collect::<Result<_, _>>().map_err(|error| rounds.error(&error))
}

pub(super) async fn consumers(rounds: &PostgresRounds) -> Result<Vec<Arc<str>>, TransportError> {
    let sql = format!(
        "SELECT c.name FROM {schema}.convoke_round_broker AS b JOIN {schema}.convoke_round_consumer AS c ON c.broker = b.id \
         WHERE b.name = {} ORDER BY c.name",
        quoted(&rounds.broker),
        schema = rounds.database.schema(),
    );
    let rows = rounds.rows(&sql).await?;
    let name = |row: &PgRow| Ok(row.try_get::<String, _>(0)?.into());
    rows.iter().map(name).collect::<Result<_, _>>().map_err(|error| rounds.error(&error))
}

/// The texts of rules by their numbers: they never change, so what is not known yet is read once.
pub(super) async fn learn_rules(
    rounds: &PostgresRounds,
    numbers: impl Iterator<Item = i64>,
) -> Result<(), TransportError> {
    let unknown = unknown(rounds, numbers);
    if unknown.is_empty() {
        return Ok(());
    }
    let rows = rounds.rows(&rules_sql(rounds, &unknown)).await?;
    note_rules(rounds, &rows).map_err(|error| rounds.error(&error))
}

/// Those that are not known here.
pub(super) fn unknown(rounds: &PostgresRounds, numbers: impl Iterator<Item = i64>) -> BTreeSet<i64> {
    let names = rounds.names();
    numbers.filter(|number| !names.rules.contains_key(number)).collect()
}

pub(super) fn rules_sql(rounds: &PostgresRounds, numbers: &BTreeSet<i64>) -> String {
    format!(
        "SELECT r.id, r.text FROM {schema}.convoke_round_broker AS b JOIN {schema}.convoke_round_rules AS r ON r.broker = b.id \
         WHERE b.name = {} AND r.id = ANY ('{}')",
        quoted(&rounds.broker),
        array(numbers.iter()),
        schema = rounds.database.schema(),
    )
}

pub(super) fn note_rules(rounds: &PostgresRounds, rows: &[PgRow]) -> Result<(), sqlx::Error> {
    let mut names = rounds.names();
    for row in rows {
        names.rules.insert(row.try_get(0)?, row.try_get::<String, _>(1)?.into());
    }
    Ok(())
}
