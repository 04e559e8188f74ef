//! Many small requests as few large ones: what comes while one is on its way goes together in the next.
//!
//! `push, push, push → Batcher (one task) → run(all of them) → each its own result`

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::{mpsc, oneshot};

use super::publisher::BoxFuture;
use crate::__private::{Shown, catch};

type Run<T, R> = Arc<dyn Fn(Vec<T>) -> BoxFuture<'static, Vec<R>> + Send + Sync>;
type Item<T, R> = (T, oneshot::Sender<R>);

/// Gathers single requests into batches. No request waits for a batch to fill: the first one goes at once, and the
/// requests that come before its answer go together in the next batch.
///
/// The queue of a batcher has no bound, and an item in it is processed even if nothing awaits its result any more. If
/// you want to withdraw an item, push one that can be emptied, as a route does.
pub struct Batcher<T, R> {
    most: usize,
    run: Run<T, R>,
    door: Mutex<Option<mpsc::UnboundedSender<Item<T, R>>>>,
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Creates a batcher whose batches have at most `most` items. `run` returns a result for each item, in their order.
    pub fn new(most: usize, run: impl Fn(Vec<T>) -> BoxFuture<'static, Vec<R>> + Send + Sync + 'static) -> Self {
        Self { most: most.max(1), run: Arc::new(run), door: Mutex::default() }
    }

    /// Adds an item to the next batch. The returned future is ready with the result of the item, or with `None` if it
    /// has none: because the runtime of the batch has ended, or because `run` has panicked or has returned too few
    /// results. A panic is logged, and the next batch goes on as usual.
    ///
    /// The item is added by the call, not when the future is polled, so that items go in the order of the calls. Call
    /// it within a tokio runtime in which an actix system runs too.
    pub fn push(&self, item: T) -> impl Future<Output = Option<R>> + Send + use<T, R> {
        let (answer, result) = oneshot::channel();
        self.add((item, answer));
        async move { result.await.ok() }
    }

    fn add(&self, item: Item<T, R>) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        let item = match &*door {
            None => item,
            Some(open) => match open.send(item) {
                Ok(()) => return,
                // The runtime in which it ran is gone.
                Err(refused) => refused.0,
            },
        };
        let (send, receive) = mpsc::unbounded_channel();
        tokio::spawn(work(receive, self.most, self.run.clone()));
        // It cannot be refused: the other end is there.
        let _ = send.send(item);
        *door = Some(send);
    }
}

async fn work<T, R>(mut items: mpsc::UnboundedReceiver<Item<T, R>>, most: usize, run: Run<T, R>) {
    let mut batch = Vec::new();
    while items.recv_many(&mut batch, most).await > 0 {
        let (items, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        match caught(|| run(items)).await {
            Ok(results) => {
                for (answer, result) in answers.into_iter().zip(results) {
                    // Whoever asked may have gone.
                    let _ = answer.send(result);
                }
            }
            Err(text) => log::error!(
                target: "convoke::transport",
                "a batch of {} panicked: {}; what comes after it goes on", answers.len(), Shown::text(&text)
            ),
        }
    }
}

/// Awaits what is not ours: its panic is an answer, whether it comes from the call or from the future.
pub(crate) async fn caught<'a, T>(make: impl FnOnce() -> BoxFuture<'a, T>) -> Result<T, String> {
    let mut future = catch(make)?;
    poll_fn(|cx| match catch(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(text) => Poll::Ready(Err(text)),
    })
    .await
}

impl<T, R> fmt::Debug for Batcher<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").field("most", &self.most).finish_non_exhaustive()
    }
}
