//! What every wait of a synchronizer is made of: expectations, a time limit, and the text of a failure.
//!
//! `wait_for_event, wait_for, wait_for_events → Wait → Recorder → Plan → the events, or Unmet`

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use super::plan::Plan;
use super::synchronizer::EventSynchronizer;
use super::unmet::Unmet;
use crate::testing::{LIMIT, Recorder, Seen, in_time};

/// A future that a builder becomes.
pub(crate) type Waiting<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unmet>> + 'a>>;

/// A condition on an event.
type Condition<'a> = Box<dyn Fn(&Seen) -> bool + 'a>;

/// One expectation.
pub(crate) struct Want<'a> {
    /// What a person calls it: a pattern, or the name of an event.
    name: String,
    /// Whether the event is of this kind.
    of_kind: Condition<'a>,
    /// What is asked beyond that.
    when: Option<Condition<'a>>,
}

impl<'a> Want<'a> {
    pub(crate) fn new(name: String, of_kind: impl Fn(&Seen) -> bool + 'a) -> Self {
        Self { name, of_kind: Box::new(of_kind), when: None }
    }

    /// Asks for this as well.
    pub(crate) fn when(&mut self, condition: impl Fn(&Seen) -> bool + 'a) {
        self.when = Some(match self.when.take() {
            None => Box::new(condition),
            Some(first) => Box::new(move |seen| first(seen) && condition(seen)),
        });
    }

    fn is_of_kind(&self, seen: &Seen) -> bool {
        !seen.is_request() && (self.of_kind)(seen)
    }

    fn takes(&self, seen: &Seen) -> bool {
        self.is_of_kind(seen) && self.when.as_ref().is_none_or(|when| when(seen))
    }
}

/// A wait as it is being built.
pub(crate) struct Wait<'a> {
    pub(crate) sync: &'a mut EventSynchronizer,
    pub(crate) wants: Result<Vec<Want<'a>>, Unmet>,
    pub(crate) in_order: bool,
    pub(crate) limit: Duration,
    pub(crate) grace: Duration,
}

impl<'a> Wait<'a> {
    pub(crate) fn new(sync: &'a mut EventSynchronizer, wants: Result<Vec<Want<'a>>, Unmet>) -> Self {
        Self { sync, wants, in_order: false, limit: LIMIT, grace: Duration::ZERO }
    }

    pub(crate) fn when(&mut self, condition: impl Fn(&Seen) -> bool + 'a) {
        if let Ok([want, ..]) = self.wants.as_deref_mut() {
            want.when(condition);
        }
    }

    /// Waits until every expectation is met, each by an event of its own.
    pub(crate) async fn met(self) -> Result<Vec<Seen>, Unmet> {
        let wants = self.wants?;
        let taken = self.sync.taken;
        let mut plan = Plan::new(wants.len(), self.in_order);
        let recorder = self.sync.recorder.clone();
        // Where nothing is awaited no event has to come.
        let all_met = wants.is_empty() || {
            let met = each_after(&recorder, taken, |seen| {
                let fits = plan.wanted().filter(|place| wants[*place].takes(&seen)).collect();
                plan.offer(seen, fits);
                plan.is_done()
            });
            in_time(self.limit, met).await
        };
        if !all_met {
            return Err(unmet(&recorder, taken, &wants, &plan, self.in_order, self.limit));
        }
        let seen = plan.into_seen(|one, other| wants[one].name == wants[other].name);
        seen.iter().for_each(Seen::look);
        self.sync.taken = seen.iter().map(Seen::number).fold(taken, u64::max);
        if !self.grace.is_zero() {
            in_time(self.grace, std::future::pending()).await;
        }
        Ok(seen)
    }

    /// Waits for as long as is said, and fails as soon as one of the expectations is met.
    pub(crate) async fn none(self) -> Result<(), Unmet> {
        let wants = self.wants?;
        let taken = self.sync.taken;
        let recorder = self.sync.recorder.clone();
        let mut found = None;
        let met = each_after(&recorder, taken, |seen| {
            let want = wants.iter().find(|want| want.takes(&seen));
            found = want.map(|want| (want, seen));
            found.is_some()
        });
        if !in_time(self.limit, met).await {
            return Ok(());
        }
        let Some((want, found)) = found else { return Ok(()) };
        let mark = |seen: &Seen| (seen.number() == found.number()).then(|| "this was not to come".to_owned());
        let text = format!("`{}` came, and was to stay away for {:?}{}", want.name, self.limit, came(&recorder, mark));
        Err(Unmet::new(text, Vec::new()))
    }
}

/// Goes through all events after that number, as they come, until one is enough.
async fn each_after(recorder: &Recorder, mut looked: u64, mut is_enough: impl FnMut(Seen) -> bool) {
    poll_fn(|cx| {
        loop {
            let fresh = recorder.after(looked, cx.waker());
            if fresh.is_empty() {
                return Poll::Pending;
            }
            for seen in fresh {
                looked = seen.number();
                if is_enough(seen) {
                    return Poll::Ready(());
                }
            }
        }
    })
    .await;
}

fn unmet(recorder: &Recorder, taken: u64, wants: &[Want<'_>], plan: &Plan, in_order: bool, limit: Duration) -> Unmet {
    let met: Vec<_> = plan.met().collect();
    let missing: Vec<_> = wants.iter().zip(&met).filter(|(_, met)| met.is_none()).map(|(want, _)| want).collect();
    let names: Vec<_> = missing.iter().map(|want| want.name.clone()).collect();
    let mut text = match (&missing[..], wants.len()) {
        ([want], 1) => format!("`{}` did not come within {limit:?}", want.name),
        (missing, count) => format!("{} of {count} events did not come within {limit:?}", missing.len()),
    };
    if wants.len() > 1 {
        text += if in_order { "; awaited in this order:" } else { "; awaited in any order:" };
        for (want, met) in wants.iter().zip(&met) {
            text += &match met {
                Some(seen) => format!("\n  `{}`: #{}", want.name, seen.number()),
                None => format!("\n  `{}`: missing", want.name),
            };
        }
    }
    text += &came(recorder, |seen| {
        let place = met.iter().position(|met| met.is_some_and(|met| met.number() == seen.number()));
        match (place, missing.iter().find(|want| want.is_of_kind(seen))) {
            (Some(place), _) if wants.len() > 1 => Some(format!("meets `{}`", wants[place].name)),
            (_, Some(_)) if seen.number() <= taken => Some("an earlier wait has passed it".to_owned()),
            (_, Some(want)) if want.when.is_some() && !want.takes(seen) => {
                Some("the condition is not true of it".to_owned())
            }
            (None, Some(_)) if in_order => Some("came too early".to_owned()),
            _ => None,
        }
    });
    Unmet::new(text, names)
}

/// What came, as the end of a failure's text.
fn came(recorder: &Recorder, mark: impl Fn(&Seen) -> Option<String>) -> String {
    match recorder.list(mark) {
        list if list.is_empty() => "\nnothing has come".to_owned(),
        list => format!("\nwhat has come:{list}"),
    }
}

impl fmt::Debug for Wait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wants = self.wants.iter().flatten().map(|want| &want.name);
        f.debug_list().entries(wants).finish()
    }
}
