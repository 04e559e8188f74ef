//! An application that is told to end by a signal: each is a process of its own, this binary once more.
//!
//! Nothing here is measured in time: a test waits for lines of the child, and whoever waits for `LONG` waits for ever.

/// A signal amid thousands of events.
mod busy;
/// Signals to what hangs or blocks, and to who waits by himself.
mod stuck;

use std::cell::RefCell;
use std::future::{Future, pending};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{self, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::task::{Context as Polling, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use actix::prelude::*;
use convoke::prelude::*;
use convoke::{Services, ServicesHandle, Shutdown, ShutdownSignal, shutdown_signal};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::common::ms;

use crate::common::on_a_system;

const LONG: Duration = Duration::from_secs(300);

const HOUR: Duration = Duration::from_secs(3600);

/// Tells a child which it is.
const CHILD: &str = "CONVOKE_TEST_CHILD";

fn child() -> Option<u64> {
    Some(std::env::var(CHILD).ok()?.parse().unwrap())
}

/// A test of this binary in a process of its own.
struct Application {
    process: process::Child,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Application {
    /// Runs this test there, which asks `child()`.
    fn start(test: &str, number: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", &format!("services::shutdown::{test}"), "--nocapture"]).env(CHILD, number.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (told, lines) = mpsc::channel();
        let out: Box<dyn BufRead + Send> = Box::new(BufReader::new(process.stdout.take().unwrap()));
        let err: Box<dyn BufRead + Send> = Box::new(BufReader::new(process.stderr.take().unwrap()));
        for reader in [out, err] {
            let told = told.clone();
            thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        }
        Self { process, lines, seen: String::new() }
    }

    /// Waits until it says this.
    fn says(&mut self, what: &str) -> &mut Self {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => {
                    self.seen += &line;
                    self.seen.push('\n');
                    if line.contains(what) {
                        return self;
                    }
                }
                Err(error) => panic!("it never said {what:?} ({error}), but\n{}", self.seen),
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> &mut Self {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
        self
    }

    /// Waits for its end; returns how it ended, and all that it has said.
    fn ends(mut self) -> (ExitStatus, String) {
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => self.seen = format!("{}{line}\n", self.seen),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end:\n{}", self.seen),
            }
        }
        (self.process.wait().unwrap(), std::mem::take(&mut self.seen))
    }

    #[track_caller]
    fn ends_with(self, code: i32, saying: &str) {
        let (status, seen) = self.ends();
        assert!(
            status.code() == Some(code) && seen.contains(saying),
            "{status}, and not {code} and {saying:?}:\n{seen}"
        );
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.process.kill();
    }
}

/// What a child says. The first line of a test has its name before it.
fn say(what: &str) {
    println!("\n{what}");
}

/// A child logs to its parent.
fn application(run: impl Future<Output = ()>) {
    env_logger::builder().filter_module("convoke", log::LevelFilter::Debug).init();
    on_a_system(run);
}

fn block() {
    loop {
        thread::park();
    }
}

/// Waits on a plain thread.
fn block_on(what: impl Future<Output = ()>) {
    struct Unpark(thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut what = pin!(what);
    while what.as_mut().poll(&mut Polling::from_waker(&waker)) == Poll::Pending {
        thread::park();
    }
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: usize,
}
