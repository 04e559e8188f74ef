//! What a broker has in a file: its name, its rules, its consumers, its parties.
//!
//! `open_rounds → register`, `enroll → convoke_round_rules`, `add_consumer → convoke_round_consumer`, `add_party → convoke_round_party`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::rounds::{SqliteRounds, micros, now};
use crate::durable::plan::{channel_of, number_of};
use crate::durable::{Enrolled, Party};
use crate::transport::{ErrorKind, TransportError};

/// What a handle knows of its broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Which broker of this name it was: in a file that was replaced it is another one, or there is none.
    tag: Option<i64>,
    /// The same, if the transaction in hand commits.
    made: Option<i64>,
    /// By their number, which is the same in every file.
    rules: BTreeMap<i64, Arc<str>>,
    /// By which it opens rounds.
    enrolled: Option<i64>,
    /// Those that were added by it.
    consumers: BTreeSet<Arc<str>>,
    parties: BTreeMap<Arc<str>, Party>,
}

impl Names {
    /// Whether the broker of this tag has all that is known here.
    pub(super) fn are_of(&self, tag: Option<i64>) -> bool {
        tag.is_some() && (tag == self.tag || tag == self.made)
    }

    /// A transaction has ended.
    pub(super) fn ended(&mut self, is_committed: bool) {
        if let Some(made) = self.made.take()
            && is_committed
        {
            self.tag = Some(made);
        }
    }

    pub(super) fn rules(&self, number: i64) -> Option<Arc<str>> {
        self.rules.get(&number).cloned()
    }

    pub(super) fn note_rules(&mut self, number: i64, text: Arc<str>) {
        self.rules.insert(number, text);
    }
}

const FIND: &str = "SELECT id, tag FROM convoke_round_broker WHERE name = ?1";
const MAKE: &str = "INSERT INTO convoke_round_broker (name, tag) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
const MAKE_RULES: &str = "INSERT INTO convoke_round_rules (broker, id, text, noted_at) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (broker, id) DO UPDATE SET noted_at = excluded.noted_at";
const FORGET_RULES: &str = "DELETE FROM convoke_round_rules AS r WHERE r.noted_at <= ?2 \
    AND r.broker = (SELECT b.id FROM convoke_round_broker AS b WHERE b.name = ?1 AND b.rules IS NOT r.id) \
    AND NOT EXISTS (SELECT 1 FROM convoke_round AS l WHERE l.broker = r.broker AND l.state <= 2 AND l.rules = r.id) RETURNING id";
const MAKE_CONSUMER: &str = "INSERT INTO convoke_round_consumer (broker, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

const MAKE_PARTY: &str = "INSERT INTO convoke_round_party (broker, name, terms, asked) VALUES (?1, ?2, ?3, ?4) \
    ON CONFLICT (broker, name) DO UPDATE SET terms = excluded.terms, asked = excluded.asked";

async fn make_party(connection: &mut SqliteConnection, id: i64, party: &Party) -> Result<(), sqlx::Error> {
    let make =
        sqlx::query(MAKE_PARTY).bind(id).bind(party.name.to_string()).bind(party.terms.clone()).bind(party.asked);
    make.execute(connection).await.map(drop)
}

async fn find(rounds: &SqliteRounds, connection: &mut SqliteConnection) -> Result<Option<(i64, i64)>, sqlx::Error> {
    sqlx::query_as(FIND).bind(rounds.broker.to_string()).fetch_optional(connection).await
}

/// Makes the broker, if there is none.
pub(super) async fn register(rounds: &SqliteRounds) -> Result<(), TransportError> {
    match rounds.read(async |connection| find(rounds, connection).await).await? {
        Some((_, tag)) => rounds.names().tag = Some(tag),
        None => drop(rounds.transact(async |connection| there_is(rounds, connection).await).await?),
    }
    Ok(())
}

/// Looks whether there is the broker; by which rules it opens rounds, if it has some.
pub(super) async fn find_broker(rounds: &SqliteRounds) -> Result<Option<Option<(i64, Arc<str>)>>, TransportError> {
    let find = "SELECT b.tag, r.id, r.text FROM convoke_round_broker AS b \
        LEFT JOIN convoke_round_rules AS r ON r.broker = b.id AND r.id = b.rules WHERE b.name = ?1";
    let find = sqlx::query_as::<_, (i64, Option<i64>, Option<String>)>(find).bind(rounds.broker.to_string());
    let found = rounds.read(async |connection| find.fetch_optional(connection).await).await?;
    Ok(found.map(|(tag, rules, text)| {
        rounds.names().tag = Some(tag);
        Some((rules?, text?.into()))
    }))
}

