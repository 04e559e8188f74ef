//! How an event of an old version becomes one of the present version, when it is read.
//!
//! `version 1 → upcast → version 2 → upcast → version 3`

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::__private::{Shown, catch};
use crate::Envelope;

type Upcast = Arc<dyn Fn(Value) -> Value + Send + Sync>;

/// Each leads from a version of an event to the next.
#[derive(Clone, Default)]
pub(crate) struct Upcasts(HashMap<(String, u32), Upcast>);

impl Upcasts {
    /// Adds one. Returns whether there was none for this event and version.
    pub(crate) fn add(
        &mut self,
        event: String,
        from: u32,
        upcast: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> bool {
        self.0.insert((event, from), Arc::new(upcast)).is_none()
    }

    /// Lifts an event as far as it goes.
    ///
    /// # Errors
    ///
    /// Why it does not get there: one has panicked.
    pub(crate) fn lift(&self, mut envelope: Envelope) -> Result<Envelope, String> {
        if self.0.is_empty() {
            return Ok(envelope);
        }
        let event = envelope.metadata.event.to_string();
        let mut key = (event, envelope.metadata.version);
        while let Some(upcast) = self.0.get(&key) {
            let payload = std::mem::take(&mut envelope.payload);
            envelope.payload =
                catch(|| upcast(payload)).map_err(|why| match envelope.metadata.contains_personal_data {
                    true => format!("the upcaster from version {} has panicked", key.1),
                    false => format!("the upcaster from version {} has panicked: {}", key.1, Shown::text(&why)),
                })?;
            key.1 = key.1.saturating_add(1);
            envelope.metadata.version = key.1;
        }
        Ok(envelope)
    }
}

impl fmt::Debug for Upcasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<_> = self.0.keys().map(|(event, from)| format!("{event} {from}")).collect();
        all.sort();
        f.debug_set().entries(all).finish()
    }
}
