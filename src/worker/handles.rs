//! What handles deliveries instead of the listeners of a bus: each by rules of its own.
//!
//! `handling.rs: it may begin → Handles::begin → Ended → told, until somebody has taken it → Verdict`

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use tokio::select;
use tokio::time::sleep;

use super::engine::Shared;
use super::handling::{About, Heard, Verdict, guarded, unknown};
use super::held::{Held, Through};
use super::storing::held_for;
use crate::Retry;
use crate::transport::{Abilities, DeadReason, ErrorKind, Packet, TransportError};

/// The first wait before it is tried again to tell an end, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Handles deliveries.
pub(crate) trait Handles {
    /// Looks whether a server of this name and these abilities can do what is asked for.
    ///
    /// # Errors
    ///
    /// `Unsupported`, with all that it cannot.
    fn check(&self, name: &str, abilities: &Abilities) -> Result<(), TransportError>;

    /// How often this packet may be tried; `None` for as often as the worker says.
    fn attempts(&self, packet: &Packet) -> Option<u32>;

    /// How often those may be tried that may be the least often.
    fn fewest_attempts(&self) -> u32;

    /// How long what runs may go on once the worker drains, before it is told to stop.
    fn patience(&self) -> Duration;

    /// Begins. It has taken all it needs of the packet when this returns.
    fn begin(self: Rc<Self>, given: Given<'_>) -> Begun;
}

/// A delivery that may begin.
pub(crate) struct Given<'a> {
    pub(crate) packet: &'a Packet,
    pub(crate) attempt: u32,
    /// Why it is dead before it begins, if it is: its process has died of it.
    pub(crate) doom: Option<String>,
}

/// One that has begun.
pub(crate) struct Begun {
    pub(crate) work: LocalBoxFuture<'static, Ended>,
    pub(crate) stops: Rc<dyn Stops>,
}

/// Why one is to stop that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The delivery is somebody else's.
    Lost,
    /// The worker shuts down, and has waited for as long as it may.
    Drains,
}

/// Is told that it is to stop.
pub(crate) trait Stops {
    fn stop(&self, why: Stop);
}

/// Tells somebody how it has ended: as often as it takes until it is taken.
pub(crate) type Tell = Box<dyn Fn() -> LocalBoxFuture<'static, Result<(), TransportError>>>;

/// How it has ended.
pub(crate) struct Ended {
    /// What is told before the server is.
    pub(crate) tell: Option<Tell>,
    pub(crate) then: Then,
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended").field("tells", &self.tell.is_some()).field("then", &self.then).finish()
    }
}

/// What the server is told.
#[derive(Debug)]
pub(crate) enum Then {
    Done,
    /// It comes again after this time, for this reason.
    Again(Duration, String),
    Dead(DeadReason, String),
    /// Nobody here knows it.
    Unknown(String),
    /// It is given back.
    Release,
}

/// Has it handled, and says how it has ended; the verdict may have something to tell first.
pub(super) async fn hear(shared: &Shared, held: &mut Held, handles: &Rc<dyn Handles>, doom: Option<String>) -> Verdict {
    let given = Given { packet: held.delivery.packet(), attempt: held.delivery.attempt(), doom };
    let Begun { work, stops } = handles.clone().begin(given);
    let _heard = Heard::begin(shared);
    let mut work = pin!(async {
        let draining = async {
            shared.gate.drains().await;
            sleep(handles.patience()).await;
            stops.stop(Stop::Drains);
            pending::<Infallible>().await
        };
        select! {
            biased;
            ended = work => ended,
            never = draining => match never {},
        }
    });
    match held.through(shared, work.as_mut()).await {
        Through::Done(Ended { tell: None, then }) => verdict_of(shared, then),
        Through::Done(ended) => Verdict::Ended(Box::new(ended)),
        Through::Hurried => Verdict::Release,
        Through::Lost => {
            stops.stop(Stop::Lost);
            // Not dropped: what it has begun is not begun twice here.
            drop(work.await);
            Verdict::Lost
        }
    }
}

/// Tells how it has ended, for as long as nobody has taken it: it is not handled again meanwhile. If the worker ends before, it
/// is given back, and so handled once more.
pub(super) async fn tell(shared: &Shared, held: &mut Held, ended: Ended, about: &About) -> Verdict {
    let Ended { tell, then } = ended;
    let Some(tell) = tell else { return verdict_of(shared, then) };
    let mut failures = 0_u32;
    loop {
        let mut telling = pin!(guarded(&shared.name, async { tell().await }));
        let error = match held.through(shared, telling.as_mut()).await {
            Through::Done(Ok(())) => return verdict_of(shared, then),
            Through::Done(Err(error)) => error,
            Through::Hurried => return Verdict::Release,
            Through::Lost => return Verdict::Lost,
        };
        if matches!(error.kind(), ErrorKind::Refused | ErrorKind::TooLarge | ErrorKind::Unsupported) {
            let text = format!("what tells how it has ended was refused: {error}");
            return Verdict::Dead(DeadReason::Permanent, vec![text]);
        }
        failures = failures.saturating_add(1);
        if failures == 1 {
            shared.stats.kept();
            log::warn!(target: "convoke::worker", "{about}: nobody takes what tells how it has ended, which is tried until somebody does: {error}");
        }
        if shared.gate.is_draining() || held.delivery.age() >= held_for(&held.delivery) {
            log::warn!(target: "convoke::worker", "{about}: it comes again, for nobody has taken what tells how it has ended: {error}");
            return Verdict::Release;
        }
        let retry = Retry::exponential(FIRST_WAIT).max_delay(LONGEST_WAIT);
        // Never less than half of it, so that a server that refuses at once is not asked in a loop.
        let wait = (retry.wait(failures, crate::__private::random()) + retry.limit(failures)) / 2;
        let waits = pin!(async {
            select! {
                biased;
                () = shared.gate.drains() => {}
                () = sleep(wait) => {}
            }
        });
        match held.through(shared, waits).await {
            Through::Done(()) => {}
            Through::Hurried => return Verdict::Release,
            Through::Lost => return Verdict::Lost,
        }
    }
}

fn verdict_of(shared: &Shared, then: Then) -> Verdict {
    match then {
        Then::Done => Verdict::Done,
        Then::Again(after, reason) => Verdict::Again(after, reason),
        Then::Dead(reason, text) => Verdict::Dead(reason, vec![text]),
        Then::Unknown(text) => unknown(shared, text),
        Then::Release => Verdict::Release,
    }
}
