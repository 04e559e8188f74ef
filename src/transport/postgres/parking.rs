//! Dead letters that stay in their places: how they get there, and how they are looked at, redriven and discarded.
//!
//! `PostgresReceipt → park → convoke_delivery (state 4) → PostgresParking → ready again | deleted, and the next of its key`

use std::sync::Arc;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Row as _};

use super::queue::Core;
use super::settle::lost;
use crate::sql::postgres::{BEGIN, Failed, body_of, describe, quoted};
use crate::sql::read_attributes;
use crate::transport::{
    BoxFuture, DeadLetterRecord, LetterInPlace, MOST_COUNTED, Packet, ParkingFigures, Parks, TransportError,
};

/// So many are redriven by one statement.
const SOME: usize = 500;

/// Makes one that was lent so often a dead letter in its place, and returns how many are behind it.
pub(super) async fn park(
    core: &Core,
    (id, lent): (i64, i32),
    record: &DeadLetterRecord,
) -> Result<u64, TransportError> {
    let record = Arc::new(serde_json::to_string(record).unwrap_or_default());
    let sql = Arc::new(format!("SELECT {}.convoke_park_1({id}, {lent}, $1, {MOST_COUNTED})", core.database.schema()));
    let behind = core.database.in_time(&core.at, core.deadline, |connection| {
        let (sql, record) = (sql.clone(), record.clone());
        Box::pin(async move {
            let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
            let park = sqlx::query_scalar::<_, Option<i64>>(AssertSqlSafe(sql.as_str())).persistent(false);
            let behind = park.bind(record.as_str()).fetch_one(&mut *transaction).await.map_err(Failed::undone)?;
            transaction.commit().await?;
            Ok(behind)
        })
    });
    behind.await?.map(|behind| behind.try_into().unwrap_or_default()).ok_or_else(|| lost(core))
}

/// What stays in its place in one group of a queue.
pub(super) struct PostgresParking(pub(super) Arc<Core>);

impl PostgresParking {
    /// Calls a function with the lane of the group; without one there are no rows.
    async fn rows(&self, set: &str, function: &str, rest: &str) -> Result<Vec<PgRow>, TransportError> {
        let core = &*self.0;
        let (schema, queue, group) = (core.database.schema(), quoted(&core.queue), quoted(&core.group));
        let sql = format!(
            "{set}SELECT called.* FROM {schema}.convoke_lane AS lane, {schema}.{function}(lane.id, {rest}) AS called \
             WHERE lane.queue = {queue} AND lane.grp = {group}"
        );
        core.database.rows(&core.at, core.deadline, &sql).await
    }

    /// Redrives what is dead between these, at most so many, and returns their positions.
    async fn redrive_some(&self, from: u64, to: u64, most: usize) -> Result<Vec<i64>, TransportError> {
        let rest = format!("{}, {}, {most}", id(from), id(to));
        let rows = self.rows("", "convoke_redrive_1", &rest).await?;
        let redriven = rows.first().map_or(Ok(None), |row| row.try_get::<Option<Vec<i64>>, _>(0));
        let redriven = redriven.map_err(|error| describe(&self.0.at, &error))?.unwrap_or_default();
        self.ring(redriven.len());
        Ok(redriven)
    }

    fn ring(&self, count: usize) {
        if count > 0 {
            self.0.database.bells().ring(&self.0.queue, count);
        }
    }
}

/// A position as an id; there is none beyond the last.
fn id(position: u64) -> i64 {
    position.try_into().unwrap_or(i64::MAX)
}

impl Parks for PostgresParking {
    fn name(&self) -> &str {
        &self.0.at
    }

    fn dead_letters(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<LetterInPlace>, TransportError>> {
        Box::pin(async move {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let rest = format!("{}, {most}, {MOST_COUNTED}", id(after));
            let rows = self.rows("SET LOCAL bytea_output = hex; ", "convoke_letters_1", &rest).await?;
            let letters = rows.iter().map(|row| letter_of(&self.0, row));
            letters.collect::<Result<_, _>>().map_err(|error| describe(&self.0.at, &error))
        })
    }

    fn figures(&self) -> BoxFuture<'_, Result<ParkingFigures, TransportError>> {
        Box::pin(async {
            let rows = self.rows("", "convoke_parked_1", &MOST_COUNTED.to_string()).await?;
            let Some(row) = rows.first() else { return Ok(ParkingFigures::default()) };
            let count = |column: usize| row.try_get::<i64, _>(column).map(|count| count.try_into().unwrap_or_default());
            let figures = count(0).and_then(|letters| Ok(ParkingFigures::new(letters, count(1)?)));
            figures.map_err(|error| describe(&self.0.at, &error))
        })
    }

    fn redrive(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move { Ok(!self.redrive_some(position, position, 1).await?.is_empty()) })
    }

    fn redrive_all(&self) -> BoxFuture<'_, Result<u64, TransportError>> {
        Box::pin(async {
            let (mut all, mut from) = (0, 0);
            loop {
                // Onwards: what dies again meanwhile is behind us.
                let some = self.redrive_some(from, u64::MAX, SOME).await?;
                all += some.len() as u64;
                match some.last() {
                    Some(last) => from = u64::try_from(*last).unwrap_or_default().saturating_add(1),
                    None => return Ok(all),
                }
            }
        })
    }

    fn discard(&self, position: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(async move {
            let rows = self.rows("", "convoke_discard_1", &id(position).to_string()).await?;
            let discarded = rows.first().map_or(Ok(false), |row| row.try_get(0));
            let discarded = discarded.map_err(|error| describe(&self.0.at, &error))?;
            self.ring(usize::from(discarded));
            Ok(discarded)
        })
    }
}

fn letter_of(core: &Core, row: &PgRow) -> Result<LetterInPlace, sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(2)?, body_of(row, 6)?);
    packet.priority = u8::try_from(i16::from(u8::MAX) - row.try_get::<i16, _>(1)?).unwrap_or(0);
    packet.topic = row.try_get(3)?;
    packet.key = row.try_get(4)?;
    packet.attributes = read_attributes(row.try_get(5)?);
    let (position, parked) = (row.try_get(0)?, row.try_get(8)?);
    Ok(LetterInPlace::of_row(&core.at, position, packet, row.try_get(7)?, parked))
}
