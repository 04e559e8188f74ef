//! What a summoned actor gets: a pledge to keep, to veto, or to drop.
//!
//! `session.rs → Summons → any actor → Pledge::keep → session.rs`, or, when the round is over, `→ broker.rs: late`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix::Message;

use super::call::{Awaited, Call, Pledged};
use super::heartbeats::Heard;
use super::reply::{Emission, Reply};
use super::to_broker::{Seated, ToBroker};
use crate::rounds::{EmitError, RoundId, RoundKey};
use crate::runtime::{self, Refused};

/// A message that asks an emitter for its signal. Any actor that handles it can be an emitter.
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use actix::prelude::*;
/// use convoke::{Membership, Summons};
///
/// struct Clerk {
///     on_stock: u32,
///     membership: Option<Membership<u32>>,
/// }
///
/// impl Actor for Clerk {
///     type Context = Context<Self>;
/// }
///
/// impl Handler<Summons<u32>> for Clerk {
///     type Result = ();
///
///     fn handle(&mut self, Summons { pledge }: Summons<u32>, _: &mut Context<Self>) {
///         match self.on_stock {
///             0 => pledge.veto("sold out"),
///             count => pledge.keep(count),
///         }
///     }
/// }
/// ```
#[derive(Message)]
#[rtype(result = "()")]
pub struct Summons<P: 'static> {
    /// The promise of this emitter to the round.
    pub pledge: Pledge<P>,
}

impl<P> fmt::Debug for Summons<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summons").field("pledge", &self.pledge).finish()
    }
}

/// The promise of one emitter to one round. It is kept, vetoed, or dropped, which loses it at once.
#[must_use = "dropping a pledge loses the round its signal: keep it or veto it"]
pub struct Pledge<P: 'static> {
    call: Arc<Call<P>>,
    by: Seated,
    open: bool,
}

