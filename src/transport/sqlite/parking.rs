//! Dead letters that stay in their places: how they get there, and how they are looked at, redriven and discarded.
//!
//! `SqliteReceipt → park → convoke_delivery (state 4) → SqliteParking → ready again | deleted → (trigger) the next of its key`

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use tokio::time::timeout;

use super::insert::lane_of;
use super::queue::Core;
use super::settle::LOST;
use crate::sql::read_attributes;
use crate::sql::sqlite::{describe, late};
use crate::transport::{
    BoxFuture, DeadLetterRecord, ErrorKind, LetterInPlace, MOST_COUNTED, Packet, ParkingFigures, Parks, TransportError,
};

/// One that is lent, or was last: it stays where it is, and nobody who has had it lent changes it any more.
pub(super) const PARK: &str = "UPDATE convoke_delivery SET state = 4, sort = id, lent = lent + 1, marked = 0, record = ?3 \
    WHERE id = ?1 AND lent = ?2 AND key IS NOT NULL RETURNING lane, key";

pub(super) const BEHIND: &str =
    "SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = ?1 AND key = ?2 AND id > ?3 LIMIT ?4)";

pub(super) const LETTERS: &str = "SELECT d.id, d.record, m.packet, m.topic, m.key, m.priority, m.attributes, m.body, ( \
        SELECT count(*) FROM ( \
            SELECT 1 FROM convoke_delivery AS f WHERE f.lane = d.lane AND f.key = d.key AND f.id > d.id LIMIT ?4 \
        ) \
    ) \
    FROM convoke_delivery AS d CROSS JOIN convoke_message AS m ON m.id = d.message \
    WHERE d.lane = ?1 AND d.state = 4 AND d.sort > ?2 ORDER BY d.sort LIMIT ?3";

pub(super) const FIGURES: &str = "SELECT \
    (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = ?1 AND state = 4 LIMIT ?2)), \
    (SELECT count(*) FROM ( \
        SELECT 1 FROM ( \
            SELECT lane, key, id FROM convoke_delivery WHERE lane = ?1 AND state = 4 ORDER BY sort LIMIT ?2 \
        ) AS letter CROSS JOIN convoke_delivery AS f ON f.lane = letter.lane AND f.key = letter.key AND f.id > letter.id \
        LIMIT ?2 \
    ))";

pub(super) const REDRIVE: &str = "UPDATE convoke_delivery SET state = 0, sort = rank, attempt = 0, lent = lent + 1, \
    redriven = redriven + 1, record = NULL WHERE id = ?2 AND lane = ?1 AND state = 4";

/// So many at a time that others can write between.
pub(super) const REDRIVE_SOME: &str = "UPDATE convoke_delivery SET state = 0, sort = rank, attempt = 0, lent = lent + 1, \
    redriven = redriven + 1, record = NULL WHERE id IN ( \
        SELECT id FROM convoke_delivery WHERE lane = ?1 AND state = 4 AND sort > ?2 ORDER BY sort LIMIT 500 \
    ) \
    RETURNING id";

pub(super) const DISCARD: &str = "DELETE FROM convoke_delivery WHERE id = ?2 AND lane = ?1 AND state = 4";

/// Makes one that was lent so often a dead letter in its place, and returns how many are behind it.
pub(super) async fn park(
    core: &Core,
    (id, lent): (i64, i64),
    generation: u64,
    record: &DeadLetterRecord,
) -> Result<u64, TransportError> {
    let record = serde_json::to_string(record).unwrap_or_default();
    let parked = async {
        let mut writer = core.store.write().await?;
        if core.store.generation() != generation {
            return Ok(None);
        }
        let park = sqlx::query_as::<_, (i64, String)>(PARK).bind(id).bind(lent).bind(record);
        let Some((lane, key)) = core.store.verified(park.fetch_optional(&mut *writer.connection).await)? else {
            return Ok(None);
        };
        let behind = sqlx::query_scalar::<_, i64>(BEHIND).bind(lane).bind(key).bind(id).bind(most_counted());
        // It is parked, whether or not they can be counted.
        Ok(Some(behind.fetch_one(&mut *writer.connection).await.unwrap_or_default()))
    };
    match in_time(core, parked).await? {
        Some(behind) => Ok(behind.try_into().unwrap_or_default()),
        None => Err(TransportError::new(ErrorKind::Lost, core.at.clone(), LOST)),
    }
}

