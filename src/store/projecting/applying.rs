//! How records become rows: some by one transaction, which moves the position too.
//!
//! `advance → read 200 → begin → editions.rs: move the position → Project::apply each → does the transaction stand? → commit`

use super::editions::Built;
use super::error::ProjectionFault;
use super::project::{Edition, Project, noting};
use super::projection::Projection;
use crate::__private::{Shown, guarded};
use crate::Handled;
use crate::store::{Position, Progress, Recorded, StoreDatabase, StoreError};

/// How many records are applied by one transaction.
const BATCH: usize = 200;

/// What PostgreSQL does after an error, and `apply` has not told.
const BROKEN: &str = "a statement of it has failed, or has ended the transaction, and it has not returned the error: over \
    PostgreSQL nothing of the transaction is there then, so return the error, or write a statement that does not fail, as with \
    `ON CONFLICT DO NOTHING`";

/// Records that one transaction applies.
struct Batch<'a> {
    edition: i64,
    from: Position,
    to: Position,
    records: &'a [Recorded],
    /// Nobody has asked yet which edition it is, and whoever writes rows has to.
    must_ask: bool,
}

impl<D: StoreDatabase, P: Project<D::Connection>> Projection<D, P> {
    /// Applies what an edition has not seen, up to this position. `None` if somebody else has moved it meanwhile. `report` is told how
    /// far it is behind each transaction, and says whether there is to be another one. `must_ask` says that whoever writes rows has to
    /// ask first which edition it is, unless it was asked before.
    pub(super) async fn advance(
        &self,
        built: Built,
        head: Position,
        report: &dyn Fn(Progress) -> bool,
        must_ask: bool,
    ) -> Result<Option<Progress>, ProjectionFault> {
        let position = Position::new(built.store, built.position);
        if built.store != self.records.tag() {
            let store = self.records.store().to_owned();
            return Err(
                StoreError::Elsewhere { position: Position::new(built.store, built.position.max(1)), store }.into()
            );
        }
        if position.number() > head.number() {
            return Err(StoreError::Ahead { position, last: head }.into());
        }
        let (mut at, mut told) = (position, 0);
        if at == head {
            return Ok(Some(Progress { position: at, last: head, told }));
        }
        let mut reading = self.records.clone().after(at).until(head).start();
        loop {
            let mut records = Vec::with_capacity(BATCH);
            let mut failed = None;
            while records.len() < BATCH {
                match reading.next().await {
                    Ok(Some(record)) => records.push(record),
                    Ok(None) => break,
                    // What was read before is applied.
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            let is_over = records.len() < BATCH && failed.is_none();
            let last = records.last().map(Recorded::position);
            // Behind the last record of its topics there is nothing for it up to the end.
            let to = if is_over { Some(head) } else { last };
            if let Some(to) = to {
                let must_ask = must_ask && self.asked.get() != built.edition;
                let batch = Batch { edition: built.edition, from: at, to, records: &records, must_ask };
                if !self.apply(batch, false).await? {
                    return Ok(None);
                }
                at = to;
                told += records.len() as u64;
                if !report(Progress { position: at, last: head, told }) && failed.is_none() {
                    return Ok(Some(Progress { position: at, last: head, told }));
                }
            }
            if let Some(failed) = failed {
                return Err(failed.into());
            }
            if is_over {
                return Ok(Some(Progress { position: at, last: head, told }));
            }
        }
    }

    /// Applies records, and moves the position with them, by one transaction. Says whether the position was there. `careful` looks
    /// behind each record whether the transaction still stands.
    ///
    /// If one of them fails, those before it are applied.
    async fn apply(&self, batch: Batch<'_>, careful: bool) -> Result<bool, ProjectionFault> {
        let Batch { edition, from, to, records, must_ask } = batch;
        let mut work = self.editions.begin().await?;
        if !self.editions.advance(work.connection(), edition, from.number(), to.number()).await? {
            return Ok(false);
        }
        let written = if must_ask { self.editions.written(work.connection()).await? } else { None };
        let mut is_asked = !must_ask;
        for (place, record) in records.iter().enumerate() {
            let applied = told(self.project.apply(work.connection(), record, Edition(edition)));
            let (applied, asked) = noting(applied).await;
            is_asked |= asked;
            let broken = match applied {
                Ok(()) if careful => !self.editions.stands(work.connection(), edition, to.number()).await?,
                Ok(()) | Err(_) => false,
            };
            let reason = match applied {
                Ok(()) if broken => BROKEN.to_owned(),
                Ok(()) => continue,
                Err(reason) => reason,
            };
            drop(work);
            if let Some((last, _)) = records[..place].split_last() {
                let before = Batch { to: last.position(), records: &records[..place], ..batch };
                if !Box::pin(self.apply(before, false)).await? {
                    return Ok(false);
                }
            }
            return Err(ProjectionFault::Apply { position: record.position(), reason });
        }
        if !careful && !self.editions.stands(work.connection(), edition, to.number()).await? {
            drop(work);
            // Which one it was is seen when they are looked at one by one.
            return Box::pin(self.apply(batch, true)).await;
        }
        // Who passes over a record need not ask; who writes by it has to.
        if !is_asked && (written.is_none() || written != self.editions.written(work.connection()).await?) {
            return Err(ProjectionFault::SharedRows);
        }
        work.commit().await?;
        self.note_asked(edition, must_ask && is_asked);
        Ok(true)
    }
}

/// What the user's own has returned, or panicked with.
pub(super) async fn told(future: impl Future<Output = Handled>) -> Result<(), String> {
    match guarded(future).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(why) => Err(format!("panicked: {}", Shown::text(&why))),
    }
}