impl<P: 'static> Pledge<P> {
    pub(crate) fn new(call: Arc<Call<P>>, by: Seated) -> Self {
        Self { call, by, open: true }
    }

    /// Returns the number of the round.
    pub fn round(&self) -> RoundId {
        self.call.round
    }

    /// Returns what the round is about; `None` for a round without a key.
    pub fn key(&self) -> Option<&RoundKey> {
        self.call.key.as_ref()
    }

    /// Returns the time left until the deadline of the round, not the emitter's own deadline; zero when it has passed.
    pub fn left(&self) -> Duration {
        self.call.deadline.saturating_duration_since(runtime::now())
    }

    /// Returns whether the round is still open, so that work for it still makes sense.
    pub fn is_open(&self) -> bool {
        !self.call.end.is_over()
    }

    /// Waits until the round is over, however it ends. Work that was begun for the round is no longer needed then.
    ///
    /// This method does not break the promise; you can drop the pledge afterwards. It returns at once if the round is
    /// already over.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use std::time::Duration;
    ///
    /// # actix::System::new().block_on(async {
    /// let broker = Broker::new(Duration::from_secs(1)).expects(["stock", "payment"]).start();
    /// let payment = Emitter::new("payment").on_summons(|pledge| async move {
    ///     tokio::select! {
    ///         () = tokio::time::sleep(Duration::from_millis(200)) => pledge.keep("paid"),
    ///         () = pledge.closed() => {} // stock has vetoed: nothing is charged
    ///     }
    /// });
    /// let _payment = Emitter::join(&broker, payment).await?;
    /// let stock = Emitter::join(&broker, "stock").await?;
    ///
    /// stock.do_emit("3 left")?;
    /// assert!(stock.veto("sold out").await?.is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn closed(&self) {
        self.call.end.wait().await;
    }

    /// Returns what the round is about: a clone of the payload that opened it; `None` once the round is over.
    ///
    /// That payload is the first signal of the round. Where a second signal replaces the first
    /// ([`RepeatEmit::Replaces`](crate::RepeatEmit::Replaces)), it is the signal that has been in the round longest.
    ///
    /// On any thread: once this method has returned `None`, [`is_open`](Self::is_open) returns `false`.
    ///
    /// # Panics
    ///
    /// Panics in the predicate of [`Release::when`](crate::Release::when) of the pledge's own round, which would wait for
    /// itself. The round is then cancelled with [`Cause::SessionLost`](crate::Cause::SessionLost).
    #[track_caller]
    pub fn subject(&self) -> Option<P>
    where
        P: Clone,
    {
        self.call.board.look("subject").first().cloned()
    }

    /// Returns clones of the payloads emitted so far, in the order of emission; an empty list once the round is over.
    ///
    /// # Panics
    ///
    /// Panics where [`subject`](Self::subject) does.
    #[track_caller]
    pub fn so_far(&self) -> Vec<P>
    where
        P: Clone,
    {
        self.call.board.look("so_far").to_vec()
    }

    /// Asks for more time: the emitter's own deadline ([`Emitter::deadline`](crate::Emitter::deadline)) becomes this much
    /// from now, if that is later than it was. So a short deadline finds an emitter that hangs, and one that works and says
    /// so has its time.
    ///
    /// Heartbeats carry an emitter no further than the timeout of the round, nor than
    /// [`Broker::max_heartbeat`](crate::Broker::max_heartbeat) beyond its first deadline. They do not move the timeout and the
    /// idle timeout of the round. For an emitter without a deadline of its own they change nothing.
    ///
    /// A heartbeat is late if the session handles it after the emitter's own deadline; it revives nothing. Sent while the
    /// broker's thread is blocked, it may be. So send it well before the deadline.
    ///
    /// Any thread may call this method as often as it likes: no more than one heartbeat of a pledge waits for the session.
    ///
    /// Returns whether work for the round still makes sense, as far as is known here: `false` once the round is over, or
    /// once an earlier heartbeat was late. The signal would be refused with [`EmitError::Late`](crate::EmitError::Late)
    /// then.
    ///
    /// ```
    /// # extern crate convoke_actors as convoke;
    /// use convoke::prelude::*;
    /// use std::time::Duration;
    ///
    /// # actix::System::new().block_on(async {
    /// let broker = Broker::new(Duration::from_secs(5)).expects(["stock", "count"]).start();
    /// let count = Emitter::new("count").deadline(Duration::from_millis(50)).on_summons(async |pledge| {
    ///     for _shelf in 0..4 {
    ///         tokio::time::sleep(Duration::from_millis(20)).await; // four of these are more than 50 ms
    ///         if !pledge.heartbeat(Duration::from_millis(500)) {
    ///             return; // nobody waits for the rest
    ///         }
    ///     }
    ///     pledge.keep(12);
    /// });
    /// let _count = Emitter::join(&broker, count).await?;
    /// let stock = Emitter::join(&broker, "stock").await?;
    /// assert!(stock.emit(3).await?.is_resolved());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn heartbeat(&self, more: Duration) -> bool {
        if !self.is_open() {
            return false;
        }
        match self.call.heartbeats.ask(self.by, runtime::after(runtime::now(), more)) {
            Heard::New => self.call.inbox.push(Pledged::Heartbeat { by: self.by }).is_ok(),
            Heard::Waiting => true,
            Heard::Late => false,
        }
    }

    /// Keeps the promise and does not wait for the outcome. A signal that comes too late is counted as late.
    pub fn keep(mut self, payload: P) {
        self.send_kept(payload, None);
    }

    /// Keeps the promise. The returned future resolves to the outcome of the round once the round has closed.
    ///
    /// # Errors
    ///
    /// The future returns [`EmitError::Late`](crate::EmitError::Late) if the round was over, `AlreadyKept` or
    /// `Vetoed` if the emitter has emitted in the round or vetoed it in another way, `NotJoined` or `EmitterGone` if the emitter is no member any more,
    /// and `BrokerGone` if the broker has stopped.
    pub fn keep_and_wait(mut self, payload: P) -> Emission<P> {
        if self.call.is_durable {
            return Emission::kept(|reply, written| {
                self.open = false;
                let awaited = Awaited { by: self.by, payload, reply, written };
                if let Err(refused) = self.call.inbox.push(Pledged::Awaited(Box::new(awaited))) {
                    self.too_late(refused);
                }
                Ok(())
            });
        }
        Emission::of(|reply| {
            self.send_kept(payload, Some(reply));
            Ok(())
        })
    }

    /// Vetoes the round, with this reason: the round is cancelled for everyone, unless the broker's
    /// [`on_veto`](crate::Broker::on_veto) tolerates the veto.
    pub fn veto(mut self, reason: impl Into<Arc<str>>) {
        self.open = false;
        // A round that is over needs no veto.
        let _ = self.call.inbox.push(Pledged::Vetoed { by: self.by, reason: reason.into() });
    }

    #[inline]
    fn send_kept(&mut self, payload: P, reply: Option<Reply<P>>) {
        self.open = false;
        if let Err(refused) = self.call.inbox.push(Pledged::Kept { by: self.by, payload, reply }) {
            self.too_late(refused);
        }
    }

    #[cold]
    fn too_late(&self, refused: Refused<Pledged<P>>) {
        let (Refused::Closed(pledged) | Refused::Full(pledged)) = refused;
        let (by, reply) = match pledged {
            Pledged::Kept { by, reply, .. } => (by, reply),
            Pledged::Awaited(awaited) => {
                let Awaited { by, reply, written, .. } = *awaited;
                let (round, key) = (self.call.round, self.call.key.clone());
                let _ = written.send(Err(EmitError::Late { round, key }));
                (by, Some(reply))
            }
            Pledged::Vetoed { .. } | Pledged::Lost { .. } | Pledged::Heartbeat { .. } => return,
        };
        // Past the bound: there is one pledge for each emitter and round.
        let (round, key) = (self.call.round, self.call.key.clone());
        self.call.broker.push_always(ToBroker::PledgeLate { by, round, key, reply });
    }
}

impl<P: 'static> Drop for Pledge<P> {
    fn drop(&mut self) {
        if self.open {
            let _ = self.call.inbox.push(Pledged::Lost { by: self.by });
        }
    }
}

impl<P: 'static> fmt::Debug for Pledge<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pledge").field("round", &self.call.round).field("key", &self.call.key).finish_non_exhaustive()
    }
}