async fn in_time<T>(core: &Core, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, TransportError> {
    let done = timeout(core.store.deadline, work).await.map_err(|_| late(&core.at, core.store.deadline))?;
    done.map_err(|error| describe(&core.at, &error))
}

pub(super) fn most_counted() -> i64 {
    MOST_COUNTED.try_into().unwrap_or(i64::MAX)
}

/// What stays in its place in one group of a queue.
pub(super) struct SqliteParking(pub(super) Arc<Core>);

impl SqliteParking {
    /// The lane of the group, if there is one.
    async fn lane(&self) -> Result<Option<i64>, sqlx::Error> {
        let mut connection = self.0.store.read().await?;
        lane_of(&mut connection, &self.0.queue, &self.0.group, true).await
    }

    /// Changes the letter at this position, and says whether there is one.
    async fn change(&self, sql: &'static str, position: u64) -> Result<bool, TransportError> {
        let Ok(id) = i64::try_from(position) else { return Ok(false) };
        let core = &*self.0;
        let changed = in_time(core, async {
            let Some(lane) = self.lane().await? else { return Ok(0) };
            let mut writer = core.store.write().await?;
            let change = sqlx::query(sql).bind(lane).bind(id).execute(&mut *writer.connection).await;
            Ok(core.store.verified(change)?.rows_affected())
        });
        let changed = changed.await? > 0;
        if changed {
            core.store.hub.ring(&core.queue, 1);
        }
        Ok(changed)
    }

    async fn redrive_some(&self, after: i64) -> Result<Vec<i64>, TransportError> {
        let core = &*self.0;
        let redriven = in_time(core, async {
            let Some(lane) = self.lane().await? else { return Ok(Vec::new()) };
            let mut writer = core.store.write().await?;
            let redrive = sqlx::query_scalar(REDRIVE_SOME).bind(lane).bind(after);
            core.store.verified(redrive.fetch_all(&mut *writer.connection).await)
        });
        let redriven = redriven.await?;
        core.store.hub.ring(&core.queue, redriven.len());
        Ok(redriven)
    }
}

impl Parks for SqliteParking {
    fn name(&self) -> &str {
        &self.0.at
    }

    fn dead_letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<LetterInPlace>, TransportError>> {
        let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
        Box::pin(in_time(&self.0, async move {
            let Some(lane) = self.lane().await? else { return Ok(Vec::new()) };
            let letters = sqlx::query(LETTERS).bind(lane).bind(after).bind(most).bind(most_counted());
            let rows = letters.fetch_all(&mut *self.0.store.read().await?).await?;
            rows.iter().map(|row| letter_of(&self.0, row)).collect()
        }))
    }

    fn figures(&self) -> BoxFuture<'_, Result<ParkingFigures, TransportError>> {
        Box::pin(in_time(&self.0, async {
            let Some(lane) = self.lane().await? else { return Ok(ParkingFigures::default()) };
            let figures = sqlx::query_as::<_, (i64, i64)>(FIGURES).bind(lane).bind(most_counted());
            let (letters, parked) = figures.fetch_one(&mut *self.0.store.read().await?).await?;
            Ok(ParkingFigures::new(letters.try_into().unwrap_or_default(), parked.try_into().unwrap_or_default()))
        }))
    }

    fn redrive(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.change(REDRIVE, position))
    }

    fn redrive_all(&self) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(async {
            let (mut all, mut after) = (0, 0);
            loop {
                // Onwards: what dies again meanwhile is behind us.
                let some = self.redrive_some(after).await?;
                all += some.len() as u64;
                match some.into_iter().max() {
                    Some(last) => after = last,
                    None => return Ok(all),
                }
            }
        })
    }

    fn discard(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.change(DISCARD, position))
    }
}

