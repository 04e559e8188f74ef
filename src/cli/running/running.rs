//! The system in which a command works with a server, and how it ends when somebody wants it to.

use std::cell::Cell;
use std::io::{self, Write};
use std::process;
use std::rc::Rc;
use std::sync::OnceLock;
use std::thread;

use convoke::ShutdownSignal;
use tokio::sync::{Notify, oneshot};

use crate::error::{Error, Result};

/// The code of what was interrupted, as shells have it.
const INTERRUPTED: i32 = 130;

/// What has to be undone before the process ends wherever it is.
static UNDOES: OnceLock<fn()> = OnceLock::new();

/// Has this be done before the process ends wherever it is: as a terminal that is filled has to be given back.
pub(crate) fn before_the_end(undo: fn()) {
    // Each command says so once.
    let _ = UNDOES.set(undo);
}

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
        // Heard from here on, and for as long as this takes.
        let signal = convoke::shutdown_signal().never_exit();
        let (first, heard) = oneshot::channel();
        let (done_with, is_done) = oneshot::channel();
        let listens = thread::Builder::new().name("convoke-interrupted".to_owned());
        // Without that thread signals do what they do by default.
        let _ = listens.spawn(move || listen(signal, first, is_done));
        let stop = Stop::default();
        let asked = stop.clone();
        let asks = actix::spawn(async move {
            if heard.await.is_ok() {
                asked.ask();
            }
        });
        let done = work(&stop).await;
        asks.abort();
        drop(done_with);
        done
    });
    if done.is_err() {
        // A thread that still waits for a server which hangs would be waited for, and the process ends anyway.
        std::mem::forget(system);
    }
    done
}

/// Hears on a thread of its own that somebody wants the command to end: it may hang where it writes to a terminal, or waits for the disk.
/// The first time is handed on, and the second ends it wherever it is.
fn listen(mut signal: ShutdownSignal, first: oneshot::Sender<()>, is_done: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    runtime.block_on(async {
        let twice = async {
            signal.wait().await;
            let _ = first.send(());
            signal.wait_again().await;
        };
        tokio::select! {
            _ = is_done => {}
            () = twice => end(),
        }
    });
}

fn end() -> ! {
    if let Some(undo) = UNDOES.get() {
        undo();
    }
    // There is nobody to be told when this fails.
    let _ =
        writeln!(io::stderr(), "error: it was interrupted twice, and ends at once: what had begun may be done or not");
    process::exit(INTERRUPTED)
}
