//! A file of SQLite.
//!
//! `sqlite:shop.db → SqliteDatabase → convoke_lane, convoke_delivery, convoke_message → figures, letters, what is new`

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row as _, SqlSafeStr as _, SqlStr, SqliteConnection};
use tokio::time::{Instant, sleep, timeout};

use super::placed::{Buried, Placed};
use super::{LaneName, missing, waiting, without_letters};
use crate::look::{Hears, Looks, Pile, QueueFigures};
use crate::sql::read_attributes;
use crate::sql::sqlite::{Joined, SqliteDatabase, Store, describe, joined_columns, late, now, written};
use crate::transport::sqlite::{Row, insert_rows, lane_of};
use crate::transport::{Address, BoxFuture, DeadLetterRecord, MOST_COUNTED, Packet, Parking, Sqlite, TransportError};

/// How often is looked for what is new, and how long before it is said that nothing is.
const POLL: Duration = Duration::from_millis(20);
const WAIT: Duration = Duration::from_secs(1);
const MOST: i64 = 1_000;

/// Of each lane, or of one: its names; what is ready, behind another of its key, due again, held back, lent, dead in its place, parked,
/// and in its queue of dead letters. Each is counted so far and no further.
const FIGURES: &str = "SELECT l.queue, l.grp, \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 0 LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 3 LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 1 AND sort <= ?3 LIMIT ?2)) \
            + (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 2 AND sort <= ?3 LIMIT ?2)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 1 AND sort > ?3 LIMIT ?1)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 2 AND sort > ?3 LIMIT ?1)), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = l.id AND state = 4 LIMIT ?1)), \
        (SELECT count(*) FROM ( \
            SELECT 1 FROM convoke_delivery AS d \
            CROSS JOIN convoke_delivery AS f ON f.lane = d.lane AND f.key = d.key AND f.id > d.id \
            WHERE d.lane = l.id AND d.state = 4 LIMIT ?1 \
        )), \
        (SELECT count(*) FROM (SELECT 1 FROM convoke_delivery WHERE lane = ( \
            SELECT dead.id FROM convoke_lane AS dead WHERE dead.queue = l.queue || '-dead' AND dead.grp = l.grp \
        ) LIMIT ?1)) \
    FROM convoke_lane AS l WHERE ?4 IS NULL OR (l.queue = ?4 AND l.grp = ?5) ORDER BY l.queue, l.grp";

/// The ranks of what is ready in a lane, each found by one step into the index.
const RANKS: &str = "WITH RECURSIVE ranks (sort) AS ( \
        SELECT min(sort) FROM convoke_delivery WHERE lane = ?1 AND state = 0 \
        UNION ALL \
        SELECT (SELECT min(d.sort) FROM convoke_delivery AS d WHERE d.lane = ?1 AND d.state = 0 AND d.sort > ranks.sort) \
        FROM ranks WHERE ranks.sort IS NOT NULL \
    ) SELECT sort FROM ranks WHERE sort IS NOT NULL";

/// The next of one state and sort: a part of an index, in the order of the ids. They are read as one row, for each row costs more than
/// what is in it.
static PAGE: LazyLock<SqlStr> = LazyLock::new(|| {
    let joined = joined_columns("d.id", "m.packet, m.topic, m.key, m.priority, m.attributes");
    let sql = format!(
        "SELECT {joined} FROM ( \
             SELECT id, message FROM convoke_delivery WHERE lane = ?1 AND state = ?2 AND sort = ?3 AND id > ?4 ORDER BY id LIMIT ?5 \
         ) AS d CROSS JOIN convoke_message AS m ON m.id = d.message"
    );
    AssertSqlSafe(sql).into_sql_str()
});

/// Those that are large, one by one.
const LARGE: &str = "SELECT d.id, m.packet, m.topic, m.key, m.priority, m.attributes, m.body \
    FROM json_each(?1) AS large CROSS JOIN convoke_delivery AS d ON d.id = large.value \
    CROSS JOIN convoke_message AS m ON m.id = d.message";

