//! How a delivery ends in the file: many at a time, each only if it is still lent to who says so.
//!
//! `Delivery → SqliteReceipt → Ask → Batcher → settle_all → convoke_delivery → (trigger) the next of its key`

use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::OwnedSemaphorePermit;

use super::insert::{Row, insert_rows, register};
use super::lend::{self, HELD, LENT, READY};
use super::parking::park;
use super::queue::{Core, MAX_ATTRIBUTES, Queue};
use crate::sql::sqlite::{Bell, after, describe, late, now};
use crate::transport::{BoxFuture, DeadLetterRecord, ErrorKind, Packet, Receipt, Settlement, TransportError};

/// A dead letter may be so much larger than a packet: its record has to find room.
const ROOM_FOR_RECORD: usize = 64 * 1024;

/// All of them, or none if one is not: what most of the time is true takes no answer for each.
pub(super) const DELETE_ALL: &str = "DELETE FROM convoke_delivery WHERE id IN (SELECT value ->> 0 FROM json_each(?1)) \
    AND (SELECT count(*) FROM json_each(?1) AS ask CROSS JOIN convoke_delivery AS d ON d.id = ask.value ->> 0 \
        WHERE d.lent = ask.value ->> 1) = ?2";

/// Those that are.
pub(super) const DELETE: &str = "DELETE FROM convoke_delivery WHERE id IN ( \
        SELECT d.id FROM json_each(?1) AS ask CROSS JOIN convoke_delivery AS d ON d.id = ask.value ->> 0 \
        WHERE d.lent = ask.value ->> 1 \
    ) RETURNING id, lent";

/// Each ask is the id, how often it was lent, the new state, when it is due (or 0), and what that adds to its attempts.
pub(super) const UPDATE: &str = "UPDATE convoke_delivery AS d SET \
        state = ask.value ->> 2, \
        sort = iif(ask.value ->> 2 = 0, d.rank, ask.value ->> 3), \
        marked = d.marked AND ask.value ->> 2 = 2, \
        attempt = d.attempt + (ask.value ->> 4) \
    FROM json_each(?1) AS ask WHERE d.id = ask.value ->> 0 AND d.lent = ask.value ->> 1 \
    RETURNING id, lent";

/// That it is heard alone, for as long as it is lent and until somebody says how that has ended.
pub(super) const MARK: &str = "UPDATE convoke_delivery SET marked = 1 WHERE id = ?1 AND lent = ?2";

/// Which delivery, as it was lent: another time it is another.
type Loan = (i64, i64);

/// What is asked for a delivery.
#[derive(Debug)]
pub(super) struct Ask {
    loan: Loan,
    /// Of which file it is.
    generation: u64,
    what: What,
    bell: Bell,
}

#[derive(Debug)]
enum What {
    /// It is done; others of its key wait if it has one.
    Done {
        keyed: bool,
    },
    Retry(Duration),
    Release,
    Extend(Duration),
    Dead(Box<DeadLetterRecord>),
}

/// Settles them all in one transaction, and returns a result for each.
pub(super) async fn settle_all(core: Arc<Core>, asks: Vec<Ask>) -> Vec<Result<(), TransportError>> {
    match try_all(&core, &asks).await {
        Ok((settled, generation)) => {
            let lost = || TransportError::new(ErrorKind::Lost, core.at.clone(), LOST);
            let answer = |ask: &Ask| {
                let settled = ask.generation == generation && settled.contains(&ask.loan);
                // Something is there again.
                if settled && !matches!(ask.what, What::Done { keyed: false } | What::Extend(_)) {
                    ask.bell.notify_one();
                }
                if settled { Ok(()) } else { Err(lost()) }
            };
            asks.iter().map(answer).collect()
        }
        Err(error) => {
            let error = describe(&core.at, &error);
            vec![Err(error); asks.len()]
        }
    }
}

pub(super) const LOST: &str =
    "the delivery is no longer ours, its lease has run out: extend it in time, or set a longer one";

/// Settles those that can be, and says of which file they are: what was lent from one that is gone is none of them.
async fn try_all(core: &Core, asks: &[Ask]) -> Result<(HashSet<Loan>, u64), sqlx::Error> {
    let mut writer = core.store.write().await?;
    let generation = core.store.generation();
    let asks: Vec<_> = asks.iter().filter(|ask| ask.generation == generation).collect();
    let settled = core.store.verified(try_these(core, &mut writer.connection, &asks).await)?;
    Ok((settled, generation))
}

async fn try_these(
    core: &Core,
    connection: &mut SqliteConnection,
    asks: &[&Ask],
) -> Result<HashSet<Loan>, sqlx::Error> {
    let now = now();
    let (mut done, mut changed, mut dead) = (String::new(), String::new(), Vec::new());
    let is_done = |ask: &&Ask| matches!(ask.what, What::Done { .. });
    for ask in asks {
        let (id, lent) = ask.loan;
        let (state, due, attempts) = match &ask.what {
            What::Done { .. } => {
                add(&mut done, format_args!("[{id},{lent}]"));
                continue;
            }
            What::Dead(record) => {
                dead.push((ask.loan, record));
                continue;
            }
            What::Retry(delay) if delay.is_zero() => (READY, 0, 0),
            What::Retry(delay) => (HELD, after(now, *delay), 0),
            What::Release => (READY, 0, -1),
            What::Extend(by) => (LENT, after(now, *by), 0),
        };
        add(&mut changed, format_args!("[{id},{lent},{state},{due},{attempts}]"));
    }
    let (done, changed) = (close(done), close(changed));
    let mut settled = HashSet::with_capacity(asks.len());
    if dead.is_empty() && (done.is_none() || changed.is_none()) {
        // One statement is a transaction by itself.
        if asks.iter().all(is_done) && delete_all(connection, &done, asks.len()).await? {
            return Ok(asks.iter().map(|ask| ask.loan).collect());
        }
        change(connection, DELETE, done, &mut settled).await?;
        change(connection, UPDATE, changed, &mut settled).await?;
        return Ok(settled);
    }
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    change(&mut transaction, DELETE, done, &mut settled).await?;
    change(&mut transaction, UPDATE, changed, &mut settled).await?;
    for (loan, record) in dead {
        if bury(core, &mut transaction, loan, record).await? {
            settled.insert(loan);
        }
    }
    transaction.commit().await?;
    if !dead_is_empty(asks) {
        core.store.hub.ring(&core.dead, asks.len());
    }
    Ok(settled)
}

