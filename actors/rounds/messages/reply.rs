//! Where the answer to a signal goes: to whoever awaits its emission.
//!
//! `Emission → Reply, which travels with the signal → the session, or whoever refuses it`

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::rounds::outcome::Outcome;
use crate::rounds::{EmitError, RoundId};

/// Where the outcome of a round goes that somebody waits for.
pub(crate) type Reply<P> = oneshot::Sender<Result<Outcome<P>, EmitError>>;

/// Where it is told that a signal is written down.
pub(crate) type Written = oneshot::Sender<Result<RoundId, EmitError>>;

/// Answers whoever waits, if somebody does.
pub(crate) fn answer<P>(reply: Option<Reply<P>>, answer: Result<Outcome<P>, EmitError>) {
    if let Some(reply) = reply {
        let _ = reply.send(answer);
    }
}

/// A future that resolves to the outcome of a round. You get it when you emit a signal, keep a pledge, or veto the
/// round.
///
/// Dropping it does not take the signal back.
#[must_use = "the signal is under way; await its outcome, or say `do_emit` if nobody waits for it"]
pub struct Emission<P> {
    answer: Result<oneshot::Receiver<Result<Outcome<P>, EmitError>>, Option<EmitError>>,
    /// Of a durable broker.
    written: Option<oneshot::Receiver<Result<RoundId, EmitError>>>,
}

impl<P> Emission<P> {
    pub(crate) fn of(emit: impl FnOnce(Reply<P>) -> Result<(), EmitError>) -> Self {
        let (reply, answer) = oneshot::channel();
        Self { answer: emit(reply).map(|()| answer).map_err(Some), written: None }
    }

    /// The same of a signal that is written down.
    pub(crate) fn kept(emit: impl FnOnce(Reply<P>, Written) -> Result<(), EmitError>) -> Self {
        let (told, written) = oneshot::channel();
        Self { written: Some(written), ..Self::of(|reply| emit(reply, told)) }
    }

    /// Waits until the signal is a row, and not for the outcome: from then on it counts, whatever becomes of this process.
    /// Returns the number of the round. For rounds of a durable broker.
    ///
    /// # Errors
    ///
    /// Those of the emission, as far as they are known by then, and [`EmitError::NotDurable`] if the broker is none.
    pub async fn committed(self) -> Result<RoundId, EmitError> {
        match (self.answer, self.written) {
            (Err(error), _) => Err(error.unwrap_or(EmitError::BrokerGone)),
            (Ok(_answer), Some(written)) => written.await.unwrap_or(Err(EmitError::BrokerGone)),
            (Ok(_), None) => Err(EmitError::NotDurable),
        }
    }
}

impl<P> Future for Emission<P> {
    type Output = Result<Outcome<P>, EmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.answer {
            Ok(answer) => Pin::new(answer).poll(cx).map(|answer| answer.unwrap_or(Err(EmitError::BrokerGone))),
            Err(error) => Poll::Ready(Err(error.take().unwrap_or(EmitError::BrokerGone))),
        }
    }
}

impl<P> fmt::Debug for Emission<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emission").finish_non_exhaustive()
    }
}
