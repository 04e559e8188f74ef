//! What a database keeps beside its queues, as somebody looks at it: tasks, durable rounds, stores, and how its tables stand.
//!
//! `Address → Works::at → tasks → TasksLook, rounds → RoundsLook, read → Read → replay, tables → Tables → migrate`

use std::fmt;
use std::sync::Arc;

use super::looks::unsupported;
use crate::store::StoreDatabase;
use crate::transport::{Address, ErrorKind, MemoryDatabase, ServerKind, TransportError};
use crate::{Patterns, Read, RoundsLook, TasksLook};

/// What a database keeps beside its queues: tasks, durable rounds and stores. Of a Redis it has durable rounds. It is for a tool: no type of
/// a task, a payload or an event is needed.
///
/// Nothing is created or migrated by looking: [`migrate`](Self::migrate) does that where it is called. Its clones share the connection.
///
/// ```
/// use convoke::JobState;
/// use convoke::look::{Address, Works};
/// # use convoke::transport::Memory;
///
/// # #[actix::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let db = Memory::database_named("works");
/// let address: Address = "memory:works".parse()?; // or `sqlite:shop.db`, `postgres://…`, `redis://…`
/// let works = Works::at(&address).await?;
/// let failed = works.tasks().await?.jobs().state(JobState::Failed).page(None, 100).await?;
/// println!("{} jobs have failed", failed.len());
/// for name in works.rounds().brokers(None, 100).await? {
///     println!("{name}: {} rounds are open", works.rounds().broker(&name).await?.figures().await?.open);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Works {
    address: Address,
    database: Database,
}

#[derive(Clone)]
enum Database {
    Memory(MemoryDatabase),
    #[cfg(feature = "sqlite")]
    Sqlite(crate::transport::SqliteDatabase),
    #[cfg(feature = "postgres")]
    Postgres(crate::transport::PostgresDatabase),
    #[cfg(feature = "redis")]
    Redis(crate::RedisRounds),
}

impl Works {
    /// Connects to the database that the address names, or opens its file. The name behind `#` is not looked at.
    ///
    /// # Errors
    ///
    /// - `Missing` if there is no such file or database.
    /// - `Unreachable` if there is no answer within 10 s; of a Redis within 5 s.
    /// - `Denied` if it does not know the user or the password.
    /// - `Unsupported` for a server that keeps queues alone, as RabbitMQ, and for one that no feature of this build knows.
    pub async fn at(address: &Address) -> Result<Self, TransportError> {
        let database = match address.server() {
            ServerKind::Memory => match MemoryDatabase::find(address.path()) {
                Some(database) => Database::Memory(database),
                None => {
                    let text = "this process has no database of this name: open it with `Memory::database_named`";
                    return Err(TransportError::new(ErrorKind::Missing, address.to_string(), text));
                }
            },
            #[cfg(feature = "sqlite")]
            ServerKind::Sqlite => Database::Sqlite(crate::transport::Sqlite::open(address.path()).existing().await?),
            #[cfg(feature = "postgres")]
            ServerKind::Postgres => {
                let connect = crate::transport::Postgres::connect(address.url());
                Database::Postgres(match address.schema() {
                    Some(schema) => connect.schema(schema).await?,
                    None => connect.await?,
                })
            }
            #[cfg(feature = "redis")]
            ServerKind::Redis => {
                let connect = crate::transport::Redis::rounds(address.url());
                Database::Redis(match address.prefix() {
                    Some(prefix) => connect.prefix(prefix).await?,
                    None => connect.await?,
                })
            }
            ServerKind::RabbitMq | ServerKind::Sqs | ServerKind::Sns => {
                return Err(unsupported(address, format!("this server keeps queues alone: {KEEPS}")));
            }
            #[allow(unreachable_patterns, reason = "with all features there is none")]
            server => return Err(unsupported(address, crate::transport::not_built(server))),
        };
        Ok(Self { address: address.clone(), database })
    }

