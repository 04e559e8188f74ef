//! What leaves by a route, many at a time: tried again for as long as somebody waits for it, and of a key one after the other.
//!
//! `Route → Slip → Leaving → leave (a task) → Batch → lines (by key) → Publisher, again while the server is away → each its own result`

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Sleep;

use super::lines::Lines;
use super::meter::{Left, Meter};
use super::slip::{Leaver, Slipped, Slips, Taken};
use crate::transport::{ErrorKind, Packet, Publisher, TransportError, caught};
use crate::{Failure, Handled, Permanent};
use crate::{Retry, Subscription};

/// How many packets go to a publisher at a time, at the most.
pub(crate) const MAX_BATCH: usize = 256;

/// What leaves next, in the order in which it came.
pub(crate) struct Leaving {
    way: Arc<Way>,
    /// To the task by which they leave, once there is one.
    door: RefCell<Option<UnboundedSender<Leaver>>>,
}

/// By what all leave.
pub(super) struct Way {
    publisher: Arc<dyn Publisher>,
    limit: Duration,
    retry: Retry,
    /// What is wrong with the server now, for those whose turn does not come.
    trouble: Mutex<Option<TransportError>>,
    slips: Slips,
    meter: Meter,
}

impl Leaving {
    /// Has packets leave by this publisher, each for as long as `limit` at the most, and as often as `retry` says.
    pub(crate) fn by(publisher: Arc<dyn Publisher>, limit: Duration, retry: Retry) -> Self {
        let meter = Meter::new(publisher.name());
        let way = Way { publisher, limit, retry, trouble: Mutex::default(), slips: Slips::default(), meter };
        Self { way: Arc::new(way), door: RefCell::default() }
    }

    /// By what all leave.
    pub(super) fn way(&self) -> Arc<Way> {
        self.way.clone()
    }

    /// What cannot leave at all.
    pub(super) fn refuse(&self, error: TransportError) -> Pushed {
        self.way.meter.left(Left::Failed);
        Pushed { waits: Err(Some(error)), late: None }
    }

    /// Has a packet leave; ready when the server has it, or when that has taken too long. It takes its place at once, and
    /// not when it is polled, so that events leave in their order. Call it on the arbiter of the route.
    pub(crate) fn push(&self, packet: Packet) -> Pushed {
        let (slip, leaver) = self.way.slips.tear(packet);
        self.send(leaver);
        self.way.meter.in_flight.up();
        Pushed { waits: Ok(Waits { slip: Some(slip), way: self.way.clone(), left: Left::Dropped }), late: None }
    }

    /// No packet waits for a batch to fill: the first goes at once, and those that come before its answer go together then.
    fn send(&self, leaver: Leaver) {
        let mut door = self.door.borrow_mut();
        let leaver = match &*door {
            None => leaver,
            Some(open) => match open.send(leaver) {
                Ok(()) => return,
                // It has panicked, or its runtime is gone.
                Err(refused) => refused.0,
            },
        };
        let (send, receive) = unbounded_channel();
        // On this arbiter: what takes a packet at once has it before whoever waits looks.
        actix::spawn(leave(receive, self.way.clone()));
        // It cannot be refused: the other end is there.
        let _ = send.send(leaver);
        *door = Some(send);
    }
}

/// Has packets leave, as many at a time as there are.
async fn leave(mut leavers: UnboundedReceiver<Leaver>, way: Arc<Way>) {
    let most = MAX_BATCH.min(way.publisher.abilities().max_batch.saturating_mul(16)).max(1);
    let mut batch = Batch::new(&way);
    while leavers.recv_many(&mut batch.leavers, most).await > 0 {
        batch.leave().await;
        batch.packets.clear();
        // Who was told nothing hears that nobody says any more.
        batch.leavers.clear();
    }
}

/// A packet that leaves, as whoever waits for it sees it.
pub(crate) struct Pushed {
    /// Or why it cannot leave at all.
    waits: Result<Waits, Option<TransportError>>,
    /// Most have left before anybody asks how long it takes.
    late: Option<Pin<Box<Sleep>>>,
}

