//! Dead letters that can only be read by receiving them: they are held for as long as somebody reads, and given back then.
//!
//! `Leased → Holds: receive → held → page | get; redrive: publish, confirmed, then ack | discard: ack`

use tokio::sync::{Mutex, OnceCell};
use tokio::time::Instant;

use crate::look::{Letter, LetterId, Pile, Reading};
use crate::transport::{BoxFuture, DeadLetterRecord, Packet, Publisher, TransportError};

/// How much is received in one go.
const SOME: usize = 100;

/// A letter that was received, and what it is acknowledged by.
pub(super) struct Got<H> {
    pub(super) id: LetterId,
    pub(super) packet: Packet,
    pub(super) handle: H,
    /// When the lease ends, if it does by itself.
    pub(super) until: Option<Instant>,
}

/// What receives letters of one queue.
pub(super) trait Holds: Send + Sync + 'static {
    /// What a letter is acknowledged by.
    type Handle: Clone + Send + Sync + 'static;
    /// What they are held by, for as long as that is there.
    type Hold: Send + Sync + 'static;

    /// Begins to receive; `None` if there is no such queue.
    fn begin(&self) -> BoxFuture<'_, Result<Option<Self::Hold>, TransportError>>;

    /// Receives up to so many more; none if there are no more.
    fn more<'a>(
        &'a self,
        hold: &'a mut Self::Hold,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Got<Self::Handle>>, TransportError>>;

    /// Deletes one.
    fn ack<'a>(&'a self, hold: &'a mut Self::Hold, handle: Self::Handle) -> BoxFuture<'a, Result<(), TransportError>>;

    /// Gives all back that is held.
    fn end(&self, hold: Self::Hold, handles: Vec<Self::Handle>) -> BoxFuture<'_, ()>;

    /// The queue that they go back to.
    fn queue(&self) -> BoxFuture<'_, Result<Box<dyn Publisher>, TransportError>>;

    /// Gives back without anybody waiting, when whoever has read is gone.
    fn let_go(&self, hold: Self::Hold, handles: Vec<Self::Handle>) {
        drop((hold, handles));
    }
}

/// What is held, in the order in which it came. What was settled since stays in the list, so that a page may begin behind it.
struct Held<S: Holds> {
    hold: Option<S::Hold>,
    letters: Vec<(LetterId, Option<Got<S::Handle>>)>,
}

impl<S: Holds> Default for Held<S> {
    fn default() -> Self {
        Self { hold: None, letters: Vec::new() }
    }
}

impl<S: Holds> Held<S> {
    fn place(&self, id: &LetterId) -> Option<usize> {
        self.letters.iter().position(|(there, _)| there == id)
    }

    fn handles(&mut self) -> Vec<S::Handle> {
        std::mem::take(&mut self.letters).into_iter().filter_map(|(_, got)| got.map(|got| got.handle)).collect()
    }

    fn note(&mut self, got: Vec<Got<S::Handle>>) {
        for got in got {
            match self.place(&got.id) {
                // Its lease had ended, and it was received once more.
                Some(place) => self.letters[place].1 = Some(got),
                None => self.letters.push((got.id.clone(), Some(got))),
            }
        }
    }
}

/// The dead letters of one queue.
pub(super) struct Leased<S: Holds> {
    server: S,
    held: Mutex<Held<S>>,
    to: OnceCell<Box<dyn Publisher>>,
}

impl<S: Holds> Leased<S> {
    pub(super) fn new(server: S) -> Self {
        Self { server, held: Mutex::default(), to: OnceCell::new() }
    }

    async fn restart(&self, held: &mut Held<S>) -> Result<bool, TransportError> {
        self.finish(held).await;
        held.hold = self.server.begin().await?;
        Ok(held.hold.is_some())
    }

    async fn finish(&self, held: &mut Held<S>) {
        let handles = held.handles();
        if let Some(hold) = held.hold.take() {
            self.server.end(hold, handles).await;
        }
    }

    /// Receives more; says whether there was any.
    async fn more(&self, held: &mut Held<S>, most: usize) -> Result<bool, TransportError> {
        let Some(hold) = &mut held.hold else { return Ok(false) };
        let got = self.server.more(hold, most.clamp(1, SOME)).await;
        if got.is_err() {
            // What was held may be somebody else's by now.
            held.hold = None;
            held.letters.clear();
        }
        let got = got?;
        let there = !got.is_empty();
        held.note(got);
        Ok(there)
    }

