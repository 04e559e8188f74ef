//! What stands in for SNS and SQS, on a free loopback port: ministack in a Python virtual environment, or LocalStack.
//!
//! `AwsServer::start → child process → endpoint, config → kill, start → Drop`

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use convoke::transport::BoxFuture;
use convoke::transport::conformance::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// How long it may take to start.
const READY: Duration = Duration::from_secs(60);

/// Points the tests at a server that is there.
pub(crate) const URL: &str = "CONVOKE_TEST_AWS_URL";

/// Names the program, instead of the one that is installed beside what is built.
pub(crate) const MINISTACK: &str = "CONVOKE_MINISTACK";

/// Names the Python in whose environment LocalStack is.
pub(crate) const LOCALSTACK: &str = "CONVOKE_LOCALSTACK";

const VERSION: &str = "1.5.33";

const MISSING: &str = "ministack cannot be had: python3 -m venv ministack && ministack/bin/pip install ministack==1.5.33, and \
                       set CONVOKE_MINISTACK=ministack/bin/ministack, or CONVOKE_TEST_AWS_URL";

/// A server that is ours and ends with this value, or one that is there already.
pub(crate) struct AwsServer {
    endpoint: String,
    own: Option<Own>,
}

struct Own {
    port: u16,
    program: Program,
    folder: PathBuf,
    child: Mutex<Option<Child>>,
}

enum Program {
    Ministack(PathBuf, Vec<&'static str>),
    LocalStack(PathBuf),
}

impl AwsServer {
    /// Takes the one that the environment names, or starts ministack.
    pub(crate) async fn start() -> Result<Self, String> {
        match std::env::var(URL) {
            Ok(endpoint) => Ok(Self { endpoint, own: None }),
            Err(_) => Self::own(ministack()?).await,
        }
    }

    /// Starts LocalStack, if the environment says where it is.
    pub(crate) async fn localstack() -> Result<Self, String> {
        let python = std::env::var(LOCALSTACK)
            .map_err(|_| format!("LocalStack is not there: set {LOCALSTACK} to the Python of its environment"))?;
        Self::own(Program::LocalStack(python.into())).await
    }

    async fn own(program: Program) -> Result<Self, String> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|error| format!("no port of 127.0.0.1 is free: {error}"))?.port();
        let folder = std::env::temp_dir().join(format!("convoke-aws-{}-{port}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        let own = Own { port, program, folder, child: Mutex::default() };
        own.start().await?;
        Ok(Self { endpoint: format!("http://127.0.0.1:{port}"), own: Some(own) })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// This server, if it is ours to kill.
    pub(crate) fn ours(&self) -> Option<&dyn Server> {
        self.own.as_ref().map(|own| own as &dyn Server)
    }

    /// A configuration of an account that nobody else uses.
    pub(crate) fn config(&self) -> SdkConfig {
        config(&self.endpoint)
    }
}

/// A configuration of an account that nobody else uses, at this endpoint. The key of a stand-in is its account.
pub(crate) fn config(endpoint: &str) -> SdkConfig {
    static ACCOUNTS: AtomicU64 = AtomicU64::new(0);
    config_of(endpoint, u64::from(std::process::id()) % 1_000_000 * 100_000 + ACCOUNTS.fetch_add(1, Ordering::Relaxed))
}

/// A configuration of this account, for several processes that share one.
pub(crate) fn config_of(endpoint: &str, account: u64) -> SdkConfig {
    let credentials = Credentials::new(format!("{account:012}"), "secret", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

/// Finds ministack, or installs it beside what is built.
fn ministack() -> Result<Program, String> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    if let Ok(program) = std::env::var(MINISTACK) {
        return Ok(Program::Ministack(program.into(), Vec::new()));
    }
    let _one_at_a_time = INSTALLING.lock().unwrap();
    let program = std::env::current_exe().map_err(|error| format!("this program is nowhere: {error}"))?;
    let folder = program.ancestors().nth(3).unwrap_or(Path::new(".")).join(format!("ministack-{VERSION}"));
    if !folder.exists() {
        // Made aside and moved, so that no other process finds half of it.
        let aside = folder.with_extension(std::process::id().to_string());
        run(Command::new("python3").args(["-m", "venv"]).arg(&aside))?;
        let package = format!("ministack=={VERSION}");
        run(Command::new(aside.join("bin/python")).args(["-m", "pip", "install", "--quiet", &package]))?;
        if std::fs::rename(&aside, &folder).is_err() {
            let _ = std::fs::remove_dir_all(&aside);
        }
    }
    Ok(Program::Ministack(folder.join("bin/python"), vec!["-m", "ministack"]))
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{MISSING}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{MISSING}: {error}")),
    }
}

impl Own {
    fn command(&self) -> Command {
        let port = self.port.to_string();
        match &self.program {
            Program::Ministack(program, arguments) => {
                let mut command = Command::new(program);
                command.args(arguments).env("BIND_HOST", "127.0.0.1").env("GATEWAY_PORT", port);
                command.env("SERVICES", "sqs,sns").env("LOG_LEVEL", "WARNING");
                command
            }
            Program::LocalStack(python) => {
                let mut command = Command::new(python);
                command.args(["-m", "localstack.runtime.main"]).env("SERVICES", "sqs,sns");
                for on in ["EAGER_SERVICE_LOADING", "DISABLE_EVENTS", "SKIP_SSL_CERT_DOWNLOAD"] {
                    command.env(on, "1");
                }
                let listen = format!("127.0.0.1:{port}");
                command.env("DNS_ADDRESS", "0").env("SQS_ENDPOINT_STRATEGY", "off");
                command.env("GATEWAY_LISTEN", &listen).env("LOCALSTACK_HOST", &listen);
                command.env("LOCALSTACK_VOLUME", self.folder.join("vol"));
                command.env("FILESYSTEM_ROOT", self.folder.join("root"));
                command
            }
        }
    }

    fn health(&self) -> &'static str {
        match self.program {
            Program::Ministack(..) => "/_ministack/health",
            Program::LocalStack(_) => "/_localstack/health",
        }
    }

    async fn start(&self) -> Result<(), String> {
        let mut command = self.command();
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        *self.child.lock().unwrap() = Some(command.spawn().map_err(|error| format!("{MISSING}: {error}"))?);
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if let Some(status) = self.child.lock().unwrap().as_mut().and_then(|child| child.try_wait().ok().flatten())
            {
                return Err(format!("the stand-in for AWS has ended: {status}"));
            }
            if self.answers().await {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("the stand-in for AWS does not answer".to_owned())
    }

    async fn answers(&self) -> bool {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            let request = format!("GET {} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n", self.health());
            stream.write_all(request.as_bytes()).await?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await?;
            std::io::Result::Ok(answer)
        };
        matches!(timeout(Duration::from_secs(2), ask).await, Ok(Ok(answer)) if answer.ends_with(b" 200"))
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
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
