//! Counts and times the calls of listeners.
//!
//! `call → Flight (counted when it is dropped) → recorder`

use std::sync::Arc;

use metrics::{Gauge, Label, SharedString};
use tokio::time::Instant;

use super::super::{Call, Handling, Middleware, Next};
use super::verdict::watched;
use crate::events::verdict::ListenerError;
use crate::runtime;

/// Calls that have ended, by how they did.
const CALLS: &str = "convoke_listener_calls_total";
/// How long they took.
const DURATION: &str = "convoke_listener_duration_seconds";
/// Calls that are under way.
const IN_FLIGHT: &str = "convoke_listener_in_flight";

/// Counts and times the calls of listeners, for the recorder of the crate [`metrics`] that is installed.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `convoke_listener_calls_total` | counter | `listener`, `event`, `result` |
/// | `convoke_listener_duration_seconds` | histogram | `listener`, `event` |
/// | `convoke_listener_in_flight` | gauge | `listener`, `event` |
///
/// The `result` is `ok`, `failed`, `permanent`, `panicked`, `timed_out`, `unprovided`, `bad_payload`, `gone`, `busy` or
/// `dropped`. It is `dropped` for a call that did not come to its end, such as a call that ran into the timeout of its
/// listener, which stands outside of all middleware. Install the recorder before you create this middleware, so that
/// the recorder receives the descriptions of the metrics.
///
/// The name of an event that is emitted as JSON is its topic, and a recorder keeps every label it has seen. If topics
/// contain ids, or come from outside, leave the label `event` out with [`without_event`](Self::without_event).
///
/// ```
/// # extern crate convoke_actors as convoke;
/// use convoke::middleware::Measure;
/// use convoke::prelude::*;
/// # use serde::{Deserialize, Serialize};
///
/// # #[derive(Event, Serialize, Deserialize)]
/// # struct OrderPlaced {
/// #     id: u64,
/// # }
/// # actix::System::new().block_on(async {
/// // here a recorder is installed, such as that of `metrics-exporter-prometheus`
/// let bus = EventBus::builder().with(Measure::new()).build();
/// let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no connection")).named("mail"))?;
/// bus.emit(OrderPlaced { id: 7 }).await;
/// // convoke_listener_calls_total{listener="mail",event="OrderPlaced",result="failed"} 1
/// # Ok::<(), ListenError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    event: bool,
}

impl Measure {
    /// Creates a middleware that measures with all labels, and describes its metrics to the installed recorder.
    pub fn new() -> Self {
        metrics::describe_counter!(CALLS, "Calls of listeners that have ended, by how they did");
        metrics::describe_histogram!(DURATION, metrics::Unit::Seconds, "How long calls of listeners took");
        metrics::describe_gauge!(IN_FLIGHT, "Calls of listeners that are under way");
        Self { event: true }
    }

    /// Leaves out the label `event`.
    #[must_use]
    pub fn without_event(mut self) -> Self {
        self.event = false;
        self
    }
}

impl Default for Measure {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Measure {
    fn handle(self: Arc<Self>, call: Call, next: Next) -> Handling {
        Box::pin(async move {
            let mut labels = vec![Label::new("listener", SharedString::from_shared(call.sign().name.clone()))];
            if self.event {
                labels.push(Label::new("event", call.event_name()));
            }
            let mut flight = Flight::begin(labels);
            watched(next.run(call), |error| flight.result = error.map_or("ok", result)).await
        })
    }
}

fn result(error: &ListenerError) -> &'static str {
    match error {
        ListenerError::Failed(_) => "failed",
        ListenerError::Permanent(_) => "permanent",
        ListenerError::Panicked(_) => "panicked",
        ListenerError::TimedOut(_) => "timed_out",
        ListenerError::Unprovided(_) => "unprovided",
        ListenerError::BadPayload(_) => "bad_payload",
        ListenerError::Gone => "gone",
        ListenerError::Busy => "busy",
    }
}

