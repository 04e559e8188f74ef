//! A database of PostgreSQL.
//!
//! `postgres://… → PostgresDatabase → convoke_lane, convoke_delivery → figures, letters, what is new`

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tokio::time::{Instant, sleep};

use super::placed::{Buried, Placed};
use super::{LaneName, missing, waiting, without_letters};
use crate::look::{Hears, Looks, Pile, QueueFigures};
use crate::sql::postgres::{BEGIN, Failed, PostgresDatabase, Settling, array, body_of, describe, quoted};
use crate::sql::read_attributes;
use crate::transport::postgres::{Call, Columns, Row};
use crate::transport::{Address, BoxFuture, DeadLetterRecord, MOST_COUNTED, Packet, Parking, Postgres, TransportError};

/// How often is looked for what is new, and how long before it is said that nothing is.
const POLL: Duration = Duration::from_millis(20);
const WAIT: Duration = Duration::from_secs(1);
const MOST: usize = 1_000;

/// How many are remembered that have come while somebody else was writing.
const MOST_AWAITED: usize = 10_000;

/// The plans are the same whatever the server thinks of the table: statistics are old where rows come and go.
const PLAIN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; ";

/// The same, in the order of an index; and bodies in one form.
const IN_ORDER: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off; \
    SET LOCAL jit = off; SET LOCAL bytea_output = hex; ";

const COLUMNS: &str = "d.id, d.rank, d.packet, d.topic, d.key, d.attributes, d.body, d.lent";

/// What nobody has lent at this moment.
const UNLENT: &str = "(d.state IN (0, 1, 3) OR (d.state = 2 AND d.due <= clock_timestamp()))";

pub(super) struct PostgresLook {
    at: Arc<str>,
    database: PostgresDatabase,
}

impl PostgresLook {
    pub(super) async fn connect(address: &Address) -> Result<Self, TransportError> {
        let at: Arc<str> = "postgres".into();
        let mut database = Postgres::connect(address.url());
        if let Some(schema) = address.schema() {
            database = database.schema(schema);
        }
        let database = database.await?;
        database.check(&address.to_string().into()).await?;
        Ok(Self { at, database })
    }

    async fn figures(&self, name: Option<LaneName<'_>>) -> Result<Vec<QueueFigures>, TransportError> {
        let sql = figures_sql(self.database.schema(), name);
        let rows = self.database.rows(&self.at, self.database.deadline(), &sql).await?;
        let figures = rows.iter().map(figures_of).collect::<Result<_, _>>();
        figures.map_err(|error| describe(&self.at, &error))
    }
}

/// Of each lane, or of one: its names; what is ready or behind another of its key, due again, held back, lent, dead in its place and
/// parked, in its queue of dead letters, and for how long the first in line has been ready.
fn figures_sql(schema: &str, name: Option<LaneName<'_>>) -> String {
    let delivery = format!("{schema}.convoke_delivery");
    let count = |of: &str, most: u64| {
        format!("(SELECT count(*) FROM (SELECT 1 FROM {delivery} AS d WHERE {of} LIMIT {most}) AS counted)")
    };
    let in_lane = |of: &str, most: u64| count(&format!("d.lane = l.id AND {of}"), most);
    let most = MOST_COUNTED;
    let ready = in_lane("d.state = 0", 2 * most);
    // Those that are set aside have a key.
    let behind = in_lane("d.key_hash IS NOT NULL AND d.state = 3", 2 * most);
    let again = in_lane("d.state IN (1, 2) AND d.due <= clock_timestamp()", 2 * most);
    let held = in_lane("d.state = 1 AND d.state IN (1, 2) AND d.due > clock_timestamp()", most);
    let lent = in_lane("d.state = 2 AND d.state IN (1, 2) AND d.due > clock_timestamp()", most);
    let letters = format!(
        "d.lane = (SELECT dead.id FROM {schema}.convoke_lane AS dead WHERE dead.queue = l.queue || '-dead' AND dead.grp = l.grp)"
    );
    // Each state has an index of its own.
    let buried = ["d.state = 0", "d.state IN (1, 2)", "d.key_hash IS NOT NULL AND d.state = 3", "d.state = 4"]
        .map(|state| count(&format!("{letters} AND {state}"), most))
        .join(" + ");
    let oldest = format!(
        "(SELECT extract(epoch FROM clock_timestamp() - d.due)::float8 FROM {delivery} AS d WHERE d.lane = l.id AND d.state = 0 \
         ORDER BY d.rank, d.id LIMIT 1)"
    );
    let of = name.map_or_else(String::new, |name| {
        format!("WHERE l.queue = {} AND l.grp = {} ", quoted(name.queue), quoted(name.group))
    });
    format!(
        "{PLAIN}SELECT l.queue, l.grp, {ready} + {behind} + {again}, {held}, {lent}, parked.letters, parked.parked, {buried}, {oldest} \
         FROM {schema}.convoke_lane AS l CROSS JOIN LATERAL {schema}.convoke_parked_1(l.id, {most}) AS parked {of}\
         ORDER BY l.queue, l.grp"
    )
}