/// What somebody has had lent, and what was held back: few, if there are any.
const OTHERS: &str = "SELECT d.id, m.packet, m.topic, m.key, m.priority, m.attributes, m.body FROM ( \
        SELECT id, message FROM convoke_delivery WHERE lane = ?1 AND state = 1 AND id > ?2 \
        UNION ALL SELECT id, message FROM convoke_delivery WHERE lane = ?1 AND state = 2 AND sort <= ?3 AND id > ?2 \
        UNION ALL SELECT id, message FROM convoke_delivery WHERE lane = ?1 AND state = 3 AND sort > 0 AND id > ?2 \
        ORDER BY 1 LIMIT ?4 \
    ) AS d CROSS JOIN convoke_message AS m ON m.id = d.message ORDER BY d.id";

/// One that nobody has lent.
const ONE: &str = "SELECT d.id, m.packet, m.topic, m.key, m.priority, m.attributes, m.body \
    FROM convoke_delivery AS d CROSS JOIN convoke_message AS m ON m.id = d.message \
    WHERE d.id = ?1 AND d.lane = ?2 AND (d.state IN (0, 1, 3) OR (d.state = 2 AND d.sort <= ?3))";

const DISCARD: &str = "DELETE FROM convoke_delivery WHERE id = ?1 AND lane = ?2 \
    AND (state IN (0, 1, 3) OR (state = 2 AND sort <= ?3))";

/// What has come into a lane behind this one: by the ids, for of a lane there may be many others.
const NEW: &str = "SELECT d.id, m.packet, m.topic, m.key, m.priority, m.attributes, m.body \
    FROM convoke_delivery AS d CROSS JOIN convoke_message AS m ON m.id = d.message \
    WHERE d.id > ?1 AND d.id <= ?2 AND +d.lane = ?3 ORDER BY d.id LIMIT ?4";

/// The last id that was ever given.
const LAST: &str = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'convoke_delivery'), 0)";

pub(super) struct SqliteLook {
    at: Arc<str>,
    database: SqliteDatabase,
    store: Store,
}

impl SqliteLook {
    pub(super) async fn open(address: &Address) -> Result<Self, TransportError> {
        let at: Arc<str> = "sqlite".into();
        let database = Sqlite::open(address.path()).existing().await?;
        let store = database.checked(&address.to_string().into()).await?.clone();
        Ok(Self { at, database, store })
    }

    async fn figures(&self, name: Option<LaneName<'_>>) -> Result<Vec<QueueFigures>, TransportError> {
        let rows = in_time(&self.store, &self.at, async {
            let mut connection = self.store.read().await?;
            let most = i64::try_from(MOST_COUNTED).unwrap_or(i64::MAX);
            let figures = sqlx::query(FIGURES).bind(most).bind(2 * most).bind(now());
            let (queue, group) = (name.map(|name| name.queue.to_owned()), name.map(|name| name.group.to_owned()));
            figures.bind(queue).bind(group).fetch_all(&mut *connection).await
        });
        let rows = rows.await?;
        let figures = rows.iter().map(figures_of).collect::<Result<_, _>>();
        figures.map_err(|error| describe(&self.at, &error))
    }
}

fn figures_of(row: &SqliteRow) -> Result<QueueFigures, sqlx::Error> {
    let count = |column: usize| row.try_get::<i64, _>(column).map(|count| u64::try_from(count).unwrap_or_default());
    let mut figures = QueueFigures::new(LaneName { queue: row.try_get(0)?, group: row.try_get(1)? }.to_string());
    let parked = count(8)?;
    figures.waiting = waiting(count(2)? + count(3)? + count(4)?, parked);
    (figures.delayed, figures.in_flight) = (Some(count(5)?), Some(count(6)?));
    figures.dead = Some((count(7)? + count(9)?).min(MOST_COUNTED));
    figures.parked = Some(parked);
    Ok(figures)
}