    async fn page(&self, after: Option<&LetterId>, most: usize) -> Result<Vec<Letter>, TransportError> {
        let mut held = self.held.lock().await;
        let start = match after.and_then(|after| held.place(after)) {
            Some(place) => place + 1,
            None => {
                if !self.restart(&mut held).await? {
                    return Ok(Vec::new());
                }
                match after {
                    None => 0,
                    // Another reading has seen it. If it is nowhere, what was behind it cannot be told from what was before.
                    Some(after) => self.find(&mut held, after).await?.map_or(0, |place| place + 1),
                }
            }
        };
        let unsettled =
            |held: &Held<S>| held.letters.get(start..).into_iter().flatten().filter(|(_, got)| got.is_some()).count();
        loop {
            let there = unsettled(&held);
            if there >= most || !self.more(&mut held, most - there).await? {
                break;
            }
        }
        let letters = held.letters.get(start..).into_iter().flatten().filter_map(|(_, got)| got.as_ref());
        let page: Vec<_> = letters.take(most).map(|got| Letter::of(got.id.clone(), got.packet.clone())).collect();
        if page.is_empty() {
            // Whoever has read all of them needs them no longer.
            self.finish(&mut held).await;
        }
        Ok(page)
    }

    /// Finds one that is held, or receives until it is there.
    async fn find(&self, held: &mut Held<S>, id: &LetterId) -> Result<Option<usize>, TransportError> {
        if held.hold.is_none() && !self.restart(held).await? {
            return Ok(None);
        }
        loop {
            if let Some(place) = held.place(id) {
                return Ok(Some(place));
            }
            if !self.more(held, SOME).await? {
                return Ok(None);
            }
        }
    }

    /// The same of one whose lease has not ended. One that has been settled is not there.
    async fn find_held(&self, held: &mut Held<S>, id: &LetterId) -> Result<Option<usize>, TransportError> {
        for _ in 0..2 {
            let Some(place) = self.find(held, id).await? else { return Ok(None) };
            match held.letters.get(place).and_then(|(_, got)| got.as_ref()) {
                None => return Ok(None),
                Some(got) if got.until.is_none_or(|until| Instant::now() < until) => return Ok(Some(place)),
                // All that is older is back by now.
                Some(_) => drop(self.restart(held).await?),
            }
        }
        Ok(None)
    }

    async fn get(&self, id: &LetterId) -> Result<Option<Letter>, TransportError> {
        let mut held = self.held.lock().await;
        let place = self.find_held(&mut held, id).await?;
        let got = place.and_then(|place| held.letters.get(place)).and_then(|(_, got)| got.as_ref());
        Ok(got.map(|got| Letter::of(got.id.clone(), got.packet.clone())))
    }

    async fn take(&self, id: &LetterId, back: bool) -> Result<bool, TransportError> {
        let mut held = self.held.lock().await;
        let Some(place) = self.find_held(&mut held, id).await? else { return Ok(false) };
        let Held { hold: Some(hold), letters } = &mut *held else { return Ok(false) };
        let Some((_, slot)) = letters.get_mut(place) else { return Ok(false) };
        let Some(got) = slot.as_ref() else { return Ok(false) };
        if back {
            let to = self.to.get_or_try_init(|| self.server.queue()).await?;
            let mut packet = DeadLetterRecord::revive(got.packet.clone());
            if to.abilities().deduplicates {
                // It was there a moment ago: by the same id it would be taken, and delivered to nobody.
                packet.id = crate::Uuid::now_v7().to_string();
            }
            to.publish(&[packet]).await.pop().unwrap_or(Ok(()))?;
        }
        let acked = self.server.ack(hold, got.handle.clone()).await;
        // It is back in its queue, whether or not it is still here too.
        *slot = None;
        acked.map(|()| true)
    }
}

impl<S: Holds> Pile for Leased<S> {
    fn reading(&self) -> Reading {
        Reading::UnderALease
    }

    fn page<'a>(
        &'a self,
        after: Option<&'a LetterId>,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<Letter>, TransportError>> {
        Box::pin(self.page(after, most))
    }

    fn get<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<Option<Letter>, TransportError>> {
        Box::pin(self.get(id))
    }

    fn redrive<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.take(id, true))
    }

    fn discard<'a>(&'a self, id: &'a LetterId) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(self.take(id, false))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut held = self.held.lock().await;
            self.finish(&mut held).await;
        })
    }
}

impl<S: Holds> Drop for Leased<S> {
    fn drop(&mut self) {
        let held = self.held.get_mut();
        let handles = held.handles();
        if let Some(hold) = held.hold.take() {
            self.server.let_go(hold, handles);
        }
    }
}

/// A short name of a message, the same however often it is received.
pub(super) fn hashed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    for part in parts {
        hash.update(&part.len().to_le_bytes());
        hash.update(part);
    }
    hash.digest()
}
