//! What a promise is tried on over a Redis: a server of its own, or the one that the environment names; and what only Redis does.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use ::redis::{Value, cmd};

use super::super::fixture::{Fixture, Mend};
use super::super::room::{Room, by_key, closing, judge, signal, signaled};
use super::Folder;
use crate::Uuid;
use crate::durable::RedisRounds;
use crate::durable::store::{Case, Judge, Place, RoundDatabase as _, Ruling};
use crate::transport::{BoxFuture, ErrorKind, TransportError};

/// A server, and one of ours if nobody named one.
pub(in crate::durable) struct Redis {
    url: String,
    _server: Option<Server>,
}

impl Redis {
    pub(in crate::durable) fn find() -> Option<Self> {
        match std::env::var("CONVOKE_TEST_REDIS_URL").ok().filter(|url| !url.is_empty()) {
            Some(url) => Some(Self { url, _server: None }),
            None => {
                let server = Server::start(&["--appendonly", "yes"]);
                // What passes in CI without having been tried would be noticed by nobody.
                let is_ci = std::env::var("CI").is_ok_and(|ci| !["", "0", "false"].contains(&&*ci));
                assert!(server.is_some() || !is_ci, "nothing is tried over Redis: redis-server cannot be started");
                server.map(|server| Self { url: server.url(), _server: Some(server) })
            }
        }
    }
}

impl Fixture for Redis {
    type Database = RedisRounds;

    fn name(&self) -> &str {
        "redis"
    }

    /// By a prefix that nobody else has.
    fn database(&self) -> BoxFuture<'_, Result<RedisRounds, TransportError>> {
        let prefix = format!("test-{}", Uuid::now_v7().simple());
        Box::pin(async move {
            crate::transport::Redis::rounds(self.url.as_str()).prefix(prefix).trusting_the_server().await
        })
    }

    fn break_write<'a>(&'a self, db: &'a RedisRounds, number: usize) -> Option<BoxFuture<'a, Mend>> {
        let key = format!("{}:{}", db.base("approvals"), BROKEN.get(number)?);
        Some(Box::pin(async move {
            let aside = format!("{key}:aside");
            if db.ask(&["EXISTS", &key]).await == Value::Int(1) {
                db.ask(&["RENAME", &key, &aside]).await;
            }
            db.ask(&["SET", &key, "of another kind"]).await;
            let db = db.clone();
            let mend = async move {
                db.ask(&["DEL", &key]).await;
                if db.ask(&["EXISTS", &aside]).await == Value::Int(1) {
                    db.ask(&["RENAME", &aside, &key]).await;
                }
            };
            Box::new(move || Box::pin(mend) as BoxFuture<'static, ()>) as Mend
        }))
    }

    fn replace<'a>(&'a self, db: &'a RedisRounds) -> Option<BoxFuture<'a, ()>> {
        Some(Box::pin(async move {
            let Value::Array(keys) = db.ask(&["KEYS", &format!("{}*", db.numbers())]).await else { panic!("no keys") };
            assert!(keys.len() > 5);
            for key in keys {
                let Value::BulkString(key) = key else { panic!("no key") };
                db.ask(&["DEL", &String::from_utf8(key).unwrap()]).await;
            }
        }))
    }
}

/// What breaks a write: a key of another kind where it writes.
const BROKEN: [&str; 6] = ["of:made", "active", "is:0", "key:noted", "over", "to:audit:heard"];

/// A server that ends with this value.
struct Server {
    port: u16,
    process: Child,
    _folder: Folder,
}

impl Server {
    /// None where there is no such program.
    fn start(settings: &[&str]) -> Option<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = Folder::new();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&folder.0);
        let process = command.args(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Some(Self { port, process: process.ok()?, _folder: folder })
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl RedisRounds {
    async fn ask(&self, words: &[&str]) -> Value {
        let mut command = cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        self.link().command(&command).await.map(|answer| answer.value).unwrap()
    }
}

/// Of a place that somebody else has written to while it was judged. It stands for a process that is faster.
struct Slow<'a> {
    room: &'a Room<'a, Redis>,
    faster: fn(&RedisRounds, i64),
    closes: bool,
    asked: AtomicUsize,
    voids: AtomicUsize,
}

impl Judge for Slow<'_> {
    fn judge(&self, _: usize, case: &Case<'_>) -> Option<Ruling> {
        let turn = self.asked.fetch_add(1, Ordering::Relaxed);
        if turn == 0 {
            let (database, rules, faster) = (self.room.database.clone(), self.room.rules, self.faster);
            std::thread::spawn(move || faster(&database, rules)).join().unwrap();
        }
        Some(if self.closes { closing(case, true) } else { signaled(case, self.room.rules) })
    }

    fn void(&self, place: usize) {
        assert_eq!(place, 0);
        self.voids.fetch_add(1, Ordering::Relaxed);
    }
}

impl<'a> Slow<'a> {
    fn new(room: &'a Room<'a, Redis>, closes: bool, faster: fn(&RedisRounds, i64)) -> Self {
        Self { room, faster, closes, asked: AtomicUsize::new(0), voids: AtomicUsize::new(0) }
    }

    /// How often it was asked, and how often in vain.
    fn counts(self) -> (usize, usize) {
        (self.asked.into_inner(), self.voids.into_inner())
    }
}

/// On a thread of its own, with a connection of its own, as another process does it.
fn elsewhere<T>(database: &RedisRounds, what: impl AsyncFnOnce(RedisRounds) -> T) -> T {
    actix_rt::System::new().block_on(async { what(database.beside().await).await })
}

