//! The system in which a command works with a server, and how it ends when somebody wants it to.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

use crate::error::{Error, Result};

/// Whether somebody wants the command to end: by Ctrl-C, or as a system ends processes. Who asks again ends it at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Rc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    is: Cell<bool>,
    changed: Notify,
}

impl Stop {
    pub(crate) fn is_asked(&self) -> bool {
        self.0.is.get()
    }

    /// Is ready when somebody wants the command to end.
    pub(crate) async fn asked(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.is_asked() {
                return;
            }
            changed.await;
        }
    }

    /// Awaits what may be dropped at any time, as what only looks.
    ///
    /// # Errors
    ///
    /// Its own; or that somebody wants the command to end.
    pub(crate) async fn or<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.asked() => Err(Error::interrupted("it was interrupted")),
            done = work => done,
        }
    }

    fn ask(&self) {
        self.0.is.set(true);
        self.0.changed.notify_waiters();
    }
}

/// Does the work of a command in a system of its own.
///
/// # Errors
///
/// Those of the work.
pub(crate) fn run<T>(work: impl AsyncFnOnce(&Stop) -> Result<T>) -> Result<T> {
    let system = actix::System::new();
    let done = system.block_on(async {
        // Heard from here on.
        let signal = convoke::shutdown_signal();
        let stop = Stop::default();
        let asked = stop.clone();
        let listens = actix::spawn(async move {
            signal.await;
            asked.ask();
        });
        let done = work(&stop).await;
        listens.abort();
        done
    });
    if done.is_err() {
        // A thread that still waits for a server which hangs would be waited for, and the process ends anyway.
        std::mem::forget(system);
    }
    done
}
