//! How a projection is built anew: another edition beside the present one, which it replaces once it is as far.
//!
//! `rebuild → make (prepare) → applying.rs: advance → switch (retire)`, `what cannot be gone on with → begin_anew`

use super::applying::told;
use super::editions::Built;
use super::error::ProjectionFault;
use super::project::{Edition, Project, noting};
use super::projection::Projection;
use crate::store::{Progress, StoreDatabase};

/// What [`prepare`](Project::prepare) or [`retire`](Project::retire) has not told.
const BROKEN: &str = "a statement of it has failed, or has ended the transaction, and it has not returned the error: over \
    PostgreSQL nothing of the transaction is there then";

impl<D: StoreDatabase, P: Project<D::Connection>> Projection<D, P> {
    pub(super) async fn rebuild_beside(&self, report: &dyn Fn(Progress) -> bool) -> Result<Edition, ProjectionFault> {
        // Which edition was gone on with here.
        let mut ours = None;
        loop {
            let there = self.editions.list().await?;
            // Behind that: what an edition has seen is there, unless the store was cut off or is another one.
            let head = self.records.head().await?;
            let Some(present) = there.iter().find(|built| built.is_present) else {
                // There is nothing beside which it would be built.
                self.make(1, true).await?;
                self.catch_up_present(&|_| true).await?;
                return Ok(Edition(1));
            };
            if let Some(edition) = ours {
                match there.iter().find(|built| built.edition == edition) {
                    Some(built) if built.is_present => return Ok(Edition(edition)),
                    Some(_) => {}
                    None => return Err(ProjectionFault::GivenUp),
                }
            }
            let is_behind = |built: &Built| built.store == self.records.tag() && built.position <= head.number();
            let Some(beside) = there.iter().find(|built| !built.is_present) else {
                let next = there.iter().map(|built| built.edition).max().unwrap_or_default() + 1;
                self.make(next, false).await?;
                continue;
            };
            if beside.reads != self.reads || !is_behind(beside) {
                // It was begun by a program that reads something else, or from what is no longer there.
                self.begin_anew(*present, beside.edition).await?;
                ours = None;
                continue;
            }
            ours = Some(beside.edition);
            match self.advance(*beside, head, report, self.editions.has_tables()).await {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(fault) => {
                    if fault == ProjectionFault::SharedRows {
                        self.give_up(*present, beside.edition).await?;
                    }
                    return Err(fault);
                }
            }
            if self.switch(*present, beside.edition, !is_behind(present)).await? {
                return Ok(Edition(beside.edition));
            }
        }
    }

    /// Replaces the present edition, if the other one is as far; or if the present one is of records that are no longer there.
    async fn switch(&self, present: Built, beside: i64, is_lost: bool) -> Result<bool, ProjectionFault> {
        let mut work = self.editions.begin().await?;
        let there = self.editions.lock(work.connection()).await?;
        let of = |edition: i64| there.iter().find(|built| built.edition == edition);
        let (Some(old), Some(new)) = (of(present.edition), of(beside)) else { return Ok(false) };
        if !old.is_present || new.position < old.position && !(is_lost && *old == present) {
            return Ok(false);
        }
        let retired = told(self.project.retire(work.connection(), Edition(old.edition))).await;
        retired.map_err(ProjectionFault::Tables)?;
        self.stands(work.connection(), *old).await?;
        self.editions.switch(work.connection(), old.edition, new.edition).await?;
        work.commit().await?;
        Ok(true)
    }

    /// Puts another one in the place of an edition that is not the present one and cannot be gone on with. Its number is another
    /// one too: the rows that it has may stay.
    async fn begin_anew(&self, present: Built, beside: i64) -> Result<(), ProjectionFault> {
        let mut work = self.editions.begin().await?;
        let there = self.editions.lock(work.connection()).await?;
        let is =
            |edition: i64, present: bool| there.iter().find(|of| of.edition == edition && of.is_present == present);
        let (Some(present), Some(&beside)) = (is(present.edition, true), is(beside, false)) else { return Ok(()) };
        let retired = told(self.project.retire(work.connection(), Edition(beside.edition))).await;
        retired.map_err(ProjectionFault::Tables)?;
        self.stands(work.connection(), beside).await?;
        self.editions.switch(work.connection(), beside.edition, present.edition).await?;
        let next = there.iter().map(|built| built.edition).max().unwrap_or_default() + 1;
        let Some(asked) = self.add(work.connection(), self.unbuilt(next, false)).await? else { return Ok(()) };
        work.commit().await?;
        self.note_asked(next, asked);
        Ok(())
    }

    /// Forgets an edition that has no rows of its own.
    async fn give_up(&self, present: Built, beside: i64) -> Result<(), ProjectionFault> {
        let mut work = self.editions.begin().await?;
        let there = self.editions.lock(work.connection()).await?;
        let is = |edition: i64, present: bool| there.iter().any(|of| of.edition == edition && of.is_present == present);
        if is(present.edition, true) && is(beside, false) {
            self.editions.switch(work.connection(), beside, present.edition).await?;
            work.commit().await?;
        }
        Ok(())
    }

    /// Makes an edition, unless somebody else does.
    pub(super) async fn make(&self, edition: i64, is_present: bool) -> Result<(), ProjectionFault> {
        let mut work = self.editions.begin().await?;
        if let Some(asked) = self.add(work.connection(), self.unbuilt(edition, is_present)).await? {
            work.commit().await?;
            self.note_asked(edition, asked);
        }
        Ok(())
    }

    pub(super) fn note_asked(&self, edition: i64, asked: bool) {
        if asked {
            self.asked.set(edition);
        }
    }

    fn unbuilt(&self, edition: i64, is_present: bool) -> Built {
        Built { edition, is_present, store: self.records.tag(), reads: self.reads, position: 0 }
    }

    /// Notes an edition and prepares its rows. Returns whether it was asked which one it is; `None` if it was there.
    async fn add(&self, tx: &mut D::Connection, built: Built) -> Result<Option<bool>, ProjectionFault> {
        if !self.editions.insert(tx, built).await? {
            return Ok(None);
        }
        let (prepared, asked) = noting(told(self.project.prepare(tx, Edition(built.edition)))).await;
        prepared.map_err(ProjectionFault::Tables)?;
        self.stands(tx, built).await?;
        Ok(Some(asked))
    }

    /// Looks whether the transaction still stands after what is not ours.
    async fn stands(&self, tx: &mut D::Connection, built: Built) -> Result<(), ProjectionFault> {
        match self.editions.stands(tx, built.edition, built.position).await? {
            true => Ok(()),
            false => Err(ProjectionFault::Tables(BROKEN.to_owned())),
        }
    }
}
