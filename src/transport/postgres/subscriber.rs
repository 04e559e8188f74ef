//! Who receives: lends no more at once than it may, waits for a bell or the clock, and loses nothing when it is dropped.
//!
//! `Postgres::receive → Subscriber → (a task) lend → Delivery with its PostgresReceipt`

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::floor::{Floor, SHARE, SLOW};
use super::lend::{self, Prospect, Start};
use super::queue::{Core, Queue};
use super::settle::PostgresReceipt;
use crate::sql::postgres::{Bell, Form, late};
use crate::sql::{Ahead, Room};
use crate::transport::{Delivery, TransportError};

/// So many are lent in one go; more are several.
const MAX_LENT: usize = 512;
/// How soon it is looked again for what others are just at.
const MOMENT: Duration = Duration::from_millis(5);

/// What a subscriber knows of its lane.
#[derive(Clone, Debug)]
struct View {
    lane: i64,
    start: Start,
    floor: Floor,
    form: Form,
    /// Whether there was something the last time, so that there may be more.
    busy: bool,
    /// When it is looked what has become due, however much is ready.
    wake: Instant,
    /// How long it waits between two such looks: longer where each takes long, over dead rows that vacuum may not take away.
    pause: Duration,
}

impl View {
    async fn wake(&mut self, core: &Core) -> Result<Prospect, TransportError> {
        let prospect = lend::wake(core, self.lane, self.pause, &self.floor).await?;
        let took = prospect.took;
        self.pause = if took > SLOW { core.poll.max(took * SHARE) } else { core.poll };
        self.wake = Instant::now() + self.pause;
        self.floor.note(&core.database, &core.at, self.lane, took).await;
        if !prospect.is_ready {
            // Nobody waits for it now.
            self.floor.rise(&core.database, &core.at, self.lane).await;
        }
        Ok(prospect)
    }
}

/// What a look into the table has taught.
#[derive(Debug)]
struct Learned {
    /// When there will be something, if that is known.
    next: Option<Duration>,
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
        let view = View {
            lane: lend::lane(core).await?,
            start: Start::First,
            floor: Floor::default(),
            form: Form::default(),
            busy: true,
            wake: Instant::now(),
            pause: core.poll,
        };
        let room = Room::new(prefetch);
        let bell = core.database.bells().bell(&core.queue, &core.group);
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
            let answer = self.ahead.answer(core.deadline, || late(&core.at, core.deadline)).await?;
            let Some((has_come, learned)) = answer else { continue };
            queue.pulse.beat();
            self.view = learned.view;
            if has_come {
                continue;
            }
            if Instant::now() >= over {
                return Ok(Vec::new());
            }
            core.database.bells().listen();
            // Many that wait do not all look at the same moment.
            let poll = self.view.pause.mul_f64(0.75 + fastrand::f64() / 2.0);
            let until = over.min(Instant::now() + learned.next.map_or(poll, |next| next.min(poll)));
            tokio::select! {
                biased;
                () = self.bell.notified() => self.view.busy = true,
                () = sleep_until(until) => {}
            }
        }
    }

    fn ask(&mut self, queue: &Arc<Queue>, room: OwnedSemaphorePermit) {
        let (queue, view, bell) = (queue.clone(), self.view.clone(), self.bell.clone());
        self.ahead.ask(async move { find(&queue, view, &bell, room).await });
    }

    /// Gives back what was asked for and what nobody has received.
    pub(super) async fn stop_lending(&mut self, queue: &Queue) -> Result<(), TransportError> {
        let core = &queue.core;
        self.ahead.give_back(core.deadline, || late(&core.at, core.deadline)).await
    }
}

/// Registers the group of a queue, so that it gets what is published from now on.
pub(super) async fn create_group(queue: &Queue) -> Result<(), TransportError> {
    lend::lane(&queue.core).await.map(drop)
}

/// Lends as many as there is room for. Who found nothing before looks first: to look takes no lock.
async fn find(queue: &Arc<Queue>, mut view: View, bell: &Bell, mut room: OwnedSemaphorePermit) -> Found {
    let core = &queue.core;
    if !view.busy || Instant::now() >= view.wake {
        let prospect = view.wake(core).await?;
        if !prospect.is_ready {
            view.busy = false;
            return Ok((Vec::new(), Learned { next: prospect.next, view }));
        }
    }
    let most = room.num_permits();
    let loans = lend::lend(core, view.lane, most, &mut view.start, &mut view.floor, &mut view.form).await?;
    view.busy = !loans.is_empty();
    if loans.is_empty() {
        let prospect = view.wake(core).await?;
        // What is ready all the same stands behind one that is just being taken away, or others are at it.
        let next = if prospect.is_ready { Some(MOMENT) } else { prospect.next };
        return Ok((Vec::new(), Learned { next, view }));
    }
    if loans.len() == most {
        // There may be more, for somebody else.
        bell.notify_one();
    }
    let lent = loans.into_iter().map(|loan| {
        let receipt = PostgresReceipt {
            queue: queue.clone(),
            loan: (loan.id, loan.lent),
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
