//! The command in a pseudo-terminal, and what stands on its screen.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The longest that a screen is waited for; a machine that is slower than this has another trouble.
const LIMIT: Duration = Duration::from_secs(120);

/// The command, and the terminal that it runs in.
pub(crate) struct Pty {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
    reads: thread::JoinHandle<()>,
}

impl Pty {
    /// Runs the command with these words in a terminal of this size.
    pub(crate) fn run(words: &[&str], rows: u16, columns: u16) -> Self {
        Self::run_in(&std::env::temp_dir(), words, rows, columns)
    }

    /// The same, with this folder for what is temporary.
    pub(crate) fn run_in(folder: &Path, words: &[&str], rows: u16, columns: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&ours, size).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = File::from(rustix::fs::open(name, flags, Mode::empty()).unwrap());
        let end = || Stdio::from(theirs.try_clone().unwrap());
        let child = Command::new(env!("CARGO_BIN_EXE_convoke"))
            .args(words)
            .env("TERM", "xterm-256color")
            .env("TMPDIR", folder)
            .env_remove("NO_COLOR")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        drop(theirs);
        let keyboard = File::from(ours);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let (mut output, shown) = (keyboard.try_clone().unwrap(), screen.clone());
        let reads = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends with an error once nobody has the other end any more.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..count]);
            }
        });
        Self { child, keyboard, screen, reads }
    }

    /// What stands on the screen, line by line.
    pub(crate) fn text(&self) -> String {
        let parser = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        parser.screen().contents()
    }

    /// Whether the other screen is shown, as programs do that fill the terminal.
    pub(crate) fn is_filled(&self) -> bool {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen().alternate_screen()
    }

    /// Waits until this stands on the screen; returns all of it.
    #[track_caller]
    pub(crate) fn shows(&mut self, wanted: &str) -> String {
        let began = Instant::now();
        loop {
            let text = self.text();
            if text.contains(wanted) {
                return text;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it has ended with {status} before it showed {wanted:?}:\n{}", self.text());
            }
            assert!(began.elapsed() < LIMIT, "it does not show {wanted:?}:\n{text}");
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Ends it as a system ends processes.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until it has ended by itself, and all that it has written stands on the screen.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap()
                && self.reads.is_finished()
            {
                return status;
            }
            assert!(began.elapsed() < LIMIT, "it does not end:\n{}", self.text());
            thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // One that has ended is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
