//! The ear: the one thread of a process that hears its signals, and ends it when nothing else does.
//!
//! `a signal → tokio → the ear → each Waiting: its waker`, `too late, or too often → a line in the log → exit(1)`

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How long a process may live after the first signal, unless it says otherwise.
const EXIT_AFTER: Duration = Duration::from_secs(60);

/// How long a line in the log may take of it, and then the end of the C library. A thread that hangs may hold a lock of
/// either.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LAST_DEEDS: Duration = Duration::from_secs(5);

/// A wait that does not end.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

static EAR: Mutex<Ear> = Mutex::new(Ear { waiting: Vec::new(), last_id: 0, signals: 0, said: 0, changed: None });

/// Whether nobody waits, so that a signal does what it does by default.
static NOBODY: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

pub(crate) fn lock() -> MutexGuard<'static, Ear> {
    EAR.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who waits for signals, and how the thread is told of it.
pub(crate) struct Ear {
    waiting: Vec<Waiting>,
    last_id: u64,
    /// How many signals have come.
    signals: u64,
    /// Of which of them somebody has written to the log: each is told once, however many look.
    said: u64,
    /// `None` while there is no thread.
    changed: Option<Arc<Notify>>,
}

struct Waiting {
    id: u64,
    heard: u32,
    /// What was heard last.
    signal: &'static str,
    /// When the first came.
    since: Option<Instant>,
    /// How long the process may live after that.
    limit: Option<Duration>,
    /// It knows of the first, and can be told of no other.
    left: bool,
    /// For the first, and for the second.
    wakers: [Option<Waker>; 2],
    /// Which of all signals those were.
    numbers: [u64; 2],
}

impl Waiting {
    fn deadline(&self) -> Option<Instant> {
        self.since?.checked_add(self.limit?)
    }
}

/// What a signal has led to.
#[must_use]
struct Heard {
    wakers: Vec<Waker>,
    /// It had nothing new to tell to anybody.
    ends: bool,
}

impl Ear {
    /// Adds one that waits, and begins to listen; returns by which number it is known.
    pub(crate) fn add(&mut self) -> io::Result<u64> {
        if self.changed.is_none() {
            self.changed = Some(begin()?);
        }
        NOBODY.store(false, Ordering::SeqCst);
        Ok(self.push())
    }

    fn push(&mut self) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        let limit = Some(EXIT_AFTER);
        let (wakers, numbers) = ([None, None], [0, 0]);
        self.waiting.push(Waiting { id, heard: 0, signal: "", since: None, limit, left: false, wakers, numbers });
        id
    }

    fn find(&mut self, id: u64) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.id == id)
    }

    pub(crate) fn heard(&mut self, id: u64) -> u32 {
        self.find(id).map_or(0, |waiting| waiting.heard)
    }

    /// The signal, if it has come that often; else the waker is kept, and the one before it returned.
    pub(crate) fn look(&mut self, id: u64, count: u32, waker: Waker) -> Result<&'static str, Option<Waker>> {
        let Some(waiting) = self.find(id) else { return Err(Some(waker)) };
        if waiting.heard >= count {
            return Ok(waiting.signal);
        }
        Err(waiting.wakers[usize::from(count > 1)].replace(waker))
    }

    /// Whether nobody has written to the log yet of the signal that was the first or the second for this one. Now somebody
    /// does.
    pub(crate) fn is_news(&mut self, id: u64, count: u32) -> bool {
        let number = self.find(id).map_or(0, |waiting| waiting.numbers[usize::from(count > 1)]);
        let is_news = number > self.said;
        self.said = self.said.max(number);
        is_news
    }

    pub(crate) fn set_limit(&mut self, id: u64, limit: Option<Duration>) {
        if let Some(waiting) = self.find(id) {
            waiting.limit = limit;
        }
        self.tell();
    }

    /// It waits no more, but the process has its time; `false` if it has no end.
    pub(crate) fn leave(&mut self, id: u64) -> bool {
        match self.find(id) {
            Some(waiting) => {
                waiting.left = waiting.limit.is_some();
                waiting.left
            }
            None => false,
        }
    }

    /// Forgets one, as if it had never been; what is returned is to be dropped outside the lock.
    pub(crate) fn forget(&mut self, id: u64) -> Vec<Waker> {
        let Some(place) = self.waiting.iter().position(|waiting| waiting.id == id) else { return Vec::new() };
        let forgotten = self.waiting.remove(place);
        if self.waiting.is_empty() {
            NOBODY.store(true, Ordering::SeqCst);
        }
        self.tell();
        forgotten.wakers.into_iter().flatten().collect()
    }

    fn tell(&self) {
        if let Some(changed) = &self.changed {
            changed.notify_one();
        }
    }

    /// A signal has come.
    fn hear(&mut self, signal: &'static str, now: Instant) -> Heard {
        let mut heard = Heard { wakers: Vec::new(), ends: true };
        self.signals += 1;
        for waiting in &mut self.waiting {
            if let Some(number) = waiting.numbers.get_mut(waiting.heard as usize) {
                *number = self.signals;
            }
            waiting.heard = waiting.heard.saturating_add(1);
            waiting.signal = signal;
            waiting.since.get_or_insert(now);
            heard.ends &= waiting.left || waiting.heard > 2;
            let reached = waiting.wakers.iter_mut().take(waiting.heard as usize);
            heard.wakers.extend(reached.filter_map(Option::take));
        }
        // Somebody has to want an end.
        heard.ends &= self.waiting.iter().any(|waiting| waiting.limit.is_some());
        heard
    }

    /// By when the process must have ended, and after how long that was.
    fn deadline(&self) -> Option<(Instant, Duration)> {
        let deadlines = self.waiting.iter().filter_map(|waiting| waiting.deadline().zip(waiting.limit));
        deadlines.min_by_key(|(deadline, _)| *deadline)
    }
}

