//! What has failed in a test and nobody has looked at yet: on this thread, in virtual time.
//!
//! `a dead letter, a consumer, an emitter, a service ─ note → Unseen ← it is read or was expected; what is left fails the test`

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::noted::Noted;
use crate::runtime::is_virtual;

/// What panics by this has been told to by a test, which knows of it.
pub(crate) const CRASH: &str = "crashed on demand";

/// A failure that nobody has looked at.
pub(crate) struct Unseen {
    number: u64,
    of: Of,
    pub(crate) listener: Option<Arc<str>>,
    /// What it was about, if anything.
    pub(crate) event: String,
    pub(crate) why: String,
}

/// Who can be looked at besides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Nobody: what tells of the failure is all there is.
    Itself,
    /// The bus that has a dead letter of it.
    Bus(u64),
    /// What keeps a dead letter of it outside of any bus, by its own number.
    Outside(u64),
    /// The service that was built anew over it, or no more.
    Service(u64),
    /// The emitter that was lost by it.
    Emitter(u128),
    /// The round that was lost by it.
    Predicate,
}

/// Who fails so often is known by the first of them.
const MOST: usize = 1000;

impl Unseen {
    fn is_of_same(&self, other: &Self) -> bool {
        let service = |one: &Self| matches!(one.of, Of::Service(_)).then_some(one.of);
        (&self.listener, &self.event) == (&other.listener, &other.event) && service(self) == service(other)
    }
}

static LAST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The file in which the test stands that runs.
    static FILE: Cell<&'static str> = const { Cell::new("") };
    static UNSEEN: RefCell<Vec<Unseen>> = const { RefCell::new(Vec::new()) };
}

/// By which the next failure is known, if it has to be looked at: another number for each, on whichever thread, so that
/// what one test has returned is nothing to the next.
pub(crate) fn next() -> Noted {
    if is_virtual() { Noted(LAST.fetch_add(1, Ordering::Relaxed) + 1) } else { Noted::default() }
}

/// Notes a failure of this listener, consumer, emitter or service.
pub(crate) fn note(of: Of, listener: Option<&Arc<str>>, event: &str, why: impl FnOnce() -> String) -> Noted {
    let noted = next();
    note_as(noted, of, listener, event, why);
    noted
}

/// The same, of what tells already as which failure it is known.
pub(crate) fn note_as(noted: Noted, of: Of, listener: Option<&Arc<str>>, event: &str, why: impl FnOnce() -> String) {
    if is_none(noted) {
        return;
    }
    let unseen = Unseen { number: noted.0, of, listener: listener.cloned(), event: event.to_owned(), why: why() };
    let _ = UNSEEN.try_with(|known| {
        let mut known = known.borrow_mut();
        // One that a test expects, again and again, does not hide another.
        let is_new = |known: &[Unseen]| !known.iter().any(|other| other.is_of_same(&unseen));
        if known.len() < MOST || is_new(&known) {
            known.push(unseen);
        }
    });
}

fn is_none(noted: Noted) -> bool {
    noted.0 == 0
}

fn forget(seen: impl Fn(&Unseen) -> bool) {
    let _ = UNSEEN.try_with(|known| known.borrow_mut().retain(|unseen| !seen(unseen)));
}

/// What tells of this failure was looked at.
pub(super) fn saw(noted: Noted) {
    if !is_none(noted) {
        forget(|unseen| unseen.number == noted.0);
    }
}

/// The dead letters of a bus were looked at, or a service, as they are now.
pub(crate) fn saw_all(of: Of) {
    forget(|unseen| unseen.of == of);
}

/// The last failure that was noted, on whichever thread.
pub(crate) fn last() -> Noted {
    if is_virtual() { Noted(LAST.load(Ordering::Relaxed)) } else { Noted::default() }
}

/// The last failure of these that nobody has looked at.
pub(crate) fn last_of(of: Of) -> Noted {
    let find = |known: &RefCell<Vec<Unseen>>| Some(known.borrow().iter().rfind(|one| one.of == of)?.number);
    Noted(UNSEEN.try_with(find).ok().flatten().unwrap_or_default())
}

/// An emitter was looked at, as it was until this failure.
pub(crate) fn saw_emitter(id: u128, until: Noted) {
    forget(|unseen| unseen.of == Of::Emitter(id) && unseen.number <= until.0);
}

/// The emitters of this name were, because they are missing.
pub(crate) fn saw_emitters_named(name: &str, until: Noted) {
    let is_one = |unseen: &Unseen| matches!(unseen.of, Of::Emitter(_)) && unseen.listener.as_deref() == Some(name);
    forget(|unseen| is_one(unseen) && unseen.number <= until.0);
}

/// It was looked at how a service was once it had failed like this.
pub(crate) fn saw_until(noted: Noted) {
    if is_none(noted) {
        return;
    }
    let find = |known: &RefCell<Vec<Unseen>>| Some(known.borrow().iter().find(|one| one.number == noted.0)?.of);
    if let Ok(Some(of)) = UNSEEN.try_with(find) {
        forget(|unseen| unseen.of == of && unseen.number <= noted.0);
    }
}

/// A test begins that stands in this file.
pub(crate) fn begin_in(file: &'static str) {
    take();
    FILE.set(file);
}

/// Whether the test that runs stands in this file.
pub(crate) fn is_in_test(file: &str) -> bool {
    is_virtual() && FILE.with(Cell::get) == file
}

/// Takes those that nobody has looked at.
pub(crate) fn take() -> Vec<Unseen> {
    UNSEEN.take()
}
