//! What leaves by a route, many at a time: tried again for as long as somebody waits for it, and of a key one after the other.
//!
//! `Route → Waiting → Leaving (a Batcher) → lines (by key) → Publisher, again while the server is away → each its own result`

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;

use super::lines::Lines;
use crate::Retry;
use crate::transport::{Batcher, BoxFuture, ErrorKind, Packet, Publisher, TransportError, caught};
use crate::{Failure, Handled, Permanent};

/// How many packets go to a publisher at a time, at the most.
pub(crate) const MAX_BATCH: usize = 256;

type Taken = Result<(), TransportError>;

/// What leaves next, in the order in which it came.
pub(crate) struct Leaving {
    way: Arc<Way>,
    batcher: Batcher<Leaver, ()>,
}

/// By what all leave.
struct Way {
    publisher: Arc<dyn Publisher>,
    limit: Duration,
    /// What is wrong with the server now, for those whose turn does not come.
    trouble: Mutex<Option<TransportError>>,
}

impl Leaving {
    /// Has packets leave by this publisher, each for as long as `limit` at the most, and as often as `retry` says.
    pub(crate) fn by(publisher: Arc<dyn Publisher>, limit: Duration, retry: Retry) -> Self {
        let most = MAX_BATCH.min(publisher.abilities().max_batch.saturating_mul(16));
        let way = Arc::new(Way { publisher, limit, trouble: Mutex::default() });
        let by = way.clone();
        let batcher = Batcher::new(most, move |leavers: Vec<Leaver>| {
            let way = by.clone();
            let all: BoxFuture<'static, _> = Box::pin(async move {
                Batch::new(&way, leavers, retry).leave().await;
                Vec::new()
            });
            all
        });
        Self { way, batcher }
    }

    /// Has a packet leave; ready when the server has it, or when that has taken too long. It takes its place at once, and
    /// not when it is polled, so that events leave in their order.
    pub(crate) fn push(&self, packet: Packet) -> impl Future<Output = Handled> + use<> {
        let (answer, taken) = oneshot::channel();
        let waiting = Arc::new(Waiting::new(packet));
        let (waits, way) = (Waits(waiting.clone()), self.way.clone());
        self.batcher.send(Leaver { waiting, answer: Some(answer) });
        async move {
            match tokio::time::timeout(way.limit, taken).await {
                Ok(Ok(Ok(()))) => Ok(()),
                Ok(Ok(Err(error))) if error.is_temporary() => Err(error.into()),
                Ok(Ok(Err(error))) => Err(Permanent::new(error).into()),
                Ok(Err(_)) => Err(Failure::new("its runtime is gone")),
                Err(_) => Err(Failure::new(waits.why(&way))),
            }
        }
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, Option<TransportError>> {
        lock(&self.trouble)
    }

    fn error(&self, text: &str) -> TransportError {
        TransportError::new(ErrorKind::Protocol, self.publisher.name(), text)
    }
}

/// A packet that is to leave, and whom to tell what came of it.
struct Leaver {
    waiting: Arc<Waiting>,
    /// Until it was told.
    answer: Option<oneshot::Sender<Taken>>,
}

impl Leaver {
    fn tell(&mut self, taken: Taken) {
        // Whoever waited may have gone.
        let _ = self.answer.take().map(|answer| answer.send(taken));
    }

    fn is_wanted(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| !answer.is_closed())
    }
}

/// A packet that waits to leave, until somebody takes it.
struct Waiting(Mutex<State>);

struct State {
    packet: Option<Packet>,
    /// Why it has not left yet.
    error: Option<TransportError>,
}

