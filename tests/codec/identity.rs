use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use convoke::codec::{self, CloudEvents, Codec, Wire};
use convoke::middleware::Deduplicate;
use convoke::prelude::*;
use convoke::transport::{Memory, Packet, Publisher};
use convoke::{Envelope, EnvelopeLimits, JsonEvent, MemoryInbox, Metadata, Worker};
use serde_json::{Value, json};

const ID: &str = "019b7c4a-5a88-7cc1-8000-00000000002a";
const HOUR: Duration = Duration::from_secs(3_600);

fn read(id: &str, body: &Value) -> Metadata {
    codec::read(&Packet::new(id, body.to_string()), EnvelopeLimits::default()).unwrap().metadata
}

fn cloud_event(source: &str, id: &Value) -> Value {
    json!({"specversion": "1.0", "type": "placed", "source": source, "id": id, "data": source})
}

fn envelope(publisher: &str, id: &Value) -> Value {
    json!({"metadata": {"eventName": "placed", "publisherName": publisher, "id": id}, "payload": publisher})
}

/// Delivers these one after the other, and returns the payloads of those that were heard.
async fn heard(packets: Vec<Packet>) -> (Vec<Value>, u64) {
    let queue = Memory::queue("orders");
    let bus = EventBus::default();
    let payloads = Rc::new(RefCell::new(Vec::new()));
    let noted = payloads.clone();
    let _hears =
        bus.on_topic("placed", move |event: &JsonEvent| noted.borrow_mut().push(event.payload().clone())).unwrap();
    for packet in packets {
        queue.publish(&[packet]).await.pop().unwrap().unwrap();
    }
    let worker = Worker::new(queue.clone(), &bus).deduplicate(MemoryInbox::new(HOUR)).concurrency(1);
    let report = worker.run_until(tokio::time::sleep(Duration::from_secs(5))).await.unwrap();
    let payloads = payloads.take();
    assert_eq!(report.done + report.duplicates, report.received);
    (payloads, report.received)
}

#[convoke::test]
async fn the_same_uuid_of_two_sources_is_two_events() {
    let packets = ["/shop", "/market", "/shop"].map(|source| {
        let event = cloud_event(source, &json!(ID));
        // Nobody has given ids to the packets.
        Packet::new("", event.to_string())
    });
    assert_eq!(heard(packets.into()).await, (vec![json!("/shop"), json!("/market")], 3));
}

#[convoke::test]
async fn an_id_that_is_no_uuid_is_known_again() {
    for id in [json!("order-7"), json!(17), json!("01ARZ3NDEKTSV4RRFFQ69G5FAV"), json!(ID), json!(1.5)] {
        for event in [envelope, cloud_event] {
            let packet = |publisher| Packet::new("", event(publisher, &id).to_string());
            let packets = vec![packet("Shop"), packet("Market"), packet("Shop")];
            assert_eq!(heard(packets).await, (vec![json!("Shop"), json!("Market")], 3), "{id}");
        }
    }
}

#[convoke::test]
async fn an_event_without_an_id_is_known_by_that_of_its_packet() {
    for missing in [Value::Null, json!("")] {
        for event in [envelope, cloud_event] {
            let packet = |id: &str| Packet::new(id, event("Shop", &missing).to_string());
            let packets = vec![packet("1-0"), packet("2-0"), packet("1-0"), packet(ID), packet(ID)];
            assert_eq!(heard(packets).await.0.len(), 3);
            // Nobody can tell that these are one.
            assert_eq!(heard(vec![packet(""), packet("")]).await.0.len(), 2);
        }
    }
}

#[test]
fn an_identity_is_the_same_at_each_reading() {
    for id in [json!("order-7"), json!(17), json!("01ARZ3NDEKTSV4RRFFQ69G5FAV"), json!(ID), Value::Null, json!([1])] {
        let one = read("1-0", &envelope("Shop", &id));
        assert_eq!(one.identity(), read("1-0", &envelope("Shop", &id)).identity(), "{id}");
        assert_eq!((one.correlation, one.identity().len()), (one.id, 53), "{id}");
        assert_ne!(one.identity(), read("1-0", &envelope("Market", &id)).identity(), "{id}");
    }
    assert_eq!(read("", &envelope("Shop", &json!(17))).id, read("", &envelope("Shop", &json!("17"))).id);
    // It is the same tomorrow, and on another machine.
    let known = read("", &envelope("Shop", &json!("order-7")));
    assert_eq!(known.identity(), "925d6ff5-7fc1-8eb6-888a-4d93414a64ae@b806e95709c01b01");
    // Two entries of two streams may have one id.
    let others = json!({"metadata": {"eventName": "placed", "publisherName": "Shop"}, "payload": "another"});
    assert_ne!(read("1-0", &envelope("Shop", &Value::Null)).id, read("1-0", &others).id);
    assert_eq!(read(ID, &others).id.to_string(), ID);
}

#[test]
fn whoever_passes_an_event_on_leaves_its_identity() {
    for event in [envelope("Shop", &json!("order-7")), cloud_event("https://shop.example/a", &json!("7"))] {
        let read = codec::read(&Packet::new("1", event.to_string()), EnvelopeLimits::default()).unwrap();
        for codec in [&Wire::pascal() as &dyn Codec, &CloudEvents::structured(), &CloudEvents::binary()] {
            let again = codec::read(&codec.write(&read), EnvelopeLimits::default()).unwrap();
            assert_eq!(again.metadata.identity(), read.metadata.identity());
        }
    }
}

#[convoke::test]
async fn listeners_tell_the_same_uuid_of_two_sources_apart_too() {
    let bus = EventBus::builder().with(Deduplicate::new(HOUR)).build();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let noted = heard.clone();
    let _hears =
        bus.on_topic("placed", move |event: &JsonEvent| noted.borrow_mut().push(event.payload().clone())).unwrap();
    for source in ["/shop", "/market", "/shop"] {
        let body = cloud_event(source, &json!(ID)).to_string();
        let event: Envelope = codec::read(&Packet::new("", body), EnvelopeLimits::default()).unwrap();
        assert!(bus.emit_envelope(event).unwrap().await.is_ok());
    }
    assert_eq!(*heard.borrow(), [json!("/shop"), json!("/market")]);
}
