//! The servers: those that the environment names, or ones of our own that end with the value.
//!
//! `CONVOKE_TEST_REDIS_URL or redis-server on a free port → Server { url }`

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long one may take to start.
const READY: Duration = Duration::from_secs(120);

/// A server that answers.
pub(crate) struct Server {
    pub(crate) url: String,
    _own: Option<Own>,
}

/// Processes of ours and their folder, which end with this value.
struct Own {
    children: Vec<Child>,
    folder: PathBuf,
}

/// Why there is none: one line.
pub(crate) type Missing = String;

/// A redis-server that writes an append-only file.
pub(crate) async fn redis() -> Result<Server, Missing> {
    if let Ok(url) = std::env::var("CONVOKE_TEST_REDIS_URL") {
        return Ok(Server { url, _own: None });
    }
    let (port, mut own) = Own::new("redis")?;
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(&own.folder);
    let hint = "redis-server cannot be started: install it, or set CONVOKE_TEST_REDIS_URL";
    own.start(command, hint, port, b"PING\r\n", b"+PONG").await?;
    Ok(Server { url: format!("redis://127.0.0.1:{port}"), _own: Some(own) })
}

/// No server, but a file in a folder that goes with this value.
pub(crate) fn file() -> Result<Server, Missing> {
    let (_, own) = Own::new("file")?;
    Ok(Server { url: own.folder.join("bench.db").display().to_string(), _own: Some(own) })
}

fn free_port() -> Result<u16, Missing> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    free.map(|address| address.port()).map_err(|error| format!("no port of 127.0.0.1 is free: {error}"))
}

impl Own {
    fn new(name: &str) -> Result<(u16, Self), Missing> {
        let port = free_port()?;
        let folder = std::env::temp_dir().join(format!("convoke-bench-{name}-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        Ok((port, Self { children: Vec::new(), folder }))
    }

    fn spawn(&mut self, mut command: Command, hint: &str) -> Result<(), Missing> {
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.children.push(command.spawn().map_err(|_| hint.to_owned())?);
        Ok(())
    }

    /// Starts it, and waits until it answers so.
    async fn start(
        &mut self,
        command: Command,
        hint: &str,
        port: u16,
        ask: &[u8],
        answer: &[u8],
    ) -> Result<(), Missing> {
        self.spawn(command, hint)?;
        let until = Instant::now() + READY;
        while Instant::now() < until {
            if answers(port, ask, answer) {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err(format!("{hint}: it does not answer"))
    }
}

/// It is done before anything is measured, so it may block.
fn answers(port: u16, ask: &[u8], answer: &[u8]) -> bool {
    let mut first = vec![0; answer.len()];
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(ask)?;
        stream.read_exact(&mut first)
    });
    asked.is_ok() && first == answer
}

impl Drop for Own {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
