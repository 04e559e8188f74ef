//! What every server of a test needs: a free port, a folder of its own, a process that ends with the test, a deadline.
//!
//! `Process::start(command) → wait_until_ready → the test → kill → start again → Drop: killed by its id, folder removed`

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) mod aws;
pub(crate) mod postgres;
pub(crate) mod proxy;
pub(crate) mod rabbitmq;
pub(crate) mod redis;
pub(crate) mod sqlite;

/// How long a server may take until it answers: on a busy machine RabbitMQ takes its time.
const STARTUP: Duration = Duration::from_secs(120);

/// A server that cannot be had on this machine: why, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct Unavailable(String);

impl Unavailable {
    /// In one line, as in `redis-server is not installed: apt-get install redis-server, or set CONVOKE_TEST_REDIS_URL`.
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether what cannot be tried is a failure.
pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0")
}

/// A variable that points to a server that is there, if it is set to anything.
pub(crate) fn given(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// Where a program is, if it is on the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A loopback port on which nobody listens, and that no other test of this process gets.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        if given.insert(port) {
            return port;
        }
    }
}

/// A folder that goes with this value.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("convoke-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server in the foreground, as a child of the test. It writes what it says to `log` in its folder.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; the command stays, so that it can be started again.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> io::Result<Self> {
        let log = folder.join("log");
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out).spawn()?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// As `kill -9` does; it is gone when this returns.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether it has ended, and what it said then.
    pub(crate) fn ended(&mut self) -> Option<String> {
        matches!(self.child.try_wait(), Ok(Some(_))).then(|| self.said())
    }

    /// Asks until it answers.
    ///
    /// # Panics
    ///
    /// With what it has said, if it ends before that or takes longer than two minutes.
    pub(crate) async fn wait_until_ready(&mut self, mut probe: impl AsyncFnMut() -> bool) {
        let end = Instant::now() + STARTUP;
        while !probe().await {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} has ended with {status}:\n{}", self.name, self.said());
            }
            assert!(Instant::now() < end, "{} has not answered in {STARTUP:?}:\n{}", self.name, self.said());
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The last of what it has written.
    fn said(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(4000)..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
