//! A recorder that writes down everything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Recorder, SharedString, Unit};

/// One metric with these labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// The sum of a counter, what a gauge shows, or the sum of what a histogram was told.
    pub(super) value: f64,
    /// How often it was told anything.
    pub(super) told: u64,
}

/// All series of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Family {
    pub(super) kind: &'static str,
    pub(super) unit: Option<Unit>,
    pub(super) what: String,
    /// By their labels.
    pub(super) series: BTreeMap<BTreeMap<String, String>, Series>,
}

impl Family {
    /// The names of the labels of each series.
    pub(super) fn labels(&self) -> BTreeSet<Vec<&str>> {
        self.series.keys().map(|labels| labels.keys().map(String::as_str).collect()).collect()
    }

    /// The values that a label has had.
    pub(super) fn values(&self, label: &str) -> BTreeSet<&str> {
        self.series.keys().filter_map(|labels| labels.get(label)).map(String::as_str).collect()
    }
}

/// Writes down everything that is measured on this thread.
#[derive(Clone, Default)]
pub(super) struct Book(Arc<Mutex<BTreeMap<String, Family>>>);

impl Book {
    pub(super) fn families(&self) -> BTreeMap<String, Family> {
        self.0.lock().unwrap().clone()
    }

    /// The series of this name and these labels, as in `convoke_rounds_open{broker=orders}`.
    #[track_caller]
    fn series(&self, series: &str) -> Series {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| label.split_once('=').unwrap());
        let labels: BTreeMap<_, _> = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).collect();
        let families = self.0.lock().unwrap();
        let family = families.get(name).unwrap_or_else(|| panic!("nobody has measured {name}"));
        let found = family.series.get(&labels);
        found.unwrap_or_else(|| panic!("{series} is none of {:?}", family.series.keys())).clone()
    }

    #[track_caller]
    pub(super) fn value(&self, series: &str) -> f64 {
        self.series(series).value
    }

    /// How often a histogram was told something.
    #[track_caller]
    pub(super) fn times(&self, series: &str) -> u64 {
        self.series(series).told
    }

    fn describe(&self, kind: &'static str, name: &KeyName, unit: Option<Unit>, what: &SharedString) {
        let mut families = self.0.lock().unwrap();
        let family = families.entry(name.as_str().to_owned()).or_default();
        assert!(family.what.is_empty() || family.what == **what, "{} is {} and {what}", name.as_str(), family.what);
        (family.kind, family.unit, family.what) = (kind, unit, what.to_string());
    }

    fn entry(&self, kind: &'static str, key: &Key) -> Arc<Entry> {
        let labels: BTreeMap<_, _> =
            key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        let mut families = self.0.lock().unwrap();
        let family = families.entry(key.name().to_owned()).or_default();
        assert!(family.kind.is_empty() || family.kind == kind, "{} is a {} and a {kind}", key.name(), family.kind);
        family.kind = kind;
        family.series.entry(labels.clone()).or_default();
        Arc::new(Entry { book: self.clone(), name: key.name().to_owned(), labels })
    }
}

struct Entry {
    book: Book,
    name: String,
    labels: BTreeMap<String, String>,
}

impl Entry {
    fn tell(&self, change: impl FnOnce(&mut f64)) {
        let mut families = self.book.0.lock().unwrap();
        if let Some(series) = families.get_mut(&self.name).and_then(|family| family.series.get_mut(&self.labels)) {
            change(&mut series.value);
            series.told += 1;
        }
    }
}

impl CounterFn for Entry {
    fn increment(&self, more: u64) {
        if more > 0 {
            self.tell(|value| *value += more as f64);
        }
    }

    fn absolute(&self, _: u64) {
        unreachable!("nobody sets a counter");
    }
}

impl GaugeFn for Entry {
    fn increment(&self, more: f64) {
        self.tell(|value| *value += more);
    }

    fn decrement(&self, less: f64) {
        self.tell(|value| *value -= less);
    }

    fn set(&self, now: f64) {
        self.tell(|value| *value = now);
    }
}

impl HistogramFn for Entry {
    fn record(&self, one: f64) {
        self.tell(|value| *value += one);
    }
}

impl Recorder for Book {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        self.describe("counter", &name, unit, &what);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        self.describe("gauge", &name, unit, &what);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, what: SharedString) {
        self.describe("histogram", &name, unit, &what);
    }

    fn register_counter(&self, key: &Key, _: &metrics::Metadata<'_>) -> Counter {
        Counter::from_arc(self.entry("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &metrics::Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.entry("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &metrics::Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.entry("histogram", key))
    }
}