async fn in_time<T>(
    store: &Store,
    at: &Arc<str>,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, TransportError> {
    let done = timeout(store.deadline, work).await.map_err(|_| late(at, store.deadline))?;
    done.map_err(|error| describe(at, &error))
}

fn packet_of(row: &SqliteRow) -> Result<(u64, Packet), sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(1)?, row.try_get::<Vec<u8>, _>(6)?);
    packet.topic = row.try_get(2)?;
    packet.key = row.try_get(3)?;
    packet.priority = row.try_get(4)?;
    packet.attributes = read_attributes(row.try_get(5)?);
    Ok((row.try_get::<i64, _>(0)?.try_into().unwrap_or_default(), packet))
}

/// What stands beside an id and a body.
type Columns = (String, String, Option<String>, u8, Option<String>);

fn joined_packet(id: i64, (name, topic, key, priority, attributes): Columns, body: Vec<u8>) -> (u64, Packet) {
    let mut packet = Packet::new(name, body);
    (packet.topic, packet.key, packet.priority) = (topic, key, priority);
    packet.attributes = read_attributes(attributes.as_deref());
    (id.try_into().unwrap_or_default(), packet)
}

impl Looks for SqliteLook {
    fn at(&self) -> &Arc<str> {
        &self.at
    }

    fn queues(&self) -> BoxFuture<'_, Result<Vec<QueueFigures>, TransportError>> {
        Box::pin(async { self.figures(None).await.map(without_letters) })
    }

    fn queue<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<QueueFigures, TransportError>> {
        Box::pin(async move {
            let figures = self.figures(Some(LaneName::checked(&self.at, name)?)).await?;
            figures.into_iter().next().ok_or_else(|| missing(&self.at, name))
        })
    }

    fn pile(&self, queue: &str, dead: Option<&str>) -> Box<dyn Pile> {
        let dead = LaneName::of(queue).dead(dead);
        let (store, database) = (self.store.clone(), self.database.clone());
        Box::new(Placed(SqlitePile {
            at: format!("{}:{queue}", self.at).into(),
            store,
            database,
            queue: queue.to_owned(),
            dead,
        }))
    }

    fn tail<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>> {
        Box::pin(async move {
            let LaneName { queue: name, group } = LaneName::checked(&self.at, queue)?;
            let (lane, last) = in_time(&self.store, &self.at, async {
                let mut connection = self.store.read().await?;
                let lane = lane_of(&mut connection, name, group, true).await?;
                Ok((lane, sqlx::query_scalar(LAST).fetch_one(&mut *connection).await?))
            })
            .await?;
            let lane = lane.ok_or_else(|| missing(&self.at, queue))?;
            Ok(Box::new(News { at: self.at.clone(), store: self.store.clone(), lane, last }) as Box<dyn Hears>)
        })
    }
}

/// The dead letters of a queue.
struct SqlitePile {
    at: Arc<str>,
    store: Store,
    database: SqliteDatabase,
    /// As it was asked for, with its group.
    queue: String,
    dead: String,
}

impl SqlitePile {
    fn names(&self) -> Result<(LaneName<'_>, LaneName<'_>), TransportError> {
        Ok((LaneName::checked(&self.at, &self.queue)?, LaneName::checked(&self.at, &self.dead)?))
    }

