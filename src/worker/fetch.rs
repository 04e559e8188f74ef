//! Fetches deliveries as long as there is room for them, and reconnects when the server was lost.
//!
//! `room → Source::receive → engine.rs`, `error → wait → Source::open`

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::poll_immediate;
use tokio::select;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::engine::{Order, Shared};
use super::load::Weight;
use crate::retry::Retry;
use crate::transport::{Delivery, Source, TransportError};

/// The first wait after an error, and the longest: a server that comes back is found within half a minute.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How often the server is asked how much waits there, if somebody measures.
#[cfg(feature = "metrics")]
const ASK_BACKLOG: Duration = Duration::from_secs(15);

/// A delivery, and the room that it takes here.
pub(crate) type Arrival = (Delivery, Room);

/// What a delivery takes while it is here.
pub(crate) struct Room {
    _place: OwnedSemaphorePermit,
    _weight: Weight,
}

/// Fetches until it is told to drain.
pub(crate) async fn fetch<S: Source>(
    source: &mut S,
    shared: &Shared,
    room: Arc<Semaphore>,
    arrivals: UnboundedSender<Arrival>,
) {
    let mut orders = shared.orders.clone();
    let mut trouble = Trouble::default();
    loop {
        let order = *orders.borrow_and_update();
        match order {
            Order::Run => {}
            Order::Pause => {
                shared.stats.rest();
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
        let got = select! {
            biased;
            changed = orders.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            got = some(source, shared, &room, &mut trouble) => got,
        };
        match got {
            Ok(lent) => {
                for arrival in lent {
                    if arrivals.send(arrival).is_err() {
                        return;
                    }
                }
            }
            Err(error) => trouble.note(shared, &error),
        }
        #[cfg(feature = "metrics")]
        measure_backlog(source, shared).await;
    }
}

/// Waits for room and for deliveries; after an error for a while, and until the source is open again.
async fn some<S: Source>(
    source: &mut S,
    shared: &Shared,
    room: &Arc<Semaphore>,
    trouble: &mut Trouble,
) -> Result<Vec<Arrival>, TransportError> {
    let prefetch = shared.options.prefetch.unwrap_or_default();
    let total = shared.options.concurrency.saturating_add(prefetch);
    if trouble.errors > 0 {
        tokio::time::sleep(trouble.wait()).await;
        source.open(total).await?;
    }
    // Many at a time: that is what servers and clients are fast at.
    let least = prefetch.clamp(1, total).try_into().unwrap_or(u32::MAX);
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
    shared.stats.ask();
    let lent = source.receive(permits.num_permits().min(fitting)).await?;
    trouble.is_over(shared);
    shared.stats.answered(lent.is_empty());
    let lent = lent.into_iter().filter_map(|delivery| {
        let room = Room { _place: permits.split(1)?, _weight: shared.load.add(delivery.packet()) };
        Some((delivery, room))
    });
    Ok(lent.collect())
}

/// How long it has not gone well.
#[derive(Default)]
struct Trouble {
    errors: u32,
}

impl Trouble {
    fn wait(&self) -> Duration {
        let retry = Retry::exponential(FIRST_WAIT).longest(LONGEST_WAIT);
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

#[cfg(feature = "metrics")]
async fn measure_backlog<S: Source>(source: &mut S, shared: &Shared) {
    if shared.meter.is_time_for_backlog(ASK_BACKLOG)
        && let Ok(Ok(Some(waiting))) = tokio::time::timeout(Duration::from_secs(5), source.backlog()).await
    {
        shared.meter.backlog(waiting);
    }
}

/// Who is told what to do.
pub(crate) type Orders = watch::Receiver<Order>;
