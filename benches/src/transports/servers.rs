//! The servers: those that the environment names, or ones of our own that end with the value.
//!
//! `CONVOKE_TEST_REDIS_URL or redis-server on a free port → Server { url }`

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

/// How long one may take to start.
const READY: Duration = Duration::from_secs(120);

/// A server that answers.
pub(crate) struct Server {
    pub(crate) url: String,
    own: Option<Own>,
}

impl Server {
    /// Returns the process of one that was started here.
    #[cfg(feature = "postgres")]
    pub(crate) fn pid(&self) -> Option<u32> {
        Some(self.own.as_ref()?.children.first()?.id())
    }
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
        return Ok(Server { url, own: None });
    }
    let (port, mut own) = Own::new("redis")?;
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"]);
    command.args(["--appendonly", "yes", "--appendfsync", "everysec", "--dir"]).arg(&own.folder);
    let hint = "redis-server cannot be started: install it, or set CONVOKE_TEST_REDIS_URL";
    own.start(command, hint, port, b"PING\r\n", b"+PONG").await?;
    Ok(Server { url: format!("redis://127.0.0.1:{port}"), own: Some(own) })
}

/// A PostgreSQL with the settings that it has by default.
#[cfg(feature = "postgres")]
pub(crate) async fn postgres() -> Result<Server, Missing> {
    if let Ok(url) = std::env::var("CONVOKE_TEST_POSTGRES_URL") {
        return Ok(Server { url, own: None });
    }
    let hint = "PostgreSQL cannot be started: install it, or set CONVOKE_TEST_POSTGRES_URL";
    let versions = fs::read_dir("/usr/lib/postgresql").map_err(|_| hint)?.flatten();
    let programs = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").is_file()).max();
    let programs = programs.ok_or(hint)?;
    let (port, mut own) = Own::new("postgres")?;
    // It refuses to run as root.
    let command = |name: &str| {
        let program = programs.join(name);
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
        command
    };
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    fs::set_permissions(&own.folder, open).map_err(|error| format!("{hint}: {error}"))?;
    let data = own.folder.join("data");
    let mut initdb = command("initdb");
    initdb.arg("-D").arg(&data).args(["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"]);
    let made = initdb.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !made.is_ok_and(|status| status.success()) {
        return Err(hint.to_owned());
    }
    let mut server = command("postgres");
    server.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories="]);
    own.start(server, hint, port, b"\0\0\0\x08\x04\xd2\x16\x2f", b"N").await?;
    // It answers that it has no TLS before it takes connections.
    sleep(Duration::from_secs(1)).await;
    Ok(Server { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), own: Some(own) })
}

/// ministack, which stands in for SQS: if the environment says where the program is.
pub(crate) async fn aws() -> Result<Server, Missing> {
    if let Ok(url) = std::env::var("CONVOKE_TEST_AWS_URL") {
        return Ok(Server { url, own: None });
    }
    let hint = "set CONVOKE_MINISTACK to the program ministack, or CONVOKE_TEST_AWS_URL";
    let program = std::env::var("CONVOKE_MINISTACK").map_err(|_| hint.to_owned())?;
    let (port, mut own) = Own::new("aws")?;
    let mut command = Command::new(program);
    command.env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port.to_string()).env("SERVICES", "sqs,sns");
    command.env("LOG_LEVEL", "WARNING");
    let ask = b"GET /_ministack/health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";
    own.start(command, hint, port, ask, b"HTTP/1.1 200").await?;
    Ok(Server { url: format!("http://127.0.0.1:{port}"), own: Some(own) })
}

/// A rabbitmq-server.
pub(crate) async fn rabbitmq() -> Result<Server, Missing> {
    if let Ok(url) = std::env::var("CONVOKE_TEST_RABBITMQ_URL") {
        return Ok(Server { url, own: None });
    }
    let hint = "rabbitmq-server cannot be started: install it, or set CONVOKE_TEST_RABBITMQ_URL";
    let releases = fs::read_dir("/usr/lib/rabbitmq/lib").map_err(|_| hint)?.flatten();
    let release = releases.map(|entry| entry.path().join("sbin/rabbitmq-server")).filter(|path| path.is_file()).max();
    let release = release.ok_or(hint)?;
    let (port, mut own) = Own::new("rabbitmq")?;
    let (distribution, names) = (free_port()?, free_port()?);
    let file = |name: &str| own.folder.join(name);
    let settings = "loopback_users = none\nlog.console = false\nvm_memory_high_watermark.absolute = 512MB\n\
                    disk_free_limit.absolute = 50MB\n";
    let written = fs::write(file("rabbitmq.conf"), settings).and_then(|()| fs::write(file("plugins"), "[].\n"));
    written.map_err(|error| format!("{} cannot be written: {error}", own.folder.display()))?;
    let mut epmd = Command::new("epmd");
    epmd.args(["-address", "127.0.0.1", "-port", &names.to_string()]);
    let mut command = Command::new(release);
    command
        .env("HOME", &own.folder)
        .env("ERL_EPMD_PORT", names.to_string())
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODENAME", "bench@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", port.to_string())
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", file("mnesia"))
        .env("RABBITMQ_LOG_BASE", file("log"))
        .env("RABBITMQ_CONFIG_FILE", file("rabbitmq"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins"))
        .env("RABBITMQ_PID_FILE", file("pid"))
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        // Without these Erlang waits busily, and takes a core from whoever is measured.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-setcookie bench +sbwt none +sbwtdcpu none +sbwtdio none");
    own.spawn(epmd, hint)?;
    own.start(command, hint, port, b"AMQP\0\0\x09\x01", b"\x01").await?;
    Ok(Server { url: format!("amqp://guest:guest@127.0.0.1:{port}/%2f"), own: Some(own) })
}

/// No server, but a file in a folder that goes with this value.
pub(crate) fn file() -> Result<Server, Missing> {
    let (_, own) = Own::new("file")?;
    Ok(Server { url: own.folder.join("bench.db").display().to_string(), own: Some(own) })
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

fn process(file: &Path) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

impl Drop for Own {
    fn drop(&mut self) {
        // RabbitMQ's own process is a child of a script.
        if let Some(server) = process(&self.folder.join("pid")) {
            let _ = kill_process(server, Signal::KILL);
        }
        for child in &mut self.children {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