fn dead_is_empty(asks: &[&Ask]) -> bool {
    !asks.iter().any(|ask| matches!(ask.what, What::Dead(_)))
}

fn add(list: &mut String, item: std::fmt::Arguments<'_>) {
    list.push(if list.is_empty() { '[' } else { ',' });
    // Writing into a text cannot fail.
    let _ = list.write_fmt(item);
}

fn close(mut list: String) -> Option<String> {
    (!list.is_empty()).then(|| {
        list.push(']');
        list
    })
}

async fn delete_all(
    connection: &mut SqliteConnection,
    asks: &Option<String>,
    count: usize,
) -> Result<bool, sqlx::Error> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let deleted = sqlx::query(DELETE_ALL).bind(asks.clone()).bind(count).execute(connection).await?;
    Ok(deleted.rows_affected() > 0)
}

async fn change(
    connection: &mut SqliteConnection,
    sql: &'static str,
    asks: Option<String>,
    settled: &mut HashSet<Loan>,
) -> Result<(), sqlx::Error> {
    if let Some(asks) = asks {
        settled.extend(sqlx::query_as::<_, Loan>(sql).bind(asks).fetch_all(connection).await?);
    }
    Ok(())
}

/// Moves one to the queue of dead letters, for the group that it died in.
async fn bury(
    core: &Core,
    connection: &mut SqliteConnection,
    (id, lent): Loan,
    record: &DeadLetterRecord,
) -> Result<bool, sqlx::Error> {
    let Some(packet) = lend::packet(connection, id, lent).await? else { return Ok(false) };
    // A letter that is redriven has the same id, and is no twin.
    sqlx::query("DELETE FROM convoke_taken WHERE queue = ?1 AND packet = ?2")
        .bind(core.queue.clone())
        .bind(packet.id.clone())
        .execute(&mut *connection)
        .await?;
    let letter = record.clone().bury(packet, MAX_ATTRIBUTES + 1, core.max_bytes.saturating_add(ROOM_FOR_RECORD));
    let lane = register(connection, &core.dead, &core.group).await?;
    insert_rows(connection, &core.dead, Some(lane), vec![Row::of(&letter, 0)]).await?;
    sqlx::query("DELETE FROM convoke_delivery WHERE id = ?1").bind(id).execute(connection).await?;
    Ok(true)
}

/// Marks one, if it is still lent as it was.
async fn mark(core: &Core, (id, lent): Loan, generation: u64) -> Result<bool, sqlx::Error> {
    let mut writer = core.store.write().await?;
    if core.store.generation() != generation {
        return Ok(false);
    }
    let marked = sqlx::query(MARK).bind(id).bind(lent).execute(&mut *writer.connection).await;
    Ok(core.store.verified(marked)?.rows_affected() > 0)
}

/// The transport's side of a delivery.
#[derive(Debug)]
pub(super) struct SqliteReceipt {
    pub(super) queue: Arc<Queue>,
    pub(super) loan: Loan,
    pub(super) generation: u64,
    pub(super) keyed: bool,
    pub(super) bell: Bell,
    /// Room for another one, once this is settled.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl SqliteReceipt {
    fn ask(&self, what: What) -> Ask {
        Ask { loan: self.loan, generation: self.generation, what, bell: self.bell.clone() }
    }
}

impl Receipt for SqliteReceipt {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        let what = match how {
            Settlement::Ack => What::Done { keyed: self.keyed },
            Settlement::RetryAfter(delay) => What::Retry(delay),
            Settlement::DeadLetter(record) => What::Dead(Box::new(record)),
            Settlement::Release => What::Release,
        };
        Box::pin(async move { self.queue.settle(self.ask(what)).await })
    }

    fn park(self: Box<Self>, record: DeadLetterRecord, _: Packet) -> BoxFuture<'static, Result<u64, TransportError>> {
        Box::pin(async move { park(&self.queue.core, self.loan, self.generation, &record).await })
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let ask = self.ask(What::Extend(by));
        Box::pin(self.queue.settle(ask))
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        let (core, loan, generation) = (&self.queue.core, self.loan, self.generation);
        let deadline = core.store.deadline;
        Box::pin(async move {
            let marked = tokio::time::timeout(deadline, mark(core, loan, generation)).await;
            match marked.map_err(|_| late(&core.at, deadline))?.map_err(|error| describe(&core.at, &error))? {
                true => Ok(true),
                false => Err(TransportError::new(ErrorKind::Lost, core.at.clone(), LOST)),
            }
        })
    }
}