fn figures_of(row: &PgRow) -> Result<QueueFigures, sqlx::Error> {
    let count = |column: usize| row.try_get::<i64, _>(column).map(|count| u64::try_from(count).unwrap_or_default());
    let mut figures = QueueFigures::new(LaneName { queue: row.try_get(0)?, group: row.try_get(1)? }.to_string());
    let parked = count(6)?;
    figures.waiting = waiting(count(2)?, parked);
    (figures.delayed, figures.in_flight) = (Some(count(3)?), Some(count(4)?));
    figures.dead = Some((count(5)? + count(7)?).min(MOST_COUNTED));
    figures.parked = Some(parked);
    // The clock of the server may have been set back.
    figures.oldest =
        row.try_get::<Option<f64>, _>(8)?.map(|age| Duration::try_from_secs_f64(age.max(0.0)).unwrap_or_default());
    Ok(figures)
}

/// A row of a delivery, and how often it was lent.
fn packet_of(row: &PgRow) -> Result<(u64, Packet, i32), sqlx::Error> {
    let mut packet = Packet::new(row.try_get::<String, _>(2)?, body_of(row, 6)?);
    packet.priority = u8::try_from(i16::from(u8::MAX) - row.try_get::<i16, _>(1)?).unwrap_or(0);
    packet.topic = row.try_get(3)?;
    packet.key = row.try_get(4)?;
    packet.attributes = read_attributes(row.try_get(5)?);
    Ok((row.try_get::<i64, _>(0)?.try_into().unwrap_or_default(), packet, row.try_get(7)?))
}

impl Looks for PostgresLook {
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
        let at = format!("{}:{queue}", self.at).into();
        let (database, queue, standing) = (self.database.clone(), queue.to_owned(), Mutex::default());
        Box::new(Placed(PostgresPile { at, database, queue, dead, standing }))
    }

    fn tail<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Box<dyn Hears>, TransportError>> {
        Box::pin(async move {
            let lane = lane_of(&self.database, &self.at, LaneName::checked(&self.at, queue)?).await?;
            let lane = lane.ok_or_else(|| missing(&self.at, queue))?;
            let (at, database) = (self.at.clone(), self.database.clone());
            let (settling, seen) = (Settling::default(), BTreeSet::new());
            let mut news = News { at, database, lane, start: 0, drawn: 0, settling, seen };
            news.start = news.drawn().await?;
            news.drawn = news.start;
            Ok(Box::new(news) as Box<dyn Hears>)
        })
    }
}

/// The lane of a group, if there is one.
async fn lane_of(
    database: &PostgresDatabase,
    at: &Arc<str>,
    name: LaneName<'_>,
) -> Result<Option<i64>, TransportError> {
    let (schema, queue, group) = (database.schema(), quoted(name.queue), quoted(name.group));
    let sql = format!("SELECT id FROM {schema}.convoke_lane WHERE queue = {queue} AND grp = {group}");
    let rows = database.rows(at, database.deadline(), &sql).await?;
    rows.first().map(|row| row.try_get(0)).transpose().map_err(|error| describe(at, &error))
}

