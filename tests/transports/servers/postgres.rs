//! A real PostgreSQL on a free loopback port, with its data in a temporary folder.
//!
//! `PostgresServer::start → Process → url → kill, start → Drop`

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use convoke::transport::BoxFuture;
use convoke::transport::conformance::Server;
use sqlx::{Connection, PgConnection};

use super::{Process, STARTUP, TempDir, Unavailable, free_port, given};

const MISSING: &str = "PostgreSQL is not installed: apt-get install -y --no-install-recommends postgresql, or set \
                       CONVOKE_TEST_POSTGRES_URL";

/// A server that is ours and ends with this value, or one that is there already.
pub(crate) struct PostgresServer {
    url: String,
    own: Option<Own>,
}

struct Own {
    programs: PathBuf,
    port: u16,
    folder: TempDir,
    settings: Vec<String>,
    variables: Vec<(String, String)>,
    process: Mutex<Option<Process>>,
}

impl PostgresServer {
    /// Takes the one that the environment names, or starts one.
    pub(crate) async fn start() -> Result<Self, Unavailable> {
        match given("CONVOKE_TEST_POSTGRES_URL") {
            Some(url) => Ok(Self { url, own: None }),
            None => Self::own(&[]).await,
        }
    }

    /// Starts one with these settings, as in `max_connections=20`.
    pub(crate) async fn own(settings: &[&str]) -> Result<Self, Unavailable> {
        Self::own_with(settings, &[]).await
    }

    /// The same, with variables of its environment.
    pub(crate) async fn own_with(settings: &[&str], variables: &[(String, String)]) -> Result<Self, Unavailable> {
        let programs = programs().ok_or_else(|| Unavailable::new(MISSING))?;
        let (port, folder) = (free_port(), TempDir::new("postgres"));
        // Who runs the server is not who made the folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).map_err(unavailable)?;
        let data = folder.path().join("data");
        copy(template(&programs)?, &data).map_err(Unavailable::new)?;
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let own = Own { programs, port, folder, settings, variables: variables.to_vec(), process: Mutex::default() };
        own.run().await;
        Ok(Self { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), own: Some(own) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// This server, if it is ours to kill.
    pub(crate) fn ours(&self) -> Option<&dyn Server> {
        self.own.as_ref().map(|own| own as &dyn Server)
    }
}

fn unavailable(error: std::io::Error) -> Unavailable {
    Unavailable::new(format!("there is no folder for a PostgreSQL: {error}"))
}

/// Where `initdb` and `postgres` are: the newest that Debian has.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql").ok()?.filter_map(Result::ok).collect();
    found.sort_by_key(|entry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    found.into_iter().rev().map(|entry| entry.path().join("bin")).find(|bin| bin.join("initdb").is_file())
}

/// A command of PostgreSQL, which refuses to run as root.
fn command(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

/// A folder of data as `initdb` makes it, once for all tests of this process.
fn template(programs: &Path) -> Result<&'static Path, Unavailable> {
    static TEMPLATE: OnceLock<Result<TempDir, Unavailable>> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| {
        let folder = TempDir::new("postgres-template");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).map_err(unavailable)?;
        let mut initdb = command(&programs.join("initdb"));
        initdb.arg("-D").arg(folder.path().join("data"));
        initdb.args(["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C"]);
        succeeded(initdb.current_dir("/").output()).map_err(Unavailable::new)?;
        Ok(folder)
    });
    made.as_ref().map(TempDir::path).map_err(Clone::clone)
}

/// Copies the data, for the same owner.
fn copy(template: &Path, data: &Path) -> Result<(), String> {
    succeeded(command(Path::new("cp")).arg("-R").arg(template.join("data")).arg(data).output())?;
    succeeded(command(Path::new("chmod")).arg("700").arg(data).output())
}

fn succeeded(output: std::io::Result<Output>) -> Result<(), String> {
    let output = output.map_err(|error| format!("a program of PostgreSQL cannot be run: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it failed").to_owned()),
    }
}

impl Own {
    async fn run(&self) {
        let program = self.programs.join("postgres");
        let mut command = match self.variables.is_empty() {
            true => command(&program),
            // Not of who becomes another user before.
            false => {
                let mut command = command(Path::new("env"));
                command.args(self.variables.iter().map(|(name, value)| format!("{name}={value}"))).arg(&program);
                command
            }
        };
        command.current_dir("/").arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string()]);
        for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories="] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        let (mut tries, end) = (0..100, Instant::now() + STARTUP);
        let process = loop {
            let mut process = Process::start("postgres", &mut command, self.folder.path()).unwrap();
            // What one that was killed has left runs for a moment longer, and lets no other begin meanwhile.
            while process.ended().is_none() && !answers(&url).await {
                assert!(Instant::now() < end, "PostgreSQL has not answered in {STARTUP:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            match process.ended() {
                None => break process,
                Some(said) => assert!(tries.next().is_some(), "PostgreSQL does not start:\n{said}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        *self.process.lock().unwrap() = Some(process);
    }
}

/// Whether it takes a connection; while it starts it says that.
async fn answers(url: &str) -> bool {
    match PgConnection::connect(url).await {
        Ok(connection) => connection.close().await.is_ok(),
        Err(_) => false,
    }
}

impl Server for Own {
    fn kill(&self) -> BoxFuture<'_, ()> {
        Box::pin(async { drop(self.process.lock().unwrap().take()) })
    }

    fn start(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.run())
    }
}

/// Serves one to the unit tests, which start none: `tests/run` reads its URL, and it stays until nobody writes to it any more.
#[actix_rt::test]
#[ignore = "it serves, and tries nothing"]
async fn serves() {
    let server = PostgresServer::start().await.unwrap_or_else(|missing| panic!("{missing}"));
    println!("serves: {}", server.url());
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await.unwrap().unwrap();
}
