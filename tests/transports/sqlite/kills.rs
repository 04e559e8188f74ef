//! Processes that publish to one file and work on it, and are killed at random: nothing that was confirmed is lost, and
//! nothing that was acknowledged comes back.
//!
//! Each child is this binary once more. A line of a child is whole if it ends with a point.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use convoke::transport::{Packet, Publisher, Source, Sqlite};

use crate::transports::servers::sqlite::Folder;

/// Tells a child what it is: its number, and the file.
const CHILD: &str = "CONVOKE_TEST_SQLITE_CHILD";

const KILLS: usize = 20;
const LONG: Duration = Duration::from_secs(60);

/// So short that what the dead had comes again within the test; who is slow may lose it, and is told.
const LEASE: Duration = Duration::from_secs(1);

async fn open(file: impl AsRef<Path>) -> Sqlite {
    Sqlite::queue("orders").at(file).lease(LEASE).deadline(LONG).await.unwrap()
}

struct Party {
    number: usize,
    process: Child,
}

enum Line {
    Said(String),
    Ended,
}

struct Play {
    folder: Folder,
    told: mpsc::Sender<(usize, Line)>,
    lines: mpsc::Receiver<(usize, Line)>,
    started: usize,
    confirmed: HashSet<String>,
    acked: HashMap<String, usize>,
    /// What a worker was about to acknowledge, and has not said how it went.
    pending: HashMap<usize, HashSet<String>>,
}

impl Play {
    fn new() -> Self {
        let (told, lines) = mpsc::channel();
        Self {
            folder: Folder::new().unwrap(),
            told,
            lines,
            started: 0,
            confirmed: HashSet::new(),
            acked: HashMap::new(),
            pending: HashMap::new(),
        }
    }

    fn start(&mut self, role: &str) -> Party {
        self.started += 1;
        let number = self.started;
        let name = concat!(module_path!(), "::nothing_confirmed_is_lost_and_nothing_acknowledged_comes_back");
        let (_, name) = name.split_once("::").unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name, "--nocapture"]);
        command.env(CHILD, format!("{role} {number} {}", self.folder.file("orders.db").display()));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (told, mut out) = (self.told.clone(), BufReader::new(process.stdout.take().unwrap()));
        thread::spawn(move || {
            let mut line = String::new();
            while out.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                let _ = told.send((number, Line::Said(std::mem::take(&mut line))));
            }
            let _ = told.send((number, Line::Ended));
        });
        Party { number, process }
    }

    /// Waits for the next line, and returns who has ended, if it is that.
    fn hear(&mut self) -> Option<usize> {
        let (number, line) = self.lines.recv_timeout(LONG).expect("nobody says anything");
        let Line::Said(line) = line else { return Some(number) };
        let line = line.strip_suffix(".\n")?;
        let mut words = line.split(' ');
        let what = words.next().unwrap();
        // Of none there is one empty word.
        let ids = words.filter(|id| !id.is_empty()).map(str::to_owned);
        match what {
            "published" => self.confirmed.extend(ids),
            "acking" => self.pending.entry(number).or_default().extend(ids),
            "acked" => {
                for id in ids {
                    self.pending.entry(number).or_default().remove(&id);
                    *self.acked.entry(id).or_default() += 1;
                }
            }
            "lost" => {
                for id in ids {
                    self.pending.entry(number).or_default().remove(&id);
                }
            }
            _ => {}
        }
        None
    }

    /// Waits until it has ended, and all that it has said is heard.
    fn heard_all(&mut self, number: usize) {
        while self.hear() != Some(number) {}
    }

    /// What a worker might have acknowledged when it was killed.
    fn unsure(&self, id: &str) -> bool {
        self.pending.values().any(|ids| ids.contains(id))
    }
}

