//! chromedriver as a child of the test, and who is elsewhere: a proxy that notes what a browser would have from there, and gives nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, fs, thread};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader as AsyncReader};
use tokio::net::TcpListener;

/// Where a program is, if it is on the path.
fn program(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A chromedriver that runs. With it its browsers end.
pub(super) struct Driver {
    child: Child,
    port: u16,
    /// The browser, if it has another place than chromedriver knows.
    pub(super) chromium: Option<PathBuf>,
    /// Hears once it has ended.
    ended: Receiver<()>,
    /// Where browsers keep what they keep.
    pub(super) folder: TempDir,
}

impl Driver {
    /// Starts it on a port that the system chooses; `None` if there is none on this machine, which is said.
    pub(super) fn start() -> Option<Self> {
        let driver = given("CONVOKE_TEST_CHROMEDRIVER").or_else(|| program("chromedriver"));
        let chromium = program("chromium");
        let (Some(driver), true) = (&driver, chromium.is_some() || given("CONVOKE_TEST_CHROMEDRIVER").is_some()) else {
            let why = "chromium and chromedriver are not installed: apt-get install chromium chromium-driver";
            let is_ci = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0");
            assert!(!is_ci, "{why}");
            println!("not tried: {why}");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(driver);
        command.arg("--port=0").env("TMPDIR", folder.path()).env("HOME", folder.path());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let port = loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "chromedriver has ended: {:?}", child.wait());
            if let Some((_, port)) = line.trim_end().split_once("started successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        // What it says later is nobody's, and must not hold it up. It says no more once it has ended.
        let (says, ended) = mpsc::channel();
        thread::spawn(move || {
            let _ = lines.read_to_end(&mut Vec::new());
            let _ = says.send(());
        });
        Some(Self { child, port, chromium, ended, folder })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Asks it to end its browsers and itself, for a signal would leave those.
    fn ask_to_end(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.ask_to_end().is_ok() {
            let _ = self.ended.recv_timeout(Duration::from_secs(10));
        }
        // Nothing happens if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whoever is not on this machine.
#[derive(Clone)]
pub(super) struct Elsewhere {
    pub(super) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Elsewhere {
    pub(super) async fn begin() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let notes = Arc::clone(&asked);
        actix_web::rt::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut line = String::new();
                // Whoever says nothing has asked for nothing.
                let mut stream = AsyncReader::new(stream);
                let read = tokio::time::timeout(Duration::from_secs(5), stream.read_line(&mut line));
                if matches!(read.await, Ok(Ok(count)) if count > 0) {
                    notes.lock().unwrap_or_else(PoisonError::into_inner).push(line.trim_end().to_owned());
                }
            }
        });
        Self { port, asked }
    }

    /// What it was asked for, but for what a Chromium begins with by itself: the time, updates, accounts and a search.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        asked.retain(|line| {
            let target = line.split(' ').nth(1).unwrap_or_default().trim_start_matches("http://");
            let host = target.split(['/', ':']).next().unwrap_or_default();
            !["google.com", "googleapis.com", "gstatic.com", "gvt1.com", "duckduckgo.com"]
                .iter()
                .any(|own| host.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        });
        asked
    }
}
