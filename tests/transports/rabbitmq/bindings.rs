//! CloudEvents in binary mode over RabbitMQ: what strangers send is read as its own binding has it, and ours as we wrote it.

use convoke::codec::{self, Binding, CloudEvents, Codec};
use convoke::transport::{Attribute, DeadReason, Delivery, Source, redrive};
use convoke::{Envelope, EnvelopeLimits, Metadata};
use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;

use super::{fresh, next, publish, queue, server, stranger};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

const TEXT: &str = "100%25 wool, \"x\" \\ é";

fn read(delivery: &Delivery) -> Envelope {
    codec::read(delivery.packet(), EnvelopeLimits::default()).unwrap()
}

#[tokio::test]
async fn what_a_stranger_writes_behind_ce_is_as_it_is_also_when_it_is_tried_again_and_redriven() {
    let server = server().await;
    let name = fresh("wool");
    let mut orders = queue(server, &name).await.unwrap();
    let mut headers = FieldTable::default();
    let mut put = |name: &str, value| {
        headers.insert(name.into(), value);
    };
    for (name, value) in [
        ("specversion", "1.0"),
        ("type", "placed"),
        ("source", "/shop"),
        ("id", "7"),
        ("subject", TEXT),
        ("traceparent", TRACE),
    ] {
        put(&format!("ce-{name}"), AMQPValue::LongString(value.into()));
    }
    put("ce-time", AMQPValue::Timestamp(1_767_323_045));
    let properties = BasicProperties::default().with_headers(headers).with_content_type("application/json".into());
    let channel = stranger(server).await;
    let options = BasicPublishOptions::default();
    let sent = channel.basic_publish("".into(), name.as_str().into(), options, b"7", properties).await.unwrap();
    sent.await.unwrap();

    let delivery = next(&mut orders).await;
    let first = read(&delivery);
    assert_eq!((first.metadata.entity_id.as_deref(), &first.payload), (Some(TEXT), &json!(7)));
    assert_eq!(convoke::__private::PublishDate(first.metadata.time).to_string(), "2026-01-02T03:04:05+00:00");
    delivery.retry_after(std::time::Duration::ZERO).await.unwrap();
    let delivery = next(&mut orders).await;
    assert_eq!((read(&delivery).metadata.identity(), delivery.attempt()), (first.metadata.identity(), 2));
    assert_eq!(read(&delivery), first);
    delivery.dead_letter(DeadReason::Permanent, Vec::new()).await.unwrap();
    let mut dead = orders.dead_letters().unwrap().await.unwrap();
    let letter = next(&mut dead).await;
    assert_eq!(read(&letter), first);
    letter.release().await.unwrap();
    dead.close().await.unwrap();
    assert_eq!(redrive(&mut dead, &orders, 1).await.unwrap().moved, 1);
    let delivery = next(&mut orders).await;
    assert_eq!(read(&delivery), first);
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn what_we_write_over_rabbitmq_in_any_binding_is_read_as_it_was() {
    let server = server().await;
    let name = fresh("bindings");
    let mut orders = queue(server, &name).await.unwrap();
    for binding in [Binding::Http, Binding::Kafka, Binding::Amqp, Binding::RabbitMq] {
        // One that was passed on has no topic.
        for topic in ["orders/placed", ""] {
            let mut metadata = Metadata::new("placed");
            metadata.entity_id = Some(TEXT.into());
            metadata.publisher = TEXT.into();
            metadata.topic = topic.into();
            let event = Envelope::new(metadata, json!({"text": TEXT}));
            let mut packet = CloudEvents::binary_as(binding).write(&event);
            packet.attributes.insert("tenant", Attribute::from(TEXT));
            publish(&orders, &[packet]).await;
            let delivery = next(&mut orders).await;
            assert_eq!(read(&delivery), event, "{binding:?}");
            assert_eq!(delivery.packet().attributes.text("tenant"), Some(TEXT));
            delivery.ack().await.unwrap();
        }
    }
}
