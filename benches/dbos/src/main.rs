//! DBOS over PostgreSQL: workflows that receive three messages of 32 bytes each, as a round has three signals.
//!
//! Arguments: a URL, how many workflows, how many senders. For messages one by one, messages by so many senders, whole workflows by so
//! many, and a burst of last messages, it prints a line when it begins, and one when it has ended: the seconds that took, and the
//! seconds of CPU of this process.

use std::env;
use std::error::Error;
use std::pin::pin;
use std::time::{Duration, Instant};

use dbos::{Config, DBOS, EngineOnly, StartOptions};
use futures::stream::{self, StreamExt, TryStreamExt};
use rustix::time::{ClockId, clock_gettime};

const PARTIES: usize = 3;
const PAYLOAD: &str = "012345678901234567890123456789";
const PATIENCE: Duration = Duration::from_secs(3600);

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Whoever reads these lines looks at what the server has used.
async fn timed(what: impl Future<Output = dbos::Result<()>>) -> dbos::Result<()> {
    println!("begins");
    let (start, used) = (Instant::now(), cpu());
    pin!(what).await?;
    println!("{} {}", start.elapsed().as_secs_f64(), cpu() - used);
    Ok(())
}

/// What a round does in the words of DBOS: it waits for each of its parties, and is done.
async fn round(_: ()) -> dbos::Result<usize> {
    let mut heard = 0;
    for _ in 0..PARTIES {
        heard += usize::from(dbos::recv::<String, EngineOnly>(None, PATIENCE).await?.is_some());
    }
    Ok(heard)
}

// Ours runs on one thread as well.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, url, count, senders] = arguments.as_slice() else {
        return Err("a URL and two numbers are wanted".into());
    };
    let (count, senders): (usize, usize) = (count.parse()?, senders.parse()?);
    let dbos = DBOS::new(Config { app_version: Some("1".to_owned()), ..Config::new("convoke-bench", url.as_str()) });
    let rounds = dbos.register_workflow("round", round)?;
    dbos.launch().await?;

    // Those that are open before anything is said to them.
    let open = async |name: &str| {
        let ids: Vec<String> = (0..count).map(|at| format!("{name}-{at}")).collect();
        let mut handles = Vec::with_capacity(count);
        for id in &ids {
            let options = StartOptions { workflow_id: Some(id.as_str()), ..StartOptions::default() };
            handles.push(rounds.start_with((), options).await?);
        }
        Ok::<_, dbos::Error>((ids, handles))
    };
    let say = async |ids: &[String], at_once: usize| {
        let all = stream::iter(ids).map(|id| dbos.send(id, &PAYLOAD));
        all.buffer_unordered(at_once).try_for_each(async |()| Ok(())).await
    };

    let (ids, single) = open("single").await?;
    timed(async {
        for _ in 0..PARTIES {
            for id in &ids {
                dbos.send(id, &PAYLOAD).await?;
            }
        }
        Ok(())
    })
    .await?;
    for handle in single {
        handle.result().await?;
    }

    let (ids, grouped) = open("grouped").await?;
    timed(async {
        for _ in 0..PARTIES {
            say(&ids, senders).await?;
        }
        Ok(())
    })
    .await?;
    for handle in grouped {
        handle.result().await?;
    }

    timed(async {
        let ids: Vec<String> = (0..count).map(|at| format!("whole-{at}")).collect();
        let each = stream::iter(&ids).map(|id| {
            let (dbos, rounds) = (&dbos, &rounds);
            async move {
                let options = StartOptions { workflow_id: Some(id.as_str()), ..StartOptions::default() };
                let handle = rounds.start_with((), options).await?;
                for _ in 0..PARTIES {
                    dbos.send(id, &PAYLOAD).await?;
                }
                handle.result().await.map(drop)
            }
        });
        each.buffer_unordered(senders).try_for_each(async |()| Ok(())).await
    })
    .await?;

    let (ids, burst) = open("burst").await?;
    for _ in 1..PARTIES {
        say(&ids, senders).await?;
    }
    timed(async {
        say(&ids, count).await?;
        for handle in burst {
            handle.result().await?;
        }
        Ok(())
    })
    .await?;
    dbos.shutdown().await;
    Ok(())
}
