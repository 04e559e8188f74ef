//! What leaves without a bus, for an outbox or a store: an event of a type, an event as JSON, or several of different types.
//!
//! `OrderPlaced | JsonEvent | Outgoing → Leaves → Stamp → Envelope`

use std::fmt;

use crate::__private::{Stamp, Subject, Unstamped};
use crate::{Envelope, JsonEvent};

/// What an [`Outbox`](crate::Outbox) and a [`Store`](crate::Store) take: every [`Event`](crate::Event), a [`JsonEvent`], and an
/// [`Outgoing`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event that an outbox or a store takes",
    label = "not an event",
    note = "write `#[derive(Event, Serialize, Deserialize)]` over the type"
)]
pub trait Leaves: sealed::Pressed {}

impl<S: Subject> Leaves for S {}
impl Leaves for Outgoing {}

pub(crate) mod sealed {
    use super::*;

    pub trait Pressed: Send {
        /// With all that is known of it.
        fn press(self, stamp: &Stamp) -> Result<Envelope, Unpressed>;
    }

    impl<S: Subject> Pressed for S {
        fn press(self, stamp: &Stamp) -> Result<Envelope, Unpressed> {
            let name = self.name();
            match stamp.press(self) {
                Ok((metadata, payload)) => Ok(Envelope::new(metadata, payload)),
                Err(why) => Err(Unpressed { event: name.to_string(), why }),
            }
        }
    }

    impl Pressed for Outgoing {
        fn press(self, stamp: &Stamp) -> Result<Envelope, Unpressed> {
            (self.0)(stamp)
        }
    }
}

/// Which event does not leave, and why.
#[derive(Debug)]
pub struct Unpressed {
    pub(crate) event: String,
    pub(crate) why: Unstamped,
}

type Press = Box<dyn FnOnce(&Stamp) -> Result<Envelope, Unpressed> + Send>;

/// An event of any type, so that [`publish_all`](crate::Outbox::publish_all) takes events of several types.
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