    async fn page(&self, after: u64, most: usize) -> Result<Vec<(u64, Packet)>, TransportError> {
        let (_, dead) = self.names()?;
        let (after, most) = (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
        in_time(&self.store, &self.at, async {
            let mut connection = self.store.read().await?;
            let Some(lane) = lane_of(&mut connection, dead.queue, dead.group, true).await? else {
                return Ok(Vec::new());
            };
            page(&mut connection, lane, after, most).await
        })
        .await
    }

    async fn redrive(&self, number: u64) -> Result<bool, TransportError> {
        let (to, dead) = self.names()?;
        let Ok(id) = i64::try_from(number) else { return Ok(false) };
        let moved = in_time(&self.store, &self.at, async {
            let mut writer = self.store.write().await?;
            let moved = back(&mut writer.connection, id, (dead, to)).await;
            self.store.verified(moved)
        });
        match moved.await? {
            Moved::Back => {
                self.store.hub.ring(to.queue, 1);
                Ok(true)
            }
            Moved::NoLetter => Ok(false),
            Moved::NoQueue => Err(missing("sqlite", &self.queue)),
        }
    }

    async fn discard(&self, number: u64) -> Result<bool, TransportError> {
        let (_, dead) = self.names()?;
        let Ok(id) = i64::try_from(number) else { return Ok(false) };
        let discarded = in_time(&self.store, &self.at, async {
            let mut writer = self.store.write().await?;
            let Some(lane) = lane_of(&mut writer.connection, dead.queue, dead.group, true).await? else { return Ok(0) };
            let discard = sqlx::query(DISCARD).bind(id).bind(lane).bind(now()).execute(&mut *writer.connection).await;
            Ok(self.store.verified(discard)?.rows_affected())
        });
        Ok(discarded.await? > 0)
    }

    async fn parking(&self) -> Result<Option<Parking>, TransportError> {
        let (LaneName { queue, group }, _) = self.names()?;
        let lane =
            in_time(&self.store, &self.at, async { lane_of(&mut *self.store.read().await?, queue, group, true).await });
        // To open a group that is not there would make it.
        if lane.await?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.database.queue(queue).group(group).await?.parking()))
    }
}

async fn page(
    connection: &mut SqliteConnection,
    lane: i64,
    after: i64,
    most: i64,
) -> Result<Vec<(u64, Packet)>, sqlx::Error> {
    let ranks: Vec<i64> = sqlx::query_scalar(RANKS).bind(lane).fetch_all(&mut *connection).await?;
    // What is behind another of its key.
    let parts = ranks.into_iter().map(|rank| (0, rank)).chain([(3, 0)]);
    let mut letters = Vec::new();
    for (state, sort) in parts {
        let part = sqlx::query(PAGE.clone()).bind(lane).bind(state).bind(sort).bind(after).bind(most);
        let Joined { small, large } = Joined::read(&part.fetch_one(&mut *connection).await?)?;
        letters.extend(small.into_iter().map(|(id, columns, body)| joined_packet(id, columns, body)));
        if !large.is_empty() {
            let rows = sqlx::query(LARGE).bind(written(&large)).fetch_all(&mut *connection).await?;
            letters.extend(rows.iter().map(packet_of).collect::<Result<Vec<_>, _>>()?);
        }
    }
    let others = sqlx::query(OTHERS).bind(lane).bind(after).bind(now()).bind(most);
    let others = others.fetch_all(&mut *connection).await?;
    letters.extend(others.iter().map(packet_of).collect::<Result<Vec<_>, _>>()?);
    letters.sort_by_key(|(id, _)| *id);
    letters.truncate(most.try_into().unwrap_or(usize::MAX));
    Ok(letters)
}

/// What became of a letter that was to go back.
enum Moved {
    Back,
    NoLetter,
    NoQueue,
}

/// Moves a letter back in one transaction. One that is dropped is rolled back.
async fn back(
    connection: &mut SqliteConnection,
    id: i64,
    (dead, to): (LaneName<'_>, LaneName<'_>),
) -> Result<Moved, sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let Some(lane) = lane_of(&mut transaction, dead.queue, dead.group, true).await? else { return Ok(Moved::NoLetter) };
    let letter = sqlx::query(ONE).bind(id).bind(lane).bind(now()).fetch_optional(&mut *transaction).await?;
    let Some(letter) = letter else { return Ok(Moved::NoLetter) };
    let Some(target) = lane_of(&mut transaction, to.queue, to.group, true).await? else { return Ok(Moved::NoQueue) };
    let packet = DeadLetterRecord::revive(packet_of(&letter)?.1);
    insert_rows(&mut transaction, to.queue, Some(target), vec![Row::of(&packet, 0)]).await?;
    sqlx::query("DELETE FROM convoke_delivery WHERE id = ?1").bind(id).execute(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Moved::Back)
}

