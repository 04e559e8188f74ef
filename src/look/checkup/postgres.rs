//! A PostgreSQL.

use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, Row};

use super::clock::Asked;
use super::finding::Finding;
use crate::look::Address;
use crate::sql::postgres::{describe, indexes_of_steps, is_direct};
use crate::transport::{ErrorKind, TransportError};

/// What the server and the database say of themselves.
struct Facts {
    version: i32,
    user: String,
    superuser: bool,
    fsync: bool,
    full_page_writes: bool,
    commits: String,
    replica: bool,
    read_only: bool,
    autovacuum: bool,
    encrypted: bool,
    connections: i64,
    most_connections: i32,
    /// A pooler that gives each transaction another process stands between.
    pooled: bool,
    /// The pid or name, and for how many seconds, of whoever keeps vacuum back.
    held: Vec<(String, i64)>,
    /// Indexes that a build has left half made.
    half: Vec<String>,
    /// Indexes that our tables should have, and have not.
    missing: Vec<String>,
    /// The tables with the most dead rows, with the number of those that live.
    dead: Vec<(String, i64, i64)>,
}

const SETTINGS: &str = "SELECT current_setting('server_version_num')::int, current_user::text, \
        coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = current_user), false), current_setting('fsync') = 'on', \
        current_setting('full_page_writes') = 'on', current_setting('synchronous_commit'), pg_is_in_recovery(), \
        current_setting('default_transaction_read_only') = 'on', current_setting('autovacuum') = 'on', \
        coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false), \
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
        current_setting('max_connections')::int";

/// Transactions that have been open for a minute, prepared ones that nobody has ended, and slots that nobody reads.
const HELD: &str = "SELECT 'the transaction of process ' || pid || ' (' || coalesce(state, 'unknown') || ')', \
        extract(epoch FROM clock_timestamp() - xact_start)::bigint AS age FROM pg_stat_activity \
        WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND pid <> pg_backend_pid() \
            AND xact_start < clock_timestamp() - interval '1 min' \
    UNION ALL SELECT 'the prepared transaction ' || gid, extract(epoch FROM clock_timestamp() - prepared)::bigint \
        FROM pg_prepared_xacts WHERE database = current_database() AND prepared < clock_timestamp() - interval '1 min' \
    UNION ALL SELECT 'the replication slot ' || slot_name || ', which nobody reads', 0 \
        FROM pg_replication_slots WHERE NOT active AND (xmin IS NOT NULL OR catalog_xmin IS NOT NULL) \
    ORDER BY age DESC LIMIT 5";

/// The indexes of our tables in all schemas that this user may use.
const INDEXES: &str = "SELECT i.relname::text, x.indisvalid AND x.indisready \
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid \
    WHERE t.relname LIKE 'convoke\\_%'";

const TABLES: &str = "SELECT relname::text FROM pg_class WHERE relname LIKE 'convoke\\_%' AND relkind = 'r'";

const DEAD: &str = "SELECT relname::text, n_dead_tup, n_live_tup FROM pg_stat_user_tables \
    WHERE relname LIKE 'convoke\\_%' AND n_dead_tup > 100000 AND n_dead_tup > n_live_tup ORDER BY n_dead_tup DESC LIMIT 3";

pub(super) async fn look(address: &Address) -> Result<Vec<Finding>, TransportError> {
    let at = address.to_string().into();
    let options = PgConnectOptions::from_str(address.url()).map_err(|_| {
        let text = "the URL cannot be read: write `postgres://user:password@host:5432/database`";
        TransportError::new(ErrorKind::Unsupported, address.to_string(), text)
    })?;
    let options = options.statement_cache_capacity(0).extra_float_digits(None).disable_statement_logging();
    let asked = async {
        let direct = is_direct(&options).await?;
        let mut server = options.connect().await?;
        let asked = Asked::now();
        let time = "SELECT extract(epoch FROM clock_timestamp())::float8";
        let clock = asked.answered(sqlx::raw_sql(time).fetch_one(&mut server).await?.try_get(0)?);
        let facts = facts(&mut server, !direct).await?;
        server.close().await?;
        Ok((facts, clock))
    };
    let (facts, clock) = asked.await.map_err(|error: sqlx::Error| describe(&at, &error))?;
    let mut findings = judge(&facts);
    findings.push(clock);
    Ok(findings)
}

