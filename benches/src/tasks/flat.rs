//! What a job costs where many others wait, are done and kept, or are not due yet, beside a thousand that wait. The CPU time of the
//! server is in it.

use std::time::Duration;

use convoke::TasksHandle;
use convoke::transport::{PostgresDatabase, SqliteDatabase};
use tokio::time::{sleep, timeout};

use super::ours::{How, Kept, Noop, begin, settled};
use super::place::{Place, SQLITE};
use super::{DEADLINE, Work, middle};
use crate::figure::process_cpu_time;
use crate::harness::Failure;
use crate::transports::servers::Server;

/// So many of those that wait are done before the time is taken, and so many while it is.
const FIRST: usize = 300;
const TIMED: usize = 1_000;

/// So many wait beyond that, so that there is no end in sight.
const BEYOND: usize = 700;

/// How often each has its turn.
const TURNS: usize = 5;

/// How many more there are as a multiple of the jobs of a sample: of those that are not due ten times as many.
const TIMES: usize = 20;

const HOW: How = How { concurrency: Some(16), gather: None, keys: None };

/// A job that says nothing.
fn short() -> Noop {
    Noop { text: "x".to_owned() }
}

pub(super) async fn run(work: &Work<'_>, database: &'static str, server: &Server) -> Result<(), Failure> {
    if database == SQLITE {
        return measured::<SqliteDatabase>(work, database, server).await;
    }
    measured::<PostgresDatabase>(work, database, server).await
}

async fn measured<D: Kept>(work: &Work<'_>, database: &'static str, server: &Server) -> Result<(), Failure> {
    let many = work.jobs() * TIMES;
    work.head(database, "µs of CPU for a job, of the worker and the server, ÷ that where 1,000 wait");
    let cases = [("1,000 wait", TIMED), ("many wait", many), ("many are done", many), ("many are not due", many * 10)];
    let mut places = Vec::new();
    for (at, (what, count)) in cases.into_iter().enumerate() {
        let place = Place::new(database, server, &format!("flat_{at}")).await?;
        let database = D::opened(&place.url).await?;
        match what {
            "many wait" => enqueue(&database, count, Duration::ZERO).await?,
            "many are not due" => enqueue(&database, count, Duration::from_secs(24 * 60 * 60)).await?,
            "many are done" => {
                enqueue(&database, count, Duration::ZERO).await?;
                let tasks = begin(&database, How { concurrency: None, ..HOW }).await?;
                settled(&tasks, count).await?;
                tasks.stop().await;
            }
            _ => {}
        }
        places.push((what, count, place, database));
    }
    let mut times = vec![Vec::new(); cases.len()];
    for turn in 0..TURNS {
        for step in 0..cases.len() {
            let at = (turn + step) % cases.len();
            let (_, _, place, database) = &places[at];
            enqueue(database, FIRST + TIMED + BEYOND, Duration::ZERO).await?;
            times[at].push(sample(place, database).await?);
        }
    }
    let base = middle(times[0].iter().copied());
    for ((what, count, ..), times) in places.iter().zip(times) {
        let time = middle(times.into_iter());
        let (us, ratio) = (time * 1e6 / TIMED as f64, time / base);
        if work.json {
            println!(
                r#"{{"work": "tasks-flat", "database": "{database}", "contestant": "convoke, {what}", "n": {count}, "cpu_us": {us:.2}, "ratio": {ratio:.3}}}"#
            );
        } else {
            let what = format!("convoke, {what} ({})", crate::report::thousands(*count));
            println!("{what:<46}{us:>8.1} µs{ratio:>9.2}×");
        }
    }
    for (_, _, place, database) in places {
        drop(database);
        place.remove().await?;
    }
    Ok(())
}

async fn enqueue<D: Kept>(database: &D, count: usize, after: Duration) -> Result<(), Failure> {
    let queue = database.queue().await?;
    for from in (0..count).step_by(1_000) {
        let tasks = (from..count.min(from + 1_000)).map(|_| short());
        drop(queue.enqueue_all(tasks).after(after).await?);
    }
    Ok(())
}

/// The CPU time of so many jobs in the middle of a drain.
async fn sample<D: Kept>(place: &Place<'_>, database: &D) -> Result<Duration, Failure> {
    let tasks = begin(database, HOW).await?;
    let used = |place: &Place<'_>| process_cpu_time() + place.server_cpu().unwrap_or_default();
    let first = reached(&tasks, FIRST as u64).await?;
    let before = used(place);
    let last = reached(&tasks, first + TIMED as u64).await?;
    let time = (used(place) - before).mul_f64(TIMED as f64 / (last - first) as f64);
    tasks.stop().await;
    Ok(time)
}

/// Waits until so many are done, and returns how many there are then.
async fn reached<D: Kept>(tasks: &TasksHandle<D>, count: u64) -> Result<u64, Failure> {
    let probe = tasks.probe();
    let wait = async {
        loop {
            let settled = probe.health().settled;
            if settled >= count {
                return settled;
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    Ok(timeout(DEADLINE, wait).await.map_err(|_| "the worker hangs")?)
}
