//! `convoke-counts PATH TIMES`: goes one path so many times. `.ci/counts` counts what that takes, in instructions and in
//! allocations, which do not depend on what else the machine does.
//!
//! ```text
//! .ci/counts ── callgrind convoke-counts emit-1 TIMES ──> instructions, calls of malloc ──> record.json
//! ```
//!
//! Setting up is free of charge: the script takes the difference between two numbers of times.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use actix::prelude::*;
use convoke::codec::{self, Codec, Wire};
use convoke::prelude::*;
use convoke::transport::{Memory, Publisher};
use convoke::{Envelope, EnvelopeLimits, Metadata};
use serde_json::json;
use tokio::sync::mpsc;

type Failure = Box<dyn Error>;

/// The paths, by their names.
const PATHS: &[(&str, Path)] = &[
    ("emit-1", |times| Box::pin(emit(1, times))),
    ("emit-64", |times| Box::pin(emit(64, times))),
    ("publish-10", |times| Box::pin(publish(times))),
    ("publish-memory", |times| Box::pin(publish_memory(times))),
    ("actor-10", |times| Box::pin(actors(times))),
    ("request", |times| Box::pin(request(times))),
    ("round-2", |times| Box::pin(rounds(2, times))),
    ("round-100", |times| Box::pin(rounds(100, times))),
    ("encode", |times| Box::pin(encode(times))),
    ("decode", |times| Box::pin(decode(times))),
    ("worker", |times| Box::pin(worker(times))),
];

type Path = fn(u64) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let known = |name: &str| PATHS.iter().find(|(path, _)| *path == name);
    let asked = match &*arguments {
        [path, times] => known(path).zip(times.parse().ok()),
        _ => None,
    };
    let names: Vec<_> = PATHS.iter().map(|(path, _)| *path).collect();
    let Some(((_, path), times)) = asked else {
        println!("{}", names.join("\n"));
        return ExitCode::SUCCESS;
    };
    // A task, as the code of an application is.
    let done = System::new().block_on(async move {
        let (told, done) = tokio::sync::oneshot::channel();
        actix::spawn(async move { told.send(path(times).await.map_err(|failure| failure.to_string())) });
        done.await
    });
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(failure)) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// An event that owns nothing.
#[derive(Event, Clone, Copy, serde::Serialize, serde::Deserialize)]
#[event(topic = "counts/tick")]
struct Tick {
    number: u64,
    sent: u64,
}

fn tick(number: u64) -> Tick {
    Tick { number, sent: number }
}

/// A bus with so many sync listeners.
fn heard_by(listeners: usize) -> Result<EventBus, Failure> {
    let bus = EventBus::new();
    for _ in 0..listeners {
        bus.on(|tick: &Tick| _ = black_box(tick.number))?.forever();
    }
    Ok(bus)
}

async fn emit(listeners: usize, times: u64) -> Result<(), Failure> {
    let bus = heard_by(listeners)?;
    for number in 0..times {
        bus.emit(tick(number)).await;
    }
    Ok(())
}

/// Ten events at a time, to ten listeners.
async fn publish(times: u64) -> Result<(), Failure> {
    let bus = heard_by(10)?;
    for number in 0..times {
        bus.publish(tick(number))?;
        if number % 10 == 9 {
            tokio::task::yield_now().await;
        }
    }
    bus.drain().await;
    Ok(())
}

/// Over a route with the codec, to a queue in memory.
async fn publish_memory(times: u64) -> Result<(), Failure> {
    let bus = EventBus::builder().publisher("Counts").build();
    let queue = Memory::queue("counts").capacity(usize::try_from(times)?);
    let _route = Route::new("Counts/*", queue).open(&bus)?;
    for number in 0..times {
        bus.publish(tick(number))?;
        if number % 10 == 9 {
            tokio::task::yield_now().await;
        }
    }
    bus.drain().await;
    Ok(())
}

/// An actor that subscribes.
struct Clerk {
    bus: EventBus,
    subscription: Option<Subscription>,
}

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.subscription = self.bus.subscribe::<Tick, Self>(ctx).ok();
    }
}

impl Handler<Heard<Tick>> for Clerk {
    type Result = Handled;

    fn handle(&mut self, tick: Heard<Tick>, _: &mut Context<Self>) -> Handled {
        black_box(tick.number);
        Ok(())
    }
}

/// Emitted to ten actors.
async fn actors(times: u64) -> Result<(), Failure> {
    let bus = EventBus::new();
    let clerks: Vec<_> = (0..10).map(|_| Clerk { bus: bus.clone(), subscription: None }.start()).collect();
    tokio::task::yield_now().await;
    for number in 0..times {
        bus.emit(tick(number)).await;
    }
    drop(clerks);
    Ok(())
}

async fn request(times: u64) -> Result<(), Failure> {
    let bus = EventBus::new();
    bus.answer(|tick: &Tick| Answer(tick.number))?.forever();
    for number in 0..times {
        black_box(bus.request::<u64>(tick(number)).await?);
    }
    Ok(())
}

/// Rounds of emitters that emit by themselves.
async fn rounds(emitters: usize, times: u64) -> Result<(), Failure> {
    let broker = Broker::<u64>::new(Duration::from_secs(60)).start();
    let (told, mut closed) = mpsc::unbounded_channel();
    let consume = move |round: Resolved<u64>| _ = told.send(round.payloads().iter().sum::<u64>());
    let _consumer = Consumer::join(&broker, consume).await?;
    let mut members = Vec::new();
    for number in 0..emitters {
        members.push(Emitter::join(&broker, format!("emitter {number}")).await?);
    }
    for number in 0..times {
        members.iter().try_for_each(|member| member.do_emit(number))?;
        closed.recv().await;
    }
    Ok(())
}

/// An event with a payload of 1 KiB.
fn envelope() -> Envelope {
    let mut metadata = Metadata::new("UserRegistered");
    metadata.publisher = "Counts".into();
    metadata.entity = "User".into();
    metadata.entity_id = Some("17".into());
    Envelope::new(metadata, json!({ "text": "x".repeat(1_013) }))
}

async fn encode(times: u64) -> Result<(), Failure> {
    let envelope = envelope();
    for _ in 0..times {
        black_box(Wire.write(&envelope));
    }
    Ok(())
}

async fn decode(times: u64) -> Result<(), Failure> {
    let packet = Wire.write(&envelope());
    for _ in 0..times {
        black_box(codec::read(&packet, EnvelopeLimits::default())?);
    }
    Ok(())
}

/// A worker that drains a queue in memory, one delivery at a time.
async fn worker(times: u64) -> Result<(), Failure> {
    let queue = Memory::queue("counts").capacity(usize::try_from(times)?);
    let packet = Wire.write(&envelope());
    for _ in 0..times {
        for taken in queue.publish(std::slice::from_ref(&packet)).await {
            taken?;
        }
    }
    let bus = EventBus::new();
    let (told, mut heard) = mpsc::unbounded_channel();
    let _listener = bus.on_topic("**", move |_: &JsonEvent| _ = told.send(()))?;
    let worker = Worker::new(queue, &bus).start().await?;
    for _ in 0..times {
        heard.recv().await;
    }
    worker.drain().await?;
    Ok(())
}