async fn facts(server: &mut PgConnection, pooled: bool) -> Result<Facts, sqlx::Error> {
    let settings = sqlx::raw_sql(SETTINGS).fetch_one(&mut *server).await?;
    let held = sqlx::raw_sql(HELD).fetch_all(&mut *server).await?;
    let held = held.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?;
    let dead = sqlx::raw_sql(DEAD).fetch_all(&mut *server).await?;
    let indexes = sqlx::raw_sql(INDEXES).fetch_all(&mut *server).await?;
    let indexes: Vec<(String, bool)> =
        indexes.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, sqlx::Error>>()?;
    let tables = sqlx::raw_sql(TABLES).fetch_all(&mut *server).await?;
    let tables: Vec<String> = tables.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    // A database without the table, or of an older version, lacks nothing.
    let missing = indexes_of_steps().filter(|(_, table)| tables.iter().any(|there| there == table));
    let missing = missing.filter(|(name, _)| !indexes.iter().any(|(there, _)| there == name));
    let missing = missing.map(|(name, _)| name.to_owned()).collect();
    Ok(Facts {
        version: settings.try_get(0)?,
        user: settings.try_get(1)?,
        superuser: settings.try_get(2)?,
        fsync: settings.try_get(3)?,
        full_page_writes: settings.try_get(4)?,
        commits: settings.try_get(5)?,
        replica: settings.try_get(6)?,
        read_only: settings.try_get(7)?,
        autovacuum: settings.try_get(8)?,
        encrypted: settings.try_get(9)?,
        connections: settings.try_get(10)?,
        most_connections: settings.try_get(11)?,
        pooled,
        held,
        half: indexes.into_iter().filter(|(_, whole)| !whole).map(|(name, _)| name).collect(),
        missing,
        dead: dead
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
            .collect::<Result<_, sqlx::Error>>()?,
    })
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let (major, minor) = (facts.version / 10_000, facts.version % 10_000);
    let mut findings = vec![Finding::held(
        major >= 14,
        "server",
        format!("PostgreSQL {major}.{minor} answers"),
        format!("it is PostgreSQL {major}, and what is older than 14 is not tested"),
        "use 14 or later",
    )];
    let user = &facts.user;
    findings.push(match facts.superuser {
        false => Finding::right("user", format!("the user is {user}, which is no superuser")),
        true => Finding::known(
            "user",
            format!("the user is {user}, a superuser: an application needs to own its schema, and no more"),
        ),
    });
    let keeps = facts.fsync && facts.full_page_writes;
    findings.push(Finding::held(
        keeps,
        "durability",
        "what is committed is on the disk",
        "fsync or full_page_writes is off: a crash of the machine may destroy the whole database",
        "set fsync = on and full_page_writes = on",
    ));
    if facts.commits == "off" {
        let says = "synchronous_commit is off: a crash takes what was confirmed in the last moments";
        findings.push(Finding::risk("durability", says, "set synchronous_commit = on for the user of the application"));
    }
    if facts.replica || facts.read_only {
        let says = if facts.replica {
            "it is a replica, which takes no writes"
        } else {
            "its transactions are read only by default"
        };
        findings.push(Finding::broken(
            "writes",
            says,
            "name the primary server, or set default_transaction_read_only = off",
        ));
    }
    findings.push(Finding::held(
        facts.autovacuum,
        "vacuum",
        "autovacuum is on",
        "autovacuum is off: the tables of queues grow for ever",
        "set autovacuum = on",
    ));
    for (who, seconds) in &facts.held {
        let since = if *seconds > 0 { format!(" since {seconds} s") } else { String::new() };
        let says = format!("{who} keeps vacuum back{since}: dead rows stay, and queues become slower");
        findings.push(Finding::risk("vacuum", says, "end it, and set idle_in_transaction_session_timeout"));
    }
    for (table, dead, alive) in &facts.dead {
        let says = format!("{table} has {dead} dead rows beside {alive} that live");
        findings.push(Finding::known("vacuum", says + ": it has not been vacuumed for a while"));
    }
    for name in &facts.half {
        let says = format!("the index {name} was left half made, and is not used");
        findings.push(Finding::risk("index", says, format!("say REINDEX INDEX CONCURRENTLY {name}")));
    }
    for name in &facts.missing {
        let says = format!("the index {name} is missing: each look reads the whole table");
        findings.push(Finding::risk(
            "index",
            says,
            "make it as the migration does, or restore the schema from a database that has it",
        ));
    }
    if facts.pooled {
        let says =
            "a pooler stands between that gives each transaction another process: queues are polled, and not woken";
        findings.push(Finding::known("pooler", says));
    }
    let (open, most) = (facts.connections, i64::from(facts.most_connections));
    findings.push(Finding::held(
        open * 10 < most * 9,
        "connections",
        format!("{open} of {most} connections are open"),
        format!("{open} of {most} connections are open, and the next process may find none"),
        "give each process a smaller pool, or put a pooler before the server",
    ));
    if !facts.encrypted {
        findings.push(Finding::known(
            "tls",
            "the connection is not encrypted: add `?sslmode=verify-full` unless the server is on this machine",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Gravity;

    fn facts() -> Facts {
        Facts {
            version: 170_005,
            user: "shop".to_owned(),
            superuser: false,
            fsync: true,
            full_page_writes: true,
            commits: "on".to_owned(),
            replica: false,
            read_only: false,
            autovacuum: true,
            encrypted: true,
            connections: 3,
            most_connections: 100,
            pooled: false,
            held: Vec::new(),
            half: Vec::new(),
            missing: Vec::new(),
            dead: Vec::new(),
        }
    }

    fn worst(facts: &Facts) -> (&'static str, Gravity) {
        let findings = judge(facts);
        findings.iter().max_by_key(|finding| finding.gravity()).map(|worst| (worst.about(), worst.gravity())).unwrap()
    }

    #[test]
    fn each_fact_has_its_finding() {
        use Gravity::{Broken, Known, Right, Risk};

        assert_eq!(worst(&facts()).1, Right);
        assert_eq!(worst(&Facts { version: 130_010, ..facts() }), ("server", Risk));
        assert_eq!(worst(&Facts { superuser: true, ..facts() }), ("user", Known));
        assert_eq!(worst(&Facts { fsync: false, ..facts() }), ("durability", Risk));
        assert_eq!(worst(&Facts { full_page_writes: false, ..facts() }), ("durability", Risk));
        assert_eq!(worst(&Facts { commits: "off".to_owned(), ..facts() }), ("durability", Risk));
        assert_eq!(worst(&Facts { replica: true, ..facts() }), ("writes", Broken));
        assert_eq!(worst(&Facts { read_only: true, ..facts() }), ("writes", Broken));
        assert_eq!(worst(&Facts { autovacuum: false, ..facts() }), ("vacuum", Risk));
        assert_eq!(worst(&Facts { held: vec![("process 7".to_owned(), 90)], ..facts() }), ("vacuum", Risk));
        assert_eq!(worst(&Facts { half: vec!["convoke_job_ready".to_owned()], ..facts() }), ("index", Risk));
        assert_eq!(worst(&Facts { missing: vec!["convoke_job_ready".to_owned()], ..facts() }), ("index", Risk));
        assert_eq!(worst(&Facts { dead: vec![("convoke_queue".to_owned(), 1, 0)], ..facts() }), ("vacuum", Known));
        assert_eq!(worst(&Facts { pooled: true, ..facts() }), ("pooler", Known));
        assert_eq!(worst(&Facts { connections: 95, ..facts() }), ("connections", Risk));
        assert_eq!(worst(&Facts { encrypted: false, ..facts() }), ("tls", Known));
    }
}
