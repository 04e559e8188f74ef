//! `convoke console`: who it lets in, what it asks back and notes, and how it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::common::refused;
use crate::filled::fill;

/// A console that runs, and what it has said of itself.
struct Console {
    process: Child,
    said: Value,
    folder: TempDir,
}

impl Console {
    fn begun(words: &str, password: Option<&str>) -> Self {
        let folder = tempdir().unwrap();
        fill(folder.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
        command
            .args(["console", "--json", "--listen", "127.0.0.1:0"])
            .args(words.split(' '))
            .current_dir(folder.path());
        match password {
            Some(password) => command.env("CONVOKE_CONSOLE_PASSWORD", password),
            None => command.env_remove("CONVOKE_CONSOLE_PASSWORD"),
        };
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut text = String::new();
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            text.push_str(&line.unwrap());
            if text.ends_with('}') && serde_json::from_str::<Value>(&text).is_ok() {
                break;
            }
        }
        let said = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Self { process, said, folder }
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn url(&self) -> &str {
        self.said["url"].as_str().unwrap()
    }

    /// Its address, and the path of its URL.
    fn place(&self) -> (&str, String) {
        let rest = self.url().strip_prefix("http://").unwrap();
        let (address, path) = rest.split_once('/').unwrap();
        (address, format!("/{path}"))
    }

    fn ask(&self, line: &str, more: &str, body: &str) -> String {
        let (address, _) = self.place();
        let mut stream = TcpStream::connect(address).unwrap();
        let head =
            format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        stream.write_all(format!("{head}{kind}{more}\r\n{body}").as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Comes in by the key; returns the header with the cookie.
    fn entered(&self) -> String {
        let answer = self.ask(&format!("GET {}", self.place().1), "", "");
        let line =
            answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
        format!("Cookie: {}\r\n", line.split(';').next().unwrap())
    }

    fn end(mut self) {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // Also of a test that has failed nothing is left.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn its_url_lets_one_browser_in_to_look() {
    let console = Console::begun("sqlite:shop.db", None);
    assert_eq!(console.said["may"]["operate"], false);
    assert!(console.ask("GET /", "", "").starts_with("HTTP/1.1 401 "));
    let cookie = console.entered();
    let page = console.ask("GET /", &cookie, "");
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let again = console.ask(&format!("GET {}", console.place().1), "", "");
    assert!(again.starts_with("HTTP/1.1 401 "), "{again}");
    let write = console.ask("POST /nothing", &format!("{cookie}Sec-Fetch-Site: same-origin\r\n"), "");
    assert!(write.starts_with("HTTP/1.1 403 "), "{write}");
    console.end();
}

#[test]
fn a_context_in_production_asks_back_and_its_log_tells_who() {
    let console = Console::begun("-c shop --operate", None);
    let own = format!("{}Sec-Fetch-Site: same-origin\r\n", console.entered());
    let asked = console.ask("POST /nothing", &own, "id=7");
    assert!(asked.starts_with("HTTP/1.1 428 "), "{asked}");
    // It is there since the start, which finds out whether it can be written.
    assert_eq!(fs::read_to_string(console.folder().join("audit.jsonl")).unwrap(), "");
    let sure = asked.split_once("name=\"gate\" value=\"").unwrap().1.split_once('"').unwrap().0;
    let done = console.ask("POST /nothing", &own, &format!("id=7&gate={sure}"));
    assert!(done.starts_with("HTTP/1.1 404 "), "{done}");
    let text = fs::read_to_string(console.folder().join("audit.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["command"], "console");
    let uid = rustix::process::getuid().as_raw().to_string();
    assert!(lines[0]["who"]["person"].as_str().unwrap().contains(&uid), "{text}");
    console.end();
}

#[test]
fn a_password_stands_in_a_file_or_in_the_environment_and_nowhere_else() {
    let console = Console::begun("sqlite:shop.db", Some("correct horse"));
    assert!(!console.url().contains("key=") && !console.said.to_string().contains("correct"), "{}", console.said);
    let line = fs::read(format!("/proc/{}/cmdline", console.process.id())).unwrap_or_default();
    assert!(!String::from_utf8_lossy(&line).contains("correct"));
    let own = "Sec-Fetch-Site: same-origin\r\n";
    assert!(console.ask("POST /enter", own, "password=correct+horse").starts_with("HTTP/1.1 303 "));
    console.end();

    let folder = tempdir().unwrap();
    fill(folder.path());
    fs::write(folder.path().join("short"), "no\n").unwrap();
    for (words, code, why) in [
        ("--listen 0.0.0.0:0", 1, "everybody could look"),
        ("--password-file short", 1, "the password is too short"),
        ("--password-file .", 1, "`.` is no file"),
        ("--password-file missing", 1, "cannot read the password in missing"),
        ("--password geheim", 2, "unexpected argument"),
        ("-c nowhere", 2, "there is no context `nowhere`"),
    ] {
        let said = refused(folder.path(), &format!("console sqlite:shop.db {words}"), code);
        assert!(said.contains(why) && !said.contains("geheim"), "{words}: {said}");
    }
    let said = refused(folder.path(), "console shop.db", 2);
    assert!(said.contains("`shop.db` is no URL"), "{said}");
    let said = refused(folder.path(), "console //shop:geheim@localhost", 2);
    assert!(said.contains("this is no URL") && !said.contains("geheim"), "{said}");
}