/// A signal, and how it is awaited.
type Source = (&'static str, Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>>>);

#[cfg(unix)]
fn sources() -> io::Result<Vec<Source>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut sources: Vec<Source> = Vec::new();
    for (name, kind) in [("SIGTERM", SignalKind::terminate()), ("SIGINT", SignalKind::interrupt())] {
        // tokio never gives a signal back, so this stands beside it.
        signal_hook::flag::register_conditional_default(kind.as_raw_value(), NOBODY.clone())?;
        let mut signal = signal(kind)?;
        sources.push((name, Box::new(move |cx| signal.poll_recv(cx))));
    }
    Ok(sources)
}

#[cfg(windows)]
fn sources() -> io::Result<Vec<Source>> {
    use tokio::signal::windows;

    // Where nobody waits tokio hands them on to the system.
    let (mut c, mut pause) = (windows::ctrl_c()?, windows::ctrl_break()?);
    let (mut close, mut shutdown) = (windows::ctrl_close()?, windows::ctrl_shutdown()?);
    Ok(vec![
        ("Ctrl-C", Box::new(move |cx| c.poll_recv(cx))),
        ("Ctrl-Break", Box::new(move |cx| pause.poll_recv(cx))),
        ("the close of the console", Box::new(move |cx| close.poll_recv(cx))),
        ("the shutdown of the system", Box::new(move |cx| shutdown.poll_recv(cx))),
    ])
}

#[cfg(not(any(unix, windows)))]
fn sources() -> io::Result<Vec<Source>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Starts the thread; it listens when this returns.
fn begin() -> io::Result<Arc<Notify>> {
    let changed = Arc::new(Notify::new());
    let notified = changed.clone();
    let (told, listening) = mpsc::sync_channel(1);
    // All of it is made over there: a runtime cannot be dropped inside another.
    let thread = thread::Builder::new().name("convoke-signals".to_owned());
    thread.spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(told.send(Err(error))),
        };
        runtime.block_on(async {
            match sources() {
                Ok(sources) => {
                    let _ = told.send(Ok(()));
                    listen(sources, &notified).await;
                }
                Err(error) => drop(told.send(Err(error))),
            }
        });
    })?;
    listening.recv().unwrap_or_else(|_| Err(io::Error::other("its thread has panicked")))?;
    Ok(changed)
}

