//! What `#[listener]` marks, and `EventBus::discover` finds: all of it in this binary, so only here is anything marked.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use convoke::listener;
use convoke::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed")]
struct OrderPlaced {
    id: u64,
}

/// What was heard, by whom.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
}

#[listener]
fn counts(order: &OrderPlaced, diary: Inject<Diary>) {
    diary.write(format!("counts {}", order.id));
}

/// Called before the one above, though it stands below.
#[listener(name = "receipts", priority = 3)]
async fn sends(order: Arc<OrderPlaced>, diary: Inject<Diary>) -> Result<(), Infallible> {
    diary.write(format!("sends {}", order.id));
    Ok(())
}

#[listener(once, topics("orders/*", "stock/**"))]
async fn archives(event: Arc<JsonEvent>, diary: Inject<Diary>) {
    diary.write(format!("archives {}", event["id"]));
}

/// What is marked under a condition that does not hold is not there: nor is what it names.
#[listener]
#[cfg(any())]
fn hears_nothing(_: Arc<Missing>) {}

mod inner {
    mod framework {
        pub(super) use convoke as events;
    }

    #[framework::events::listener(crate = "framework::events", priority = -1)]
    fn comes_last(_: &super::OrderPlaced, diary: framework::events::Inject<super::Diary>) {
        diary.write("comes last");
    }
}

/// A bus with the diary in it.
fn bus(diary: &Arc<Diary>) -> EventBus {
    EventBus::builder().provide_as(diary.clone()).build()
}

#[convoke::test]
async fn what_is_marked_is_found_in_the_order_of_its_path() {
    let found = bus(&Arc::default()).discover().unwrap();
    let names: Vec<_> = found.iter().map(|subscription| subscription.listener().to_owned()).collect();
    assert_eq!(names, ["archives", "counts", "comes_last", "receipts"]);
}

#[convoke::test]
async fn what_is_marked_hears_by_type_or_topic_by_priority_and_as_often_as_it_says() {
    let diary = Arc::new(Diary::default());
    let bus = bus(&diary);
    let found = bus.discover().unwrap();
    for id in [1, 2] {
        let report = bus.emit(OrderPlaced { id }).await;
        assert!(report.is_ok(), "{report}");
    }
    let heard = std::mem::take(&mut *diary.0.lock().unwrap());
    assert_eq!(heard, ["sends 1", "archives 1", "counts 1", "comes last", "sends 2", "counts 2", "comes last"]);
    drop(found);
    assert!(bus.emit(OrderPlaced { id: 3 }).await.is_empty());
}

#[convoke::test]
async fn what_a_marked_function_needs_and_the_bus_does_not_have_is_told() {
    let bus = EventBus::default();
    let error = bus.discover().unwrap_err();
    assert!(matches!(&error, ListenError::Container { listener, .. } if &**listener == "archives"), "{error}");
    assert!(bus.emit(OrderPlaced { id: 1 }).await.is_empty(), "none is left registered");
}
