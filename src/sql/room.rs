//! How many deliveries a subscriber may have been lent at once.
//!
//! `prefetch → Room → a permit for each delivery → back when it is settled`

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Room for so many deliveries, which may be made larger and smaller. What is lent stays so: a room that is too full is
/// smaller when that is settled.
#[derive(Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    size: usize,
    wanted: usize,
}

impl Room {
    pub(crate) fn new(size: usize) -> Self {
        let size = size.clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(size)), size, wanted: size }
    }

    /// Changes for how many there is room from the next wait on.
    pub(crate) fn resize(&mut self, size: usize) {
        self.wanted = size.clamp(1, Semaphore::MAX_PERMITS);
    }

    /// Waits for room for one, and takes as much as there is, up to `most`. `None` if there was none until then.
    pub(crate) async fn take(&mut self, most: usize, until: Instant) -> Option<OwnedSemaphorePermit> {
        if self.size > self.wanted {
            self.size -= self.free.forget_permits(self.size - self.wanted);
        } else if self.size < self.wanted {
            self.free.add_permits(self.wanted - self.size);
            self.size = self.wanted;
        }
        let mut first = timeout_at(until, self.free.clone().acquire_owned()).await.ok()?.ok()?;
        let more = self.free.available_permits().min(most.saturating_sub(1));
        if let Ok(more) = self.free.clone().try_acquire_many_owned(more.try_into().unwrap_or(u32::MAX)) {
            first.merge(more);
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn taken(room: &mut Room, most: usize) -> Option<OwnedSemaphorePermit> {
        room.take(most, Instant::now() + Duration::from_secs(1)).await
    }

    #[convoke_actors::test]
    async fn a_room_grows_at_once_and_shrinks_as_what_is_lent_is_settled() {
        let mut room = Room::new(2);
        let mut lent = taken(&mut room, 10).await.unwrap();
        assert_eq!(lent.num_permits(), 2);
        assert!(taken(&mut room, 1).await.is_none());
        room.resize(5);
        let more = taken(&mut room, 10).await.unwrap();
        assert_eq!(more.num_permits(), 3);
        room.resize(1);
        drop(more);
        // Two are still lent, and there is room for one in all.
        let third = taken(&mut room, 10).await;
        assert!(third.is_none_or(|third| third.num_permits() == 1));
        drop(lent.split(2));
        drop(lent);
        assert_eq!(taken(&mut room, 10).await.unwrap().num_permits(), 1);
    }
}
