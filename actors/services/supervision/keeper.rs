//! How a keeper is reached, and what it has been told and not heeded yet.
//!
//! `the end of an actor → ToKeeper ┐
//!  stop, pause, hurry → Keeper    ┴→ Mail → supervision.rs`

#[cfg(feature = "testing")]
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::allowance::Allowance;
use super::letterbox::{Letterbox, Way};
use crate::runtime::{Either, either, sleep};
use crate::services::life::{Child, End, ToKeeper};

/// What a keeper is told. That is bounded: one end for each start, and what its handle is told.
pub(crate) enum News {
    /// A child has ended, in this of its runs.
    Ended { child: usize, run: u64, end: End },
    /// All of them are to stop; or to pause, until another keeper starts them again.
    Stop { told: Option<oneshot::Sender<()>>, pausing: bool },
    /// They are to stop without waiting.
    Hurry,
}

/// What a keeper has been told and not heeded yet.
pub(crate) struct Mail {
    news: Letterbox<News>,
    kept: VecDeque<News>,
    /// Those who wait for the end, once somebody has ordered it.
    stop: Option<Vec<oneshot::Sender<()>>>,
    /// It is no more than a pause.
    pausing: bool,
    /// Those who are told to hurry.
    children: Rc<[Rc<dyn Child>]>,
}

impl Mail {
    /// Opens the way to the keeper of these, which has these restarts left, and tells them of it.
    pub(super) fn open(children: &Rc<[Rc<dyn Child>]>, allowance: &Rc<Allowance>) -> (Keeper, Self) {
        let (to_keeper, news) = Letterbox::new();
        for (place, child) in children.iter().enumerate() {
            let news = to_keeper.clone();
            let tell = move |run, end| {
                news.push(News::Ended { child: place, run, end });
            };
            let allowance = allowance.clone();
            child.keep(ToKeeper::new(tell, move |restarts, ran| allowance.brings_back(place, restarts, ran)));
        }
        let keeper = Keeper(to_keeper);
        #[cfg(feature = "testing")]
        if crate::runtime::is_virtual() {
            KEEPERS.with_borrow_mut(|keepers| {
                keepers.retain(|keeper| !keeper.0.is_closed());
                keepers.push(keeper.clone());
            });
        }
        let mail = Self { news, kept: VecDeque::new(), stop: None, pausing: false, children: children.clone() };
        (keeper, mail)
    }

    /// Whether somebody has ordered the end.
    pub(crate) fn is_to_stop(&self) -> bool {
        self.stop.is_some()
    }

    /// Whether that is no more than a pause.
    pub(crate) fn is_pausing(&self) -> bool {
        self.pausing
    }

    /// Takes out the first that is kept and of which this is true.
    pub(crate) fn take(&mut self, wanted: impl Fn(&News) -> bool) -> Option<News> {
        let place = self.kept.iter().position(wanted)?;
        self.kept.remove(place)
    }

    /// Takes nothing more in; returns those who wait for the end.
    pub(crate) fn close(&mut self) -> Vec<oneshot::Sender<()>> {
        self.news.close();
        self.look();
        self.stop.take().unwrap_or_default()
    }

    pub(crate) async fn next(&mut self) -> News {
        loop {
            if self.stop.is_some() {
                return News::Stop { told: None, pausing: self.pausing };
            }
            if let Some(news) = self.kept.pop_front() {
                return news;
            }
            let news = self.news.next().await;
            self.keep(news);
        }
    }

    /// Takes in what has been told.
    pub(crate) fn look(&mut self) {
        while let Some(news) = self.news.take() {
            self.keep(news);
        }
    }

    fn keep(&mut self, news: News) {
        match news {
            News::Stop { told, pausing } => {
                self.pausing = pausing && (self.pausing || self.stop.is_none());
                self.stop.get_or_insert_default().extend(told);
            }
            News::Hurry => self.children.iter().for_each(|child| child.hurry()),
            news => self.kept.push_back(news),
        }
    }

    /// Waits for what is under way, and keeps what is told meanwhile. If it is to stop, `interrupt` is called, once, and told
    /// whether that is no more than a pause.
    pub(crate) async fn during<T>(&mut self, work: impl Future<Output = T>, interrupt: impl Fn(bool)) -> T {
        let mut work = std::pin::pin!(work);
        let mut interrupted = false;
        loop {
            if self.stop.is_some() && !std::mem::replace(&mut interrupted, true) {
                interrupt(self.pausing);
            }
            match either(work.as_mut(), self.news.next()).await {
                Either::First(done) => return done,
                Either::Second(news) => self.keep(news),
            }
        }
    }

    /// Waits so long, or until something is told that matters to those who wait; says whether all of it has passed.
    pub(crate) async fn wait(&mut self, wait: Duration, matters: &impl Fn(&News) -> bool) -> bool {
        let passed = sleep(wait);
        let mut passed = std::pin::pin!(passed);
        loop {
            if self.stop.is_some() || self.kept.iter().any(matters) {
                return false;
            }
            match either(passed.as_mut(), self.news.next()).await {
                Either::First(()) => return true,
                Either::Second(news) => self.keep(news),
            }
        }
    }
}

#[cfg(feature = "testing")]
thread_local! {
    /// The keepers of a test, for the check at its end.
    static KEEPERS: RefCell<Vec<Keeper>> = const { RefCell::new(Vec::new()) };
}

/// Takes the keepers that have begun on this thread in virtual time, in that order.
#[cfg(feature = "testing")]
pub(crate) fn keepers_here() -> Vec<Keeper> {
    KEEPERS.take()
}

/// How a keeper is reached.
#[derive(Clone)]
pub(crate) struct Keeper(Way<News>);

impl Keeper {
    /// Orders the end and waits for it.
    pub(crate) async fn stop(&self) {
        self.end(false).await;
    }

    /// Orders a pause of all that it keeps, and waits for it; the keeper ends with it.
    pub(crate) async fn pause(&self) {
        self.end(true).await;
    }

    async fn end(&self, pausing: bool) {
        let (told, ended) = oneshot::channel();
        // One that takes no news has ended.
        if self.0.push(News::Stop { told: Some(told), pausing }) {
            let _ = ended.await;
        }
    }

    /// Has an end that was ordered wait for nothing.
    pub(crate) fn hurry(&self) {
        self.0.push(News::Hurry);
    }

    /// Orders the end.
    pub(crate) fn ask_to_stop(&self) {
        self.0.push(News::Stop { told: None, pausing: false });
    }

    /// Orders a pause.
    pub(crate) fn ask_to_pause(&self) {
        self.0.push(News::Stop { told: None, pausing: true });
    }
}