impl Future for Pushed {
    type Output = Handled;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Handled> {
        let Self { waits, late } = &mut *self;
        let waits = match waits {
            Ok(waits) => waits,
            Err(error) => return Poll::Ready(error.take().map_or(Ok(()), |error| Err(Permanent::new(error).into()))),
        };
        if let Poll::Ready(taken) = waits.poll_taken(cx) {
            waits.left = match &taken {
                Some(Ok(())) => Left::Sent,
                Some(Err(_)) => Left::Failed,
                None => Left::Dropped,
            };
            return Poll::Ready(match taken {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) if error.is_temporary() => Err(error.into()),
                Some(Err(error)) => Err(Permanent::new(error).into()),
                None => Err(Failure::new("its runtime is gone")),
            });
        }
        let late = late.get_or_insert_with(|| Box::pin(tokio::time::sleep(waits.way.limit)));
        late.as_mut().poll(cx).map(|()| {
            waits.left = Left::TimedOut;
            Err(Failure::new(waits.why()))
        })
    }
}

impl Way {
    /// Its events wait in this queue.
    pub(super) fn is_route(&self, route: &Subscription) {
        self.meter.queue_of(route);
    }

    fn lock(&self) -> MutexGuard<'_, Option<TransportError>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, text: &str) -> TransportError {
        TransportError::new(ErrorKind::Protocol, self.publisher.name(), text)
    }
}

/// Whoever waits for a packet to leave. When that takes too long, it does not leave any more: the emitter has been told so,
/// and what nobody waits for would pile up for as long as the server is away.
struct Waits {
    /// Until it is dropped.
    slip: Option<Slipped>,
    way: Arc<Way>,
    /// What becomes of it, as far as is known.
    left: Left,
}

impl Waits {
    fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<Option<Taken>> {
        self.slip.as_ref().map_or(Poll::Ready(None), |slip| slip.poll_taken(cx))
    }

    /// Returns why it has not left in time.
    fn why(&self) -> String {
        let (limit, way) = (self.way.limit, &self.way);
        let (error, was_taken) = self.slip.as_ref().map_or((None, true), Slipped::why);
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
        if let Some(slip) = self.slip.take() {
            slip.go();
            self.way.slips.keep(slip);
        }
        self.way.meter.in_flight.down();
        self.way.meter.left(self.left);
    }
}

/// What leaves together. The places are used again by the next batch.
struct Batch<'a> {
    way: &'a Way,
    packets: Vec<Packet>,
    /// Who waits for which of them.
    leavers: Vec<Leaver>,
    lines: Lines,
    /// Which are published next.
    round: Vec<usize>,
}

impl<'a> Batch<'a> {
    fn new(way: &'a Way) -> Self {
        Self { way, packets: Vec::new(), leavers: Vec::new(), lines: Lines::default(), round: Vec::new() }
    }

    /// Takes the packets of those that somebody still waits for.
    fn begin(&mut self) {
        let Self { way, packets, leavers, lines, round } = self;
        way.meter.look();
        leavers.retain(|leaver| {
            let packet = leaver.take();
            packet.map(|packet| packets.push(packet)).is_some()
        });
        *lines = Lines::default();
        let has_keys = packets.iter().filter(|packet| packet.key.is_some()).nth(1).is_some();
        // Who tries once never sends one behind what it has sent after it.
        if has_keys && way.retry.max_attempts() > 1 && !way.publisher.abilities().takes_in_order {
            let both = packets.drain(..).zip(leavers.drain(..)).collect();
            let (all, there) = Lines::of(both, |(packet, _): &(Packet, _)| packet.key.as_deref());
            (*packets, *leavers) = all.into_iter().unzip();
            *lines = there;
        }
        round.clear();
        round.extend(0..lines.first(packets.len()));
    }

