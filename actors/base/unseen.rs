//! What has failed in a test and nobody has looked at yet: on this thread, in virtual time.
//!
//! `a dead letter, a consumer, a service ─ note → Unseen ← it is read or was expected; what is left fails the test`

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::noted::Noted;
use crate::runtime::is_virtual;

/// A failure that nobody has looked at.
pub(crate) struct Unseen {
    noted: Noted,
    /// The bus and the number of the dead letter, if it made one.
    letter: Option<(u64, u64)>,
    /// The service that was built anew over it, or no more.
    service: Option<u64>,
    pub(crate) listener: Option<Arc<str>>,
    /// What it was about, if anything.
    pub(crate) event: String,
    pub(crate) why: String,
}

/// Who fails so often is known by the first of them.
const MOST: usize = 1000;

impl Unseen {
    fn is_of_same(&self, other: &Self) -> bool {
        (&self.listener, &self.event, self.service) == (&other.listener, &other.event, other.service)
    }
}

thread_local! {
    static UNSEEN: RefCell<Vec<Unseen>> = const { RefCell::new(Vec::new()) };
}

/// Another number for each, on whichever thread: what was returned by one test is nothing to the next.
fn next() -> Noted {
    static LAST: AtomicU64 = AtomicU64::new(0);
    Noted(LAST.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Notes the failure of a listener, which may have made a dead letter, or of a consumer.
pub(crate) fn note(
    letter: Option<(u64, u64)>,
    listener: Option<&Arc<str>>,
    event: &str,
    why: impl FnOnce() -> String,
) -> Noted {
    if !is_virtual() {
        return Noted::default();
    }
    let (noted, listener, event) = (next(), listener.cloned(), event.to_owned());
    keep(Unseen { noted, letter, service: None, listener, event, why: why() });
    noted
}

/// Notes the end of an actor of this service that came of no event.
pub(crate) fn note_service(id: u64, name: &str, why: &str) {
    if is_virtual() {
        let (listener, event) = (Some(name.into()), String::new());
        keep(Unseen { noted: next(), letter: None, service: Some(id), listener, event, why: why.to_owned() });
    }
}

fn keep(unseen: Unseen) {
    let _ = UNSEEN.try_with(|known| {
        let mut known = known.borrow_mut();
        // One that a test expects, again and again, does not hide another.
        let is_new = |known: &[Unseen]| !known.iter().any(|other| other.is_of_same(&unseen));
        if known.len() < MOST || is_new(&known) {
            known.push(unseen);
        }
    });
}

fn forget(seen: impl Fn(&Unseen) -> bool) {
    let _ = UNSEEN.try_with(|known| known.borrow_mut().retain(|unseen| !seen(unseen)));
}

/// This dead letter was looked at.
pub(crate) fn saw_letter(letter: (u64, u64)) {
    forget(|unseen| unseen.letter == Some(letter));
}

/// Those of a bus were.
pub(crate) fn saw_letters(bus: u64) {
    forget(|unseen| unseen.letter.is_some_and(|(of, _)| of == bus));
}

/// It was looked at how this service is.
pub(crate) fn saw_service(id: u64) {
    forget(|unseen| unseen.service == Some(id));
}

/// What was noted as this was looked at.
pub(super) fn saw(noted: Noted) {
    if noted != Noted::default() {
        forget(|unseen| unseen.noted == noted);
    }
}

/// Takes those that nobody has looked at.
pub(crate) fn take() -> Vec<Unseen> {
    UNSEEN.take()
}
