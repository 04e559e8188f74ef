//! The example as it is run, and killed with `kill -9` again and again while users sign up: each whose request was answered has one
//! letter, and is registered once, or gone.
#![cfg(test)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Who waits so long waits for ever.
const LONG: Duration = Duration::from_secs(120);

const KILLS: u32 = 10;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("convoke-registration-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Running {
    process: Child,
    lines: mpsc::Receiver<String>,
    address: String,
}

impl Running {
    fn start(database: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke-example-registration"));
        command.env("DATABASE", database).env("PORT", "0").stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (told, lines) = mpsc::channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let address = loop {
            // A letter may be written before the server listens.
            let line = lines.recv_timeout(LONG).unwrap();
            if let Some(address) = line.strip_prefix("listening on http://") {
                break address.to_owned();
            }
        };
        Self { process, lines, address }
    }

    /// Waits, and reads what it says meanwhile.
    fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            let _ = self.lines.recv_timeout(left);
        }
    }

    /// As `kill -9` does.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks, and returns the status and the body; `None` if there is no answer.
fn ask(address: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(LONG)).unwrap();
    let (kind, length) = ("content-type: application/json", body.len());
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n").ok()?;
    write!(stream, "{kind}\r\ncontent-length: {length}\r\n\r\n{body}").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A letter: to whom, what it says, and how often he is registered.
type Letter = (i64, String, Option<i64>);

fn letters(address: &str) -> Vec<Letter> {
    let (status, body) = ask(address, "GET", "/letters", "").unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn whoever_was_answered_has_one_letter_whatever_was_killed_when() {
    let folder = Folder::new();
    let database = folder.0.join("users.db");
    let mut running = Running::start(&database);
    let (over, address) = (AtomicBool::new(false), Mutex::new(running.address.clone()));
    let accepted: BTreeMap<i64, String> = thread::scope(|scope| {
        let client = |client: u32| {
            let (over, address) = (&over, &address);
            scope.spawn(move || {
                let mut accepted = Vec::new();
                for number in 0_u32.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    // Every fifth cannot be registered.
                    let name = if number % 5 == 4 { "root".to_owned() } else { format!("user {client} {number}") };
                    let address = address.lock().unwrap().clone();
                    match ask(&address, "POST", "/users", &serde_json::json!({ "name": name }).to_string()) {
                        Some((202, id)) => accepted.push((id.parse().unwrap(), name)),
                        Some((status, text)) => panic!("{name}: {status} {text}"),
                        // It was killed, and nobody has said that he was accepted.
                        None => thread::yield_now(),
                    }
                }
                accepted
            })
        };
        let clients: Vec<_> = (0..2).map(client).collect();
        for _ in 0..KILLS {
            running.wait(Duration::from_millis(fastrand::u64(50..600)));
            running.kill();
            running = Running::start(&database);
            address.lock().unwrap().clone_from(&running.address);
        }
        over.store(true, Ordering::SeqCst);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert!(accepted.len() > 20, "{}", accepted.len());

    // Those that were answered, and those whose answer was lost.
    let end = Instant::now() + LONG;
    let mut came = letters(&running.address);
    while accepted.keys().any(|user| came.iter().all(|letter| letter.0 != *user)) {
        assert!(Instant::now() < end, "{} of {} users have a letter", came.len(), accepted.len());
        running.wait(Duration::from_millis(50));
        came = letters(&running.address);
    }
    let mut told = BTreeMap::<i64, Letter>::new();
    for letter in came {
        let twice = told.insert(letter.0, letter);
        assert!(twice.is_none(), "{twice:?} came twice");
    }
    for (user, name) in &accepted {
        let expected = match name.as_str() {
            "root" => (*user, "sorry, the name is taken".to_owned(), None),
            name => (*user, format!("welcome, {name}"), Some(1)),
        };
        assert_eq!(told[user], expected);
    }
    println!("figure: {} users, {} letters, {KILLS} kills", accepted.len(), told.len());
}
