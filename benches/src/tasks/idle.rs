//! How soon a worker that is idle begins with a job: from the call that enqueues until the function runs, beside a table by hand of
//! which one is told as soon as may be.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use convoke::prelude::*;
use convoke::transport::{PostgresDatabase, SqliteDatabase};
use convoke::{TaskQueue, Tasks};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::Work;
use super::ours::{Kept, Noop, NoopDone};
use super::place::{Place, SQLITE};
use crate::harness::{Failure, quantile};
use crate::transports::idle as by_hand;
use crate::transports::servers::Server;

/// Of how many the time is taken, and how long it is idle before each.
const TIMED: usize = 300;
const PAUSE: Duration = Duration::from_millis(10);
const DEADLINE: Duration = Duration::from_secs(10);

/// Tells when a function has begun.
struct Told(UnboundedSender<Instant>);

async fn tell(_: Arc<Noop>, told: Inject<Told>) -> io::Result<NoopDone> {
    // Nobody listens once the last has come.
    let _ = told.0.send(Instant::now());
    Ok(NoopDone { id: 7 })
}

pub(super) async fn run(work: &Work<'_>, database: &'static str, server: &Server) -> Result<(), Failure> {
    work.head(
        database,
        "from the call that enqueues until an idle worker has begun, half of them and all but one in a hundred",
    );
    let (mut ours, mut hand) = (Vec::new(), Vec::new());
    for sample in 0..work.samples() {
        let place = Place::new(database, server, &format!("idle_{sample}")).await?;
        if database == SQLITE {
            ours.extend(timed::<SqliteDatabase>(&place).await?);
            hand.extend(by_hand::sqlite(&place.url).await?);
        } else {
            ours.extend(timed::<PostgresDatabase>(&place).await?);
            hand.extend(by_hand::postgres(&place.url).await?);
        }
        place.remove().await?;
    }
    let all = [ours, hand].map(|mut times| {
        times.sort_by(f64::total_cmp);
        (times.len(), [0.5, 0.99].map(|part| quantile(&times, part) * 1e3))
    });
    let floor = all[1].1;
    for (who, (n, [half, most])) in ["convoke", "by hand"].into_iter().zip(all) {
        let ratios = [half / floor[0], most / floor[1]];
        if work.json {
            println!(
                r#"{{"work": "tasks-idle", "database": "{database}", "contestant": "{who}", "n": {n}, "p50_ms": {half:.3}, "p99_ms": {most:.3}, "ratio_p50": {:.3}, "ratio_p99": {:.3}}}"#,
                ratios[0], ratios[1]
            );
        } else {
            println!("{who:<46}{half:>8.2} ms ({:.2}×){most:>9.2} ms ({:.2}×)", ratios[0], ratios[1]);
        }
    }
    Ok(())
}

/// Returns the seconds that each took. What enqueues has a handle of its own, as in another process.
async fn timed<D: Kept>(place: &Place<'_>) -> Result<Vec<f64>, Failure> {
    let (database, other) = (D::opened(&place.url).await?, D::opened(&place.url).await?);
    let (told, mut came) = unbounded_channel();
    let bus = EventBus::builder().provide(Told(told)).build();
    let outbox = database.outbox_of("bench").await?;
    let tasks = Tasks::new(&database, &bus).on(tell)?.keep(Duration::ZERO).outbox(&outbox).await?;
    let times = times(&other.queue().await?, &mut came).await;
    tasks.stop().await;
    times
}

async fn times<D: Kept>(queue: &TaskQueue<D>, came: &mut UnboundedReceiver<Instant>) -> Result<Vec<f64>, Failure> {
    let mut times = Vec::with_capacity(TIMED);
    for _ in 0..TIMED {
        sleep(PAUSE).await;
        let start = Instant::now();
        drop(queue.enqueue(Noop::new()).await?);
        let begun = timeout(DEADLINE, came.recv()).await.map_err(|_| "nothing has begun")?;
        times.push(begun.ok_or("the worker is gone")?.duration_since(start).as_secs_f64());
    }
    Ok(times)
}