pub(super) async fn brokers(rounds: &SqliteRounds, behind: &str, most: usize) -> Result<Vec<Arc<str>>, TransportError> {
    let list = "SELECT name FROM convoke_round_broker WHERE name > ?1 ORDER BY name LIMIT ?2";
    let list = sqlx::query_scalar::<_, String>(list).bind(behind.to_owned());
    let list = list.bind(i64::try_from(most).unwrap_or(i64::MAX));
    let names = rounds.read(async |connection| list.fetch_all(connection).await).await?;
    Ok(names.into_iter().map(Into::into).collect())
}

/// Returns the number of the broker in the file, in a transaction that writes. A file that was replaced gets what this handle knows
/// of the broker.
pub(super) async fn there_is(rounds: &SqliteRounds, connection: &mut SqliteConnection) -> Result<i64, TransportError> {
    let made = async {
        let there = match find(rounds, connection).await? {
            Some(there) => there,
            None => {
                let tag = i64::try_from(crate::__private::random() >> 1).unwrap_or_default();
                sqlx::query(MAKE).bind(rounds.broker.to_string()).bind(tag).execute(&mut *connection).await?;
                find(rounds, connection).await?.ok_or(sqlx::Error::RowNotFound)?
            }
        };
        let ((id, tag), names) = (there, rounds.names().clone());
        if names.are_of(Some(tag)) {
            return Ok(id);
        }
        for (number, text) in names.rules {
            sqlx::query(MAKE_RULES)
                .bind(id)
                .bind(number)
                .bind(text.to_string())
                .bind(now())
                .execute(&mut *connection)
                .await?;
        }
        if let Some(rules) = names.enrolled {
            let take = "UPDATE convoke_round_broker SET rules = ?2 WHERE id = ?1 AND rules IS NULL";
            sqlx::query(take).bind(id).bind(rules).execute(&mut *connection).await?;
        }
        for name in names.consumers {
            sqlx::query(MAKE_CONSUMER).bind(id).bind(name.to_string()).execute(&mut *connection).await?;
        }
        for party in names.parties.values() {
            make_party(connection, id, party).await?;
        }
        rounds.names().made = Some(tag);
        Ok(id)
    };
    made.await.map_err(|error| rounds.error(&error))
}

async fn set_rules(connection: &mut SqliteConnection, id: i64, rules: i64) -> Result<(), sqlx::Error> {
    let set = sqlx::query("UPDATE convoke_round_broker SET rules = ?2 WHERE id = ?1").bind(id).bind(rules);
    set.execute(connection).await.map(drop)
}

async fn text_of(connection: &mut SqliteConnection, id: i64, rules: i64) -> Result<Option<String>, sqlx::Error> {
    let text = sqlx::query_scalar("SELECT text FROM convoke_round_rules WHERE broker = ?1 AND id = ?2");
    text.bind(id).bind(rules).fetch_optional(connection).await
}

pub(super) async fn enroll(rounds: &SqliteRounds, rules: &str, replaces: bool) -> Result<Enrolled, TransportError> {
    let number = number_of(rules);
    let enrolled = rounds.transact(async |connection| {
        let id = there_is(rounds, connection).await?;
        let enrolled = async {
            let there = sqlx::query_scalar("SELECT rules FROM convoke_round_broker WHERE id = ?1").bind(id);
            let there: Option<i64> = there.fetch_one(&mut *connection).await?;
            if let Some(there) = there.filter(|there| *there != number && !replaces) {
                let other = text_of(connection, id, there).await?;
                return Ok(Enrolled::Other(other.unwrap_or_default()));
            }
            let make = sqlx::query(MAKE_RULES).bind(id).bind(number).bind(rules.to_owned()).bind(now());
            make.execute(&mut *connection).await?;
            if there != Some(number) {
                set_rules(connection, id, number).await?;
            }
            Ok(Enrolled::As(number))
        };
        let enrolled = enrolled.await.map_err(|error: sqlx::Error| rounds.error(&error))?;
        if let Enrolled::As(number) = enrolled {
            let there = text_of(connection, id, number).await.map_err(|error| rounds.error(&error))?;
            if there.as_deref() != Some(rules) {
                let text = "other rules of this broker have the same digest: change something in these";
                return Err(TransportError::new(ErrorKind::Refused, rounds.at.clone(), text));
            }
        }
        Ok(enrolled)
    });
    let enrolled = enrolled.await?;
    if let Enrolled::As(number) = enrolled {
        let mut names = rounds.names();
        names.note_rules(number, rules.into());
        names.enrolled = Some(number);
    }
    Ok(enrolled)
}