enum News {
    Signal(&'static str),
    Changed,
}

/// Listens as long as somebody waits.
async fn listen(mut sources: Vec<Source>, changed: &Notify) {
    loop {
        let deadline = {
            let mut ear = lock();
            if ear.waiting.is_empty() {
                ear.changed = None;
                return;
            }
            ear.deadline()
        };
        let left = deadline.map_or(FOREVER, |(deadline, _)| deadline.saturating_duration_since(Instant::now()));
        let news = tokio::time::timeout(left, news(&mut sources, changed)).await;
        match (news, deadline) {
            (Ok(News::Signal(signal)), _) => {
                let heard = lock().hear(signal, Instant::now());
                if heard.ends {
                    end(format!("{signal} has come once more, and nobody is left to be told of it"));
                }
                for waker in heard.wakers {
                    // A waker that panics is no reason not to hear the next signal.
                    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                }
            }
            (Err(_), Some((_, limit))) => end(format!("it had not shut down {limit:?} after it was told to")),
            (Ok(News::Changed), _) | (Err(_), None) => {}
        }
    }
}

async fn news(sources: &mut [Source], changed: &Notify) -> News {
    let mut changed = pin!(changed.notified());
    poll_fn(|cx| {
        for (name, source) in &mut *sources {
            if let Poll::Ready(Some(())) = source(cx) {
                return Poll::Ready(News::Signal(name));
            }
        }
        changed.as_mut().poll(cx).map(|()| News::Changed)
    })
    .await
}

/// Ends the process, whatever its other threads do.
fn end(why: String) -> ! {
    aside(LAST_WORDS, move || {
        log::error!(target: "convoke::shutdown", "the process ends now: {why}");
        log::logger().flush();
    });
    aside(LAST_DEEDS, || std::process::exit(1));
    std::process::abort();
}

/// Does this on a thread of its own, and waits for it no longer than so.
fn aside(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::sync_channel::<()>(0);
    let thread = thread::Builder::new().spawn(move || {
        work();
        drop(done);
    });
    if thread.is_ok() {
        let _ = is_done.recv_timeout(limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ear<const N: usize>() -> (Ear, [u64; N]) {
        let mut ear = Ear { waiting: Vec::new(), last_id: 0, signals: 0, said: 0, changed: None };
        let ids = std::array::from_fn(|_| ear.push());
        (ear, ids)
    }

    /// Whether each of these signals would end the process, as the others have not.
    fn ends(ear: &mut Ear, count: usize) -> Vec<bool> {
        (0..count).map(|_| ear.hear("SIGTERM", Instant::now()).ends).collect()
    }

    fn has(ear: &mut Ear, id: u64, count: u32) -> bool {
        ear.look(id, count, Waker::noop().clone()).is_ok()
    }

    #[test]
    fn the_first_begins_the_second_hurries_the_third_ends() {
        let (mut ear, [id]) = ear();
        assert!(!has(&mut ear, id, 1));
        assert!(!ear.hear("SIGTERM", Instant::now()).ends);
        assert!(has(&mut ear, id, 1) && !has(&mut ear, id, 2));
        assert!(!ear.hear("SIGINT", Instant::now()).ends);
        assert_eq!(ear.look(id, 2, Waker::noop().clone()).ok(), Some("SIGINT"));
        assert!(ear.hear("SIGTERM", Instant::now()).ends);
    }

    #[test]
    fn who_waits_is_woken_once_and_only_for_what_has_come() {
        let (mut ear, [id]) = ear();
        assert!(!has(&mut ear, id, 1) && !has(&mut ear, id, 2));
        for _ in 0..2 {
            assert_eq!(ear.hear("SIGTERM", Instant::now()).wakers.len(), 1);
        }
        assert_eq!(ear.hear("SIGTERM", Instant::now()).wakers.len(), 0);
    }

    #[test]
    fn each_signal_is_told_once_however_many_look() {
        let (mut ear, [one, two]) = ear();
        assert!(!ear.is_news(one, 1), "none has come");
        let _ = ear.hear("SIGTERM", Instant::now());
        let late = ear.push();
        assert_eq!([ear.is_news(one, 1), ear.is_news(one, 1), ear.is_news(two, 1)], [true, false, false]);
        let _ = ear.hear("SIGINT", Instant::now());
        assert_eq!([ear.is_news(one, 1), ear.is_news(two, 2), ear.is_news(one, 2)], [false, true, false]);
        assert!(!ear.is_news(late, 1), "that was the second, of which it is told");
    }

    #[test]
    fn a_second_ends_it_if_nobody_can_be_told() {
        let (mut ear, [id]) = ear();
        assert_eq!(ends(&mut ear, 1), [false]);
        assert!(ear.leave(id));
        assert_eq!(ends(&mut ear, 1), [true]);
    }

    #[test]
    fn whoever_can_still_be_told_keeps_it_alive() {
        let (mut ear, [one, _two]) = ear();
        assert_eq!(ends(&mut ear, 1), [false]);
        assert!(ear.leave(one));
        let late = ear.push();
        assert_eq!(ends(&mut ear, 3), [false, false, true]);
        assert_eq!(ear.heard(late), 3);
    }

    #[test]
    fn who_never_exits_is_never_ended() {
        let (mut ear, [id]) = ear();
        ear.set_limit(id, None);
        assert_eq!(ends(&mut ear, 9), [false; 9]);
        assert_eq!(ear.deadline(), None);
        assert!(!ear.leave(id), "there is no time that runs");
    }

    #[test]
    fn the_time_runs_from_the_first_signal_and_the_shortest_counts() {
        let (mut ear, [one, two]) = ear();
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        assert_eq!(ear.deadline(), None);
        let _ = ear.hear("SIGTERM", start);
        let _ = ear.hear("SIGTERM", start + second);
        assert_eq!(ear.deadline(), Some((start + EXIT_AFTER, EXIT_AFTER)));
        ear.set_limit(two, Some(second));
        assert_eq!(ear.deadline(), Some((start + second, second)));
        let _ = (ear.forget(two), ear.forget(two));
        assert_eq!(ear.deadline(), Some((start + EXIT_AFTER, EXIT_AFTER)));
        ear.set_limit(one, Some(Duration::MAX));
        assert_eq!(ear.deadline(), None, "a time that no clock has never comes");
    }

    #[test]
    fn what_hangs_holds_nothing_up() {
        let (hold, held) = mpsc::channel::<()>();
        aside(Duration::from_millis(1), move || assert!(held.recv().is_err()));
        drop(hold);
        aside(FOREVER, || ());
        aside(FOREVER, || panic!("on purpose"));
    }
}
