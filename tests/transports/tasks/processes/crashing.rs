//! Functions that take their process with them, and those that are killed between steps.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use convoke::prelude::*;
use convoke::{AsReturned, Fault, Steps, Task, TaskDatabase, TaskFailed, TaskQueue, TaskTerms, Tasks};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::children::{Crew, Place, in_processes, kill_me};

in_processes! {
    what_kills_its_process_has_failed_after_its_attempts_and_others_go_on: bombs, play_bombs;
    a_step_that_is_finished_is_not_done_again: stepping, play_stepping;
}

const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Bomb {
    id: u64,
    how: String,
}

impl Task for Bomb {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Bomb";
    const TERMS: TaskTerms = TaskTerms::new().attempts(3).waits(Duration::ZERO, Duration::ZERO);

    fn id(&self) -> Option<serde_json::Value> {
        Some(self.id.into())
    }
}

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "bombs/defused")]
struct Defused {
    id: u64,
}

async fn go_off(bomb: Arc<Bomb>) -> Defused {
    match &*bomb.how {
        "abort" => std::process::abort(),
        "memory" => exhaust(),
        "kill" => kill_me(),
        // As long as the others are there too.
        _ => tokio::task::yield_now().await,
    }
    Defused { id: bomb.id }
}

/// Takes memory until there is none, which ends the process.
fn exhaust() -> ! {
    let little = Rlimit { current: Some(1 << 20), maximum: Some(1 << 20) };
    setrlimit(Resource::As, little).unwrap();
    let mut all = Vec::new();
    loop {
        all.push(vec![1_u8; 64 << 20]);
    }
}

fn bombs<D: TaskDatabase>(tasks: Tasks<D>, _: &str) -> Tasks<D> {
    // What is left of a process is of no use to anybody.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    tasks.on(go_off).unwrap()
}

async fn play_bombs<B: Place>(crew: Crew<B>) {
    let mut all: Vec<_> = ["abort", "memory", "kill"].repeat(2);
    all.extend(["fine"; 30]);
    fastrand::shuffle(&mut all);
    let bombs = all.iter().enumerate().map(|(id, how)| Bomb { id: id as u64, how: (*how).to_owned() });
    crew.queue.enqueue_all(bombs).await.unwrap();
    let mut workers = [crew.worker("")];
    let deaths = crew.all_end(&mut workers, "", PATIENCE).await;
    drop(workers);
    println!("figure: 6 jobs that end their process, 3 attempts each: {deaths} processes have died of them");
    assert!((3..=18).contains(&deaths), "{deaths}");
    let mut ended = BTreeMap::<u64, Vec<String>>::new();
    for envelope in told_by(&crew).await {
        let (id, code) = (envelope.0, envelope.1);
        ended.entry(id).or_default().push(code);
    }
    for (id, how) in all.iter().enumerate() {
        let expected = if *how == "fine" { "Defused" } else { "crashed" };
        assert_eq!(ended.remove(&(id as u64)).unwrap_or_default(), [expected], "{id} {how}");
    }
}

/// Of each event whom it is about, and the code of a failure or the name of another event.
async fn told_by<B: Place>(crew: &Crew<B>) -> Vec<(u64, String)> {
    let told = crew.told().await.into_iter().map(|envelope| {
        let of = |key: &str| envelope.payload.get(key).cloned();
        let code = of("code").and_then(|code| code.as_str().map(str::to_owned));
        (of("id").unwrap().as_u64().unwrap(), code.unwrap_or_else(|| envelope.metadata.event.to_string()))
    });
    told.collect()
}

/// One of five steps, each of which its process is killed behind.
#[derive(Serialize, Deserialize)]
struct Stepping {
    id: u64,
}

impl Task for Stepping {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Stepping";
    const TERMS: TaskTerms = TaskTerms::new().attempts(1_000).waits(Duration::ZERO, Duration::ZERO);
}

/// What a step has done: it stays.
#[derive(Serialize, Deserialize)]
struct Trace {
    id: u64,
    step: u64,
}

impl Task for Trace {
    type Succeeds = AsReturned;
    type Fails = TaskFailed;
    const NAME: &'static str = "Trace";
}

const STEPS: u64 = 5;

async fn step<D: TaskDatabase>(job: Arc<Stepping>, steps: Steps, queue: TaskQueue<D>) -> Result<Defused, Fault> {
    for step in 0..STEPS {
        let (name, is_new) = (step.to_string(), Cell::new(false));
        let done = steps.step(&name, async {
            is_new.set(true);
            let _ = queue.enqueue(Trace { id: job.id, step }).await?;
            Ok::<_, Fault>(step)
        });
        assert_eq!(done.await?, step);
        if is_new.get() {
            kill_me();
        }
    }
    Ok(Defused { id: job.id })
}

fn stepping<D: TaskDatabase>(tasks: Tasks<D>, _: &str) -> Tasks<D> {
    tasks.concurrency(1).gather(1).on(step::<D>).unwrap()
}

async fn play_stepping<B: Place>(crew: Crew<B>) {
    let (jobs, patience) =
        if std::env::var_os("CONVOKE_FULL").is_some() { (200, 20 * PATIENCE) } else { (4, PATIENCE) };
    crew.queue.enqueue_all((0..jobs).map(|id| Stepping { id })).await.unwrap();
    let mut workers = [(); 4].map(|()| crew.worker(""));
    // The traces wait for ever.
    let (start, mut kills) = (std::time::Instant::now(), 0);
    while crew.outbox.figures().await.unwrap().ready < jobs {
        assert!(start.elapsed() < patience, "after {kills} kills");
        for worker in &mut workers {
            if worker.ended().is_some() {
                kills += 1;
                *worker = crew.worker("");
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(workers);
    let traces = crew.queue.figures().await.unwrap().waiting;
    println!("figure: {} finished steps were done again in {kills} kills", traces - jobs * STEPS);
    assert_eq!((traces, kills), (jobs * STEPS, jobs * STEPS));
    assert_eq!(crew.told().await.len() as u64, jobs);
}