pub(super) async fn forget_rules(rounds: &SqliteRounds, older: Duration) -> Result<u64, TransportError> {
    let until = now().saturating_sub(micros(older));
    let forgotten = rounds.transact(async |connection| {
        let forget = sqlx::query_scalar(FORGET_RULES).bind(rounds.broker.to_string()).bind(until);
        forget.fetch_all(connection).await.map_err(|error| rounds.error(&error))
    });
    let forgotten: Vec<i64> = forgotten.await?;
    let mut names = rounds.names();
    forgotten.iter().for_each(|number| drop(names.rules.remove(number)));
    Ok(forgotten.len() as u64)
}

pub(super) async fn add_consumer(rounds: &SqliteRounds, name: &str) -> Result<(), TransportError> {
    let consumer: Arc<str> = name.into();
    rounds.open_outbox(&consumer).await?;
    let added = rounds.transact(async |connection| {
        let id = there_is(rounds, connection).await?;
        let make = sqlx::query(MAKE_CONSUMER).bind(id).bind(name.to_owned());
        make.execute(connection).await.map_err(|error| rounds.error(&error))
    });
    added.await?;
    rounds.names().consumers.insert(consumer);
    Ok(())
}

pub(super) async fn remove_consumer(rounds: &SqliteRounds, name: &str) -> Result<bool, TransportError> {
    rounds.names().consumers.remove(name);
    let removed = rounds.transact(async |connection| {
        let id = there_is(rounds, connection).await?;
        let delete = sqlx::query("DELETE FROM convoke_round_consumer WHERE broker = ?1 AND name = ?2");
        let deleted = delete.bind(id).bind(name.to_owned()).execute(connection).await;
        deleted.map_err(|error| rounds.error(&error))
    });
    Ok(removed.await?.rows_affected() > 0)
}

pub(super) async fn add_party(rounds: &SqliteRounds, party: &Party) -> Result<(), TransportError> {
    if party.asked {
        rounds.open_outbox(&channel_of(&party.name)).await?;
    }
    let added = rounds.transact(async |connection| {
        let id = there_is(rounds, connection).await?;
        make_party(connection, id, party).await.map_err(|error| rounds.error(&error))
    });
    added.await?;
    rounds.names().parties.insert(party.name.clone(), party.clone());
    Ok(())
}

pub(super) async fn remove_party(rounds: &SqliteRounds, name: &str) -> Result<bool, TransportError> {
    rounds.names().parties.remove(name);
    let removed = rounds.transact(async |connection| {
        let id = there_is(rounds, connection).await?;
        let delete = sqlx::query("DELETE FROM convoke_round_party WHERE broker = ?1 AND name = ?2");
        let deleted = delete.bind(id).bind(name.to_owned()).execute(connection).await;
        deleted.map_err(|error| rounds.error(&error))
    });
    Ok(removed.await?.rows_affected() > 0)
}

pub(super) async fn parties(rounds: &SqliteRounds) -> Result<Vec<Party>, TransportError> {
    let sql = "SELECT p.name, p.terms, p.asked FROM convoke_round_broker AS b JOIN convoke_round_party AS p ON p.broker = b.id \
        WHERE b.name = ?1 ORDER BY p.name";
    let all: Vec<(String, String, bool)> = rounds
        .read(async |connection| sqlx::query_as(sql).bind(rounds.broker.to_string()).fetch_all(connection).await)
        .await?;
    Ok(all.into_iter().map(|(name, terms, asked)| Party { name: name.into(), terms, asked }).collect())
}

pub(super) async fn consumers(rounds: &SqliteRounds) -> Result<Vec<Arc<str>>, TransportError> {
    let sql = "SELECT c.name FROM convoke_round_broker AS b JOIN convoke_round_consumer AS c ON c.broker = b.id \
        WHERE b.name = ?1 ORDER BY c.name";
    let names: Vec<String> = rounds
        .read(async |connection| sqlx::query_scalar(sql).bind(rounds.broker.to_string()).fetch_all(connection).await)
        .await?;
    Ok(names.into_iter().map(Into::into).collect())
}