/// A call under way, counted however it ends.
struct Flight {
    labels: Vec<Label>,
    in_flight: Gauge,
    began: Instant,
    result: &'static str,
}

impl Flight {
    fn begin(labels: Vec<Label>) -> Self {
        let in_flight = metrics::gauge!(IN_FLIGHT, labels.clone());
        in_flight.increment(1);
        Self { labels, in_flight, began: runtime::now(), result: "dropped" }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.in_flight.decrement(1);
        let mut labels = std::mem::take(&mut self.labels);
        metrics::histogram!(DURATION, labels.clone()).record(runtime::now() - self.began);
        labels.push(Label::from_static_parts("result", self.result));
        metrics::counter!(CALLS, labels).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future::pending;
    use std::sync::Mutex;
    use std::time::Duration;

    use metrics::{Counter, CounterFn, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, Unit};

    use super::*;
    use crate::{Event, EventBus, Handled, Listen};

    const SECOND: Duration = Duration::from_secs(1);

    #[derive(Event)]
    #[event(local)]
    struct Ping;

    /// Writes down everything that is recorded, by name and labels.
    #[derive(Clone, Default)]
    struct Book(Arc<Mutex<BTreeMap<String, Vec<f64>>>>);

    struct Entry(Book, String);

    impl Book {
        fn entry(&self, key: &Key) -> Arc<Entry> {
            let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            Arc::new(Entry(self.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
        }

        /// All of listeners: a bus measures its dead letters by itself.
        fn all(&self) -> Vec<(String, Vec<f64>)> {
            let all = self.0.lock().unwrap().clone();
            all.into_iter().filter(|(key, _)| key.contains("convoke_listener_")).collect()
        }

        fn sum(&self, key: &str) -> f64 {
            self.0.lock().unwrap()[key].iter().sum()
        }
    }

    impl Entry {
        fn add(&self, value: f64) {
            self.0.0.lock().unwrap().entry(self.1.clone()).or_default().push(value);
        }
    }

    impl CounterFn for Entry {
        fn increment(&self, value: u64) {
            self.add(value as f64);
        }

        fn absolute(&self, _: u64) {
            unreachable!("nobody sets a counter");
        }
    }

    impl GaugeFn for Entry {
        fn increment(&self, value: f64) {
            self.add(value);
        }

        fn decrement(&self, value: f64) {
            self.add(-value);
        }

        fn set(&self, _: f64) {
            unreachable!("nobody sets the gauge");
        }
    }

    impl HistogramFn for Entry {
        fn record(&self, value: f64) {
            self.add(value);
        }
    }

    impl Recorder for Book {
        fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            Entry(self.clone(), format!("counter {}", key.as_str())).add(1.0);
        }

        fn describe_gauge(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
            Entry(self.clone(), format!("gauge {}", key.as_str())).add(1.0);
        }

        fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
            Entry(self.clone(), format!("histogram {} in {unit:?}", key.as_str())).add(1.0);
        }

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.entry(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.entry(key))
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.entry(key))
        }
    }

    #[crate::test]
    async fn a_call_is_counted_and_timed_by_its_listener_its_event_and_its_result() {
        let book = Book::default();
        let _recorder = metrics::set_default_local_recorder(&book);
        let bus = EventBus::builder().with(Measure { event: true }).build();
        let slow = async |_: Arc<Ping>| tokio::time::sleep(2 * SECOND).await;
        let _slow = bus.on(slow.named("slow")).unwrap();
        for _ in 0..2 {
            assert!(bus.emit(Ping).await.is_ok());
        }
        let entries = [
            ("convoke_listener_calls_total{listener=slow,event=Ping,result=ok}", vec![1.0, 1.0]),
            ("convoke_listener_duration_seconds{listener=slow,event=Ping}", vec![2.0, 2.0]),
            ("convoke_listener_in_flight{listener=slow,event=Ping}", vec![1.0, -1.0, 1.0, -1.0]),
        ];
        assert_eq!(book.all(), entries.map(|(key, values)| (key.to_owned(), values)));
    }

    #[crate::test]
    async fn every_end_has_its_result_and_leaves_nothing_in_flight() {
        let book = Book::default();
        let _recorder = metrics::set_default_local_recorder(&book);
        let bus = EventBus::builder().with(Measure { event: true }).build();
        let listeners = [
            (ListenerError::Failed("no connection".to_owned()), "failed"),
            (ListenerError::TimedOut(SECOND), "timed_out"),
            (ListenerError::Unprovided("no pool".to_owned()), "unprovided"),
            (ListenerError::BadPayload("no order".to_owned()), "bad_payload"),
            (ListenerError::Gone, "gone"),
            (ListenerError::Busy, "busy"),
        ];
        let mut guards = Vec::new();
        for (error, result) in listeners.clone() {
            guards.push(bus.on((move |_: &Ping| Err::<(), _>(error.clone())).named(result)).unwrap());
        }
        guards.push(bus.on((|_: &Ping| -> () { panic!("boom") }).named("panicked")).unwrap());
        let hung = async |_: Arc<Ping>| pending::<()>().await;
        guards.push(bus.on(hung.named("dropped").timeout(3 * SECOND)).unwrap());
        let broken = async |_: Call, _: Next| -> Handled { panic!("inside") };
        guards.push(bus.on((|_: &Ping| ()).named("broken").with(broken)).unwrap());
        let report = bus.emit(Ping).await;
        assert_eq!((report.len(), report.failed().count()), (9, 9));
        let results = listeners.map(|(_, result)| (result, result)).into_iter();
        for (name, result) in results.chain([("panicked", "panicked"), ("dropped", "dropped"), ("broken", "dropped")]) {
            let calls = format!("convoke_listener_calls_total{{listener={name},event=Ping,result={result}}}");
            assert_eq!(book.sum(&calls), 1.0);
            assert_eq!(book.sum(&format!("convoke_listener_in_flight{{listener={name},event=Ping}}")), 0.0);
        }
        assert_eq!(book.sum("convoke_listener_duration_seconds{listener=dropped,event=Ping}"), 3.0);
    }

    #[crate::test]
    async fn what_is_under_way_is_in_flight() {
        let book = Book::default();
        let _recorder = metrics::set_default_local_recorder(&book);
        let bus = EventBus::builder().with(Measure { event: true }).build();
        let slow = async |_: Arc<Ping>| tokio::time::sleep(2 * SECOND).await;
        let _slow = bus.on(slow.named("slow").concurrency(2)).unwrap();
        for _ in 0..3 {
            bus.publish(Ping).unwrap();
        }
        let in_flight = || book.sum("convoke_listener_in_flight{listener=slow,event=Ping}");
        tokio::time::sleep(SECOND).await;
        assert_eq!(in_flight(), 2.0);
        tokio::time::sleep(2 * SECOND).await;
        assert_eq!(in_flight(), 1.0);
        bus.drain().await;
        assert_eq!(in_flight(), 0.0);
    }

    #[crate::test]
    async fn the_label_of_the_event_may_be_left_out_and_new_describes_what_is_measured() {
        let book = Book::default();
        let _recorder = metrics::set_default_local_recorder(&book);
        let bus = EventBus::builder().with(Measure::new().without_event()).build();
        let _all = bus.on_topic("**", (|_: &crate::JsonEvent| ()).named("all")).unwrap();
        for topic in ["orders/1", "orders/2"] {
            assert!(bus.emit_json(topic, serde_json::Value::Null).unwrap().await.is_ok());
        }
        let keys: Vec<_> = book.all().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            keys,
            [
                "convoke_listener_calls_total{listener=all,result=ok}",
                "convoke_listener_duration_seconds{listener=all}",
                "convoke_listener_in_flight{listener=all}",
                "counter convoke_listener_calls_total",
                "gauge convoke_listener_in_flight",
                "histogram convoke_listener_duration_seconds in Some(Seconds)",
            ]
        );
    }
}
