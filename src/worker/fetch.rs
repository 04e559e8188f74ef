//! Fetches deliveries as long as there is room for them, stops the server when it may not, and reconnects when it was lost.
//!
//! `room → Source::receive → engine.rs`, `a pause, a suspect, a crowd → Source::stop_lending → Gate`, `error → wait → Source::open`

use std::pin::pin;
use std::time::Duration;

use futures_util::future::poll_immediate;
use tokio::select;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::engine::{Order, Shared};
use super::suspects::{CAREFUL, is_suspect};
use super::turns::{Alone, Weight};
use crate::__private::IS_MEASURED;
use crate::Retry;
use crate::transport::{Delivery, Parking, Source, TransportError};

/// The first wait after an error, and the longest: a server that comes back is found within half a minute.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a server may take to lend nothing more: what waits here is given back only then.
const STOP_WITHIN: Duration = Duration::from_secs(3);

/// How often the server is asked how much waits there, if somebody measures.
const ASK_BACKLOG: Duration = Duration::from_secs(15);

/// How often it is asked what is parked there.
const ASK_PARKED: Duration = Duration::from_secs(15);

/// A delivery, and the room that it takes here.
pub(crate) struct Arrival {
    pub(crate) delivery: Delivery,
    pub(crate) room: Room,
    /// It is a suspect, and nothing else may begin before it has ended.
    pub(crate) alone: Option<Alone>,
}

/// What a delivery takes while it is here.
pub(crate) struct Room {
    _place: OwnedSemaphorePermit,
    _weight: Weight,
}

/// Fetches until it is told to drain, and has the server lend nothing more then.
pub(crate) async fn fetch<S: Source>(source: &mut S, shared: &Shared, arrivals: UnboundedSender<Arrival>) {
    while_told(source, shared, arrivals).await;
    if *shared.orders.borrow() == Order::Hurry {
        shared.gate.set_lending(false);
    }
    stop(source, shared).await;
}

async fn while_told<S: Source>(source: &mut S, shared: &Shared, arrivals: UnboundedSender<Arrival>) {
    let mut orders = shared.orders.clone();
    let mut trouble = Trouble::default();
    // How many are still fetched one by one: a process before this one may have died of the first.
    let mut careful = 1_u32;
    let mut asked = None;
    loop {
        let order = *orders.borrow_and_update();
        shared.gate.set_paused(order == Order::Pause);
        match order {
            Order::Run => {}
            Order::Pause => {
                shared.stats.rest();
                stop(source, shared).await;
                // An error means that nobody will order anything any more.
                if orders.changed().await.is_err() {
                    return;
                }
                continue;
            }
            Order::Drain | Order::Hurry => {
                shared.stats.rest();
                return;
            }
        }
        if shared.gate.is_taken() {
            shared.stats.rest();
            stop(source, shared).await;
            select! {
                biased;
                changed = orders.changed() => if changed.is_err() { return },
                () = shared.gate.free() => {}
            }
            continue;
        }
        shared.gate.set_crowded(false);
        shared.gate.set_lending(true);
        let got = select! {
            biased;
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            got = some(source, shared, careful, &mut trouble) => Some(got),
            // What waits here for one that takes long, others may be free for.
            () = shared.ahead.stalls() => None,
        };
        let got = match got {
            Some(got) => got,
            None => select! {
                biased;
                changed = orders.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                shrunk = shrink(source, shared) => shrunk.map(|()| Vec::new()),
            },
        };
        match got {
            Ok(lent) => {
                for mut arrival in lent {
                    careful = careful.saturating_sub(1);
                    if is_suspect(shared, &arrival.delivery) {
                        careful = CAREFUL;
                        arrival.alone = shared.gate.take();
                    }
                    if arrivals.send(arrival).is_err() {
                        return;
                    }
                }
            }
            Err(error) => trouble.note(shared, &error),
        }
        if IS_MEASURED {
            select! {
                biased;
                changed = orders.changed() => if changed.is_err() { return },
                () = measure_backlog(source, shared) => {}
            }
        }
        if let Some(parking) = &shared.parking
            && asked.is_none_or(|asked: Instant| asked.elapsed() >= ASK_PARKED)
        {
            asked = Some(Instant::now());
            select! {
                biased;
                changed = orders.changed() => if changed.is_err() { return },
                () = measure_parked(parking, shared) => {}
            }
        }
    }
}

/// Has the server lend nothing more to us; what waits here can then be given back, and goes to others.
async fn stop<S: Source>(source: &mut S, shared: &Shared) {
    if !shared.gate.is_lending() {
        return;
    }
    let name = &shared.name;
    match timeout(STOP_WITHIN, source.stop_lending()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            log::warn!(target: "convoke::worker", "{name}: what is lent to it ahead may come late to others: {error}");
        }
        Err(_) => {
            log::warn!(
                target: "convoke::worker",
                "{name}: what is lent to it ahead may come late to others: the server said nothing within {STOP_WITHIN:?}"
            );
        }
    }
    shared.gate.set_lending(false);
}