/// The dead letters of a queue.
struct PostgresPile {
    at: Arc<str>,
    database: PostgresDatabase,
    /// As it was asked for, with its group.
    queue: String,
    dead: String,
    /// The lane of the letters, and its ranks, as they were when the first page was read.
    standing: Mutex<Option<(i64, Vec<i16>)>>,
}

impl PostgresPile {
    fn names(&self) -> Result<(LaneName<'_>, LaneName<'_>), TransportError> {
        Ok((LaneName::checked(&self.at, &self.queue)?, LaneName::checked(&self.at, &self.dead)?))
    }

    async fn dead_lane(&self) -> Result<Option<i64>, TransportError> {
        let (_, dead) = self.names()?;
        lane_of(&self.database, &self.at, dead).await
    }

    async fn rows(&self, sql: &str) -> Result<Vec<PgRow>, TransportError> {
        self.database.rows(&self.at, self.database.deadline(), sql).await
    }

    fn packets(&self, rows: &[PgRow]) -> Result<Vec<(u64, Packet)>, TransportError> {
        let packets = rows.iter().map(|row| packet_of(row).map(|(id, packet, _)| (id, packet)));
        packets.collect::<Result<_, _>>().map_err(|error| describe(&self.at, &error))
    }

    /// One message for each page but the first, which finds out what there is.
    async fn page(&self, after: u64, most: usize) -> Result<Vec<(u64, Packet)>, TransportError> {
        // One by itself is looked for anew, too: it may have a rank that nobody had before.
        let Some((lane, ranks)) = self.standing(after == 0 || most == 1).await? else { return Ok(Vec::new()) };
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let delivery = format!("{}.convoke_delivery", self.database.schema());
        let mut sql = IN_ORDER.to_owned();
        for rank in ranks {
            sql += &format!(
                "SELECT {COLUMNS} FROM {delivery} AS d WHERE d.lane = {lane} AND d.state = 0 AND d.rank = {rank}::smallint \
                 AND d.id > {after} ORDER BY d.rank, d.id LIMIT {most}; "
            );
        }
        // What was held back, or lent for too long, or set aside behind another of its key by whoever has received from this queue:
        // mostly none. The server finds out by which index that is less work.
        sql += &format!(
            "SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT; SET LOCAL enable_sort TO DEFAULT; \
             SELECT {COLUMNS} FROM {delivery} AS d JOIN ( \
                 (SELECT id FROM {delivery} AS d WHERE d.lane = {lane} AND d.state IN (1, 2) \
                     AND (d.state = 1 OR d.due <= clock_timestamp()) AND d.id > {after} ORDER BY d.id LIMIT {most}) \
                 UNION ALL (SELECT id FROM {delivery} AS d WHERE d.lane = {lane} AND d.key_hash IS NOT NULL AND d.state = 3 \
                     AND d.id > {after} ORDER BY d.id LIMIT {most}) \
             ) AS others ON others.id = d.id"
        );
        let mut letters = self.packets(&self.rows(&sql).await?)?;
        letters.sort_by_key(|(id, _)| *id);
        // One that has changed its state between the two is there twice.
        letters.dedup_by_key(|(id, _)| *id);
        letters.truncate(most);
        Ok(letters)
    }

    /// The lane of the letters, and the ranks that it has: they are asked for anew with each first page.
    async fn standing(&self, anew: bool) -> Result<Option<(i64, Vec<i16>)>, TransportError> {
        let known = || self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(standing) = known().clone().filter(|_| !anew) {
            return Ok(Some(standing));
        }
        let Some(lane) = self.dead_lane().await? else { return Ok(None) };
        let standing = (lane, self.ranks(lane).await?);
        *known() = Some(standing.clone());
        Ok(Some(standing))
    }

