//! Who receives: lends no more at once than it may, waits for a bell or the clock, and loses nothing when it is dropped.
//!
//! `Sqlite::receive → Subscriber → (a task) lend → Delivery with its SqliteReceipt`

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::insert::{lane_of, register};
use super::lend::{lend, look};
use super::queue::{Core, Queue};
use super::settle::SqliteReceipt;
use crate::sql::Room;
use crate::sql::sqlite::{Bell, Moved, describe, late, now};
use crate::transport::{Delivery, ErrorKind, TransportError};

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

/// What came of a look into the file.
#[derive(Debug)]
struct Found {
    deliveries: Vec<Delivery>,
    /// When there will be something, in ms since 1970, if that is known.
    next: Option<i64>,
    view: View,
}

/// One subscriber. What it has asked for goes on in a task, so that a receive that is dropped takes nothing with it.
#[derive(Debug)]
pub(super) struct Subscriber {
    view: View,
    bell: Bell,
    room: Room,
    asked: Option<oneshot::Receiver<Result<Found, TransportError>>>,
    /// Behind a lock that nobody shares: a handle is `Sync`, a delivery is not.
    found: Mutex<VecDeque<Delivery>>,
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
        Ok(Self { view, bell, room, asked: None, found: Mutex::default() })
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
            let found = self.found();
            // What has lain here for so long that its lease may end is given back: nobody has worked on it.
            found.retain(|delivery| delivery.age() < core.lease / 2);
            if !found.is_empty() {
                return Ok(found.drain(..most.min(found.len())).collect());
            }
            if self.asked.is_none() {
                // What is lent may be worked on for long.
                let Some(room) = self.room.take(most, over).await else { return Ok(Vec::new()) };
                self.ask(queue, room);
            }
            let Some(asked) = &mut self.asked else { continue };
            // Who is late is asked again by the next receive.
            let Ok(answer) = timeout(core.store.deadline, asked).await else {
                return Err(late(&core.at, core.store.deadline));
            };
            self.asked = None;
            // The runtime in which it ran may be gone.
            let found = answer.unwrap_or_else(|_| Err(late(&core.at, core.store.deadline)))?;
            queue.pulse.beat();
            self.view = found.view;
            if !found.deliveries.is_empty() {
                self.found().extend(found.deliveries);
                continue;
            }
            if Instant::now() >= over {
                return Ok(Vec::new());
            }
            let wait = found.next.map(|next| Duration::from_millis((next - now()).try_into().unwrap_or(0)));
            let until = over.min(Instant::now() + wait.map_or(core.poll, |wait| wait.min(core.poll)));
            tokio::select! {
                biased;
                () = self.bell.notified() => self.view.busy = true,
                () = sleep_until(until) => {}
            }
        }
    }

    fn ask(&mut self, queue: &Arc<Queue>, room: OwnedSemaphorePermit) {
        let (answer, asked) = oneshot::channel();
        let (queue, view, bell) = (queue.clone(), self.view, self.bell.clone());
        // If nobody is there any more, the deliveries are dropped, and given back.
        tokio::spawn(async move { answer.send(find(&queue, view, &bell, room).await) });
        self.asked = Some(asked);
    }

    /// Gives back what was asked for and what nobody has received.
    pub(super) async fn stop_lending(&mut self, queue: &Queue) -> Result<(), TransportError> {
        let core = &queue.core;
        if let Some(asked) = &mut self.asked {
            let answer = timeout(core.store.deadline, asked).await.map_err(|_| late(&core.at, core.store.deadline))?;
            self.asked = None;
            // One that has failed has brought nothing, and one whose runtime is gone has given it back.
            if let Ok(Ok(found)) = answer {
                self.found().extend(found.deliveries);
            }
        }
        let back: Vec<_> = self.found().drain(..).map(Delivery::release).collect();
        for released in futures_util::future::join_all(back).await {
            // What others have got meanwhile is where it belongs.
            released.or_else(|error| if error.kind() == ErrorKind::Lost { Ok(()) } else { Err(error) })?;
        }
        Ok(())
    }

    fn found(&mut self) -> &mut VecDeque<Delivery> {
        self.found.get_mut().unwrap_or_else(PoisonError::into_inner)
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
async fn find(
    queue: &Arc<Queue>,
    mut view: View,
    bell: &Bell,
    mut room: OwnedSemaphorePermit,
) -> Result<Found, TransportError> {
    let (core, generation) = (&queue.core, view.generation);
    let sql = |error| describe(&core.at, &error);
    // There may be another lane of this number in another file.
    if core.store.generation() != generation {
        return Err(sql(Moved::Gone.into()));
    }
    if !view.busy {
        let next = view.look(core).await.map_err(sql)?;
        if next.is_none_or(|next| next > now()) {
            return Ok(Found { deliveries: Vec::new(), next, view });
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
        return Ok(Found { deliveries: Vec::new(), next, view });
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
    Ok(Found { deliveries: lent.collect(), next: None, view })
}
