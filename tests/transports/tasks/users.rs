//! Users, in a table of each database or of another, and the tasks that are about them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use convoke::prelude::*;
use convoke::transport::MemoryConnection;
use convoke::{Fault, Repository, Tasks};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, SqliteConnection};

use super::Base;
use super::shop::{RegistrationFailed, Shop};
use crate::transports::outbox::memory::Here;
use crate::transports::outbox::postgres::Database;
use crate::transports::outbox::sqlite::File;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct User {
    pub(super) name: String,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User), fails = RegistrationFailed, attempts = 3, first_wait = "1ms", longest_wait = "5ms")]
pub(super) struct Greet {
    pub(super) user: i64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User), delete_on_success, fails = RegistrationFailed)]
#[task(attempts = 3, first_wait = "1ms", longest_wait = "5ms")]
pub(super) struct Dismiss {
    pub(super) user: i64,
}

#[derive(Task, Serialize, Deserialize)]
#[task(instance(user: User), delete_on_failure, fails = RegistrationFailed)]
#[task(attempts = 2, first_wait = "1ms", longest_wait = "5ms")]
pub(super) struct Admit {
    pub(super) user: i64,
}

/// Whether to delete fails, after it was done.
pub(super) type Stuck = Arc<AtomicBool>;

pub(super) fn stuck() -> Stuck {
    Arc::new(AtomicBool::new(true))
}

fn passes(stuck: &Stuck) -> Result<(), Fault> {
    match stuck.load(Ordering::SeqCst) {
        true => Err(Fault::new("an order names it")),
        false => Ok(()),
    }
}

/// A database that has a table of users.
pub(super) trait Users: Base {
    async fn prepare(&self);

    /// Adds a user, or gives him another name.
    async fn put(&self, id: i64, name: &str);

    async fn names(&self) -> Vec<String>;

    fn users(&self, stuck: &Stuck) -> Repository<User>;
}

macro_rules! users {
    ($base:ty, $connection:ty) => {
        impl Users for $base {
            async fn prepare(&self) {
                let create = "CREATE TABLE users (id BIGINT PRIMARY KEY, name TEXT NOT NULL)";
                sqlx::query(create).execute(self.db.pool()).await.unwrap();
            }

            async fn put(&self, id: i64, name: &str) {
                let put =
                    "INSERT INTO users (id, name) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET name = excluded.name";
                sqlx::query(put).bind(id).bind(name).execute(self.db.pool()).await.unwrap();
            }

            async fn names(&self) -> Vec<String> {
                sqlx::query_scalar("SELECT name FROM users ORDER BY id").fetch_all(self.db.pool()).await.unwrap()
            }

            fn users(&self, stuck: &Stuck) -> Repository<User> {
                let find = async |id: i64, on: &mut $connection| {
                    let name = sqlx::query_scalar("SELECT name FROM users WHERE id = $1").bind(id);
                    name.fetch_optional(on).await.map(|name| name.map(|name| User { name }))
                };
                let stuck = stuck.clone();
                let delete = async move |id: i64, on: &mut $connection| {
                    sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(on).await?;
                    passes(&stuck)
                };
                Repository::new(find).deletes(delete)
            }
        }
    };
}

users!(File, SqliteConnection);
users!(Database, PgConnection);

thread_local! {
    /// A test has a thread of its own.
    static TABLE: RefCell<BTreeMap<i64, String>> = RefCell::default();
}

impl Users for Here {
    async fn prepare(&self) {}

    async fn put(&self, id: i64, name: &str) {
        TABLE.with_borrow_mut(|users| users.insert(id, name.to_owned()));
    }

    async fn names(&self) -> Vec<String> {
        TABLE.with_borrow(|users| users.values().cloned().collect())
    }

    fn users(&self, stuck: &Stuck) -> Repository<User> {
        let find = async |id: i64, _: &mut MemoryConnection| {
            let name = TABLE.with_borrow(|users| users.get(&id).cloned());
            Ok::<_, Fault>(name.map(|name| User { name }))
        };
        let stuck = stuck.clone();
        let delete = async move |id: i64, on: &mut MemoryConnection| {
            on.on_commit(move || drop(TABLE.with_borrow_mut(|users| users.remove(&id))));
            passes(&stuck)
        };
        Repository::new(find).deletes(delete)
    }
}

/// Users in another database than the jobs.
#[derive(Clone, Default)]
pub(super) struct Elsewhere(Arc<Mutex<BTreeMap<i64, String>>>);

impl Elsewhere {
    pub(super) fn put(&self, id: i64, name: &str) {
        self.0.lock().unwrap().insert(id, name.to_owned());
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().values().cloned().collect()
    }

    /// Asks for no connection.
    pub(super) fn users(&self, stuck: &Stuck) -> Repository<User> {
        let (there, gone, stuck) = (self.clone(), self.clone(), stuck.clone());
        let find =
            async move |id: i64| Ok::<_, Fault>(there.0.lock().unwrap().get(&id).cloned().map(|name| User { name }));
        let delete = async move |id: i64| {
            passes(&stuck)?;
            drop(gone.0.lock().unwrap().remove(&id));
            Ok::<_, Fault>(())
        };
        Repository::new(find).deletes(delete)
    }
}

impl<B: Users> Shop<B> {
    /// With a user in its table.
    pub(super) async fn with_user(id: i64, name: &str) -> Self {
        let shop = Self::new().await;
        shop.base.prepare().await;
        shop.base.put(id, name).await;
        shop
    }

    /// Tasks whose functions are given this.
    pub(super) fn tasks_with(&self, users: Repository<User>) -> Tasks<B::Database> {
        let bus = EventBus::builder().provide(users).build();
        let noted = self.noted();
        bus.on_topic("users/*", move |event: &JsonEvent, metadata: Metadata| noted(&metadata, event))
            .unwrap()
            .forever();
        Tasks::new(self.base.database(), &bus).poll_every(std::time::Duration::from_millis(10))
    }
}