    /// The ranks of what is ready in a lane, each found by one step into the index.
    async fn ranks(&self, lane: i64) -> Result<Vec<i16>, TransportError> {
        let delivery = format!("{}.convoke_delivery", self.database.schema());
        let next = |than: &str| {
            format!(
                "(SELECT d.rank FROM {delivery} AS d WHERE d.lane = {lane} AND d.state = 0{than} ORDER BY d.rank, d.id LIMIT 1)"
            )
        };
        let (first, next) = (next(""), next(" AND d.rank > ranks.rank"));
        let sql = format!(
            "{IN_ORDER}WITH RECURSIVE ranks (rank) AS (SELECT {first} UNION ALL SELECT {next} FROM ranks WHERE ranks.rank IS NOT NULL) \
             SELECT rank FROM ranks WHERE rank IS NOT NULL"
        );
        let rows = self.rows(&sql).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| describe(&self.at, &error))
    }

    async fn redrive(&self, number: u64) -> Result<bool, TransportError> {
        let (to, _) = self.names()?;
        let (Ok(id), Some(lane)) = (i64::try_from(number), self.dead_lane().await?) else { return Ok(false) };
        let target = lane_of(&self.database, &self.at, to).await?;
        let call = Arc::new(Call::new(self.database.schema(), to.queue, Some(to.group), None));
        let sql =
            Arc::new([one_sql(self.database.schema(), lane, id), format!("{}.convoke_done_1", self.database.schema())]);
        let moved = self.database.in_time(&self.at, self.database.deadline(), |connection| {
            let (call, sql) = (call.clone(), sql.clone());
            Box::pin(async move { back(connection, &sql, target.is_some(), &call).await })
        });
        match moved.await? {
            Moved::Back => {
                self.database.bells().ring(to.queue, 1);
                Ok(true)
            }
            Moved::NoLetter => Ok(false),
            Moved::NoQueue => Err(missing("postgres", &self.queue)),
        }
    }

    async fn discard(&self, number: u64) -> Result<bool, TransportError> {
        let (Ok(id), Some(lane)) = (i64::try_from(number), self.dead_lane().await?) else { return Ok(false) };
        let schema = self.database.schema();
        // One message is one transaction: it is locked before it is looked at how often it was lent.
        let sql = format!(
            "SELECT {schema}.convoke_done_1(ARRAY[found.id], ARRAY[found.lent]) IS NOT NULL FROM ( \
                 SELECT d.id, d.lent FROM {schema}.convoke_delivery AS d WHERE d.id = {id} AND d.lane = {lane} AND {UNLENT} FOR UPDATE \
             ) AS found"
        );
        let rows = self.rows(&sql).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0)).map_err(|error| describe(&self.at, &error))
    }

    async fn parking(&self) -> Result<Option<Parking>, TransportError> {
        let (name, _) = self.names()?;
        // To open a group that is not there would make it.
        if lane_of(&self.database, &self.at, name).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(self.database.queue(name.queue).group(name.group).await?.parking()))
    }
}

/// One that nobody has lent, which nobody else gets at until the transaction ends.
fn one_sql(schema: &str, lane: i64, id: i64) -> String {
    format!(
        "SET LOCAL bytea_output = hex; SELECT {COLUMNS} FROM {schema}.convoke_delivery AS d WHERE d.id = {id} AND d.lane = {lane} \
         AND {UNLENT} FOR UPDATE"
    )
}

/// What became of a letter that was to go back.
enum Moved {
    Back,
    NoLetter,
    NoQueue,
}

