//! Records that listeners hear once more, each before the next.

use super::error::{ReplayError, ReplayFault};
use super::progress::Replayed;
use super::replaying::Replaying;
use crate::__private::{beside, emit_held};
use crate::{EventBus, ListenError, ListenerError, Report, Subscription};

impl Replaying {
    /// Has the listeners of a bus hear the records, each record before the next.
    ///
    /// # Errors
    ///
    /// A [`ReplayError`] that says behind which record it may be taken up again: for a record that cannot be read, and for one that
    /// a listener fails on, unless it [keeps going](Self::keep_going). A typed listener fails on an event of another version than
    /// its type has.
    pub async fn to(self, bus: &EventBus) -> Result<Replayed, ReplayError> {
        let goes_on = self.goes_on();
        let mut course = self.begin().await?;
        while let Some(record) = course.next().await? {
            let envelope = course.envelope(&record)?;
            let report = match emit_held(bus, envelope) {
                Ok(emitting) => emitting.await,
                Err(error) => return Err(course.fails(ReplayFault::Topic(error))),
            };
            let failed = failed(&report);
            if let Some((listener, error)) = failed
                && !goes_on
            {
                let position = record.position();
                return Err(course.fails(ReplayFault::Listener { position, listener, error }));
            }
            course.done(record.position(), report.is_ok());
        }
        Ok(course.end())
    }

    /// Has only these listeners hear the records: those that `register` registers with a bus that provides what this one does, and
    /// has no others.
    ///
    /// ```no_run
    /// # use convoke::prelude::*;
    /// # use convoke::transport::SqliteDatabase;
    /// # use convoke::Store;
    /// # async fn again(orders: Store<SqliteDatabase>, bus: EventBus) -> Result<(), Box<dyn std::error::Error>> {
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Event, Serialize, Deserialize)]
    /// # struct OrderPlaced { id: u64 }
    /// # async fn index(_: std::sync::Arc<OrderPlaced>) {}
    /// orders.replay("orders/*").to_listener(&bus, |alone| alone.on(index)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`to`](Self::to), and [`ReplayFault::Listen`] if a listener cannot be registered.
    pub async fn to_listener(
        self,
        bus: &EventBus,
        register: impl FnOnce(&EventBus) -> Result<Subscription, ListenError>,
    ) -> Result<Replayed, ReplayError> {
        let (alone, after) = (beside(bus), self.begins_after());
        match register(&alone) {
            Ok(_hears) => self.to(&alone).await,
            Err(error) => Err(ReplayError::new(after, 0, ReplayFault::Listen(error))),
        }
    }
}

fn failed(report: &Report) -> Option<(String, ListenerError)> {
    report.failed().next().map(|(listener, error)| (listener.to_owned(), error.clone()))
}
