//! Who is told within this process that something was published.
//!
//! `publish → ring → the relays of this outbox`, `append → ring → who follows this store`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

static BELLS: Mutex<Option<HashMap<String, Weak<Bell>>>> = Mutex::new(None);

/// The bell of one outbox or store, for all who have it open in this process.
#[derive(Debug)]
pub(crate) struct Bell(watch::Sender<()>);

impl Bell {
    /// Returns the one of this name, which no other has.
    pub(crate) fn of(name: &str) -> Arc<Self> {
        let mut bells = BELLS.lock().unwrap_or_else(PoisonError::into_inner);
        let bells = bells.get_or_insert_default();
        if let Some(bell) = bells.get(name).and_then(Weak::upgrade) {
            return bell;
        }
        bells.retain(|_, bell| bell.strong_count() > 0);
        let bell = Arc::new(Self(watch::Sender::new(())));
        bells.insert(name.to_owned(), Arc::downgrade(&bell));
        bell
    }

    pub(crate) fn ring(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn listen(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
