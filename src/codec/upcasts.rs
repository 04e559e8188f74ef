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
    /// Adds one.
    ///
    /// # Errors
    ///
    /// What is wrong with it: there is one for this event and version, or there are no versions from which and to which it leads.
    pub(crate) fn add(
        &mut self,
        event: String,
        from: u32,
        upcast: impl Fn(Value) -> Value + Send + Sync + 'static,
    ) -> Result<(), String> {
        let shown = Shown::name(&event).to_string();
        match from {
            0 => return Err(format!("no event has version 0: the upcaster for `{shown}` begins at 1 or later")),
            u32::MAX => {
                return Err(format!("there is no version behind {from}: the upcaster for `{shown}` begins earlier"));
            }
            _ => {}
        }
        match self.0.insert((event, from), Arc::new(upcast)) {
            None => Ok(()),
            Some(_) => Err(format!("there are two upcasters for `{shown}` from version {from}: leave one out")),
        }
    }

    /// Whether nothing is lifted.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lifts an event as far as it goes.
    ///
    /// # Errors
    ///
    /// Why it does not get there: one has panicked.
    pub(crate) fn lift(&self, mut envelope: Envelope) -> Result<Envelope, String> {
        if self.is_empty() {
            return Ok(envelope);
        }
        let mut key = (envelope.metadata.event.to_string(), envelope.metadata.version);
        let mut by_topic = (envelope.metadata.topic.to_string(), key.1);
        while let Some(upcast) = self.0.get(&key).or_else(|| self.of_topic(&by_topic)) {
            let payload = std::mem::take(&mut envelope.payload);
            envelope.payload =
                catch(|| upcast(payload)).map_err(|why| match envelope.metadata.contains_personal_data {
                    true => format!("the upcaster from version {} has panicked", key.1),
                    false => format!("the upcaster from version {} has panicked: {}", key.1, Shown::text(&why)),
                })?;
            key.1 = key.1.saturating_add(1);
            by_topic.1 = key.1;
            envelope.metadata.version = key.1;
        }
        Ok(envelope)
    }

    /// One that is for a topic. What has no slash is the name of an event, which may be that of another event's topic.
    fn of_topic(&self, key: &(String, u32)) -> Option<&Upcast> {
        key.0.contains('/').then(|| self.0.get(key)).flatten()
    }
}

impl fmt::Debug for Upcasts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<_> = self.0.keys().map(|(event, from)| format!("{event} {from}")).collect();
        all.sort();
        f.debug_set().entries(all).finish()
    }
}
