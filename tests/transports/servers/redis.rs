//! A real redis-server on a free loopback port, with its data in a temporary folder.
//!
//! `RedisServer::start → Process → url → kill, start → Drop`

use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use convoke::transport::BoxFuture;
use convoke::transport::conformance::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Process, TempDir, Unavailable, free_port, given, program};

const MISSING: &str = "redis-server is not installed: apt-get install -y --no-install-recommends redis-server, or set \
                       CONVOKE_TEST_REDIS_URL";

/// Writes each change to the disk before it confirms it. With `everysec` even a killed process may lose what was confirmed:
/// while the disk is busy with the last second, Redis puts off writing to the file.
pub(crate) const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// A server that is ours and ends with this value, or one that is there already.
pub(crate) struct RedisServer {
    url: String,
    own: Option<Own>,
}

struct Own {
    program: String,
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    process: Mutex<Option<Process>>,
}

impl RedisServer {
    /// Takes the one that the environment names, or starts one that is durable.
    pub(crate) async fn start() -> Result<Self, Unavailable> {
        match given("CONVOKE_TEST_REDIS_URL") {
            Some(url) => Ok(Self { url, own: None }),
            None => Self::own(DURABLE).await,
        }
    }

    /// Starts one with these settings.
    pub(crate) async fn own(settings: &[&str]) -> Result<Self, Unavailable> {
        if program("redis-server").is_none() {
            return Err(Unavailable::new(MISSING));
        }
        Self::of("redis-server", settings).await
    }

    /// Starts one of this program, of another version or another maker, with these settings.
    pub(crate) async fn of(program: &str, settings: &[&str]) -> Result<Self, Unavailable> {
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let (port, folder) = (free_port(), TempDir::new("redis"));
        let own = Own { program: program.to_owned(), port, folder, settings, process: Mutex::default() };
        own.run().await;
        Ok(Self { url: format!("redis://127.0.0.1:{}", own.port), own: Some(own) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// This server, if it is ours to kill.
    pub(crate) fn ours(&self) -> Option<&dyn Server> {
        self.own.as_ref().map(|own| own as &dyn Server)
    }
}

impl Own {
    async fn run(&self) {
        let mut command = Command::new(&self.program);
        command
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
            .arg("--dir")
            .arg(self.folder.path())
            .args(&self.settings);
        let mut process = Process::start(&self.program, &mut command, self.folder.path()).unwrap();
        let port = self.port;
        process.wait_until_ready(async move || answers(port).await).await;
        *self.process.lock().unwrap() = Some(process);
    }
}

/// Whether it says PONG, or that it wants a password; while it loads its file it says that.
async fn answers(port: u16) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"PING\r\n").await?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = timeout(Duration::from_secs(1), ask).await;
    matches!(answer, Ok(Ok(answer)) if &answer == b"+PONG\r\n" || &answer == b"-NOAUTH")
}

/// Has the server write its log anew, and waits until it has.
async fn rewritten(port: u16) {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let asked: redis::RedisResult<String> = redis::cmd("BGREWRITEAOF").query_async(&mut connection).await;
    asked.unwrap();
    loop {
        let said: String = redis::cmd("INFO").arg("persistence").query_async(&mut connection).await.unwrap();
        let is = |line: &str| said.lines().any(|it| it == line);
        if is("aof_rewrite_in_progress:0") && is("aof_rewrite_scheduled:0") {
            assert!(is("aof_last_bgrewrite_status:ok"), "{said}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Server for Own {
    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { drop(self.process.lock().unwrap().take()) })
    }

    /// As the manual says of a server that was killed: what a write has left that was cut off is not to come back by a second kill.
    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.run().await;
            if self.settings.iter().any(|setting| setting == "--appendonly") {
                rewritten(self.port).await;
            }
        })
    }
}
