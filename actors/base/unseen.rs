//! What has failed in a test and nobody has looked at yet: on this thread, in virtual time.
//!
//! `a dead letter ─ note → Unseen ← its letter or its report is read, or it was expected; what is left fails the test`

use std::cell::RefCell;
use std::sync::Arc;

use crate::runtime::is_virtual;

/// A failure that nobody has looked at.
pub(crate) struct Unseen {
    /// The bus and the number of the dead letter.
    letter: (u64, u64),
    pub(crate) listener: Option<Arc<str>>,
    pub(crate) event: String,
    pub(crate) why: String,
}

/// Who fails so often is known by the first of them.
const MOST: usize = 1000;

thread_local! {
    static UNSEEN: RefCell<Vec<Unseen>> = const { RefCell::new(Vec::new()) };
}

/// Notes the failure of a dead letter.
pub(crate) fn note(letter: (u64, u64), listener: Option<&Arc<str>>, event: &str, why: impl FnOnce() -> String) {
    if !is_virtual() {
        return;
    }
    let unseen = Unseen { letter, listener: listener.cloned(), event: event.to_owned(), why: why() };
    let _ = UNSEEN.try_with(|known| {
        let mut known = known.borrow_mut();
        if known.len() < MOST {
            known.push(unseen);
        }
    });
}

fn forget(seen: impl Fn(&Unseen) -> bool) {
    let _ = UNSEEN.try_with(|known| known.borrow_mut().retain(|unseen| !seen(unseen)));
}

/// This dead letter was looked at.
pub(crate) fn saw_letter(letter: (u64, u64)) {
    forget(|unseen| unseen.letter == letter);
}

/// Those of a bus were.
pub(crate) fn saw_letters(bus: u64) {
    forget(|unseen| unseen.letter.0 == bus);
}

/// A report was looked at that says this of a listener: of one of its failures.
pub(crate) fn saw_report(listener: &str, why: impl FnOnce() -> String) {
    let _ = UNSEEN.try_with(|known| {
        let mut known = known.borrow_mut();
        if known.is_empty() {
            return;
        }
        let why = why();
        let same = |unseen: &Unseen| unseen.listener.as_deref() == Some(listener) && unseen.why == why;
        if let Some(place) = known.iter().position(same) {
            known.remove(place);
        }
    });
}

/// Takes those that nobody has looked at.
pub(crate) fn take() -> Vec<Unseen> {
    UNSEEN.take()
}
