//! How many carry to this process, so that whoever ends can wait until none does.
//!
//! `carry → Here, with the publisher → the relay has given its lanes back, or the queue what it was lent → dropped → Carrying::ended`

use std::sync::Arc;

use tokio::sync::watch;

/// How many carry.
#[derive(Clone, Debug)]
pub(in crate::durable) struct Carrying(Arc<watch::Sender<usize>>);

/// One who carries, until it is dropped.
#[derive(Debug)]
pub(in crate::durable) struct Here(Arc<watch::Sender<usize>>);

impl Carrying {
    pub(in crate::durable::running) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// One more.
    pub(in crate::durable::running) fn here(&self) -> Here {
        self.0.send_modify(|count| *count += 1);
        Here(self.0.clone())
    }

    /// Ready when nobody does.
    pub(in crate::durable) async fn ended(&self) {
        // Whoever would tell is as old as this.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
