//! The example as it is run: orders, probes, and a signal while requests are in flight.
#![cfg(test)]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Who waits so long waits for ever.
const LONG: Duration = Duration::from_secs(300);

struct Running {
    process: Child,
    lines: mpsc::Receiver<String>,
    address: String,
}

impl Running {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke-example-web"));
        let mut process = command.env("PORT", "0").stdout(Stdio::piped()).spawn().unwrap();
        let (told, lines) = mpsc::channel();
        let out = BufReader::new(process.stdout.take().unwrap());
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let first = lines.recv_timeout(LONG).unwrap();
        let address = first.strip_prefix("listening on http://").unwrap().to_owned();
        Self { process, lines, address }
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// Waits for the end; returns its code and what it has said.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(LONG) {
                Ok(line) => said.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it does not end: {said:?}"),
            }
        }
        (self.process.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
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

fn order(address: &str, id: u64) -> Option<u16> {
    Some(ask(address, "POST", "/orders", &format!(r#"{{"id": {id}}}"#))?.0)
}

/// What it says it has billed, of what it has said.
fn billed(said: &[String]) -> Vec<u64> {
    said.iter().filter_map(|line| line.strip_prefix("billed ")?.parse().ok()).collect()
}

#[test]
fn orders_are_billed_and_probes_answered() {
    let running = Running::start();
    let address = running.address.clone();
    for path in ["/healthz", "/readyz"] {
        let (status, body) = ask(&address, "GET", path, "").unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        assert!(
            body.starts_with(r#"{"live":true,"ready":true,"services":[{"service":"Billing","state":"running""#),
            "{body}"
        );
    }
    assert_eq!(order(&address, 7), Some(202));
    assert_eq!(ask(&address, "POST", "/orders", "no JSON").unwrap().0, 400);
    assert_eq!(running.lines.recv_timeout(LONG).unwrap(), "billed 7");
    running.signal();
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said:?}");
    assert!(said.last().unwrap().starts_with("2 of 2 services stopped after"), "{said:?}");
}

#[test]
fn a_second_signal_does_not_wait_for_who_never_ends_his_request() {
    let mut running = Running::start();
    let mut stream = TcpStream::connect(&running.address).unwrap();
    let head = "POST /orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    // What comes after it is answered, so it is in flight.
    assert_eq!(order(&running.address, 7), Some(202));
    let since = Instant::now();
    running.signal();
    // Until nobody is listened to any more, a second signal would be the first.
    while TcpStream::connect(&running.address).is_ok() {
        thread::yield_now();
    }
    assert!(running.process.try_wait().unwrap().is_none(), "it waits for the request");
    running.signal();
    let (code, said) = running.end();
    assert!(since.elapsed() < Duration::from_secs(5), "the time of the web server: {said:?}");
    assert_eq!(code, Some(0), "{said:?}");
    assert!(said.last().unwrap().starts_with("2 of 2 services stopped after"), "{said:?}");
    drop(stream);
}

#[test]
fn a_signal_amid_requests_loses_no_order_that_was_accepted() {
    let running = Running::start();
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let accepted: BTreeSet<u64> = thread::scope(|scope| {
        let client = |client: u64| {
            let (over, count, address) = (&over, &count, &running.address);
            scope.spawn(move || {
                let mut accepted = Vec::new();
                for id in client * 1_000_000.. {
                    match order(address, id) {
                        Some(202) => accepted.push(id),
                        Some(other) => panic!("order {id}: {other}"),
                        // Nobody has said that such an order was accepted; and before the signal there is none.
                        None if over.load(Ordering::SeqCst) => break,
                        None => panic!("order {id} was not answered"),
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                }
                accepted
            })
        };
        let clients: Vec<_> = (0..4).map(client).collect();
        while count.load(Ordering::SeqCst) < 100 && clients.iter().all(|client| !client.is_finished()) {
            thread::yield_now();
        }
        over.store(true, Ordering::SeqCst);
        running.signal();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let (code, said) = running.end();
    let billed = billed(&said);
    let distinct: BTreeSet<_> = billed.iter().copied().collect();
    assert_eq!((code, billed.len()), (Some(0), distinct.len()), "none twice: {said:?}");
    let lost: Vec<_> = accepted.difference(&distinct).collect();
    assert!(accepted.len() >= 100 && lost.is_empty(), "accepted {}, lost {lost:?}", accepted.len());
}
