//! Where a sample is: a database that nobody else has, on a server whose CPU time is known.

use std::fs;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::harness::Failure;
use crate::transports::servers::{self, Missing, Server};

pub(crate) const SQLITE: &str = "sqlite";
pub(crate) const POSTGRES: &str = "postgres";
pub(crate) const DATABASES: [&str; 2] = [SQLITE, POSTGRES];

/// Finds or starts the server of this database.
pub(crate) async fn server(database: &str) -> Result<Server, Missing> {
    match database {
        POSTGRES => servers::postgres().await,
        _ => servers::file(),
    }
}

/// A database of its own.
pub(crate) struct Place<'a> {
    pub(crate) database: &'static str,
    /// An address of PostgreSQL, or the path of a file.
    pub(crate) url: String,
    server: &'a Server,
    name: String,
}

impl<'a> Place<'a> {
    pub(crate) async fn new(database: &'static str, server: &'a Server, name: &str) -> Result<Self, Failure> {
        let name = format!("bench_{}_{name}", std::process::id());
        if database != POSTGRES {
            return Ok(Self { database, url: format!("{}-{name}", server.url), server, name });
        }
        let mut connection = PgConnection::connect(&server.url).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await?;
        let (front, _) = server.url.rsplit_once('/').ok_or("an address of PostgreSQL needs a database")?;
        Ok(Self { database, url: format!("{front}/{name}"), server, name })
    }

    /// The CPU time that the server has used so far, if it is one of ours; of a file it is that of this process.
    pub(crate) fn server_cpu(&self) -> Option<Duration> {
        (self.database == POSTGRES).then(|| self.server.pid().map(with_children)).flatten()
    }

    /// Removes it: what many samples leave would be in the way of the next.
    pub(crate) async fn remove(self) -> Result<(), Failure> {
        if self.database == POSTGRES {
            let mut connection = PgConnection::connect(&self.server.url).await?;
            let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await?;
            return Ok(());
        }
        for end in ["", "-wal", "-shm"] {
            // Those beside it are there only while it is open.
            let _ = fs::remove_file(format!("{}{end}", self.url));
        }
        Ok(())
    }
}

/// What a process and its children have used so far. Those that live are known to the nanosecond; those that have ended, in
/// hundredths of a second.
pub(crate) fn with_children(pid: u32) -> Duration {
    let mut time = Duration::ZERO;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name may have spaces; behind it come the state, the parent, and from the fourteenth field the times of children.
        let Some((_, back)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<u64> = back.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
        if id != pid && fields.get(1) != Some(&u64::from(pid)) {
            continue;
        }
        if id == pid {
            time += Duration::from_millis(10 * fields.get(13..15).unwrap_or_default().iter().sum::<u64>());
        }
        for task in fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten() {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let ran = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
            time += Duration::from_nanos(ran.unwrap_or(0));
        }
    }
    time
}