impl Waiting {
    fn new(packet: Packet) -> Self {
        Self(Mutex::new(State { packet: Some(packet), error: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever waits for a packet to leave. When that takes too long, it does not leave any more: the emitter has been told so,
/// and what nobody waits for would pile up for as long as the server is away.
struct Waits(Arc<Waiting>);

impl Waits {
    /// Returns why it has not left in time.
    fn why(&self, way: &Way) -> String {
        let limit = way.limit;
        let (error, was_taken) = {
            let mut state = self.0.lock();
            (state.error.take(), state.packet.is_none())
        };
        if let Some(error) = error {
            return format!("{error}; it was tried for {limit:?}");
        }
        if let Some(error) = &*way.lock() {
            return format!("{error}; it waited behind others for {limit:?}");
        }
        let name = way.publisher.name();
        if was_taken {
            return format!("{name}: nobody said within {limit:?} whether the server has it");
        }
        format!("{name}: nobody said within {limit:?} whether the server has what goes before it")
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let packet = self.0.lock().packet.take();
        drop(packet);
    }
}

/// What leaves together.
struct Batch<'a> {
    way: &'a Way,
    retry: Retry,
    packets: Vec<Packet>,
    /// Who waits for which of them.
    leavers: Vec<Leaver>,
    lines: Lines,
}

impl<'a> Batch<'a> {
    /// Takes those that somebody still waits for.
    fn new(way: &'a Way, mut leavers: Vec<Leaver>, retry: Retry) -> Self {
        let mut packets = Vec::with_capacity(leavers.len());
        leavers.retain(|leaver| {
            let packet = leaver.waiting.lock().packet.take();
            packet.map(|packet| packets.push(packet)).is_some()
        });
        let has_keys = packets.iter().filter(|packet| packet.key.is_some()).nth(1).is_some();
        let mut lines = Lines::default();
        // Who tries once never sends one behind what it has sent after it.
        if has_keys && retry.max_attempts() > 1 && !way.publisher.abilities().takes_in_order {
            let both = packets.into_iter().zip(leavers).collect();
            let (all, there) = Lines::of(both, |(packet, _): &(Packet, _)| packet.key.as_deref());
            (packets, leavers) = all.into_iter().unzip();
            lines = there;
        }
        Self { way, retry, packets, leavers, lines }
    }

    /// Publishes them; those that could not be reached the server with again, in their order, until nobody waits for them.
    /// Of a line the next goes when the one before is taken, or has failed for good.
    async fn leave(mut self) {
        let mut round: Vec<usize> = (0..self.lines.first(self.packets.len())).collect();
        let (mut left, mut error, mut attempt) = (Vec::new(), None, 1);
        while !round.is_empty() {
            let Some(results) = self.publish(&round).await else {
                let (name, count) = (self.way.publisher.name(), round.len());
                return log::warn!(
                    target: "convoke::route",
                    "{name}: it has not said in time whether it took {count} events: nobody waits for that any more, and others go on"
                );
            };
            let is_last = attempt >= self.retry.max_attempts();
            let (results, silent) = match results {
                Ok(results) => (results, "it did not say whether it took a packet".to_owned()),
                Err(panic) => (Vec::new(), format!("panicked: {panic}")),
            };
            let mut results = results.into_iter();
            let mut next = Vec::new();
            for place in round {
                let Some(leaver) = self.leavers.get_mut(place) else { continue };
                match results.next() {
                    Some(Err(why)) if !is_last && why.is_temporary() => {
                        leaver.waiting.lock().error = Some(why.clone());
                        error.get_or_insert(why);
                        left.push(place);
                    }
                    Some(taken) => leaver.tell(taken),
                    None => leaver.tell(Err(self.way.error(&silent))),
                }
                if leaver.answer.is_none() {
                    next.extend(self.wanted(self.lines.next(place)));
                }
            }
            next.sort_unstable();
            self.way.lock().clone_from(&error);
            round = next;
            if round.is_empty()
                && let Some(error) = error.take()
            {
                if !self.wait(attempt, left.len(), &error).await {
                    return;
                }
                attempt += 1;
                round = self.again(std::mem::take(&mut left), attempt >= self.retry.max_attempts());
            }
        }
    }

    /// Publishes some; `None` when nobody has waited for any of them for long, and a panic is its text.
    async fn publish(&mut self, round: &[usize]) -> Option<Result<Vec<Taken>, String>> {
        let first = round.first().copied().unwrap_or_default();
        let all = first..first + round.len();
        let together = self.packets.get(all.clone()).filter(|_| all.eq(round.iter().copied()));
        let few: Vec<_>;
        let sent = match together {
            Some(sent) => sent,
            None => {
                few = round.iter().filter_map(|place| self.packets.get(*place).cloned()).collect();
                &few
            }
        };
        // One that is only slow has the same time once more, or what comes next would be handed over when its time is over.
        let least = self.way.limit.saturating_mul(2);
        while_wanted(&mut self.leavers, least, caught(|| self.way.publisher.publish(sent))).await
    }

    /// Waits until the server is tried again; `false` if nobody waits for that any more.
    async fn wait(&mut self, attempt: u32, failed: usize, error: &TransportError) -> bool {
        let wait = self.retry.wait(attempt, crate::__private::random());
        // Once is enough: a server may be away for long.
        let level = if attempt == 1 { log::Level::Warn } else { log::Level::Debug };
        log::log!(
            target: "convoke::route",
            level,
            "{error}; {failed} of {} events are tried again after {wait:?}", self.packets.len()
        );
        while_wanted(&mut self.leavers, Duration::ZERO, tokio::time::sleep(wait)).await.is_some()
    }

    /// Which are tried again, of those that failed. The last time with all that wait behind them: whichever fails has failed
    /// for good then, and is overtaken by none that is tried again.
    fn again(&mut self, failed: Vec<usize>, is_last: bool) -> Vec<usize> {
        let mut round = Vec::with_capacity(failed.len());
        for place in failed {
            let mut place = self.wanted(Some(place));
            while let Some(wanted) = place {
                round.push(wanted);
                place = if is_last { self.wanted(self.lines.next(wanted)) } else { None };
            }
        }
        if is_last {
            self.lines = Lines::default();
        }
        round.sort_unstable();
        round
    }

    /// Returns this one, or the first behind it in its line that somebody waits for.
    fn wanted(&self, mut place: Option<usize>) -> Option<usize> {
        while let Some(at) = place
            && !self.leavers.get(at).is_some_and(Leaver::is_wanted)
        {
            place = self.lines.next(at);
        }
        place
    }
}

/// Awaits something for as long as somebody waits for a packet, and so long at least: what hangs longer would hold up all that
/// come later.
async fn while_wanted<T>(leavers: &mut [Leaver], least: Duration, what: impl Future<Output = T>) -> Option<T> {
    let (mut what, mut least) = (pin!(what), pin!(tokio::time::sleep(least)));
    let mut leavers = leavers.iter_mut().filter_map(|leaver| leaver.answer.as_mut());
    let mut somebody = leavers.next();
    poll_fn(|cx| {
        if let Poll::Ready(done) = what.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        while let Some(answer) = &mut somebody {
            if answer.poll_closed(cx).is_pending() {
                return Poll::Pending;
            }
            somebody = leavers.next();
        }
        least.as_mut().poll(cx).map(|()| None)
    })
    .await
}
