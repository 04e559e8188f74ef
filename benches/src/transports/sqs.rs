//! SQS: ours, and the official SDK by itself.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageAttributeValue, MessageSystemAttributeName, SendMessageBatchRequestEntry,
};
use convoke::transport::Sqs;
use futures::future::join_all;

use super::contestant::{Contestant, Future, Message, Ours, batches, decode};
use crate::harness::Failure;

/// What one request takes.
const MOST: usize = 10;

fn config(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new(format!("{:012}", std::process::id()), "secret", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}

pub(super) async fn ours(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let queue = Sqs::queue(name).config(&config(url)).create_if_missing().await?;
    Ok(Box::new(Ours::open(queue.clone(), queue, batch).await?))
}

pub(super) async fn bare(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let client = Client::new(&config(url));
    let queue = client.create_queue().queue_name(name).send().await?.queue_url.ok_or("the queue has no URL")?;
    Ok(Box::new(Bare { client, queue, batch }))
}

struct Bare {
    client: Client,
    queue: String,
    batch: usize,
}

impl Bare {
    async fn send(&self, message: &Message, count: usize) -> Result<(), Failure> {
        let mut send = self.client.send_message_batch().queue_url(&self.queue);
        for (at, packet) in message.packets(count).into_iter().enumerate() {
            let mut entry = SendMessageBatchRequestEntry::builder().id(at.to_string());
            entry = entry.message_body(String::from_utf8(packet.body)?);
            for name in ["entityName", "eventName", "publisherName"] {
                let value = packet.attributes.text(name).unwrap_or_default();
                let value = MessageAttributeValue::builder().data_type("String").string_value(value).build()?;
                entry = entry.message_attributes(name, value);
            }
            send = send.entries(entry.build()?);
        }
        let answer = send.send().await?;
        if answer.successful.len() < count { Err("a message was refused".into()) } else { Ok(()) }
    }

    async fn receive(&self) -> Result<usize, Failure> {
        let receive = self.client.receive_message().queue_url(&self.queue).max_number_of_messages(MOST as i32);
        let receive = receive.wait_time_seconds(20).visibility_timeout(30).message_attribute_names("All");
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let messages = receive.send().await?.messages.unwrap_or_default();
        let count = messages.len();
        let mut delete = self.client.delete_message_batch().queue_url(&self.queue);
        for (at, message) in messages.into_iter().enumerate() {
            decode(message.body.unwrap_or_default().as_bytes())?;
            let entry = DeleteMessageBatchRequestEntry::builder().id(at.to_string());
            delete = delete.entries(entry.receipt_handle(message.receipt_handle.unwrap_or_default()).build()?);
        }
        if count > 0 && delete.send().await?.successful.len() < count {
            return Err("a message was not deleted".into());
        }
        Ok(count)
    }
}

impl Contestant for Bare {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for size in batches(count, self.batch) {
                let requests = batches(size, MOST).map(|size| self.send(message, size));
                for sent in join_all(requests).await {
                    sent?;
                }
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        Box::pin(async move {
            let mut done = 0;
            while done < count {
                done += self.receive().await?;
            }
            Ok(())
        })
    }
}