fn letter_of(core: &Core, row: &SqliteRow) -> Result<LetterInPlace, sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(2)?, row.try_get::<Vec<u8>, _>(7)?);
    packet.topic = row.try_get(3)?;
    packet.key = row.try_get(4)?;
    packet.priority = row.try_get(5)?;
    packet.attributes = read_attributes(row.try_get(6)?);
    let (position, parked) = (row.try_get(0)?, row.try_get(8)?);
    Ok(LetterInPlace::of_row(&core.at, position, packet, row.try_get(1)?, parked))
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::{DISCARD, PARK, REDRIVE};
    use crate::sql::sqlite::prepare;
    use crate::transport::sqlite::lend::LEND;
    use crate::transport::sqlite::settle::DELETE;

    const LANE: i64 = 1;
    const BEHIND: i64 = 10_000;

    async fn rows(connection: &mut SqliteConnection) -> i64 {
        sqlx::query_scalar("SELECT total_changes()").fetch_one(connection).await.unwrap()
    }

    async fn lend(connection: &mut SqliteConnection) -> Vec<(i64, i64)> {
        let lend = sqlx::query_scalar(LEND.clone()).bind(LANE).bind(1).bind(2).bind(100).bind(fastrand::i64(..));
        let lent: String = lend.fetch_one(connection).await.unwrap();
        let lent: Vec<(i64, Vec<serde_json::Value>, i64)> = serde_json::from_str(&lent).unwrap();
        lent.into_iter().map(|(id, columns, _)| (id, columns[0].as_i64().unwrap())).collect()
    }

    async fn park(connection: &mut SqliteConnection, (id, lent): (i64, i64)) {
        let park = sqlx::query(PARK).bind(id).bind(lent).bind("{}");
        assert_eq!(park.fetch_all(connection).await.unwrap().len(), 1);
    }

    async fn change(connection: &mut SqliteConnection, sql: &'static str, id: i64) {
        let change = sqlx::query(sql).bind(LANE).bind(id).execute(connection).await;
        assert_eq!(change.unwrap().rows_affected(), 1);
    }

    #[actix_rt::test]
    async fn what_is_parked_behind_a_letter_is_not_touched_however_much_it_is() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let connection = &mut connection;
        prepare(connection).await.unwrap();
        let fill = "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
            INSERT INTO convoke_message (queue, packet, topic, key, priority, due, body) \
            SELECT 'orders', n, '', 'hot', 0, 0, x'' FROM number";
        sqlx::query(fill).bind(BEHIND).execute(&mut *connection).await.unwrap();
        let lent = lend(connection).await;
        assert_eq!(lent.len(), 1);
        let before = rows(connection).await;
        park(connection, lent[0]).await;
        assert_eq!(rows(connection).await - before, 1);
        // Who looks for work finds none, and changes nothing.
        for _ in 0..10 {
            assert!(lend(connection).await.is_empty());
        }
        assert_eq!(rows(connection).await - before, 1);
        // Each letter is one row, and so are the loan of the next, its message and its own death.
        for _ in 0..100 {
            let (head,): (i64,) = sqlx::query_as("SELECT id FROM convoke_delivery WHERE state = 4")
                .fetch_one(&mut *connection)
                .await
                .unwrap();
            change(connection, REDRIVE, head).await;
            let again = lend(connection).await;
            assert_eq!(again[0].0, head);
            park(connection, again[0]).await;
            change(connection, DISCARD, head).await;
            let next = lend(connection).await;
            park(connection, next[0]).await;
        }
        let touched = rows(connection).await - before;
        assert!(touched <= 1 + 100 * 8, "{touched} rows");
        // An older program that comes late with what it was lent changes nothing of it.
        let gone = format!("[[{},{}]]", lent[0].0, lent[0].1);
        assert!(sqlx::query(DELETE).bind(gone).fetch_all(&mut *connection).await.unwrap().is_empty());
    }
}