impl Buried for SqlitePile {
    fn page(&self, after: u64, most: usize) -> BoxFuture<'_, Result<Vec<(u64, Packet)>, TransportError>> {
        Box::pin(self.page(after, most))
    }

    fn redrive(&self, number: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.redrive(number))
    }

    fn discard(&self, number: u64) -> BoxFuture<'_, Result<bool, TransportError>> {
        Box::pin(self.discard(number))
    }

    fn parking(&self) -> BoxFuture<'_, Result<Option<Parking>, TransportError>> {
        Box::pin(self.parking())
    }
}

/// Looks for rows that are new.
struct News {
    at: Arc<str>,
    store: Store,
    lane: i64,
    /// The last id that was looked at.
    last: i64,
}

impl News {
    async fn look(&mut self) -> Result<Vec<Packet>, TransportError> {
        let (lane, last) = (self.lane, self.last);
        let rows = in_time(&self.store, &self.at, async {
            let mut connection = self.store.read().await?;
            // Of what comes between these two nothing is taken for seen.
            let newest: i64 = sqlx::query_scalar(LAST).fetch_one(&mut *connection).await?;
            if newest == last {
                return Ok((newest, Vec::new()));
            }
            let rows =
                sqlx::query(NEW).bind(last).bind(newest).bind(lane).bind(MOST).fetch_all(&mut *connection).await?;
            Ok((newest, rows.iter().map(packet_of).collect::<Result<Vec<_>, _>>()?))
        });
        let (newest, rows) = rows.await?;
        let is_full = i64::try_from(rows.len()).is_ok_and(|rows| rows >= MOST);
        self.last = match rows.last() {
            Some((id, _)) if is_full => i64::try_from(*id).unwrap_or(newest),
            // A file in place of the old one counts from 1.
            _ => newest,
        };
        Ok(rows.into_iter().map(|(_, packet)| packet).collect())
    }
}

impl Hears for News {
    fn next(&mut self) -> BoxFuture<'_, Result<Vec<Packet>, TransportError>> {
        Box::pin(async {
            let end = Instant::now() + WAIT;
            loop {
                let heard = self.look().await?;
                if !heard.is_empty() || Instant::now() >= end {
                    return Ok(heard);
                }
                sleep(POLL).await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::sqlite::prepare;

    async fn plan(connection: &mut SqliteConnection, sql: &str) -> String {
        let rows = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(connection).await.unwrap();
        rows.iter().map(|row| row.get::<String, _>(3) + "\n").collect()
    }

    #[actix_rt::test]
    async fn nothing_that_is_looked_at_reads_a_whole_table_or_sorts_a_page() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        prepare(&mut connection).await.unwrap();
        let all = [FIGURES, RANKS, PAGE.as_str(), LARGE, OTHERS, ONE, NEW];
        for sql in all {
            let plan = plan(&mut connection, sql).await;
            // What was held back or lent for too long is in no order, and little.
            assert!(sql == OTHERS || !plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
            // There are few lanes, and what a subquery, a list or a recursion has found is no table.
            let few = ["SCAN l", "SCAN ranks", "SCAN (subquery", "SCAN d", "SCAN CONSTANT", "SCAN large"];
            let mut scans = plan.lines().filter(|line| line.contains("SCAN"));
            assert!(scans.all(|line| few.iter().any(|few| line.contains(few))), "{sql}\n{plan}");
            // Where `d` is the table itself, and not what was found in it.
            let is_table = [LARGE, ONE, NEW].contains(&sql);
            assert!(!is_table || !plan.contains("SCAN d\n"), "{sql}\n{plan}");
        }
    }
}
