//! A file of SQLite.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::finding::Finding;
use crate::look::Address;
use crate::sql::sqlite::{describe, is_a_file};
use crate::transport::{ErrorKind, TransportError};

/// The code of a file that is damaged.
const CORRUPT: &str = "11";

/// What a file says of itself.
struct Facts {
    version: String,
    journal: String,
    page_size: i64,
    pages: i64,
    free: i64,
    damage: Vec<String>,
}

pub(super) async fn look(address: &Address) -> Result<Vec<Finding>, TransportError> {
    let at = address.to_string().into();
    // SQLite says the same of a file that is not there and of one that it may not read.
    if !Path::new(address.path()).exists() {
        return Err(TransportError::new(ErrorKind::Missing, address.to_string(), "there is no such file"));
    }
    is_a_file(Path::new(address.path()), &"sqlite".into())?;
    let asked = async {
        // Read only: it neither makes the file, nor the log beside it.
        let options = SqliteConnectOptions::new().filename(address.path()).read_only(true).create_if_missing(false);
        let mut file = options.disable_statement_logging().connect().await?;
        let facts = facts(&mut file).await?;
        file.close().await?;
        Ok(facts)
    };
    let facts = asked.await.map_err(|error: sqlx::Error| describe(&at, &error))?;
    Ok(judge(&facts))
}

async fn facts(file: &mut SqliteConnection) -> Result<Facts, sqlx::Error> {
    let text = async |file: &mut SqliteConnection, sql: &'static str| {
        sqlx::query(sql).fetch_one(file).await?.try_get::<String, _>(0)
    };
    let number = async |file: &mut SqliteConnection, sql: &'static str| {
        sqlx::query(sql).fetch_one(file).await?.try_get::<i64, _>(0)
    };
    // Without the contents of indexes it reads each page once.
    let damage = match sqlx::query("PRAGMA quick_check(5)").fetch_all(&mut *file).await {
        Ok(rows) => rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?,
        // So damaged that it cannot even be looked at.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CORRUPT) => {
            vec![error.message().to_owned()]
        }
        Err(error) => return Err(error),
    };
    Ok(Facts {
        version: text(&mut *file, "SELECT sqlite_version()").await?,
        journal: text(&mut *file, "PRAGMA journal_mode").await?,
        page_size: number(&mut *file, "PRAGMA page_size").await?,
        pages: number(&mut *file, "PRAGMA page_count").await?,
        free: number(&mut *file, "PRAGMA freelist_count").await?,
        damage: damage.into_iter().filter(|line| line != "ok").collect(),
    })
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![Finding::right("server", format!("the file can be read, by SQLite {}", facts.version))];
    findings.push(match facts.damage.first() {
        None => Finding::right("damage", "no page of it is damaged"),
        Some(first) => Finding::broken(
            "damage",
            format!("the file is damaged: {first}"),
            "stop who writes to it, copy it with the files beside it, and go back to a copy that is sound or try `.recover` of sqlite3",
        ),
    });
    findings.push(Finding::held(
        facts.journal.eq_ignore_ascii_case("wal"),
        "journal",
        "it has a write-ahead log, so that nobody who reads waits for who writes",
        format!("its journal_mode is {}: who reads keeps back who writes", facts.journal),
        "open it by `Sqlite::open` once, or set `PRAGMA journal_mode = wal`",
    ));
    let (size, free) = (facts.page_size.saturating_mul(facts.pages), facts.page_size.saturating_mul(facts.free));
    if facts.free > facts.pages / 2 && free > 64 * 1024 * 1024 {
        let says = format!("{} MiB of {} MiB are free", free / (1024 * 1024), size / (1024 * 1024));
        findings.push(Finding::known("size", says + ": they are used again, and given back by VACUUM alone"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Gravity;

    fn facts() -> Facts {
        let (version, journal) = ("3.50.2".to_owned(), "wal".to_owned());
        Facts { version, journal, page_size: 4096, pages: 100, free: 0, damage: Vec::new() }
    }

    fn worst(facts: &Facts) -> (&'static str, Gravity) {
        let findings = judge(facts);
        findings.iter().max_by_key(|finding| finding.gravity()).map(|worst| (worst.about(), worst.gravity())).unwrap()
    }

    #[test]
    fn each_fact_has_its_finding() {
        assert_eq!(worst(&facts()).1, Gravity::Right);
        assert_eq!(worst(&Facts { journal: "delete".to_owned(), ..facts() }), ("journal", Gravity::Risk));
        let damage = vec!["page 7 is never used".to_owned()];
        assert_eq!(worst(&Facts { damage, ..facts() }), ("damage", Gravity::Broken));
        assert_eq!(worst(&Facts { pages: 1_000_000, free: 900_000, ..facts() }), ("size", Gravity::Known));
        assert_eq!(worst(&Facts { pages: 100, free: 90, ..facts() }).1, Gravity::Right);
    }
}
