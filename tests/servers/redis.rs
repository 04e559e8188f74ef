//! A real redis-server on a free loopback port, with its data in a temporary folder.
//!
//! `RedisServer::start → child process → url → kill, start → Drop`

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use convoke::transport::BoxFuture;
use convoke::transport::conformance::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long it may take to start, with an append-only file to read.
const READY: Duration = Duration::from_secs(60);

/// Points the tests at a server that is there.
pub const URL: &str = "CONVOKE_TEST_REDIS_URL";

const MISSING: &str = "redis-server cannot be started: apt-get install -y --no-install-recommends redis-server, or set \
                       CONVOKE_TEST_REDIS_URL";

/// A server that is ours and ends with this value, or one that is there already.
pub struct RedisServer {
    url: String,
    own: Option<Own>,
}

struct Own {
    port: u16,
    folder: PathBuf,
    settings: Vec<String>,
    child: Mutex<Option<Child>>,
}

impl RedisServer {
    /// Takes the one that the environment names, or starts one that writes an append-only file.
    pub async fn start() -> Result<Self, String> {
        match std::env::var(URL) {
            Ok(url) => Ok(Self { url, own: None }),
            Err(_) => Self::own(&["--appendonly", "yes", "--appendfsync", "everysec"]).await,
        }
    }

    /// Starts one with these settings.
    pub async fn own(settings: &[&str]) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no port of 127.0.0.1 is free: {error}"))?.port();
        let folder = std::env::temp_dir().join(format!("convoke-redis-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let own = Own { port, folder, settings, child: Mutex::default() };
        own.start().await?;
        Ok(Self { url: format!("redis://127.0.0.1:{port}"), own: Some(own) })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// This server, if it is ours to kill.
    pub fn ours(&self) -> Option<&dyn Server> {
        self.own.as_ref().map(|own| own as &dyn Server)
    }
}

impl Own {
    async fn start(&self) -> Result<(), String> {
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| MISSING.to_owned())?;
        *self.child.lock().unwrap() = Some(child);
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if let Some(status) = self.child.lock().unwrap().as_mut().and_then(|child| child.try_wait().ok().flatten())
            {
                return Err(format!("redis-server has ended: {status}"));
            }
            if self.answers().await {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err("redis-server does not answer".to_owned())
    }

    /// Whether it says PONG, or that it wants a password.
    async fn answers(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.write_all(b"PING\r\n").await?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        matches!(timeout(Duration::from_secs(1), ask).await, Ok(Ok(answer)) if &answer == b"+PONG\r\n" || &answer == b"-NOAUTH")
    }

    fn end(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server for Own {
    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { self.end() })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { Self::start(self).await.unwrap() })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
