//! What a subscriber has asked a database for, and what has come of that and was not received yet.
//!
//! `ask → (a task) → answer → what was found → ready | give_back`
//!
//! What was asked for goes on when whoever waits for it is dropped: a receive that is dropped takes nothing with it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::transport::{Delivery, ErrorKind, TransportError};

/// What comes of asking: deliveries, and what else was learned.
type Answer<N> = Result<(Vec<Delivery>, N), TransportError>;

#[derive(Debug)]
pub(crate) struct Ahead<N> {
    asked: Option<oneshot::Receiver<Answer<N>>>,
    /// Behind a lock that nobody shares: a handle is `Sync`, a delivery is not.
    found: Mutex<VecDeque<Delivery>>,
}

impl<N> Default for Ahead<N> {
    fn default() -> Self {
        Self { asked: None, found: Mutex::default() }
    }
}

impl<N: Send + 'static> Ahead<N> {
    /// Returns up to `most` of what is here. What has lain here for so long that its lease may end is given back: nobody has worked on
    /// it.
    pub(crate) fn ready(&mut self, most: usize, lease: Duration) -> Vec<Delivery> {
        let found = self.found();
        found.retain(|delivery| delivery.age() < lease / 2);
        found.drain(..most.min(found.len())).collect()
    }

    pub(crate) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    pub(crate) fn ask(&mut self, finding: impl Future<Output = Answer<N>> + Send + 'static) {
        let (answer, asked) = oneshot::channel();
        // If nobody is there any more, the deliveries are dropped, and given back.
        tokio::spawn(async move { answer.send(finding.await) });
        self.asked = Some(asked);
    }

    /// Waits for what was asked for, and returns whether something has come, and what else was learned. Who does not answer within this
    /// time is `late`, and is waited for by the next call.
    pub(crate) async fn answer(
        &mut self,
        patience: Duration,
        late: impl Fn() -> TransportError,
    ) -> Result<Option<(bool, N)>, TransportError> {
        let Some(asked) = &mut self.asked else { return Ok(None) };
        let answer = timeout(patience, asked).await.map_err(|_| late())?;
        self.asked = None;
        // The runtime in which it ran may be gone.
        let (found, learned) = answer.unwrap_or_else(|_| Err(late()))?;
        let has_come = !found.is_empty();
        self.found().extend(found);
        Ok(Some((has_come, learned)))
    }

    /// Gives back what was asked for and what nobody has received.
    pub(crate) async fn give_back(
        &mut self,
        patience: Duration,
        late: impl Fn() -> TransportError,
    ) -> Result<(), TransportError> {
        if let Some(asked) = &mut self.asked {
            let answer = timeout(patience, asked).await.map_err(|_| late())?;
            self.asked = None;
            // One that has failed has brought nothing, and one whose runtime is gone has given it back.
            if let Ok(Ok((found, _))) = answer {
                self.found().extend(found);
            }
        }
        let back: Vec<_> = self.found().drain(..).map(Delivery::release).collect();
        for released in join_all(back).await {
            // What others have got meanwhile is where it belongs.
            released.or_else(|error| if error.kind() == ErrorKind::Lost { Ok(()) } else { Err(error) })?;
        }
        Ok(())
    }

    fn found(&mut self) -> &mut VecDeque<Delivery> {
        self.found.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}
