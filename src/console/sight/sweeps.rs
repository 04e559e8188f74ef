//! The sweeps over the letters of a server: those that are under way, and the last that were.

use std::sync::{Arc, Mutex, PoisonError};

use super::sweep::{Deed, Sweep, Wanted};

/// As many that have ended are remembered.
const KEPT: usize = 8;

/// The sweeps of a server.
#[derive(Debug, Default)]
pub(crate) struct Sweeps(Mutex<Vec<Arc<Sweep>>>);

impl Sweeps {
    /// Begins one, which the caller runs. Of a queue there is one at a time.
    ///
    /// # Errors
    ///
    /// The one that is under way.
    pub(crate) fn begin(
        &self,
        queue: &str,
        deed: Deed,
        wanted: Wanted,
        total: Option<u64>,
    ) -> Result<Arc<Sweep>, Arc<Sweep>> {
        let mut sweeps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = sweeps.iter().find(|sweep| sweep.queue == queue && sweep.progress().end.is_none()) {
            return Err(under_way.clone());
        }
        let sweep = Arc::new(Sweep::new(queue, deed, wanted, total));
        sweeps.push(sweep.clone());
        let ended = sweeps.iter().filter(|sweep| sweep.progress().end.is_some()).count();
        let mut over = ended.saturating_sub(KEPT);
        sweeps.retain(|sweep| {
            let goes = over > 0 && sweep.progress().end.is_some();
            over -= usize::from(goes);
            !goes
        });
        Ok(sweep)
    }

    /// Those of a queue, the latest first.
    pub(crate) fn of(&self, queue: &str) -> Vec<Arc<Sweep>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().rev().filter(|sweep| sweep.queue == queue).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use convoke::look::{Address, Server};
    use convoke::transport::Memory;

    use super::*;
    use crate::sight::sweep::Which;

    #[actix_web::test]
    async fn of_a_queue_there_is_one_at_a_time_and_few_are_remembered() {
        let _db = Memory::database_named("sweeps");
        let server = Server::connect(&"memory:sweeps".parse::<Address>().unwrap()).await.unwrap();
        let (sweeps, all) = (Sweeps::default(), || Wanted::Which(Which::default()));
        let first = sweeps.begin("orders", Deed::Redrive, all(), None).unwrap();
        assert!(Arc::ptr_eq(&sweeps.begin("orders", Deed::Discard, all(), None).unwrap_err(), &first));
        assert!(sweeps.begin("mails", Deed::Discard, all(), None).is_ok());
        // Dropped before its end, it has stopped.
        drop(first.run(server.letters("orders")));
        for _ in 0..30 {
            let sweep = sweeps.begin("orders", Deed::Redrive, all(), None).unwrap();
            assert!(Arc::ptr_eq(&sweeps.of("orders")[0], &sweep), "the latest is first");
            sweep.run(server.letters("orders")).await;
        }
        assert!(sweeps.of("orders").len() <= KEPT + 1);
        assert_eq!(sweeps.of("mails").len(), 1);
    }
}
