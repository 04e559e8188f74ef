//! The application that dies: it sells at two tills and relays into a file, until its step comes for the so many-th time.
//!
//! `Plan → Killer::at(step) → after some µs: SIGKILL to itself`

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use convoke::Relay;
use convoke::Route;
use convoke::prelude::*;
use convoke::transport::{Abilities, BoxFuture, Packet, Publisher, TransportError};

use super::shop::{KEYS, Shop};

/// Tells a child what it is.
pub(super) const CHILD: &str = "CONVOKE_TEST_OUTBOX_CHILD";
const LONG: Duration = Duration::from_secs(60);

/// Where it dies: at the beginning of a step, or so many µs later, wherever that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Begin,
    Insert,
    Commit,
    /// While the relay takes its lanes.
    Claim,
    /// Rows are taken, and none is published.
    Take,
    /// Some of what was taken is published.
    Publish,
    /// All of it is, and the relay does not know.
    Confirm,
    /// The relay knows, and deletes.
    Delete,
}

impl Step {
    pub(super) const ALL: [Self; 8] =
        [Self::Begin, Self::Insert, Self::Commit, Self::Claim, Self::Take, Self::Publish, Self::Confirm, Self::Delete];
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    step: Step,
    /// How many times the step is survived.
    survived: usize,
    micros: u64,
    /// Whether the file takes several of a key at once.
    in_order: bool,
}

impl Plan {
    pub(super) fn new(step: Step, random: &mut fastrand::Rng) -> Self {
        let (survived, most) = match step {
            Step::Begin | Step::Insert | Step::Commit => (random.usize(..40), 1500),
            Step::Claim => (0, 20_000),
            Step::Delete => (random.usize(..8), 2000),
            // These are exact.
            Step::Take | Step::Publish | Step::Confirm => (random.usize(..8), 0),
        };
        Self { step, survived, micros: random.u64(..=most), in_order: random.bool() }
    }

    pub(super) fn written(&self, place: &str, file: &Path) -> String {
        let Self { step, survived, micros, in_order } = self;
        format!("{} {survived} {micros} {in_order} {} {place}", *step as usize, file.display())
    }
}

/// What ends this process.
pub(super) struct Killer {
    plan: Plan,
    left: AtomicUsize,
}

impl Killer {
    /// Says that a step begins.
    pub(super) fn at(&self, step: Step) {
        if self.plan.step != step {
            return;
        }
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left == Ok(1) {
            let wait = Duration::from_micros(self.plan.micros);
            match wait.is_zero() {
                true => die(),
                false => drop(std::thread::spawn(move || {
                    // A thread of its own: wherever the others are then, they end there.
                    #[expect(clippy::disallowed_methods, reason = "no future runs on this thread")]
                    std::thread::sleep(wait);
                    die();
                })),
            }
        }
    }
}

fn die() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
}

/// A server that is a file: a line for each packet, which a kill leaves there.
pub(super) struct Lines {
    file: File,
    killer: Arc<Killer>,
}

impl Lines {
    fn new(file: &Path, killer: Arc<Killer>) -> Self {
        Self { file: OpenOptions::new().append(true).create(true).open(file).unwrap(), killer }
    }

    fn write(&self, packets: &[Packet]) {
        let lines: String = packets.iter().map(line).collect();
        (&self.file).write_all(lines.as_bytes()).unwrap();
    }
}

fn line(packet: &Packet) -> String {
    let body: serde_json::Value = serde_json::from_slice(&packet.body).unwrap();
    format!("{} {} {}\n", packet.key.as_deref().unwrap(), body["payload"]["number"], packet.id)
}

impl Publisher for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn abilities(&self) -> Abilities {
        let mut abilities = Abilities::default();
        abilities.takes_in_order = self.killer.plan.in_order;
        abilities
    }

    fn publish<'a>(&'a self, packets: &'a [Packet]) -> BoxFuture<'a, Vec<Result<(), TransportError>>> {
        Box::pin(async move {
            self.killer.at(Step::Take);
            let (some, others) = packets.split_at(packets.len() / 2);
            self.write(some);
            self.killer.at(Step::Publish);
            self.write(others);
            self.killer.at(Step::Confirm);
            self.killer.at(Step::Delete);
            vec![Ok(()); packets.len()]
        })
    }
}

/// Whether this process is a child; then it lives and dies here.
pub(super) fn is_one<S: Shop>() -> bool {
    let Ok(written) = std::env::var(CHILD) else { return false };
    let mut words = written.splitn(6, ' ');
    let [step, survived, micros, in_order, file, place] = [(); 6].map(|()| words.next().unwrap());
    let plan = Plan {
        step: Step::ALL[step.parse::<usize>().unwrap()],
        survived: survived.parse().unwrap(),
        micros: micros.parse().unwrap(),
        in_order: in_order.parse().unwrap(),
    };
    actix_rt::System::new().block_on(live::<S>(plan, Path::new(file), place));
    true
}

async fn live<S: Shop>(plan: Plan, file: &Path, place: &str) {
    let shop = S::open(place).await;
    let killer = Arc::new(Killer { plan, left: AtomicUsize::new(plan.survived + 1) });
    let bus = EventBus::default();
    killer.at(Step::Claim);
    let _relay = relay(&shop, file, &killer).supervised(&bus).await.unwrap();
    let till = async || {
        loop {
            sell(&shop, &killer).await.unwrap();
        }
    };
    let lived = tokio::time::timeout(LONG, futures_util::future::join(till(), till())).await;
    assert!(lived.is_ok(), "its step never came");
}

/// Sells one, or begins to.
pub(super) async fn sell<S: Shop>(shop: &S, killer: &Killer) -> Result<(), Box<dyn std::error::Error>> {
    shop.sell(fastrand::i64(0..KEYS), fastrand::u8(..4) > 0, killer).await?;
    if fastrand::bool() {
        tokio::time::sleep(Duration::from_micros(fastrand::u64(..500))).await;
    }
    Ok(())
}

pub(super) fn relay<S: Shop>(shop: &S, file: &Path, killer: &Arc<Killer>) -> Relay {
    shop.outbox().relay(Route::new("Shop/*", Lines::new(file, killer.clone())))
}

/// One that kills nobody.
pub(super) fn harmless() -> Arc<Killer> {
    let plan = Plan { step: Step::Begin, survived: 0, micros: 0, in_order: fastrand::bool() };
    Arc::new(Killer { plan, left: AtomicUsize::new(0) })
}

/// Relays what is left, in a process that does not die.
pub(super) async fn drain<S: Shop>(shop: &S, file: &Path) {
    let bus = EventBus::default();
    let _relay = relay(shop, file, &harmless()).supervised(&bus).await.unwrap();
    assert!(until_empty(shop, LONG).await, "something never leaves");
}

/// Waits until nothing waits in the outbox; `false` if that takes longer.
pub(super) async fn until_empty<S: Shop>(shop: &S, most: Duration) -> bool {
    let empty = async {
        while !shop.tables().await.rows.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(most, empty).await.is_ok()
}
