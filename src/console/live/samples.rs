//! A page once a second, for all who follow it.
//!
//! `join → is it made already? ─ no: a task that makes it → a channel → every stream of the page`

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::rt::spawn;
use tokio::sync::watch;
use tokio::time::sleep;

use super::pages::render;
use super::regions::regions;
use crate::gate::Visit;
use crate::shown::Counted;

/// How often a page is made.
const EVERY: Duration = Duration::from_secs(1);

/// As many may follow at the same time, in all.
const MOST: usize = 64;

/// The regions of a page, by their ids.
pub(super) type Sample = Arc<Vec<(String, Arc<str>)>>;

/// What is the same for all who get the same page: the page, with what is asked of it, and what they may.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    of: (String, String),
    base: String,
    reveals: bool,
    operates: bool,
    production: bool,
}

type Pages = Mutex<HashMap<Key, Arc<watch::Sender<Sample>>>>;

/// The pages that somebody follows.
#[derive(Default)]
pub(crate) struct Samples {
    pages: Arc<Pages>,
}

fn locked(pages: &Pages) -> MutexGuard<'_, HashMap<Key, Arc<watch::Sender<Sample>>>> {
    pages.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a page out with the task that makes it, however that ends.
struct Made {
    pages: Arc<Pages>,
    key: Key,
    sender: Arc<watch::Sender<Sample>>,
    _counted: Counted,
}

impl Made {
    /// Whether nobody follows any more. Then whoever comes begins anew.
    fn is_over(&self) -> bool {
        let mut pages = locked(&self.pages);
        let is_over = self.sender.receiver_count() == 0;
        if is_over {
            self.take_out(&mut pages);
        }
        is_over
    }

    fn take_out(&self, pages: &mut HashMap<Key, Arc<watch::Sender<Sample>>>) {
        if pages.get(&self.key).is_some_and(|sender| Arc::ptr_eq(sender, &self.sender)) {
            pages.remove(&self.key);
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.take_out(&mut locked(&self.pages));
    }
}

impl Samples {
    /// Follows a page; `None` if too many do.
    pub(super) fn join(&self, visit: Visit) -> Option<(Counted, watch::Receiver<Sample>)> {
        let following = visit.shown.following();
        let visitor = following.visitor(MOST)?;
        let key = Key {
            of: (visit.path.clone(), visit.query.clone()),
            base: visit.base.clone(),
            reveals: visit.reveals(),
            operates: visit.operates(),
            production: visit.production,
        };
        let mut pages = locked(&self.pages);
        if let Some(sender) = pages.get(&key) {
            return Some((visitor, sender.subscribe()));
        }
        let (sender, receiver) = watch::channel(Sample::default());
        let sender = Arc::new(sender);
        pages.insert(key.clone(), sender.clone());
        drop(pages);
        let made = Made { pages: self.pages.clone(), key, sender, _counted: following.page() };
        drop(spawn(make(made, visit)));
        Some((visitor, receiver))
    }
}

/// Makes a page again and again, until nobody follows it.
async fn make(made: Made, visit: Visit) {
    while !made.is_over() {
        let Some(page) = render(visit.clone()) else { return };
        // What is no page now, as a service that is gone, ends the stream: whoever follows it is told by the page itself.
        let Ok(page) = page.await else { return };
        let now: Vec<(String, Arc<str>)> =
            regions(page.text()).into_iter().map(|(id, text)| (id, text.into())).collect();
        made.sender.send_if_modified(|before| {
            let has_changed = **before != now;
            if has_changed {
                *before = Arc::new(now);
            }
            has_changed
        });
        tokio::select! {
            () = sleep(EVERY) => {}
            () = made.sender.closed() => {}
        }
    }
}
