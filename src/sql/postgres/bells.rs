//! Who waits for a row is woken: in this process at once, and in others by a notification of the server.
//!
//! `ring → Bell → who waits`, `ring → (one NOTIFY for all of a moment) → the server → LISTEN → Bell → who waits elsewhere`
//!
//! A notification is a hint and no more: it may be lost, and whoever waits looks by itself now and then. It never stands in
//! a transaction with anything else, because its commit takes a lock for the whole database. Nobody listens behind a pooler
//! that gives each transaction another connection: what it hears would come to somebody else, whose client may fail over it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;
use sqlx::{AssertSqlSafe, PgPool, Row};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::session::quoted;

/// Wakes those who wait for what one name has for one group.
pub(crate) type Bell = Arc<Notify>;

/// At most so many are woken by one publish: each that finds a full hand wakes the next.
const MOST_WOKEN: usize = 32;
/// What is rung within this time after a notification goes together in the next.
const MOMENT: Duration = Duration::from_millis(2);
/// What is hinted at within this time after a hint goes together in the next.
const HINTS: Duration = Duration::from_millis(50);
/// A notification that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so long without a notification the connection is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);
/// How long it waits before it connects again; at most eight times as long.
const AGAIN: Duration = Duration::from_millis(250);
/// How long it waits where a pooler stands between: it may be taken away.
const POOLED: Duration = Duration::from_secs(300);
/// A pool with fewer connections has none to listen with.
const FEWEST: u32 = 3;
/// How often it is looked whether there is one. Under load it shows by the first or second look.
const LOOKS: usize = 10;

/// By the address of the pool and the schema.
type All = HashMap<(usize, String), Weak<Inner>>;

static ALL: Mutex<Option<All>> = Mutex::new(None);

#[derive(Clone)]
pub(crate) struct Bells(Arc<Inner>);

struct Inner {
    pool: PgPool,
    channel: String,
    /// Tells what this process has rung from what others have.
    me: String,
    /// By name and group.
    bells: Mutex<HashMap<String, HashMap<String, Bell>>>,
    /// By name, for those who look however often it rings.
    watched: Mutex<HashMap<String, watch::Sender<()>>>,
    /// The names of which other processes were just told, and whether more was hinted at since.
    hinted: Mutex<HashMap<String, bool>>,
    /// What other processes have to be told, and how much of it; `None` while nobody is at it.
    to_tell: Mutex<Option<BTreeMap<String, usize>>>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Bells {
    /// Returns those of the pool and schema, for one connection listens for all that share a pool.
    pub(super) fn new(pool: PgPool, schema: &str) -> Self {
        let mut all = lock(&ALL);
        let all = all.get_or_insert_default();
        all.retain(|_, inner| inner.strong_count() > 0);
        // While somebody has them, their pool is there, and no other has its address.
        let of = (std::ptr::from_ref(pool.options()).addr(), schema.to_owned());
        if let Some(inner) = all.get(&of).and_then(Weak::upgrade) {
            return Self(inner);
        }
        let inner = Arc::new(Inner {
            pool,
            channel: format!("convoke.{schema}"),
            me: format!("{:016x}", fastrand::u64(..)),
            bells: Mutex::default(),
            watched: Mutex::default(),
            hinted: Mutex::default(),
            to_tell: Mutex::default(),
            listening: Mutex::default(),
        });
        all.insert(of, Arc::downgrade(&inner));
        Self(inner)
    }

    /// Returns the bell of a group.
    pub(crate) fn bell(&self, name: &str, group: &str) -> Bell {
        let mut bells = lock(&self.0.bells);
        bells.entry(name.to_owned()).or_default().entry(group.to_owned()).or_default().clone()
    }

    /// Returns what changes whenever it rings for a name.
    pub(crate) fn watch(&self, name: &str) -> watch::Receiver<()> {
        lock(&self.0.watched).entry(name.to_owned()).or_default().subscribe()
    }

    /// Wakes every group of a name in this process, and tells other processes. It has to be called within a runtime.
    pub(crate) fn ring(&self, name: &str, count: usize) {
        self.0.ring_here(name, count);
        self.tell(name, count);
    }

    /// Wakes those who watch a name in this process, and tells other processes now and then: for who rings before there is
    /// anything, however often. Outside of a runtime nobody else is told.
    pub(crate) fn hint(&self, name: &str) {
        self.0.ring_here(name, 1);
        let Ok(runtime) = Handle::try_current() else { return };
        match lock(&self.0.hinted).entry(name.to_owned()) {
            Entry::Occupied(mut entry) => {
                entry.insert(true);
                return;
            }
            Entry::Vacant(entry) => entry.insert(false),
        };
        self.tell(name, 1);
        let sparing = Sparing { bells: self.clone(), name: name.to_owned() };
        runtime.spawn(async move {
            while {
                sleep(HINTS).await;
                sparing.is_hinted()
            } {
                sparing.bells.tell(&sparing.name, 1);
            }
        });
    }

    fn tell(&self, name: &str, count: usize) {
        let mut to_tell = lock(&self.0.to_tell);
        if let Some(names) = &mut *to_tell {
            *names.entry(name.to_owned()).or_default() += count;
            return;
        }
        *to_tell = Some(BTreeMap::from([(name.to_owned(), count)]));
        tokio::spawn(tell(Telling { inner: self.0.clone(), is_over: false }));
    }

    /// Listens to other processes, unless it does. The task ends with its runtime, so whoever waits asks now and then.
    pub(crate) fn listen(&self) {
        // One connection would be gone for good: of two, none would be left while the other is at work.
        if self.0.pool.options().get_max_connections() < FEWEST {
            return;
        }
        let mut listening = lock(&self.0.listening);
        if listening.as_ref().is_none_or(JoinHandle::is_finished) {
            let (pool, channel) = (self.0.pool.clone(), self.0.channel.clone());
            *listening = Some(tokio::spawn(listen(Arc::downgrade(&self.0), pool, channel)));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listening) = lock(&self.listening).take() {
            listening.abort();
        }
    }
}

impl Inner {
    fn ring_here(&self, name: &str, count: usize) {
        if let Some(bells) = lock(&self.bells).get(name) {
            for bell in bells.values() {
                (0..count.min(MOST_WOKEN)).for_each(|_| bell.notify_one());
            }
        }
        if let Some(watched) = lock(&self.watched).get(name) {
            watched.send_replace(());
        }
    }

