//! Which relay has which lanes: those that are alive share them.
//!
//! `Rows::lanes → convoke_outbox_relay (who is alive? alive.rs) → convoke_outbox_lane`

use std::collections::HashSet;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};

use super::alive::{Sign, is_dead, sweep};
use super::rows::SqliteRows;
use crate::Uuid;
use crate::outbox::{LANES, Lanes};
use crate::sql::sqlite::{after, now, written};
use crate::transport::TransportError;

const OTHERS: &str = "SELECT relay FROM convoke_outbox_relay WHERE outbox = ?1 AND relay <> ?2";
const REMOVE: &str = "DELETE FROM convoke_outbox_relay WHERE outbox = ?1 AND relay = ?2";
const BURY: &str = "DELETE FROM convoke_outbox_relay WHERE outbox = ?1 AND until <= ?2 AND relay <> ?3";
const STAY: &str = "INSERT INTO convoke_outbox_relay (outbox, relay, until) VALUES (?1, ?2, ?3) \
    ON CONFLICT (outbox, relay) DO UPDATE SET until = excluded.until";
const COUNT: &str = "SELECT count(*) FROM convoke_outbox_relay WHERE outbox = ?1";
const FREE: &str = "DELETE FROM convoke_outbox_lane WHERE outbox = ?1 \
    AND relay NOT IN (SELECT relay FROM convoke_outbox_relay WHERE outbox = ?1)";
const ALL: &str = "SELECT lane, relay FROM convoke_outbox_lane WHERE outbox = ?1";
const TAKE: &str = "INSERT INTO convoke_outbox_lane (outbox, lane, relay) SELECT ?1, value, ?2 FROM json_each(?3)";
const GIVE_BACK: &str = "DELETE FROM convoke_outbox_lane WHERE outbox = ?1 AND relay = ?2 \
    AND lane IN (SELECT value FROM json_each(?3))";

pub(super) async fn renew(
    rows: &SqliteRows,
    relay: Uuid,
    lease: Duration,
    busy: &[u16],
) -> Result<Lanes, TransportError> {
    let (id, known, database) = (rows.id(), rows.known_as(relay), rows.store.file());
    rows.write(async |connection| {
        if rows.sign().is_some_and(Sign::is_new) {
            let relays: Vec<String> =
                sqlx::query_scalar("SELECT relay FROM convoke_outbox_relay").fetch_all(&mut *connection).await?;
            sweep(&database, &relays);
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let others: Vec<String> =
            sqlx::query_scalar(OTHERS).bind(id).bind(known.clone()).fetch_all(&mut *transaction).await?;
        for dead in others.into_iter().filter(|other| is_dead(&database, other)) {
            sqlx::query(REMOVE).bind(id).bind(dead).execute(&mut *transaction).await?;
        }
        let lanes = share(&mut transaction, id, &known, lease, busy).await?;
        transaction.commit().await?;
        Ok(lanes)
    })
    .await
}

async fn share(
    connection: &mut SqliteConnection,
    outbox: i64,
    relay: &str,
    lease: Duration,
    busy: &[u16],
) -> Result<Lanes, sqlx::Error> {
    let now = now();
    sqlx::query(BURY).bind(outbox).bind(now).bind(relay.to_owned()).execute(&mut *connection).await?;
    let until = after(now, lease);
    sqlx::query(STAY).bind(outbox).bind(relay.to_owned()).bind(until).execute(&mut *connection).await?;
    sqlx::query(FREE).bind(outbox).execute(&mut *connection).await?;
    let alive: i64 = sqlx::query_scalar(COUNT).bind(outbox).fetch_one(&mut *connection).await?;
    let share = usize::from(LANES).div_ceil(usize::try_from(alive).unwrap_or(1).max(1));
    let all: Vec<(i64, String)> = sqlx::query_as(ALL).bind(outbox).fetch_all(&mut *connection).await?;
    let taken: HashSet<i64> = all.iter().map(|(lane, _)| *lane).collect();
    let mut held: Vec<i64> = all.iter().filter(|(_, of)| of == relay).map(|(lane, _)| *lane).collect();
    if held.len() > share {
        let beyond = held.len() - share;
        let is_free = |lane: &&i64| !busy.iter().any(|busy| i64::from(*busy) == **lane);
        let back: Vec<i64> = held.iter().filter(is_free).take(beyond).copied().collect();
        change(connection, GIVE_BACK, outbox, relay, &back).await?;
        held.retain(|lane| !back.contains(lane));
    } else {
        let free = (0..i64::from(LANES)).filter(|lane| !taken.contains(lane));
        let more: Vec<i64> = free.take(share - held.len()).collect();
        change(connection, TAKE, outbox, relay, &more).await?;
        held.extend(more);
    }
    held.sort_unstable();
    Ok(Lanes { held: held.into_iter().filter_map(|lane| lane.try_into().ok()).collect(), share })
}

async fn change(
    connection: &mut SqliteConnection,
    sql: &'static str,
    outbox: i64,
    relay: &str,
    lanes: &[i64],
) -> Result<(), sqlx::Error> {
    if !lanes.is_empty() {
        let query = sqlx::query(sql).bind(outbox).bind(relay.to_owned()).bind(written(lanes));
        query.execute(connection).await?;
    }
    Ok(())
}

pub(super) async fn leave(rows: &SqliteRows, relay: Uuid) -> Result<(), TransportError> {
    const LEAVE: &str = "DELETE FROM convoke_outbox_lane WHERE outbox = ?1 AND relay = ?2; \
        DELETE FROM convoke_outbox_relay WHERE outbox = ?1 AND relay = ?2";
    let query = sqlx::query(LEAVE).bind(rows.id()).bind(rows.known_as(relay));
    rows.write(async |connection| query.execute(connection).await).await?;
    Ok(())
}

/// Every statement of this file that looks for rows.
#[cfg(test)]
pub(super) const ALL_OF_THEM: [&str; 7] = [OTHERS, REMOVE, BURY, COUNT, FREE, ALL, GIVE_BACK];