/// Gives back what waits here, and has fewer fetched ahead from now on.
async fn shrink<S: Source>(source: &mut S, shared: &Shared) -> Result<(), TransportError> {
    let Shared { gate, ahead, options, .. } = shared;
    log::debug!(
        target: "convoke::worker",
        "{}: what was fetched ahead does not begin: it is given back, and {} are fetched ahead for a while",
        shared.name, ahead.least()
    );
    shared.stats.rest();
    gate.set_crowded(true);
    stop(source, shared).await;
    source.lend_up_to(options.total()).await?;
    gate.narrow(ahead.now() - ahead.least()).await;
    ahead.shrink();
    Ok(())
}

/// Has more fetched ahead, if those before have begun soon and the source can.
async fn grow<S: Source>(source: &mut S, shared: &Shared) -> Result<(), TransportError> {
    let Shared { gate, ahead, options, .. } = shared;
    let Some(wish) = ahead.grows(options.concurrency) else { return Ok(()) };
    if source.lend_up_to(options.concurrency.saturating_add(wish)).await? {
        gate.widen(wish - ahead.now());
        ahead.set(wish);
    } else {
        ahead.stays();
    }
    Ok(())
}

/// Waits for room and for deliveries; after an error for a while, and until the source is open again.
async fn some<S: Source>(
    source: &mut S,
    shared: &Shared,
    careful: u32,
    trouble: &mut Trouble,
) -> Result<Vec<Arrival>, TransportError> {
    if trouble.errors > 0 {
        tokio::time::sleep(trouble.wait()).await;
        source.open(shared.gate.places()).await?;
    } else if careful == 0 {
        grow(source, shared).await?;
    }
    let (prefetch, total) = (shared.ahead.now(), shared.gate.places());
    // Many at a time: that is what servers and clients are fast at.
    // But not before one can begin, where others might be given back for it.
    let least = if careful > 0 { prefetch.saturating_add(1).min(total) } else { prefetch.clamp(1, total) };
    let least = least.try_into().unwrap_or(u32::MAX);
    let room = &shared.gate.room;
    let may = async {
        // The semaphore is never closed.
        let permits = room.clone().acquire_many_owned(least).await.ok();
        (permits, shared.load.room().await)
    };
    let mut may = pin!(may);
    let (permits, fitting) = match poll_immediate(may.as_mut()).await {
        Some(may) => may,
        None => {
            // Whom nobody asks owes no answer.
            shared.stats.rest();
            may.await
        }
    };
    let Some(mut permits) = permits else { return Ok(Vec::new()) };
    let more = room.available_permits().try_into().unwrap_or(u32::MAX);
    if let Ok(more) = room.clone().try_acquire_many_owned(more) {
        permits.merge(more);
    }
    let most = if careful > 0 { 1 } else { permits.num_permits().min(fitting) };
    shared.stats.ask();
    let lent = source.receive(most).await?;
    trouble.is_over(shared);
    shared.stats.answered(lent.is_empty());
    let arrival = |delivery: Delivery| {
        let room = Room { _place: permits.split(1)?, _weight: shared.load.add(delivery.packet()) };
        Some(Arrival { delivery, room, alone: None })
    };
    Ok(lent.into_iter().filter_map(arrival).collect())
}

/// How long it has not gone well.
#[derive(Default)]
struct Trouble {
    errors: u32,
}

impl Trouble {
    fn wait(&self) -> Duration {
        let retry = Retry::exponential(FIRST_WAIT).max_delay(LONGEST_WAIT);
        // Never none at all, so that a server that refuses at once is not asked in a loop.
        (retry.wait(self.errors, crate::__private::random()) + retry.limit(self.errors)) / 2
    }

    fn note(&mut self, shared: &Shared, error: &TransportError) {
        self.errors = self.errors.saturating_add(1);
        shared.stats.set_connected(false);
        if self.errors == 1 {
            log::warn!(target: "convoke::worker", "{error}; it is tried again");
        } else {
            log::debug!(target: "convoke::worker", "{error}; it is tried again, for the {}. time", self.errors);
        }
    }

    fn is_over(&mut self, shared: &Shared) {
        if self.errors > 0 {
            log::warn!(target: "convoke::worker", "{}: the server is back, after {} errors", shared.name, self.errors);
            self.errors = 0;
        }
        shared.stats.set_connected(true);
    }
}

async fn measure_backlog<S: Source>(source: &mut S, shared: &Shared) {
    if shared.meter.is_time_for_backlog(ASK_BACKLOG)
        && let Ok(Ok(Some(waiting))) = timeout(Duration::from_secs(5), source.backlog()).await
    {
        shared.meter.backlog(waiting);
    }
}

/// Whoever cannot be asked will be, next time: that the server is away, others notice.
async fn measure_parked(parking: &Parking, shared: &Shared) {
    if let Ok(Ok(figures)) = timeout(Duration::from_secs(5), parking.figures()).await {
        shared.stats.set_parked(figures);
        shared.meter.parked(figures);
    }
}

/// Who is told what to do.
pub(crate) type Orders = watch::Receiver<Order>;
