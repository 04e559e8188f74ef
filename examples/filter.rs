//! Who gets which event of a topic of SNS: two queues, each with a filter policy on the event's and the entity's name.
//! `AWS_ENDPOINT_URL=http://127.0.0.1:4566 cargo run --example filter --features sns,sqs`
#![expect(clippy::print_stdout, reason = "an example shows what happened")]

use std::error::Error;
use std::time::Duration;

use convoke::codec::{self, Codec, Wire};
use convoke::transport::{Publisher, Sns, Source, Sqs};
use convoke::{Envelope, EnvelopeLimits, Metadata};
use serde_json::json;

const ADVICE: &str = "this needs AWS, or what stands in for it: `pip install ministack==1.5.33`, run `ministack`, and set \
                      AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=eu-central-1 AWS_ACCESS_KEY_ID=000000000000 \
                      AWS_SECRET_ACCESS_KEY=any";

fn event(entity: &str, name: &str) -> Envelope {
    let mut metadata = Metadata::new(name.to_owned());
    metadata.entity = entity.to_owned().into();
    metadata.publisher = "Shop".into();
    Envelope::new(metadata, json!({ "id": 7 }))
}

async fn run() -> Result<(), Box<dyn Error>> {
    let topic = Sns::topic("shop").create_if_missing().await?;
    let mut mails = Sqs::queue("mails").wait(Duration::from_secs(1)).create_if_missing().await?;
    let mut stock = Sqs::queue("stock").wait(Duration::from_secs(1)).create_if_missing().await?;
    topic.subscribe(&mails).filter("eventName", ["UserRegistered", "OrderPlaced"]).await?;
    topic.subscribe(&stock).filter("entityName", ["Order"]).await?;

    let names = [("User", "UserRegistered"), ("User", "UserRenamed"), ("Order", "OrderPlaced"), ("Order", "OrderPaid")];
    let packets = names.map(|(entity, name)| Wire.write(&event(entity, name)));
    topic.publish(&packets).await.into_iter().collect::<Result<(), _>>()?;

    for (name, queue) in [("mails", &mut mails), ("stock", &mut stock)] {
        let mut seen = Vec::new();
        queue.open(10).await?;
        while seen.len() < 2 {
            for delivery in queue.receive(10).await? {
                seen.push(codec::read(delivery.packet(), EnvelopeLimits::default())?.metadata.event.to_string());
                delivery.ack().await?;
            }
        }
        seen.sort();
        println!("{name}: {}", seen.join(", "));
        queue.close().await?;
    }
    Ok(())
}

#[actix::main]
async fn main() {
    if let Err(error) = run().await {
        println!("{error}\n{ADVICE}");
    }
}