/// Moves a letter back in one transaction. One that is dropped is rolled back.
async fn back(
    connection: &mut PgConnection,
    [one, done]: &[String; 2],
    is_there: bool,
    call: &Call,
) -> Result<Moved, Failed> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
    let found =
        sqlx::raw_sql(AssertSqlSafe(one.as_str())).fetch_optional(&mut *transaction).await.map_err(Failed::undone)?;
    let letter = found.as_ref().map(packet_of).transpose().map_err(Failed::undone)?;
    let Some((id, packet, lent)) = letter.filter(|_| is_there) else {
        transaction.rollback().await.map_err(Failed::undone)?;
        return Ok(if found.is_some() { Moved::NoQueue } else { Moved::NoLetter });
    };
    let row = Columns::of(std::iter::once(Row::of(&DeadLetterRecord::revive(packet))));
    call.publish(&mut transaction, &row).await.map_err(Failed::undone)?;
    let done = format!("SELECT {done}(ARRAY[{id}]::bigint[], ARRAY[{lent}]::integer[])");
    sqlx::raw_sql(AssertSqlSafe(done)).execute(&mut *transaction).await.map_err(Failed::undone)?;
    transaction.commit().await?;
    Ok(Moved::Back)
}

impl Buried for PostgresPile {
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

/// Looks for rows that are new. Who commits late has a lower id than others have shown: from the lowest on that one may still commit,
/// all are looked at that were not seen.
struct News {
    at: Arc<str>,
    database: PostgresDatabase,
    lane: i64,
    /// The last id that had been drawn when it began: what is not above it is not new.
    start: i64,
    /// The last id that had been drawn when it looked.
    drawn: i64,
    settling: Settling<i64>,
    /// Those above what is settled.
    seen: BTreeSet<i64>,
}

impl News {
    async fn drawn(&self) -> Result<i64, TransportError> {
        let sql = format!("SELECT drawn FROM {}.convoke_drawn_1()", self.database.schema());
        let rows = self.database.rows(&self.at, self.database.deadline(), &sql).await?;
        let drawn = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get(0));
        drawn.map_err(|error| describe(&self.at, &error))
    }

    fn floor(&self) -> i64 {
        self.settling.settled().unwrap_or(self.start).max(self.start)
    }

    /// What it has not seen. Nothing is noted before all of it is there, so that it may be dropped.
    async fn look(&mut self) -> Result<Vec<Packet>, TransportError> {
        let drawn = self.drawn().await?;
        let floor = self.floor();
        if drawn == self.drawn && floor >= drawn {
            return Ok(Vec::new());
        }
        let writers = self.database.writers(&self.at, "convoke_delivery").await?;
        let (schema, lane, seen) = (self.database.schema(), self.lane, array(self.seen.iter()));
        let sql = format!(
            "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; SET LOCAL bytea_output = hex; \
             SELECT {COLUMNS} FROM {schema}.convoke_delivery AS d WHERE d.id > {floor} AND d.lane = {lane} \
             AND d.id <> ALL ('{seen}'::bigint[]) ORDER BY d.id LIMIT {MOST}"
        );
        let rows = self.database.rows(&self.at, self.database.deadline(), &sql).await?;
        let rows =
            rows.iter().map(packet_of).collect::<Result<Vec<_>, _>>().map_err(|error| describe(&self.at, &error))?;
        let ids = rows.iter().filter_map(|(id, ..)| i64::try_from(*id).ok());
        self.seen.extend(ids);
        // Behind one that is left for the next look nothing is settled.
        if rows.len() < MOST {
            self.drawn = drawn;
            self.settling.note(drawn, writers);
        }
        let settled = self.floor();
        self.seen = self.seen.split_off(&settled.saturating_add(1));
        // Somebody's transaction is open for long: what commits as late as that is not waited for.
        while self.seen.len() > MOST_AWAITED
            && let Some(first) = self.seen.pop_first()
        {
            self.start = self.start.max(first);
        }
        Ok(rows.into_iter().map(|(_, packet, _)| packet).collect())
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

    #[test]
    fn nothing_of_a_name_is_read_as_sql() {
        let hostile = LaneName { queue: "a'; DROP TABLE x; --\\", group: "b'" };
        let sql = figures_sql("public", Some(hostile));
        assert!(sql.contains(r"E'a''; DROP TABLE x; --\\'") && sql.contains("E'b'''"), "{sql}");
    }
}