#[test]
fn nothing_confirmed_is_lost_and_nothing_acknowledged_comes_back() {
    if let Ok(child) = std::env::var(CHILD) {
        let mut words = child.splitn(3, ' ');
        let [role, number, file] = [(); 3].map(|()| words.next().unwrap());
        let system = actix_rt::System::new();
        return match role {
            "publisher" => system.block_on(publisher(number, file)),
            _ => system.block_on(worker(file)),
        };
    }
    let seed =
        std::env::var("CONVOKE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("replay with CONVOKE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut play = Play::new();
    let roles = ["publisher", "publisher", "worker", "worker"];
    let mut parties = roles.map(|role| play.start(role));
    for _ in 0..KILLS {
        for _ in 0..random.usize(..120) {
            assert_eq!(play.hear(), None, "one has ended by itself");
        }
        let chosen = random.usize(..parties.len());
        parties[chosen].process.kill().unwrap();
        parties[chosen].process.wait().unwrap();
        play.heard_all(parties[chosen].number);
        parties[chosen] = play.start(roles[chosen]);
    }
    // They end what they have begun once nobody holds their input.
    for mut party in parties {
        drop(party.process.stdin.take());
        play.heard_all(party.number);
        assert!(party.process.wait().unwrap().success());
    }
    let left = actix_rt::System::new().block_on(drain(&play.folder));
    let twice: Vec<_> = play.acked.iter().filter(|(id, times)| **times > 1 || left.contains(*id)).collect();
    assert!(twice.is_empty(), "came back: {twice:?}");
    let there = |id: &String| play.acked.contains_key(id) || left.contains(id) || play.unsure(id);
    let lost: Vec<_> = play.confirmed.iter().filter(|id| !there(id)).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let unsure = play.confirmed.iter().filter(|id| play.unsure(id)).count();
    println!(
        "figure: {} confirmed, {} acknowledged, {} left, {unsure} of the dead unknown, over {KILLS} kills",
        play.confirmed.len(),
        play.acked.len(),
        left.len(),
    );
    assert!(play.confirmed.len() > KILLS && play.acked.len() > KILLS, "too little happened");
}

/// Takes what is left until nothing is owed any more.
async fn drain(folder: &Folder) -> HashSet<String> {
    let mut queue = open(folder.file("orders.db")).await;
    queue.open(1000).await.unwrap();
    let mut left = HashSet::new();
    let all = async {
        loop {
            for delivery in queue.receive(500).await.unwrap() {
                left.insert(delivery.packet().id.clone());
                delivery.ack().await.unwrap();
            }
            let owed: i64 =
                sqlx::query_scalar("SELECT count(*) FROM convoke_delivery").fetch_one(queue.pool()).await.unwrap();
            if owed == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(2 * LONG, all).await.unwrap();
    for (sql, sound) in [("PRAGMA integrity_check", "ok"), ("SELECT CAST(count(*) AS TEXT) FROM convoke_message", "0")]
    {
        let found: String = sqlx::query_scalar(sql).fetch_one(queue.pool()).await.unwrap();
        assert_eq!(found, sound, "{sql}");
    }
    left
}

fn say(what: &str, ids: &[String]) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "\n{what} {}.", ids.join(" "));
    let _ = out.flush();
}

/// Whether nobody holds our input any more.
fn ended() -> impl Fn() -> bool {
    let (hold, ended) = mpsc::channel::<()>();
    thread::spawn(move || {
        let _ = std::io::stdin().lines().count();
        drop(hold);
    });
    move || ended.try_recv() == Err(mpsc::TryRecvError::Disconnected)
}

async fn publisher(number: &str, file: &str) {
    let (queue, ended) = (open(file).await, ended());
    let mut next = 0;
    while !ended() {
        let packets: Vec<_> = (0..fastrand::usize(1..20))
            .map(|_| {
                next += 1;
                let mut packet = Packet::new(format!("{number}-{next}"), vec![b'x'; fastrand::usize(..5000)]);
                packet.key = (next % 3 == 0).then(|| format!("key {}", next % 7));
                packet.priority = fastrand::u8(..3);
                packet
            })
            .collect();
        let results = queue.publish(&packets).await;
        let taken = packets.into_iter().zip(results).filter(|(_, result)| result.is_ok());
        say("published", &taken.map(|(packet, _)| packet.id).collect::<Vec<_>>());
    }
}

async fn worker(file: &str) {
    let (mut queue, ended) = (open(file).await, ended());
    queue.open(64).await.unwrap();
    while !ended() {
        let came = queue.receive(fastrand::usize(1..40)).await.unwrap();
        let ids: Vec<_> = came.iter().map(|delivery| delivery.packet().id.clone()).collect();
        say("acking", &ids);
        let settled = futures_util::future::join_all(came.into_iter().map(|delivery| async {
            // Some fail the first time.
            let (id, first) = (delivery.packet().id.clone(), delivery.attempt() == 1);
            match first && fastrand::u8(..10) == 0 {
                true => delivery.retry_after(Duration::from_millis(10)).await.map(|()| (false, id.clone())),
                false => delivery.ack().await.map(|()| (true, id.clone())),
            }
            .unwrap_or((false, id))
        }));
        let (acked, lost): (Vec<_>, Vec<_>) = settled.await.into_iter().partition(|(acked, _)| *acked);
        let names = |all: Vec<(bool, String)>| all.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
        say("acked", &names(acked));
        say("lost", &names(lost));
    }
}
