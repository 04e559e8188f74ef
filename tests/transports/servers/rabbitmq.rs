//! A real rabbitmq-server on free loopback ports, with its data in a temporary folder.
//!
//! `RabbitMqServer::start → epmd, rabbitmq-server → url → kill, start → Drop, or the guard when this process dies`

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use convoke::transport::BoxFuture;
use convoke::transport::conformance::Server;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long it may take to start: Erlang takes ten seconds when nothing else runs.
const READY: Duration = Duration::from_secs(120);

/// Points the tests at a server that is there.
pub(crate) const URL: &str = "CONVOKE_TEST_RABBITMQ_URL";

const MISSING: &str = "rabbitmq-server cannot be started: apt-get install -y --no-install-recommends rabbitmq-server, or \
                       set CONVOKE_TEST_RABBITMQ_URL";

/// Where Debian and Ubuntu have the server itself: the one in the path wants to be another user.
const RELEASES: &str = "usr/lib/rabbitmq/lib";

/// Names the root of another Debian, which has a newer server.
pub(crate) const TREE: &str = "CONVOKE_RABBITMQ_TREE";

/// Runs a program in that, in namespaces of its own: its processes end with the one that is started here.
const ENTER: &str =
    r#"tree=$1; shift; mount --make-rprivate / && mount -t proc proc "$tree/proc" && exec chroot "$tree" "$@""#;

/// Says that it speaks AMQP 0-9-1.
const HELLO: &[u8; 8] = b"AMQP\0\0\x09\x01";

const NODE: &str = "convoke@localhost";

/// Ends what is left when its input ends, which it does when the process of the tests dies, however that comes.
const GUARD: &str = r#"read -r _; for file in pid epmd; do kill -9 "$(cat "$1/$file")"; done; rm -rf "$1""#;

/// What the server keeps of a quorum queue that was made a moment ago is on disk only seconds later, and one that is killed
/// before that comes back with a queue that does not work: kept tables are written out first.
const WRITE_OUT: &str = "[dets:sync(Table) || Table <- dets:all()].";

/// Without the last three Erlang waits busily, and takes a core from the tests.
const ARGUMENTS: &str = "-setcookie test +sbwt none +sbwtdcpu none +sbwtdio none";

/// What it leaves behind when it cannot start.
const DUMP: &str = "erl_crash.dump";

const CONFIGURATION: &str = "loopback_users = none
log.console = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
";

/// A server that is ours and ends with this value, or one that is there already.
pub(crate) struct RabbitMqServer {
    url: String,
    own: Option<Own>,
}

struct Own {
    release: Release,
    /// What it has, and where that is for the server.
    folder: PathBuf,
    inside: PathBuf,
    more: String,
    port: u16,
    distribution: u16,
    names: u16,
    epmd: Mutex<Child>,
    server: Mutex<Option<Child>>,
    guard: Mutex<Child>,
}

impl RabbitMqServer {
    /// Takes the one that the environment names, or starts one.
    pub(crate) async fn start() -> Result<Self, String> {
        match std::env::var(URL) {
            Ok(url) => Ok(Self { url, own: None }),
            Err(_) => Self::own().await,
        }
    }

    /// Starts one.
    pub(crate) async fn own() -> Result<Self, String> {
        Self::configured("").await
    }

    /// Starts one with more arguments for Erlang, as in `-rabbit consumer_timeout 2000`.
    pub(crate) async fn configured(more: &str) -> Result<Self, String> {
        Self::of(Release::find(None).ok_or(MISSING)?, more).await
    }

    /// Starts a newer one, where there is one.
    pub(crate) async fn newer(more: &str) -> Result<Self, String> {
        let missing = || {
            format!(
                "{TREE} does not name the root of a Debian with a newer rabbitmq-server: tests/run --full makes one"
            )
        };
        let tree = std::env::var_os(TREE).ok_or_else(missing)?;
        Self::of(Release::find(Some(tree.into())).ok_or_else(missing)?, more).await
    }