    /// Returns the address that it was reached by.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Opens the tasks for who looks.
    ///
    /// # Errors
    ///
    /// - `Missing` if the tables are not there, or older than this program needs.
    /// - `Refused` if they are too new for it.
    /// - `Unsupported` of a Redis, which keeps no tasks.
    /// - `Unreachable`.
    pub async fn tasks(&self) -> Result<TasksLook, TransportError> {
        match &self.database {
            Database::Memory(database) => TasksLook::over(database).await,
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => TasksLook::over(database).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => TasksLook::over(database).await,
            #[cfg(feature = "redis")]
            Database::Redis(_) => Err(self.no("a Redis keeps no tasks")),
        }
    }

    /// Returns the durable rounds for who looks. Nothing is asked yet.
    pub fn rounds(&self) -> RoundsLook {
        match &self.database {
            Database::Memory(database) => RoundsLook::over(database),
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => RoundsLook::over(database),
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => RoundsLook::over(database),
            #[cfg(feature = "redis")]
            Database::Redis(rounds) => RoundsLook::over(rounds),
        }
    }

    /// Reads the store of this name, events whose topic matches one of these patterns; [`Read::replay`] tells them once more.
    ///
    /// # Errors
    ///
    /// - `Missing` if there is no such store: it names some that there are. And if the tables are not there, or older.
    /// - `Refused` if they are too new for this program.
    /// - `Unsupported` of a Redis, which keeps no store, and for a name that no store can have.
    /// - `Unreachable`.
    pub async fn read(&self, store: &str, topics: impl Patterns) -> Result<Read, TransportError> {
        match &self.database {
            Database::Memory(database) => read(database.store(store), topics).await,
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => read(database.store(store), topics).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => read(database.store(store), topics).await,
            #[cfg(feature = "redis")]
            Database::Redis(_) => Err(self.no("a Redis keeps no store")),
        }
    }

    /// Returns the names of the stores behind this one, in their order, at most so many.
    ///
    /// # Errors
    ///
    /// - `Missing` if the tables are not there, or older than this program needs.
    /// - `Unsupported` of a Redis, which keeps no store.
    /// - `Unreachable`.
    pub async fn stores(&self, behind: Option<&str>, most: usize) -> Result<Vec<Arc<str>>, TransportError> {
        match &self.database {
            Database::Memory(database) => stores(database, behind, most).await,
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => stores(database, behind, most).await,
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => stores(database, behind, most).await,
            #[cfg(feature = "redis")]
            Database::Redis(_) => Err(self.no("a Redis keeps no store")),
        }
    }

    /// Says how the tables stand, and changes nothing.
    ///
    /// # Errors
    ///
    /// - `Unsupported` where there are no tables: in memory, and of a Redis.
    /// - `Denied` and `Unreachable`.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub async fn tables(&self) -> Result<crate::transport::Tables, TransportError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => database.tables().await,
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.tables().await,
            _ => Err(self.no("it has no tables, and nothing to migrate")),
        }
    }

    /// Makes the tables that are missing, and brings older ones to the version that this program knows.
    ///
    /// # Errors
    ///
    /// Those of `migrate` of the database, and those of [`tables`](Self::tables).
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub async fn migrate(&self) -> Result<(), TransportError> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(database) => database.migrate().await,
            #[cfg(feature = "postgres")]
            Database::Postgres(database) => database.migrate().await,
            _ => Err(self.no("it has no tables, and nothing to migrate")),
        }
    }

    #[allow(dead_code, reason = "without any feature there is one database")]
    fn no(&self, what: &str) -> TransportError {
        unsupported(&self.address, format!("{what}: {KEEPS}"))
    }
}

/// What is said of a server that has nothing of this.
const KEEPS: &str =
    "tasks, durable rounds and stores are kept in SQLite and PostgreSQL, and durable rounds in Redis too";

async fn read<D: StoreDatabase>(store: crate::StoreBuilder<D>, topics: impl Patterns) -> Result<Read, TransportError> {
    Ok(store.existing().await?.read(topics))
}

/// The names from one on, without it.
async fn stores<D: StoreDatabase>(
    database: &D,
    behind: Option<&str>,
    most: usize,
) -> Result<Vec<Arc<str>>, TransportError> {
    let behind = behind.unwrap_or_default();
    let mut names = database.stores(behind, most.saturating_add(1)).await?;
    names.retain(|name| **name != *behind);
    names.truncate(most);
    Ok(names)
}

impl fmt::Debug for Works {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Works").field("address", &self.address).finish_non_exhaustive()
    }
}