    /// Publishes them; those that could not be reached the server with again, in their order, until nobody waits for them.
    /// Of a line the next goes when the one before is taken, or has failed for good.
    async fn leave(&mut self) {
        self.begin();
        let mut round = std::mem::take(&mut self.round);
        let (mut left, mut error, mut attempt) = (Vec::new(), None, 1);
        while !round.is_empty() {
            let Some(results) = self.publish(&round).await else {
                let (name, count) = (self.way.publisher.name(), round.len());
                return log::warn!(
                    target: "convoke::route",
                    "{name}: it has not said in time whether it took {count} events: nobody waits for that any more, and others go on"
                );
            };
            let is_last = attempt >= self.way.retry.max_attempts();
            let (results, silent) = match results {
                Ok(results) => (results, Cow::Borrowed("it did not say whether it took a packet")),
                Err(panic) => (Vec::new(), Cow::Owned(format!("panicked: {panic}"))),
            };
            let mut results = results.into_iter();
            let mut next = Vec::new();
            for place in round.drain(..) {
                let Some(leaver) = self.leavers.get_mut(place) else { continue };
                match results.next() {
                    Some(Err(why)) if !is_last && why.is_temporary() => {
                        leaver.note(why.clone());
                        error.get_or_insert(why);
                        left.push(place);
                    }
                    Some(taken) => leaver.tell(taken),
                    None => leaver.tell(Err(self.way.error(&silent))),
                }
                if leaver.is_told() {
                    next.extend(self.wanted(self.lines.next(place)));
                }
            }
            next.sort_unstable();
            self.way.lock().clone_from(&error);
            round.append(&mut next);
            if round.is_empty()
                && let Some(error) = error.take()
            {
                if !self.wait(attempt, left.len(), &error).await {
                    return;
                }
                attempt += 1;
                self.way.meter.again(left.len());
                round = self.again(std::mem::take(&mut left), attempt >= self.way.retry.max_attempts());
            }
        }
        self.round = round;
    }

    /// Publishes some; `None` when nobody has waited for any of them for long, and a panic is its text.
    async fn publish(&mut self, round: &[usize]) -> Option<Result<Vec<Taken>, String>> {
        let first = round.first().copied().unwrap_or_default();
        let all = first..first + round.len();
        let mut few: Vec<_>;
        let sent = if all.clone().eq(round.iter().copied()) {
            self.packets.get_mut(all).unwrap_or_default()
        } else {
            few = round.iter().filter_map(|place| self.packets.get(*place).cloned()).collect();
            few.as_mut_slice()
        };
        // One that is only slow has the same time once more, or what comes next would be handed over when its time is over.
        let (way, least) = (self.way, self.way.limit.saturating_mul(2));
        while_wanted(&self.leavers, least, caught(move || way.publisher.publish_in_hand(sent))).await
    }

    /// Waits until the server is tried again; `false` if nobody waits for that any more.
    async fn wait(&mut self, attempt: u32, failed: usize, error: &TransportError) -> bool {
        let wait = self.way.retry.wait(attempt, crate::__private::random());
        self.way.meter.look();
        // Once is enough: a server may be away for long.
        let level = if attempt == 1 { log::Level::Warn } else { log::Level::Debug };
        log::log!(
            target: "convoke::route",
            level,
            "{error}; {failed} of {} events are tried again after {wait:?}", self.packets.len()
        );
        while_wanted(&self.leavers, Duration::ZERO, tokio::time::sleep(wait)).await.is_some()
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
async fn while_wanted<T>(leavers: &[Leaver], least: Duration, what: impl Future<Output = T>) -> Option<T> {
    let (mut what, mut least) = (pin!(what), pin!(tokio::time::sleep(least)));
    let mut leavers = leavers.iter().filter(|leaver| !leaver.is_told());
    let mut somebody = leavers.next();
    poll_fn(|cx| {
        if let Poll::Ready(done) = what.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        while let Some(leaver) = somebody {
            if leaver.poll_unwanted(cx).is_pending() {
                return Poll::Pending;
            }
            somebody = leavers.next();
        }
        least.as_mut().poll(cx).map(|()| None)
    })
    .await
}
