//! What leaves by a route, many at a time: tried again for as long as somebody waits for it.
//!
//! `Route → Waiting → Leaving (a Batcher) → Publisher, again while the server is away → each its own result`

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::Retry;
use crate::transport::{Batcher, BoxFuture, ErrorKind, Packet, Publisher, TransportError};
use crate::{Failure, Handled, Permanent};

/// How many packets go to a publisher at a time, at the most.
pub(crate) const MAX_BATCH: usize = 256;

type Results = Vec<Result<(), TransportError>>;

/// What leaves next, in the order in which it came.
pub(crate) struct Leaving {
    publisher: Arc<dyn Publisher>,
    limit: Duration,
    batcher: Batcher<Arc<Waiting>, Result<(), TransportError>>,
}

impl Leaving {
    /// Has packets leave by this publisher, each for as long as `limit` at the most, and as often as `retry` says.
    pub(crate) fn by(publisher: Arc<dyn Publisher>, limit: Duration, retry: Retry) -> Self {
        let most = MAX_BATCH.min(publisher.abilities().max_batch.saturating_mul(16));
        let to = publisher.clone();
        let batcher = Batcher::new(most, move |waiting: Vec<Arc<Waiting>>| {
            let publisher = to.clone();
            let all: BoxFuture<'static, _> = Box::pin(async move { leave(&*publisher, &waiting, retry).await });
            all
        });
        Self { publisher, limit, batcher }
    }

    /// Has a packet leave; ready when the server has it, or when that has taken too long. It takes its place at once, and
    /// not when it is polled, so that events leave in their order.
    pub(crate) fn push(&self, packet: Packet) -> impl Future<Output = Handled> + use<> {
        let waiting = Arc::new(Waiting::new(packet));
        let (waits, limit, name) = (Waits(waiting.clone()), self.limit, self.publisher.clone());
        let left = self.batcher.push(waiting);
        async move {
            match tokio::time::timeout(limit, left).await {
                Ok(Some(Ok(()))) => Ok(()),
                Ok(Some(Err(error))) if error.is_temporary() => Err(error.into()),
                Ok(Some(Err(error))) => Err(Permanent::new(error).into()),
                Ok(None) => Err(Failure::new("its runtime is gone")),
                Err(_) => Err(Failure::new(match waits.0.lock().error.take() {
                    Some(error) => format!("{error}; it was tried for {limit:?}"),
                    None => format!("{}: nobody said within {limit:?} whether the server has it", name.name()),
                })),
            }
        }
    }
}

/// A packet that waits to leave, until somebody takes it.
struct Waiting(Mutex<State>);

struct State {
    packet: Option<Packet>,
    /// Why it has not left yet.
    error: Option<TransportError>,
    wanted: bool,
}

impl Waiting {
    fn new(packet: Packet) -> Self {
        Self(Mutex::new(State { packet: Some(packet), error: None, wanted: true }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_wanted(&self) -> bool {
        self.lock().wanted
    }

    fn failed(&self, error: &TransportError) {
        self.lock().error = Some(error.clone());
    }
}

/// Whoever waits for a packet to leave. When that takes too long, it does not leave any more: the emitter has been told so,
/// and what nobody waits for would pile up for as long as the server is away.
struct Waits(Arc<Waiting>);

impl Drop for Waits {
    fn drop(&mut self) {
        let packet = {
            let mut state = self.0.lock();
            state.wanted = false;
            state.packet.take()
        };
        drop(packet);
    }
}

/// Has those leave that somebody still waits for; the others have a result that nobody reads.
async fn leave(publisher: &dyn Publisher, waiting: &[Arc<Waiting>], retry: Retry) -> Results {
    let taken: Vec<_> = waiting.iter().map(|waiting| waiting.lock().packet.take()).collect();
    let is_there: Vec<_> = taken.iter().map(Option::is_some).collect();
    let packets: Vec<_> = taken.into_iter().flatten().collect();
    let wanted: Vec<_> = waiting.iter().zip(&is_there).filter_map(|(one, is_there)| is_there.then_some(one)).collect();
    let results = if packets.is_empty() { Vec::new() } else { publish(publisher, &packets, &wanted, retry).await };
    let mut results = results.into_iter();
    let gone = || Err(TransportError::new(ErrorKind::Closed, publisher.name(), "nobody waits for it any more"));
    let result = |is_there| if is_there { results.next() } else { Some(gone()) };
    // One that the publisher says nothing of has no result.
    is_there.into_iter().map_while(result).collect()
}

/// Publishes these; those that could not be reached the server with again, in their order, until nobody waits for them.
async fn publish(publisher: &dyn Publisher, packets: &[Packet], waiting: &[&Arc<Waiting>], retry: Retry) -> Results {
    let mut results = publisher.publish(packets).await;
    for attempt in 1..retry.max_attempts() {
        let mut left = Vec::new();
        for (place, (result, waiting)) in results.iter().zip(waiting).enumerate() {
            if let Err(error) = result
                && error.is_temporary()
            {
                waiting.failed(error);
                left.push(place);
            }
        }
        let Some(Err(error)) = left.first().and_then(|place| results.get(*place)) else { break };
        let wait = retry.wait(attempt, crate::__private::random());
        // Once is enough: a server may be away for long.
        let level = if attempt == 1 { log::Level::Warn } else { log::Level::Debug };
        log::log!(
            target: "convoke::route",
            level,
            "{error}; {} of {} events are tried again after {wait:?}", left.len(), packets.len()
        );
        tokio::time::sleep(wait).await;
        left.retain(|place| waiting.get(*place).is_some_and(|waiting| waiting.is_wanted()));
        if left.is_empty() {
            break;
        }
        let again: Vec<_> = left.iter().filter_map(|place| packets.get(*place).cloned()).collect();
        for (place, result) in left.into_iter().zip(publisher.publish(&again).await) {
            results[place] = result;
        }
    }
    results
}