#[actix_rt::test]
async fn what_somebody_has_written_to_meanwhile_is_judged_again() {
    let Some(server) = Redis::find() else { return };
    let room = Room::of(&server).await;
    let signals = |database: &RedisRounds, rules: i64| {
        elsewhere(database, async |database| {
            let rounds = database.open_rounds("approvals".into()).await.unwrap();
            signal(&*rounds, rules, "a").await;
        });
    };
    // A key without a round, and one with a round.
    for rows in [2, 4] {
        let slow = Slow::new(&room, false, signals);
        room.rounds.work(&[by_key("a")], &slow).await.unwrap();
        assert_eq!((slow.counts(), room.rows("a").await.len()), ((2, 1), rows));
    }
    let id = room.at("a").await.id;
    // Who has ruled that it is over sees that there is one more signal.
    room.rounds.add_consumer("audit").await.unwrap();
    let slow = Slow::new(&room, true, signals);
    room.rounds.work(&[Place::Round(id)], &slow).await.unwrap();
    assert_eq!((slow.counts(), room.past("a").await.id, room.heard("audit").await), ((2, 1), id, 1));
}

#[actix_rt::test]
async fn who_comes_to_a_round_that_was_closed_meanwhile_is_not_asked_again() {
    let Some(server) = Redis::find() else { return };
    let room = Room::of(&server).await;
    room.rounds.add_consumer("audit").await.unwrap();
    let id = room.signal("a").await;
    let closes = |database: &RedisRounds, _: i64| {
        elsewhere(database, async |database| {
            let rounds = database.open_rounds("approvals".into()).await.unwrap();
            let close = judge(|_, case| Some(closing(case, false)));
            rounds.work(&[by_key("a")], &close).await.unwrap();
        });
    };
    let slow = Slow::new(&room, true, closes);
    room.rounds.work(&[Place::Round(id)], &slow).await.unwrap();
    assert_eq!(slow.counts(), (1, 1), "what it has ruled is void, and there is nothing more to rule on");
    assert_eq!((room.past("a").await.resolved, room.heard("audit").await), (false, 1));
}

#[actix_rt::test]
async fn a_consumer_that_was_added_meanwhile_hears() {
    let Some(server) = Redis::find() else { return };
    let room = Room::of(&server).await;
    let id = room.signal("a").await;
    let adds = |database: &RedisRounds, _: i64| {
        elsewhere(database, async |database| {
            let rounds = database.open_rounds("approvals".into()).await.unwrap();
            rounds.add_consumer("audit").await.unwrap();
        });
    };
    let slow = Slow::new(&room, true, adds);
    room.rounds.work(&[Place::Round(id)], &slow).await.unwrap();
    assert_eq!((slow.counts(), room.heard("audit").await), ((2, 1), 1));
}

#[actix_rt::test]
async fn a_server_that_forgets_is_an_error_that_says_what_to_set() {
    let refused = async |url: String| {
        let redis = crate::transport::Redis::rounds(url).await.unwrap();
        let refused = redis.open_rounds("approvals".into()).await.err().map(|error| (error.kind(), error.to_string()));
        // Whoever says that it is right is believed.
        assert!(refused.as_ref().is_none_or(|(kind, _)| *kind == ErrorKind::Unsupported), "{refused:?}");
        refused.map(|(_, text)| text).unwrap_or_default()
    };
    let Some(evicts) = Server::start(&["--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"]) else { return };
    let forgets = Server::start(&["--appendonly", "no"]).unwrap();
    let keeps = Server::start(&["--appendonly", "yes"]).unwrap();
    let of_evicting = "maxmemory-policy allkeys-lru, and a server that is full would delete rounds: set maxmemory-policy to noeviction";
    let of_forgetting = "appendonly no, and rounds would end with the server: set appendonly to yes";
    for (server, is) in [(&evicts, of_evicting), (&forgets, of_forgetting), (&keeps, "")] {
        let text = refused(server.url()).await;
        assert!(text.ends_with(is) && text.is_empty() == is.is_empty(), "{text}");
        // The same from INFO, where nobody may ask for settings.
        let redis = crate::transport::Redis::rounds(server.url()).await.unwrap();
        for (user, forbidden) in [("some", "-config"), ("none", "-config")] {
            redis.ask(&["ACL", "SETUSER", user, "on", ">secret", "~*", "&*", "+@all", forbidden]).await;
        }
        redis.ask(&["ACL", "SETUSER", "none", "-info"]).await;
        let text = refused(server.url().replace("127.", "some:secret@127.")).await;
        assert!(text.ends_with(is) && text.is_empty() == is.is_empty(), "{text}");
        let nothing = server.url().replace("127.", "none:secret@127.");
        let text = refused(nothing.clone()).await;
        assert!(
            text.contains("does not say what maxmemory-policy is") && text.ends_with("say trusting_the_server()"),
            "{text}"
        );
        let trusted = crate::transport::Redis::rounds(nothing).trusting_the_server().await.unwrap();
        assert!(trusted.open_rounds("approvals".into()).await.is_ok());
    }
    // Nobody reads what the url says but the server.
    let shown = format!("{:?}", crate::transport::Redis::rounds("redis://:secret@localhost"));
    assert!(!shown.contains("secret"), "{shown}");
    let refused = crate::transport::Redis::rounds("redis://localhost").prefix("a{b").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
}
