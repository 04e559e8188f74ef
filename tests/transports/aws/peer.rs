//! The Python package for which the envelope was made, as `peer.py` has it: it understands us, and we it, both over a topic.

use aws_sdk_sqs::config::ProvideCredentials;
use convoke::prelude::*;
use convoke::{EnvelopeLimits, Route, Worker};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use super::*;

#[derive(Event, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[event(topic = "UserRegistered", entity_id = id)]
struct UserRegistered {
    id: u64,
    #[serde(rename = "MailAddress")]
    mail: String,
}

#[derive(Event, Clone, Debug, Serialize, Deserialize)]
#[event(topic = "UserRenamed", entity_id = id)]
struct UserRenamed {
    id: u64,
}

fn user() -> UserRegistered {
    UserRegistered { id: 17, mail: "ada@example.org".to_owned() }
}

/// Has it do something, and returns what it has printed, each line as JSON.
async fn peer(config: &SdkConfig, what: &str, arguments: &[&str]) -> Vec<Value> {
    let credentials = config.credentials_provider().unwrap().provide_credentials().await.unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transports/aws/peer.py");
    let mut command = Command::new("python3");
    command.args([script, what, config.endpoint_url().unwrap(), credentials.access_key_id()]).args(arguments);
    let done = timeout(LONG + WAIT, command.output()).await.expect("it does not end").unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn url_of(config: &SdkConfig, queue: &str) -> String {
    let client = aws_sdk_sqs::Client::new(config);
    client.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap()
}

#[actix::test]
async fn what_the_package_publishes_is_understood() {
    let server = server().await;
    for raw in [true, false] {
        let config = server.config();
        let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
        let queue = orders(&config).await.unwrap();
        topic.subscribe(&queue).raw(raw).filter("eventName", ["UserRegistered"]).await.unwrap();
        let bus = EventBus::default();
        let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let _on = bus.on_topic("**", move |event: &JsonEvent| drop(send.send(event.payload().clone()))).unwrap();
        let (typed, mut users) = tokio::sync::mpsc::unbounded_channel();
        let _users = bus.on(move |user: &UserRegistered| drop(typed.send(user.clone()))).unwrap();
        let payload = json!({ "id": 17, "MailAddress": "ada@example.org", "more_of_it": { "EventName": "stays" } });
        let arguments = [topic.arn(), "UserService", "UserRegistered", &payload.to_string()];
        peer(&config, "publish", &arguments).await;
        peer(&config, "publish", &arguments).await;

        let mut reading = queue.clone();
        reading.open(1).await.unwrap();
        let delivery = next(&mut reading).await;
        let read = convoke::codec::read(delivery.packet(), EnvelopeLimits::default()).unwrap();
        let metadata = &read.metadata;
        assert_eq!((&*metadata.publisher, metadata.entity.as_str()), ("Userservice", "User"), "as it is written");
        assert!(metadata.contains_personal_data);
        assert_eq!(metadata.entity_id.as_deref(), Some("17"));
        assert_eq!(read.payload, payload);
        delivery.ack().await.unwrap();
        reading.close().await.unwrap();

        let worker = Worker::new(queue, &bus).start().await.unwrap();
        assert_eq!(timeout(LONG, heard.recv()).await.unwrap(), Some(payload));
        assert_eq!(timeout(LONG, users.recv()).await.unwrap(), Some(user()));
        assert_eq!(worker.drain().await.unwrap().done, 1);
        assert_empty(&config, "orders").await;
    }
}

#[actix::test]
async fn what_we_publish_in_snake_and_pascal_case_is_understood_by_the_package() {
    let server = server().await;
    for wire in [Wire::snake(), Wire::pascal()] {
        let config = server.config();
        let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
        let queue = orders(&config).await.unwrap();
        topic.subscribe(&queue).raw(false).await.unwrap();
        let bus = EventBus::builder().publisher("UserService").build();
        let _out = Route::new("UserService/*", topic).codec(wire).open(&bus).unwrap();
        bus.emit(user()).await.ok().unwrap();
        bus.emit(UserRenamed { id: 17 }).await.ok().unwrap();
        let url = url_of(&config, "orders").await;
        let mut read = peer(&config, "read", &[&url, "2", "UserRegistered"]).await;
        read.sort_by_key(|line| line.get("dropped").is_some());
        let payload = json!({ "id": 17, "MailAddress": "ada@example.org" });
        let understood =
            json!({ "event": "UserRegistered", "publisher": "UserService", "entity_id": "17", "payload": payload });
        assert_eq!(read, [understood, json!({ "dropped": "unknown event UserRenamed" })]);
    }
}

/// What its users would lose without a word: it is why there are other cases, and why a subscription can be not raw.
#[actix::test]
async fn camel_case_and_raw_messages_are_lost_on_the_package() {
    let server = server().await;
    for (wire, raw) in [(Wire::camel(), false), (Wire::snake(), true)] {
        let config = server.config();
        let topic = Sns::topic("events").config(&config).create_if_missing().await.unwrap();
        let queue = orders(&config).await.unwrap();
        topic.subscribe(&queue).raw(raw).await.unwrap();
        let bus = EventBus::builder().publisher("UserService").build();
        let _out = Route::new("UserService/*", topic).codec(wire).open(&bus).unwrap();
        bus.emit(user()).await.ok().unwrap();
        let url = url_of(&config, "orders").await;
        let read = peer(&config, "read", &[&url, "1", "UserRegistered"]).await;
        assert!(read.len() == 1 && read[0]["dropped"].as_str().unwrap().starts_with("KeyError"), "{read:?}");
        assert_empty(&config, "orders").await;
    }
}