    async fn of(release: Release, more: &str) -> Result<Self, String> {
        let [port, distribution, names] = free_ports().map_err(|error| format!("no port is free: {error}"))?;
        let name = format!("convoke-rabbitmq-{}-{port}", std::process::id());
        let (folder, inside) = match &release.tree {
            Some(tree) => (tree.join("tmp").join(&name), Path::new("/tmp").join(&name)),
            None => (std::env::temp_dir().join(&name), std::env::temp_dir().join(&name)),
        };
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("rabbitmq.conf"), CONFIGURATION))
            .and_then(|()| fs::write(folder.join("enabled_plugins"), "[].\n"));
        written.map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
        // Erlang would start one that outlives it.
        let epmd = Command::new("epmd")
            .args(["-address", "127.0.0.1", "-port", &names.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|_| MISSING)?;
        let noted = fs::write(folder.join("epmd"), epmd.id().to_string());
        noted.map_err(|error| format!("{} cannot be written: {error}", folder.display()))?;
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("sh cannot be started: {error}"))?;
        let own = Own {
            release,
            folder,
            inside,
            more: more.to_owned(),
            port,
            distribution,
            names,
            epmd: Mutex::new(epmd),
            server: Mutex::default(),
            guard: Mutex::new(guard),
        };
        own.start().await?;
        Ok(Self { url: format!("amqp://guest:guest@127.0.0.1:{port}/%2f"), own: Some(own) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// This server, if it is ours to kill.
    pub(crate) fn ours(&self) -> Option<&dyn Server> {
        self.own.as_ref().map(|own| own as &dyn Server)
    }

    /// Has the server do what rabbitmqctl asks for, and returns what that printed.
    pub(crate) async fn control(&self, words: &[&str]) -> String {
        self.own.as_ref().expect("only a server of ours is asked").control(words).await
    }
}

/// A server that is installed: here, or below another root.
struct Release {
    tree: Option<PathBuf>,
    /// Where it is for whoever is there.
    path: PathBuf,
}

impl Release {
    fn find(tree: Option<PathBuf>) -> Option<Self> {
        let root = tree.clone().unwrap_or_else(|| "/".into());
        let releases = fs::read_dir(root.join(RELEASES)).ok()?.flatten();
        let there = releases.filter(|entry| entry.path().join("sbin/rabbitmq-server").is_file());
        let name = there.map(|entry| entry.file_name()).max()?;
        Some(Self { tree, path: Path::new("/").join(RELEASES).join(name) })
    }

    fn command(&self, program: &str) -> Command {
        let program = self.path.join("sbin").join(program);
        let Some(tree) = &self.tree else { return Command::new(program) };
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", ENTER, "enter"]).arg(tree).arg(program);
        command
    }
}

/// All at once, so that none is given twice.
fn free_ports<const N: usize>() -> std::io::Result<[u16; N]> {
    let mut listeners = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

/// The process whose number this file has.
fn process(file: &Path) -> Option<Pid> {
    let mut text = String::new();
    fs::File::open(file).ok()?.read_to_string(&mut text).ok()?;
    Pid::from_raw(text.trim().parse().ok()?)
}

impl Own {
    fn command(&self, program: &str) -> Command {
        let folder = |name: &str| self.inside.join(name);
        let mut command = self.release.command(program);
        command
            .env("HOME", &self.inside)
            .env("ERL_EPMD_PORT", self.names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", NODE)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_MNESIA_BASE", folder("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder("log"))
            .env("RABBITMQ_CONFIG_FILE", folder("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder("enabled_plugins"))
            // Below another root it has numbers of its own, which here are somebody else's.
            .env("RABBITMQ_PID_FILE", folder(if self.release.tree.is_some() { "pid-inside" } else { "pid" }))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", format!("{ARGUMENTS} {}", self.more))
            // It would be where the tests are run.
            .env("ERL_CRASH_DUMP", folder(DUMP))
            .env("RABBITMQ_CTL_ERL_ARGS", "-setcookie test");
        command
    }

    async fn control(&self, words: &[&str]) -> String {
        let mut command = self.command("rabbitmqctl");
        command.args(["-n", NODE, "-q"]).args(words).stdin(Stdio::null());
        let output = tokio::process::Command::from(command).output().await.unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn start(&self) -> Result<(), String> {
        // What ends with the one before it does so a moment later.
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        // That of the last life says nothing.
        let _ = fs::remove_file(self.folder.join("pid"));
        let child = self
            .command("rabbitmq-server")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|_| MISSING.to_owned())?;
        if self.release.tree.is_some() {
            let noted = fs::write(self.folder.join("pid"), child.id().to_string());
            noted.map_err(|error| format!("{} cannot be written: {error}", self.folder.display()))?;
        }
        *self.server.lock().unwrap() = Some(child);
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                let dump = fs::read(self.folder.join(DUMP)).unwrap_or_default();
                let said = String::from_utf8_lossy(&dump).lines().take(3).collect::<Vec<_>>().join(" ");
                return Err(format!("rabbitmq-server has ended: {status} {said}"));
            }
            if self.answers().await {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("rabbitmq-server does not answer".to_owned())
    }

    fn ended(&self) -> Option<std::process::ExitStatus> {
        self.server.lock().unwrap().as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    async fn answers(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.write_all(HELLO).await?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer).await
        };
        matches!(timeout(Duration::from_secs(5), ask).await, Ok(Ok(_)))
    }

    /// The number of the server itself is in its file; what we have started is a script around it.
    fn end(&self) {
        if let Some(process) = process(&self.folder.join("pid")) {
            // It may have ended by itself.
            let _ = kill_process(process, Signal::KILL);
        }
        if let Some(mut child) = self.server.lock().unwrap().take() {
            // One that was killed before it had written its number.
            if !self.folder.join("pid").exists() {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}

impl Server for Own {
    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.control(&["eval", WRITE_OUT]).await;
            self.end();
        })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { Self::start(self).await.unwrap() })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.end();
        for child in [&self.epmd, &self.guard] {
            let mut child = child.lock().unwrap();
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
