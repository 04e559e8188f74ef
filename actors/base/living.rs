//! What lives in a test beside the actors of these crates: on this thread, in virtual time.
//!
//! `a worker ─ Living → what_lives ← the check at the end of a test`

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::runtime::is_virtual;

thread_local! {
    static LIVING: RefCell<BTreeMap<u64, String>> = const { RefCell::new(BTreeMap::new()) };
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// While this is held, a test that ends has left it behind: what it is called. Outside virtual time it is nothing.
#[derive(Debug)]
#[must_use]
pub struct Living(Option<u64>);

impl Living {
    /// It lives from now on.
    pub fn new(name: impl FnOnce() -> String) -> Self {
        if !is_virtual() {
            return Self(None);
        }
        let key = LAST.get() + 1;
        LAST.set(key);
        LIVING.with_borrow_mut(|living| living.insert(key, name()));
        Self(Some(key))
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        if let Some(key) = self.0 {
            // It may end with its thread.
            let _ = LIVING.try_with(|living| living.borrow_mut().remove(&key));
        }
    }
}

/// What lives here, by name.
#[cfg(feature = "testing")]
pub(crate) fn what_lives() -> Vec<String> {
    LIVING.with_borrow(|living| living.values().cloned().collect())
}
