//! RabbitMQ: ours, and lapin by itself, over quorum queues.

use convoke::transport::RabbitMq;
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

use super::contestant::{Contestant, Future, Message, Ours, batches, decode};
use crate::harness::Failure;

pub(super) async fn ours(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let queue = RabbitMq::queue(name).at(url).create_if_missing().await?;
    Ok(Box::new(Ours::open(queue.clone(), queue, batch).await?))
}

pub(super) async fn bare(url: &str, name: &str, batch: usize) -> Result<Box<dyn Contestant>, Failure> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), durable, arguments).await?;
    channel.basic_qos(batch.try_into()?, BasicQosOptions::default()).await?;
    Ok(Box::new(Bare { _connection: connection, channel, consumer: None, queue: name.to_owned(), batch }))
}

struct Bare {
    _connection: Connection,
    channel: Channel,
    consumer: Option<Consumer>,
    queue: String,
    batch: usize,
}

impl Contestant for Bare {
    fn publish<'a>(&'a mut self, message: &'a Message, count: usize) -> Future<'a, ()> {
        Box::pin(async move {
            for size in batches(count, self.batch) {
                let mut confirms = Vec::with_capacity(size);
                for packet in message.packets(size) {
                    let mut headers = FieldTable::default();
                    for name in ["entityName", "eventName", "publisherName"] {
                        let text = packet.attributes.text(name).unwrap_or_default();
                        headers.insert(name.into(), AMQPValue::LongString(text.into()));
                    }
                    let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
                    let properties = properties.with_message_id(packet.id.into());
                    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                    let queue = self.queue.as_str().into();
                    let publish = self.channel.basic_publish("".into(), queue, options, &packet.body, properties);
                    confirms.push(publish.await?);
                }
                for confirm in confirms {
                    if !confirm.await?.is_ack() {
                        return Err("a message was refused".into());
                    }
                }
            }
            Ok(())
        })
    }

    fn consume(&mut self, count: usize) -> Future<'_, ()> {
        Box::pin(async move {
            let consumer = match &mut self.consumer {
                Some(consumer) => consumer,
                none => {
                    let (tag, options) = ("bench".into(), BasicConsumeOptions::default());
                    let queue = self.queue.as_str().into();
                    none.insert(self.channel.basic_consume(queue, tag, options, FieldTable::default()).await?)
                }
            };
            for size in batches(count, self.batch.div_ceil(2)) {
                let mut last = None;
                for _ in 0..size {
                    let delivery = consumer.next().await.ok_or("the consumer has ended")??;
                    decode(&delivery.data)?;
                    last = Some(delivery);
                }
                if let Some(delivery) = last {
                    delivery.ack(BasicAckOptions { multiple: true }).await?;
                }
            }
            Ok(())
        })
    }
}
