//! Who receives: lends no more at once than it may, waits for a bell or the clock, and loses nothing when it is dropped.
//!
//! `Sqlite::receive → Subscriber → (a task) lend → Delivery with its SqliteReceipt`

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until, timeout};

use super::insert::{lane_of, register};
use super::lend::{lend, look};
use super::queue::{Core, Queue};
use super::settle::SqliteReceipt;
use crate::sql::sqlite::{Bell, Moved, describe, late, now};
use crate::sql::{Ahead, Room};
use crate::transport::{Delivery, TransportError};

/// So many are lent in one go; more are several.
const MAX_LENT: usize = 512;

/// How often what has become due is made ready, however much is ready already.
const WAKE: Duration = Duration::from_millis(100);

/// What a subscriber knows of its lane.
#[derive(Clone, Copy, Debug)]
struct View {
    lane: i64,
    /// In which file.
    generation: u64,
    /// Whether there was something the last time, so that there may be more.
    busy: bool,
    /// Until when nothing becomes due, as far as is known.
    wake: Instant,
}

impl View {
    /// Looks when there will be something, in ms since 1970, if that is known.
    async fn look(&mut self, core: &Core) -> Result<Option<i64>, sqlx::Error> {
        let next = look(core, self.lane).await?;
        let wait = next.map_or(WAKE, |next| Duration::from_millis((next - now()).try_into().unwrap_or(0)));
        self.wake = Instant::now() + wait.min(WAKE);
        Ok(next)
    }
}

/// What a look into the file has taught.
#[derive(Debug)]
struct Learned {
    /// When there will be something, in ms since 1970, if that is known.
    next: Option<i64>,
    view: View,
}

/// What came of it.
type Found = Result<(Vec<Delivery>, Learned), TransportError>;

/// One subscriber. What it has asked for goes on in a task, so that a receive that is dropped takes nothing with it.
#[derive(Debug)]
pub(super) struct Subscriber {
    view: View,
    bell: Bell,
    room: Room,
    ahead: Ahead<Learned>,
}

impl Subscriber {
    /// Finds the lane of the group, or makes it.
    pub(super) async fn open(queue: &Queue, prefetch: usize) -> Result<Self, TransportError> {
        let core = &queue.core;
        let lane = timeout(core.store.deadline, lane(queue)).await;
        let lane = lane.unwrap_or_else(|_| Err(late(&core.at, core.store.deadline)))?;
        let room = Room::new(prefetch);
        let view = View { lane, generation: core.store.generation(), busy: true, wake: Instant::now() };
        let bell = core.store.hub.bell(&core.queue, &core.group);
        Ok(Self { view, bell, room, ahead: Ahead::default() })
    }

    /// Changes how many may be lent from now on.
    pub(super) fn lend_up_to(&mut self, deliveries: usize) {
        self.room.resize(deliveries);
    }

    /// Waits until something is there, or for as long as a receive takes.
    pub(super) async fn receive(&mut self, queue: &Arc<Queue>, most: usize) -> Result<Vec<Delivery>, TransportError> {
        let core = &queue.core;
        let over = Instant::now() + core.wait;
        let most = most.clamp(1, MAX_LENT);
        loop {
            let ready = self.ahead.ready(most, core.lease);
            if !ready.is_empty() {
                return Ok(ready);
            }
            if !self.ahead.is_asked() {
                // What is lent may be worked on for long.
                let Some(room) = self.room.take(most, over).await else { return Ok(Vec::new()) };
                self.ask(queue, room);
            }
            let answer = self.ahead.answer(core.store.deadline, || late(&core.at, core.store.deadline)).await?;
            let Some((has_come, learned)) = answer else { continue };
            queue.pulse.beat();
            self.view = learned.view;
            if has_come {
                continue;
            }
            if Instant::now() >= over {
                return Ok(Vec::new());
            }
            let wait = learned.next.map(|next| Duration::from_millis((next - now()).try_into().unwrap_or(0)));
            let until = over.min(Instant::now() + wait.map_or(core.poll, |wait| wait.min(core.poll)));
            tokio::select! {
                biased;
                () = self.bell.notified() => self.view.busy = true,
                () = sleep_until(until) => {}
            }
        }
    }

    fn ask(&mut self, queue: &Arc<Queue>, room: OwnedSemaphorePermit) {
        let (queue, view, bell) = (queue.clone(), self.view, self.bell.clone());
        self.ahead.ask(async move { find(&queue, view, &bell, room).await });
    }

    /// Gives back what was asked for and what nobody has received.
    pub(super) async fn stop_lending(&mut self, queue: &Queue) -> Result<(), TransportError> {
        let core = &queue.core;
        self.ahead.give_back(core.store.deadline, || late(&core.at, core.store.deadline)).await
    }
}

async fn lane(queue: &Queue) -> Result<i64, TransportError> {
    let core = &queue.core;
    let sql = |error| describe(&core.at, &error);
    let mut connection = core.store.read().await.map_err(sql)?;
    if let Some(lane) = lane_of(&mut connection, &core.queue, &core.group, false).await.map_err(sql)? {
        return Ok(lane);
    }
    drop(connection);
    let mut writer = core.store.write().await.map_err(sql)?;
    let mut transaction = writer.connection.begin_with("BEGIN IMMEDIATE").await.map_err(sql)?;
    let lane = register(&mut transaction, &core.queue, &core.group).await.map_err(sql)?;
    transaction.commit().await.map_err(sql)?;
    Ok(lane)
}

/// Registers the group of a queue, so that it gets what is published from now on.
pub(super) async fn create_group(queue: &Queue) -> Result<(), TransportError> {
    Subscriber::open(queue, 1).await.map(drop)
}

/// Lends as many as there is room for. One that found nothing before looks first: who only looks waits for nobody.
async fn find(queue: &Arc<Queue>, mut view: View, bell: &Bell, mut room: OwnedSemaphorePermit) -> Found {
    let (core, generation) = (&queue.core, view.generation);
    let sql = |error| describe(&core.at, &error);
    // There may be another lane of this number in another file.
    if core.store.generation() != generation {
        return Err(sql(Moved::Gone.into()));
    }
    if !view.busy {
        let next = view.look(core).await.map_err(sql)?;
        if next.is_none_or(|next| next > now()) {
            return Ok((Vec::new(), Learned { next, view }));
        }
    }
    let (most, wakes) = (room.num_permits(), Instant::now() >= view.wake);
    let loans = lend(core, (view.lane, generation), most, wakes).await.map_err(sql)?;
    view.busy = !loans.is_empty();
    if wakes {
        view.wake = Instant::now() + WAKE;
    }
    if loans.is_empty() {
        let next = view.look(core).await.map_err(sql)?;
        return Ok((Vec::new(), Learned { next, view }));
    }
    if loans.len() == most {
        // There may be more, for somebody else.
        bell.notify_one();
    }
    let lent = loans.into_iter().map(|loan| {
        let receipt = SqliteReceipt {
            queue: queue.clone(),
            loan: (loan.id, loan.lent),
            generation,
            keyed: loan.packet.key.is_some(),
            bell: bell.clone(),
            _room: room.split(1),
        };
        let delivery = Delivery::new(core.at.clone(), loan.packet, loan.attempt, receipt);
        let place = loan.id.try_into().unwrap_or_default();
        delivery.with_lease(core.lease).with_mark(loan.marked).with_place(place, loan.redriven)
    });
    Ok((lent.collect(), Learned { next: None, view }))
}
