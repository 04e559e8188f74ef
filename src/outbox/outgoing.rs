//! What an outbox takes: an event of a type, an event as JSON, or several of different types.
//!
//! `OrderPlaced | JsonEvent | Outgoing → Leaves → Stamp → Envelope`

use std::fmt;

use super::error::OutboxError;
use crate::__private::{Stamp, Subject};
use crate::{Envelope, JsonEvent};

/// What an [`Outbox`](super::Outbox) takes: every [`Event`](crate::Event), a [`JsonEvent`], and an [`Outgoing`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that an outbox takes",
    label = "not an event",
    note = "write `#[derive(Event, Serialize, Deserialize)]` over the type"
)]
pub trait Leaves: sealed::Pressed {}

impl<S: Subject> Leaves for S {}
impl Leaves for Outgoing {}

pub(super) mod sealed {
    use super::*;

    pub trait Pressed: Send {
        /// With all that is known of it.
        fn press(self, stamp: &Stamp) -> Result<Envelope, OutboxError>;
    }

    impl<S: Subject> Pressed for S {
        fn press(self, stamp: &Stamp) -> Result<Envelope, OutboxError> {
            let name = self.name();
            match stamp.press(self) {
                Ok((metadata, payload)) => Ok(Envelope::new(metadata, payload)),
                Err(why) => Err(OutboxError::unstamped(name.to_string(), why)),
            }
        }
    }

    impl Pressed for Outgoing {
        fn press(self, stamp: &Stamp) -> Result<Envelope, OutboxError> {
            (self.0)(stamp)
        }
    }
}

type Press = Box<dyn FnOnce(&Stamp) -> Result<Envelope, OutboxError> + Send>;

/// An event of any type, so that [`publish_all`](super::Outbox::publish_all) takes events of several types.
///
/// ```no_run
/// # use convoke::prelude::*;
/// # use convoke::transport::SqliteDatabase;
/// # use convoke::{Outbox, Outgoing};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Event, Serialize, Deserialize)]
/// struct OrderPlaced {
///     id: u64,
/// }
///
/// #[derive(Event, Serialize, Deserialize)]
/// struct StockReserved {
///     items: u32,
/// }
///
/// # async fn place(db: SqliteDatabase, outbox: Outbox<SqliteDatabase>) -> Result<(), Box<dyn std::error::Error>> {
/// let mut tx = db.begin().await?;
/// let events = [Outgoing::new(OrderPlaced { id: 7 }), Outgoing::new(StockReserved { items: 3 })];
/// outbox.publish_all(&mut tx, events).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
pub struct Outgoing(Press);

impl Outgoing {
    /// Takes an event of any type.
    pub fn new(event: impl Leaves + 'static) -> Self {
        Self(Box::new(|stamp| sealed::Pressed::press(event, stamp)))
    }

    /// Takes an event as JSON, with this topic, which is its name too.
    pub fn json(topic: impl Into<String>, payload: serde_json::Value) -> Self {
        Self::new(JsonEvent::new(topic, payload))
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").finish_non_exhaustive()
    }
}
