//! Who receives: lends no more at once than it may, waits for a bell or the clock, and loses nothing when it is dropped.
//!
//! `Postgres::receive → Subscriber → (a task) lend → Delivery with its PostgresReceipt`

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::floor::{Floor, SHARE, SLOW};
use super::lend::{self, Prospect, Start};
use super::queue::{Core, Queue};
use super::settle::PostgresReceipt;
use crate::sql::Room;
use crate::sql::postgres::{Bell, Form, late};
use crate::transport::{Delivery, ErrorKind, TransportError};

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

/// What came of a look into the table.
#[derive(Debug)]
struct Found {
    deliveries: Vec<Delivery>,
    /// When there will be something, if that is known.
    next: Option<Duration>,
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
            let Ok(answer) = timeout(core.deadline, asked).await else { return Err(late(&core.at, core.deadline)) };
            self.asked = None;
            // The runtime in which it ran may be gone.
            let found = answer.unwrap_or_else(|_| Err(late(&core.at, core.deadline)))?;
            queue.pulse.beat();
            self.view = found.view;
            if !found.deliveries.is_empty() {
                self.found().extend(found.deliveries);
                continue;
            }
            if Instant::now() >= over {
                return Ok(Vec::new());
            }
            core.database.bells().listen();
            // Many that wait do not all look at the same moment.
            let poll = self.view.pause.mul_f64(0.75 + fastrand::f64() / 2.0);
            let until = over.min(Instant::now() + found.next.map_or(poll, |next| next.min(poll)));
            tokio::select! {
                biased;
                () = self.bell.notified() => self.view.busy = true,
                () = sleep_until(until) => {}
            }
        }
    }

    fn ask(&mut self, queue: &Arc<Queue>, room: OwnedSemaphorePermit) {
        let (answer, asked) = oneshot::channel();
        let (queue, view, bell) = (queue.clone(), self.view.clone(), self.bell.clone());
        // If nobody is there any more, the deliveries are dropped, and given back.
        tokio::spawn(async move { answer.send(find(&queue, view, &bell, room).await) });
        self.asked = Some(asked);
    }

    /// Gives back what was asked for and what nobody has received.
    pub(super) async fn stop_lending(&mut self, queue: &Queue) -> Result<(), TransportError> {
        let core = &queue.core;
        if let Some(asked) = &mut self.asked {
            let answer = timeout(core.deadline, asked).await.map_err(|_| late(&core.at, core.deadline))?;
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

/// Registers the group of a queue, so that it gets what is published from now on.
pub(super) async fn create_group(queue: &Queue) -> Result<(), TransportError> {
    lend::lane(&queue.core).await.map(drop)
}

/// Lends as many as there is room for. Who found nothing before looks first: to look takes no lock.
async fn find(
    queue: &Arc<Queue>,
    mut view: View,
    bell: &Bell,
    mut room: OwnedSemaphorePermit,
) -> Result<Found, TransportError> {
    let core = &queue.core;
    if !view.busy || Instant::now() >= view.wake {
        let prospect = view.wake(core).await?;
        if !prospect.is_ready {
            view.busy = false;
            return Ok(Found { deliveries: Vec::new(), next: prospect.next, view });
        }
    }
    let most = room.num_permits();
    let loans = lend::lend(core, view.lane, most, &mut view.start, &mut view.floor, &mut view.form).await?;
    view.busy = !loans.is_empty();
    if loans.is_empty() {
        let prospect = view.wake(core).await?;
        // What is ready all the same stands behind one that is just being taken away, or others are at it.
        let next = if prospect.is_ready { Some(MOMENT) } else { prospect.next };
        return Ok(Found { deliveries: Vec::new(), next, view });
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
    Ok(Found { deliveries: lent.collect(), next: None, view })
}
