//! What ends an application from outside: a signal of the system, heard on a thread of its own.
//!
//! `SIGTERM, SIGINT → the ear (a thread) → ShutdownSignal: the first begins, the second hurries, the third ends the process`

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::ear;
use crate::Shutdown;

/// Returns a future that waits for SIGTERM or SIGINT, and on Windows for Ctrl-C, Ctrl-Break, the close of the console
/// or the shutdown of the system. Signals are caught from this call on, even before you await it.
///
/// If the system does not let the process listen for signals, this logs an error. The signals then do what they did
/// before, and the future waits forever.
pub fn shutdown_signal() -> ShutdownSignal {
    let added = ear::lock().add();
    let id = added.map_err(|error| {
        log::error!(target: "convoke::shutdown", "no signal can shut this application down in order: {error}");
    });
    ShutdownSignal { id: id.ok() }
}

/// A future that is ready when the system signals the application to end. Created by [`shutdown_signal`].
///
/// | signal | what it does |
/// |---|---|
/// | the first | begins the shutdown: this future is ready |
/// | the second | hurries [`run_until`](crate::ServicesHandle::run_until), which no longer waits for any event or service, and whoever waits for it by [`wait_again`](Self::wait_again). If nothing can hear it, as after a plain `shutdown_signal().await`, it ends the process |
/// | the third | ends the process |
///
/// The process also ends if it is still running 60 s after the first signal, or after the time set by
/// [`or_exit_after`](Self::or_exit_after). It ends with code 1, after a line in the log, and from another thread: no
/// listener that blocks its own thread can prevent that.
///
/// All of this holds until the `ShutdownSignal` is dropped, which `run_until` does when everything is shut down. When
/// the last `ShutdownSignal` is dropped, signals do again what they do by default.
///
/// ```no_run
/// use convoke::prelude::*;
/// use convoke::{Services, shutdown_signal};
///
/// # #[derive(BaseService)]
/// # struct Billing;
/// #[actix::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let signal = shutdown_signal(); // heard from here on
///     let bus = EventBus::default();
///     let services = Services::new(&bus).add(Billing::supervised(&bus, |_| Billing)).await?;
///     let report = services.run_until(signal).await;
///     println!("{report}");
///     Ok(())
/// }
/// ```
#[must_use = "dropped, it hears nothing: await it, or give it to `run_until`"]
pub struct ShutdownSignal {
    /// `None` if nothing can be heard.
    id: Option<u64>,
}

impl ShutdownSignal {
    /// Sets how long the process may live after the first signal. The default is 60 s.
    ///
    /// The time should be longer than all phases of the shutdown together may take, and shorter than the patience of
    /// the program that sent the signal: Kubernetes kills after 30 s, systemd after 90 s.
    pub fn or_exit_after(self, limit: Duration) -> Self {
        self.set_limit(Some(limit));
        self
    }

    /// Never ends the process, however long it lives after the first signal and however many signals follow.
    pub fn never_exit(self) -> Self {
        self.set_limit(None);
        self
    }

    /// Waits for the first signal and keeps the `ShutdownSignal`, for work that has to end before the services.
    ///
    /// ```no_run
    /// # use convoke::{ServicesHandle, shutdown_signal};
    /// # async fn stop_web_server() {}
    /// # async fn run(services: ServicesHandle) {
    /// let mut signal = shutdown_signal();
    /// signal.wait().await;
    /// tokio::select! {
    ///     () = stop_web_server() => {}
    ///     () = signal.wait_again() => {} // a second signal hurries this too
    /// }
    /// services.run_until(signal).await; // at once, and a second signal hurries it
    /// # }
    /// ```
    pub async fn wait(&mut self) {
        poll_fn(|cx| self.reached(1, cx)).await;
    }

    /// Waits for the second signal and keeps the `ShutdownSignal`, so that it hurries work that has to end before the
    /// services. Returns at once if the second signal has come already. [`wait`](Self::wait) shows it.
    pub async fn wait_again(&mut self) {
        poll_fn(|cx| self.reached(2, cx)).await;
    }

    /// A method, because a closure that reads a field takes along that field alone.
    fn reached(&self, count: u32, cx: &mut Context<'_>) -> Poll<()> {
        reached(self.id, count, cx)
    }

    fn set_limit(&self, limit: Option<Duration>) {
        if let Some(id) = self.id {
            ear::lock().set_limit(id, limit);
        }
    }

    /// Goes, and leaves the time running that the process has.
    fn leave(mut self) {
        if let Some(id) = self.id
            && ear::lock().leave(id)
        {
            self.id = None;
        }
    }
}

/// The future is ready at the first signal. What you do after it is limited by the time of
/// [`or_exit_after`](ShutdownSignal::or_exit_after), and a second signal ends the process.
impl IntoFuture for ShutdownSignal {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            self.wait().await;
            self.leave();
        })
    }
}

impl Shutdown for ShutdownSignal {
    fn into_signals(self) -> (impl Future<Output = ()>, impl Future<Output = ()>) {
        let id = self.id;
        // The second one holds the signal, which matters until that is dropped: when all is shut down.
        let hurry = poll_fn(move |cx| self.reached(2, cx));
        (poll_fn(move |cx| reached(id, 1, cx)), hurry)
    }
}

impl Drop for ShutdownSignal {
    fn drop(&mut self) {
        let forgotten = self.id.map(|id| ear::lock().forget(id));
        drop(forgotten);
    }
}

impl fmt::Debug for ShutdownSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownSignal").field("heard", &self.id.map(|id| ear::lock().heard(id))).finish()
    }
}

/// Is ready when so many signals were heard.
fn reached(id: Option<u64>, count: u32, cx: &mut Context<'_>) -> Poll<()> {
    let Some(id) = id else { return Poll::Pending };
    // What a waker does when it is cloned or dropped is not ours to know: it is done outside the lock.
    let waker = cx.waker().clone();
    let (looked, is_news) = {
        let mut ear = ear::lock();
        let looked = ear.look(id, count, waker);
        let is_news = looked.is_ok() && ear.is_news(id, count);
        (looked, is_news)
    };
    match looked {
        Ok(signal) => {
            if is_news {
                let then = if count > 1 { "hurry" } else { "shut down" };
                log::debug!(target: "convoke::shutdown", "{signal} has come: {then}");
            }
            Poll::Ready(())
        }
        Err(_replaced) => Poll::Pending,
    }
}
