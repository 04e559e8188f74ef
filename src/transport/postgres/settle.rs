//! How a delivery ends in the table: many at a time, each only if it is still lent to who says so.
//!
//! `Delivery → PostgresReceipt → Ask → Batcher → settle_all → convoke_done_1, convoke_change_1`

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _};
use tokio::sync::OwnedSemaphorePermit;

use super::insert::{Call, Columns, Row, millis};
use super::lend::{HELD, LENT, READY};
use super::parking::park;
use super::queue::{Core, MAX_ATTRIBUTES, Queue};
use crate::sql::postgres::{BEGIN, Bell, Failed, array, describe};
use crate::transport::{BoxFuture, DeadLetterRecord, ErrorKind, Packet, Receipt, Settlement, TransportError};

/// A dead letter may be so much larger than a packet: its record has to find room.
const ROOM_FOR_RECORD: usize = 64 * 1024;

/// Which delivery, as it was lent: another time it is another.
type Loan = (i64, i32);

/// What is asked for a delivery.
#[derive(Debug)]
pub(super) struct Ask {
    loan: Loan,
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
    Dead(Box<(DeadLetterRecord, Packet)>),
}

/// Settles them all by few statements, and returns a result for each.
pub(super) async fn settle_all(core: Arc<Core>, asks: Vec<Ask>) -> Vec<Result<(), TransportError>> {
    let (mut done, mut changed) = (Vec::new(), Vec::new());
    for ask in &asks {
        match &ask.what {
            What::Done { .. } => done.push(ask.loan),
            What::Retry(delay) if delay.is_zero() => changed.push((ask.loan, READY, 0.0, 0)),
            What::Retry(delay) => changed.push((ask.loan, HELD, millis(*delay), 0)),
            What::Release => changed.push((ask.loan, READY, 0.0, -1)),
            What::Extend(by) => changed.push((ask.loan, LENT, millis(*by), 0)),
            What::Dead(_) => {}
        }
    }
    // Each is by itself: what fails of one kind is not undone of another.
    let (done, changed) = (done_with(&core, &done).await, change(&core, &changed).await);
    let mut results = Vec::with_capacity(asks.len());
    // Of one row the last lending counts, whoever else still has a receipt.
    let mut last: HashMap<i64, i32> = HashMap::with_capacity(asks.len());
    for (id, lent) in asks.iter().map(|ask| ask.loan) {
        last.entry(id).and_modify(|last| *last = lent.max(*last)).or_insert(lent);
    }
    let is_last = |(id, lent): Loan| last.get(&id) == Some(&lent);
    for ask in asks {
        let settled = match &ask.what {
            What::Done { .. } => done.clone().map(|done| done.contains(&ask.loan.0) && is_last(ask.loan)),
            What::Dead(letter) => bury(&core, ask.loan, letter).await,
            _ => changed.clone().map(|changed| changed.contains(&ask.loan.0) && is_last(ask.loan)),
        };
        // Something is there again.
        if settled == Ok(true) && !matches!(ask.what, What::Done { keyed: false } | What::Extend(_)) {
            ask.bell.notify_one();
        }
        results.push(settled.and_then(|settled| if settled { Ok(()) } else { Err(lost(&core)) }));
    }
    results
}

pub(super) fn lost(core: &Core) -> TransportError {
    let text = "the delivery is no longer ours, its lease has run out: extend it in time, or set a longer one";
    TransportError::new(ErrorKind::Lost, core.at.clone(), text)
}

type Ids = Arc<HashSet<i64>>;

/// Deletes those that are done, and returns which there were.
async fn done_with(core: &Core, loans: &[Loan]) -> Result<Ids, TransportError> {
    if loans.is_empty() {
        return Ok(Ids::default());
    }
    let sql = done_sql(core, loans);
    ids(core, &core.database.rows(&core.at, core.deadline, &sql).await?)
}

fn done_sql(core: &Core, loans: &[Loan]) -> String {
    let (ids, lents) = (array(loans.iter().map(|loan| loan.0)), array(loans.iter().map(|loan| loan.1)));
    format!("SELECT {}.convoke_done_1('{ids}', '{lents}')", core.database.schema())
}

async fn change(core: &Core, changes: &[(Loan, i16, f64, i32)]) -> Result<Ids, TransportError> {
    if changes.is_empty() {
        return Ok(Ids::default());
    }
    let (ids_asked, lents) = (array(changes.iter().map(|it| it.0.0)), array(changes.iter().map(|it| it.0.1)));
    let (states, waits) = (array(changes.iter().map(|it| it.1)), array(changes.iter().map(|it| it.2)));
    let (attempts, schema) = (array(changes.iter().map(|it| it.3)), core.database.schema());
    let sql =
        format!("SELECT {schema}.convoke_change_1('{ids_asked}', '{lents}', '{states}', '{waits}', '{attempts}')");
    ids(core, &core.database.rows(&core.at, core.deadline, &sql).await?)
}

fn ids(core: &Core, rows: &[PgRow]) -> Result<Ids, TransportError> {
    let ids = rows.first().map_or(Ok(None), |row| row.try_get::<Option<Vec<i64>>, _>(0));
    let ids = ids.map_err(|error| describe(&core.at, &error))?;
    Ok(Arc::new(ids.unwrap_or_default().into_iter().collect()))
}

