//! Servers for what is generated: those that the environment names, or else ones of their own, on free ports. What cannot be had is
//! said by whoever wanted it.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Who takes so long to start never starts.
const LONG: Duration = Duration::from_secs(120);

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server, and what ends with it.
pub(crate) struct Server {
    /// The variable by which a generated application finds it.
    pub(crate) variable: &'static str,
    pub(crate) url: String,
    _own: Option<(Running, TempDir)>,
}

/// All that can be had.
pub(crate) fn all() -> Vec<Server> {
    [
        given("DATABASE_URL", "CONVOKE_TEST_POSTGRES_URL").or_else(postgres),
        given("REDIS_URL", "CONVOKE_TEST_REDIS_URL").or_else(redis),
        // RabbitMQ takes half a minute to start, and a file of settings.
        given("RABBITMQ_URL", "CONVOKE_TEST_RABBITMQ_URL"),
        given("SQS_URL", "CONVOKE_TEST_AWS_URL").or_else(sqs),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn given(variable: &'static str, name: &str) -> Option<Server> {
    let url = env::var(name).ok().filter(|url| !url.is_empty())?;
    Some(Server { variable, url, _own: None })
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts a program, and waits until it answers; nothing if there is no such program.
fn started(command: &mut Command, folder: TempDir, mut answers: impl FnMut() -> bool) -> Option<(Running, TempDir)> {
    let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let mut running = Running(process);
    let end = Instant::now() + LONG;
    while !answers() {
        if running.0.try_wait().unwrap().is_some() || Instant::now() > end {
            return None;
        }
        std::thread::yield_now();
    }
    Some((running, folder))
}

fn redis() -> Option<Server> {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir"]);
    let own = started(command.arg(folder.path()), folder, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
    Some(Server { variable: "REDIS_URL", url: format!("redis://127.0.0.1:{port}"), _own: Some(own) })
}

fn postgres() -> Option<Server> {
    let programs =
        fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok).map(|entry| entry.path().join("bin"));
    let programs: PathBuf = programs.filter(|bin| bin.join("initdb").is_file()).max()?;
    // It refuses to run as root.
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let command = |name: &str| {
        let program = programs.join(name);
        let mut command = if is_root { Command::new("setpriv") } else { Command::new(&program) };
        if is_root {
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(&program);
        }
        command.current_dir("/");
        command
    };
    let (port, folder) = (free_port().to_string(), tempfile::tempdir().unwrap());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let data = folder.path().join("data");
    let made =
        command("initdb").arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "--no-sync"]).output().ok()?;
    if !made.status.success() {
        return None;
    }
    let mut server = command("postgres");
    server.arg("-D").arg(&data).args([
        "-p",
        &port,
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    let is_ready =
        || command("pg_isready").args(["-h", "127.0.0.1", "-p", &port]).output().is_ok_and(|it| it.status.success());
    let own = started(&mut server, folder, is_ready)?;
    let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
    Some(Server { variable: "DATABASE_URL", url, _own: Some(own) })
}

/// What stands in for SQS, if `tests/run` has got it.
fn sqs() -> Option<Server> {
    let program = env::var_os("CONVOKE_MINISTACK")?;
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let mut command = Command::new(Path::new(&program));
    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string());
    command.env("SERVICES", "sqs,sns").env("LOG_LEVEL", "WARNING");
    let own = started(&mut command, folder, || is_healthy(port).unwrap_or(false))?;
    Some(Server { variable: "SQS_URL", url: format!("http://127.0.0.1:{port}"), _own: Some(own) })
}

fn is_healthy(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /_ministack/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"HTTP/1.1 200")
}