    fn ring_all(&self) {
        lock(&self.watched).values().for_each(|watched| watched.send_replace(()));
        lock(&self.bells).values().flat_map(HashMap::values).for_each(|bell| bell.notify_one());
    }

    /// What others have rung: the process, how much, and the name.
    fn heard(&self, payload: &str) {
        let mut parts = payload.splitn(3, ' ');
        let (process, count, name) = (parts.next(), parts.next(), parts.next());
        if let (Some(process), Some(count), Some(name)) = (process, count.and_then(|count| count.parse().ok()), name)
            && process != self.me
        {
            self.ring_here(name, count);
        }
    }
}

/// That other processes are spared the hints of a name for a while; if the runtime ends meanwhile, the next tells them at once.
struct Sparing {
    bells: Bells,
    name: String,
}

impl Sparing {
    /// Returns whether more was hinted at meanwhile.
    fn is_hinted(&self) -> bool {
        let mut hinted = lock(&self.bells.0.hinted);
        let more = hinted.get_mut(&self.name).is_some_and(std::mem::take);
        if !more {
            hinted.remove(&self.name);
        }
        more
    }
}

impl Drop for Sparing {
    fn drop(&mut self) {
        lock(&self.bells.0.hinted).remove(&self.name);
    }
}

/// That somebody tells other processes; if the runtime ends meanwhile, the next who rings begins anew.
struct Telling {
    inner: Arc<Inner>,
    is_over: bool,
}

impl Drop for Telling {
    fn drop(&mut self) {
        if !self.is_over {
            *lock(&self.inner.to_tell) = None;
        }
    }
}

async fn tell(mut telling: Telling) {
    let inner = telling.inner.clone();
    loop {
        let names = match &mut *lock(&inner.to_tell) {
            Some(names) if !names.is_empty() => std::mem::take(names),
            // With the lock held, so that nobody adds to what nobody sends.
            to_tell => {
                *to_tell = None;
                telling.is_over = true;
                return;
            }
        };
        let notify = |(name, count): (&String, &usize)| {
            let payload = quoted(&format!("{} {count} {name}", inner.me));
            format!("pg_notify({}, {payload})", quoted(&inner.channel))
        };
        let sql = format!("SELECT {}", names.iter().map(notify).collect::<Vec<_>>().join(", "));
        let told = timeout(PATIENCE, sqlx::raw_sql(AssertSqlSafe(sql)).execute(&inner.pool)).await;
        if !matches!(told, Ok(Ok(_))) {
            log::debug!(target: "convoke::sql", "a notification was not sent: others find out by themselves");
        }
        sleep(MOMENT).await;
    }
}

async fn listen(inner: Weak<Inner>, pool: PgPool, channel: String) {
    let mut wait = AGAIN;
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await {
            match has_session(&mut listener, &pool).await {
                Ok(true) if listener.listen(&channel).await.is_ok() => {
                    wait = AGAIN;
                    hear(&inner, &mut listener).await;
                }
                Ok(true) | Err(_) => {}
                Ok(false) => {
                    log::debug!(
                        target: "convoke::sql",
                        "a pooler gives each transaction another connection: nobody is notified, and queues are polled"
                    );
                    drop(listener);
                    sleep(POOLED).await;
                }
            }
        }
        if inner.strong_count() == 0 || pool.is_closed() {
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(AGAIN * 8);
    }
}

/// Looks whether this connection has a process of the server for itself. A pooler without sessions shows when the process
/// changes from one statement to the next, or is that of another connection too: it gives out first what came back last.
async fn has_session(listener: &mut PgListener, pool: &PgPool) -> Result<bool, sqlx::Error> {
    const PROCESS: &str = "SELECT pg_backend_pid()";
    let mut mine = None;
    for _ in 0..LOOKS {
        let before: i32 = sqlx::raw_sql(PROCESS).fetch_one(&mut *listener).await?.try_get(0)?;
        let mut other = pool.acquire().await?;
        let others: i32 = sqlx::raw_sql(PROCESS).fetch_one(&mut *other).await?.try_get(0)?;
        if before == others || mine.is_some_and(|mine| mine != before) {
            return Ok(false);
        }
        mine = Some(before);
    }
    Ok(true)
}

/// Hears what comes until the connection ends.
async fn hear(inner: &Weak<Inner>, listener: &mut PgListener) {
    // What was rung before nobody has heard.
    if let Some(inner) = inner.upgrade() {
        inner.ring_all();
    }
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => match inner.upgrade() {
                Some(inner) => inner.heard(notification.payload()),
                None => return,
            },
            Ok(_) => return,
            Err(_) => {
                let asked = timeout(PATIENCE, sqlx::raw_sql("SELECT 1").execute(&mut *listener)).await;
                if !matches!(asked, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