/// Moves one to the queue of dead letters, for the group that it died in.
async fn bury(core: &Core, loan: Loan, letter: &(DeadLetterRecord, Packet)) -> Result<bool, TransportError> {
    let (record, packet) = letter;
    // A letter that is redriven has the same id, and is no twin.
    let forget = Arc::new((core.queue.clone(), packet.id.clone()));
    let room = core.max_bytes.saturating_add(ROOM_FOR_RECORD);
    let letter = record.clone().bury(packet.clone(), MAX_ATTRIBUTES + 1, room);
    let row = Arc::new(Columns::of(std::iter::once(Row::of(&letter))));
    let call = Call::new(core.database.schema(), &core.dead, Some(&core.group), None);
    let sql = (done_sql(core, &[loan]), forget_sql(core));
    let buried = core
        .database
        .in_time(&core.at, core.deadline, |connection| {
            let (row, call, sql, forget) = (row.clone(), call.clone(), sql.clone(), forget.clone());
            Box::pin(async move { move_over(connection, sql, &forget, &call, &row).await })
        })
        .await?;
    if buried {
        core.database.bells().ring(&core.dead, 1);
    }
    Ok(buried)
}

async fn move_over(
    connection: &mut PgConnection,
    (done, forget): (String, String),
    (queue, packet): &(String, String),
    call: &Call,
    row: &Columns,
) -> Result<bool, Failed> {
    let mut transaction = connection.begin_with(BEGIN).await.map_err(Failed::undone)?;
    let gone = sqlx::raw_sql(AssertSqlSafe(done)).fetch_one(&mut *transaction).await.map_err(Failed::undone)?;
    if gone.try_get::<Option<Vec<i64>>, _>(0)?.is_none() {
        transaction.rollback().await?;
        return Ok(false);
    }
    let forget = sqlx::query(AssertSqlSafe(forget)).persistent(false).bind(queue).bind(packet);
    forget.execute(&mut *transaction).await.map_err(Failed::undone)?;
    call.publish(&mut transaction, row).await.map_err(Failed::undone)?;
    transaction.commit().await?;
    Ok(true)
}

fn forget_sql(core: &Core) -> String {
    let schema = core.database.schema();
    format!("DELETE FROM {schema}.convoke_taken WHERE queue = $1 AND packet = sha256(convert_to($2, 'UTF8'))")
}

/// Marks one, if it is still lent as it was.
async fn mark(core: &Core, (id, lent): Loan) -> Result<(), TransportError> {
    let schema = core.database.schema();
    let sql = format!(
        "UPDATE {schema}.convoke_delivery SET marked = true WHERE id = {id} AND lent = {lent} AND state = {LENT} RETURNING id"
    );
    match core.database.rows(&core.at, core.deadline, &sql).await?.is_empty() {
        true => Err(lost(core)),
        false => Ok(()),
    }
}

/// The transport's side of a delivery.
#[derive(Debug)]
pub(super) struct PostgresReceipt {
    pub(super) queue: Arc<Queue>,
    pub(super) loan: Loan,
    pub(super) keyed: bool,
    pub(super) bell: Bell,
    /// Room for another one, once this is settled.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl PostgresReceipt {
    fn ask(&self, what: What) -> Ask {
        Ask { loan: self.loan, what, bell: self.bell.clone() }
    }
}

impl Receipt for PostgresReceipt {
    fn settle(self: Box<Self>, how: Settlement) -> BoxFuture<'static, Result<(), TransportError>> {
        if matches!(how, Settlement::DeadLetter(_)) {
            let text = "a delivery becomes a dead letter with its packet in hand: settle the `Delivery` itself";
            let error = TransportError::new(ErrorKind::Unsupported, self.queue.core.at.clone(), text);
            return Box::pin(async { Err(error) });
        }
        self.settle_in_hand(how, Packet::default())
    }

    fn settle_in_hand(
        self: Box<Self>,
        how: Settlement,
        packet: Packet,
    ) -> BoxFuture<'static, Result<(), TransportError>> {
        let what = match how {
            Settlement::Ack => What::Done { keyed: self.keyed },
            Settlement::RetryAfter(delay) => What::Retry(delay),
            Settlement::DeadLetter(record) => What::Dead(Box::new((record, packet))),
            Settlement::Release => What::Release,
        };
        Box::pin(async move { self.queue.settle(self.ask(what)).await })
    }

    fn park(self: Box<Self>, record: DeadLetterRecord, _: Packet) -> BoxFuture<'static, Result<u64, TransportError>> {
        Box::pin(async move { park(&self.queue.core, self.loan, &record).await })
    }

    fn extend(&mut self, by: Duration) -> BoxFuture<'_, Result<(), TransportError>> {
        let ask = self.ask(What::Extend(by));
        Box::pin(self.queue.settle(ask))
    }

    fn mark(&mut self) -> BoxFuture<'_, Result<bool, TransportError>> {
        let (core, loan) = (&self.queue.core, self.loan);
        Box::pin(async move { mark(core, loan).await.map(|()| true) })
    }
}
