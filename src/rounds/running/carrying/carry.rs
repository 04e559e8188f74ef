//! How what waits for a name is carried to who bears it in this process: by a relay if it waits in an outbox, and else from a queue.
//!
//! `RoundStore::road → Rows → Relay → Publisher (deliver.rs)`, `… → Source → a delivery, whose lease is renewed meanwhile → Publisher → ack, dead
//! letter or release`

use std::any::Any;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::__private::{Shown, guarded};
use crate::durable::store::{Road, RoundStore};
use crate::transport::{DeadReason, Delivery, Publisher, Source, TransportError};
use crate::{EnvelopeLimits, JoinError, Relay, Route};

/// How many deliveries are carried at once, unless it is said.
pub(in crate::durable::running) const AT_ONCE: usize = 16;

/// How a process carries what waits for its consumers and its parties.
#[derive(Clone, Copy, Debug)]
pub(in crate::durable) struct Carries {
    /// How many are carried at once.
    pub(in crate::durable) at_once: usize,
    /// After so long another process goes on with what this one has left.
    pub(in crate::durable) lease: Duration,
}

impl Default for Carries {
    fn default() -> Self {
        Self { at_once: AT_ONCE, lease: Duration::from_secs(10) }
    }
}

/// How long nothing is taken after something went back, so that another process has it first, and after the server was away.
const PAUSE: Duration = Duration::from_millis(500);

/// What the lease of a delivery is taken for that has none: it is renewed in vain.
const NO_LEASE: Duration = Duration::from_secs(30);

/// Carries until it is dropped. What is with the publisher then ends as it ends; the rest is for another process, or for later.
pub(in crate::durable) type Carried = Box<dyn Any>;

/// Has what waits in a channel of the store published, which takes so long at most. When this returns, it takes what is there.
///
/// # Errors
///
/// [`JoinError::Database`].
pub(in crate::durable) async fn carry(
    store: &dyn RoundStore,
    channel: &str,
    name: String,
    to: impl Publisher,
    patience: Duration,
    Carries { at_once, lease }: Carries,
) -> Result<Carried, JoinError> {
    let database = |error: &dyn fmt::Display| JoinError::Database(error.to_string().into());
    match store.road(channel, lease).await.map_err(|error| database(&error))? {
        Road::Rows(rows) => {
            let limits = EnvelopeLimits::default().bytes(usize::MAX).depth(usize::MAX).keys(usize::MAX);
            let route = Route::new("**", to).limits(limits).timeout(patience);
            let relay = Relay::new(rows, store.outbox_of(channel).into(), route).named(name).lease(lease);
            Ok(Box::new(relay.start().await.map_err(|error| database(&error))?))
        }
        Road::Queue(mut source) => {
            source.open(at_once).await.map_err(|error| database(&error))?;
            let (until, over) = oneshot::channel::<()>();
            tokio::spawn(take(source, Arc::new(to), patience, at_once, over));
            Ok(Box::new(until))
        }
    }
}

/// Whether a delivery went back, because it could not be handed over here.
type WentBack = bool;

async fn take<T: Publisher>(
    mut source: Box<dyn Source>,
    to: Arc<T>,
    patience: Duration,
    at_once: usize,
    mut over: oneshot::Receiver<()>,
) {
    let mut under_way = FuturesUnordered::new();
    let mut is_lost = false;
    loop {
        let room = at_once.saturating_sub(under_way.len());
        let received = select! {
            biased;
            _ = &mut over => break,
            Some(went_back) = under_way.next(), if !under_way.is_empty() => {
                if went_back {
                    // Others may have it.
                    let _ = source.stop_lending().await;
                    if is_over_within(&mut over, PAUSE).await {
                        break;
                    }
                }
                continue;
            }
            received = source.receive(room.max(1)), if room > 0 => received,
        };
        match received {
            Ok(deliveries) => {
                if std::mem::take(&mut is_lost) {
                    log::warn!(target: "convoke::rounds", "{}: the server is back", source.name());
                }
                under_way.extend(deliveries.into_iter().map(|delivery| hand(to.clone(), delivery, patience)));
            }
            Err(error) => {
                if !std::mem::replace(&mut is_lost, true) {
                    log::warn!(target: "convoke::rounds", "{error}; it is tried again");
                }
                if is_over_within(&mut over, PAUSE).await {
                    break;
                }
                if let Err(error) = source.open(at_once).await {
                    log::debug!(target: "convoke::rounds", "{error}; it is tried again");
                }
            }
        }
    }
    let _ = source.stop_lending().await;
    while under_way.next().await.is_some() {}
    let _ = source.close().await;
}

async fn is_over_within(over: &mut oneshot::Receiver<()>, time: Duration) -> bool {
    timeout(time, over).await.is_ok()
}

/// Has one published, and settles it.
async fn hand<T: Publisher>(to: Arc<T>, delivery: Delivery, patience: Duration) -> WentBack {
    let name = to.name().to_owned();
    // What hears of it is the user's. A delivery that is dropped goes back.
    match guarded(publish(to, delivery, patience)).await {
        Ok(Ok(went_back)) => went_back,
        Ok(Err(error)) => {
            // It comes again, to whoever has it then.
            log::debug!(target: "convoke::rounds", "{error}");
            false
        }
        Err(why) => {
            log::error!(target: "convoke::rounds", "{name}: panicked: {}", Shown::text(&why));
            true
        }
    }
}

async fn publish<T: Publisher>(
    to: Arc<T>,
    mut delivery: Delivery,
    patience: Duration,
) -> Result<WentBack, TransportError> {
    let packets = [delivery.packet().clone()];
    let lease = delivery.lease().unwrap_or(NO_LEASE);
    let published = {
        let mut publishing = pin!(timeout(patience, to.publish(&packets)));
        loop {
            select! {
                biased;
                published = &mut publishing => break published,
                () = sleep(lease / 3) => {}
            }
            if let Err(error) = delivery.extend(lease).await {
                log::debug!(target: "convoke::rounds", "{error}");
            }
        }
    };
    match published.ok().and_then(|mut all| all.pop()) {
        Some(Ok(())) => delivery.ack().await.map(|()| false),
        Some(Err(error)) if !error.is_temporary() => {
            log::warn!(target: "convoke::rounds", "{error}; it is a dead letter");
            delivery.dead_letter(DeadReason::Permanent, vec![error.to_string()]).await.map(|()| false)
        }
        _ => delivery.release().await.map(|()| true),
    }
}
