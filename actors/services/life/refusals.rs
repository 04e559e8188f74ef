//! What becomes of what is published to a service that does not come back: dead letters, which say why.
//!
//! `it has failed, or its supervisor has → Refusals ─ ServiceSeat::refuse → a listener in its place → dead letters`

use std::cell::RefCell;

use super::living::{Living, ServiceSeat};
use crate::events::event::Name;
use crate::events::seats::Subscription;
use crate::runtime::quietly;

/// Who makes a dead letter of what is published to a service that does not come back.
#[derive(Default)]
pub(super) struct Refusals {
    made: RefCell<Vec<Subscription>>,
    /// Why it does not come back once it has stopped, though it has not failed itself.
    bereft: RefCell<Option<String>>,
}

impl Refusals {
    /// Says why what comes once it has stopped becomes a dead letter.
    pub(super) fn bereave(&self, why: Option<&str>) {
        *self.bereft.borrow_mut() = why.map(str::to_owned);
    }

    /// It has failed: what would come to these becomes dead letters, from now on. If there are none it has failed before it
    /// was subscribed again, and what became dead letters before still does.
    pub(super) fn failed<A: Living>(&self, name: &Name, seats: &[Box<dyn ServiceSeat<A>>], error: Option<&str>) {
        if seats.is_empty() {
            return;
        }
        self.end();
        self.begin(seats, name, &format!("has failed: {}", error.unwrap_or("without a reason")));
    }

    /// It stops, or has: the same, if that is because its supervisor has failed.
    pub(super) fn stopped<A: Living>(&self, name: &Name, seats: &[Box<dyn ServiceSeat<A>>]) {
        let bereft = self.bereft.borrow().clone();
        match bereft {
            Some(why) if self.made.borrow().is_empty() => self.begin(seats, name, &format!("was stopped: {why}")),
            Some(_) => {}
            None => self.end(),
        }
    }

    /// Somebody hears what comes again, or nobody is to be told.
    pub(super) fn end(&self) {
        drop(self.made.take());
    }

    fn begin<A: Living>(&self, seats: &[Box<dyn ServiceSeat<A>>], name: &Name, why: &str) {
        let why = format!("the service `{name}` {why}");
        match seats.iter().map(|seat| seat.refuse(&why)).collect::<Result<Vec<_>, _>>() {
            Ok(made) => *self.made.borrow_mut() = made,
            Err(error) => quietly(|| {
                log::warn!(target: "convoke::service", "what is published to `{name}` is not kept: {error}");
            }),
        }
    }
}
