//! Who gets which event of one topic? Two queues of SQS subscribe to a topic of SNS, each with a filter.
//!
//! `cargo run --features sns,sqs --example filter`, over AWS with the credentials and the region of the environment; or over
//! what stands in for it, started by `python3 -m venv m && m/bin/pip install ministack && m/bin/python -m ministack`, with
//! `AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any` before it.

#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::error::Error;
use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{Sns, Sqs};
use convoke::{Route, Worker, WorkerHandle};
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
struct UserRegistered(u64); // of the entity `User`

#[derive(Event, Serialize, Deserialize)]
struct UserRenamed(u64);

#[derive(Event, Serialize, Deserialize)]
struct OrderPlaced(u64);

#[derive(Event, Serialize, Deserialize)]
struct OrderPaid(u64);

async fn work(name: &'static str, queue: Sqs) -> Result<WorkerHandle, Box<dyn Error>> {
    let bus = EventBus::default();
    bus.on_topic("**", move |event: &JsonEvent| println!("{name:>5} hears of {}", event.name()))?.forever();
    Ok(Worker::new(queue, &bus).start().await?)
}

async fn run() -> Result<(), Box<dyn Error>> {
    let topic = Sns::topic("shop").create_if_missing().await?;
    let mails = Sqs::queue("mails").dead_letter_queue("dead").create_if_missing().await?;
    let stock = Sqs::queue("stock").dead_letter_queue("dead").create_if_missing().await?;
    topic.subscribe(&mails).filter("eventName", ["UserRegistered", "OrderPlaced"]).await?;
    topic.subscribe(&stock).filter("entityName", ["Order"]).await?;

    let bus = EventBus::builder().publisher("Shop").build();
    let _out = Route::new("Shop/*", topic).open(&bus)?;
    bus.emit(UserRegistered(1)).await.ok()?;
    bus.emit(UserRenamed(1)).await.ok()?; // nobody subscribes to this one
    bus.emit(OrderPlaced(7)).await.ok()?;
    bus.emit(OrderPaid(7)).await.ok()?;

    for worker in [work("mails", mails).await?, work("stock", stock).await?] {
        while worker.report().done < 2 {
            actix::clock::sleep(Duration::from_millis(10)).await; // an application runs until `shutdown_signal()`
        }
        worker.drain().await?;
    }
    Ok(())
}

#[actix::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run().await.inspect_err(|_| {
        println!("this needs AWS, or what stands in for it: `pip install ministack==1.5.33`, run `ministack`, and set");
        println!("AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=any");
    })
}
