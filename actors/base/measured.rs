//! What is measured, for whatever recorder of the crate `metrics` is installed; nothing without that feature.
//!
//! `a meter, when it is made → Count, Level, Spread → the recorder that is installed then`
//!
//! Whoever measures looks each of them up once, with all its labels, and not for each event: where no recorder is installed, what is
//! left of it is a look at an option. A counter is there from the beginning, with 0, so that its first event is an increase.

/// The labels of a metric. Each has a small number of values, which the application has chosen or Convoke.
type Labels<'a> = &'a [(&'static str, &'a str)];

/// What only grows.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "metrics"), derive(Default))]
pub struct Count(#[cfg(feature = "metrics")] metrics::Counter);

/// What goes up and down.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "metrics"), derive(Default))]
pub struct Level(#[cfg(feature = "metrics")] metrics::Gauge);

/// How long something takes each time.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "metrics"), derive(Default))]
pub struct Spread(#[cfg(feature = "metrics")] metrics::Histogram);

#[cfg(feature = "metrics")]
mod recorded {
    use std::time::Duration;

    use metrics::{Counter, Gauge, Histogram, Key, Label, Level as Verbosity, Metadata, Unit, with_recorder};

    use super::{Count, Labels, Level, Spread};

    static METADATA: Metadata<'static> = Metadata::new("convoke", Verbosity::INFO, Some("convoke"));

    fn key(name: &'static str, labels: Labels<'_>) -> Key {
        let labels: Vec<_> = labels.iter().map(|(label, value)| Label::new(*label, (*value).to_owned())).collect();
        Key::from_parts(name, labels)
    }

    /// The name says it, as Prometheus would have it.
    fn unit(name: &str) -> Option<Unit> {
        name.ends_with("_seconds").then_some(Unit::Seconds)
    }

    impl Count {
        /// Looks up a counter, and says what it counts.
        pub fn new(name: &'static str, what: &'static str, labels: Labels<'_>) -> Self {
            Self(with_recorder(|recorder| {
                recorder.describe_counter(name.into(), unit(name), what.into());
                recorder.register_counter(&key(name, labels), &METADATA)
            }))
        }

        /// So many more.
        #[inline]
        pub fn add(&self, more: u64) {
            self.0.increment(more);
        }
    }

    impl Level {
        /// Looks up a gauge, and says what it shows.
        pub fn new(name: &'static str, what: &'static str, labels: Labels<'_>) -> Self {
            Self(with_recorder(|recorder| {
                recorder.describe_gauge(name.into(), unit(name), what.into());
                recorder.register_gauge(&key(name, labels), &METADATA)
            }))
        }

        /// One more.
        #[inline]
        pub fn up(&self) {
            self.0.increment(1.0);
        }

        /// One less.
        #[inline]
        pub fn down(&self) {
            self.0.decrement(1.0);
        }

        /// It is so many.
        #[inline]
        pub fn set(&self, count: u64) {
            self.0.set(count as f64);
        }

        /// It is so long.
        #[inline]
        pub fn set_time(&self, time: Duration) {
            self.0.set(time.as_secs_f64());
        }
    }

    impl Spread {
        /// Looks up a histogram, and says what takes so long.
        pub fn new(name: &'static str, what: &'static str, labels: Labels<'_>) -> Self {
            Self(with_recorder(|recorder| {
                recorder.describe_histogram(name.into(), unit(name), what.into());
                recorder.register_histogram(&key(name, labels), &METADATA)
            }))
        }

        /// It took so long.
        #[inline]
        pub fn record(&self, took: Duration) {
            self.0.record(took);
        }
    }

    impl Default for Count {
        fn default() -> Self {
            Self(Counter::noop())
        }
    }

    impl Default for Level {
        fn default() -> Self {
            Self(Gauge::noop())
        }
    }

    impl Default for Spread {
        fn default() -> Self {
            Self(Histogram::noop())
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod recorded {
    use std::time::Duration;

    use super::{Count, Labels, Level, Spread};

    impl Count {
        /// Counts nothing.
        #[inline]
        pub fn new(_: &'static str, _: &'static str, _: Labels<'_>) -> Self {
            Self()
        }

        /// So many more.
        #[inline]
        pub fn add(&self, _: u64) {}
    }

    impl Level {
        /// Shows nothing.
        #[inline]
        pub fn new(_: &'static str, _: &'static str, _: Labels<'_>) -> Self {
            Self()
        }

        /// One more.
        #[inline]
        pub fn up(&self) {}

        /// One less.
        #[inline]
        pub fn down(&self) {}

        /// It is so many.
        #[inline]
        pub fn set(&self, _: u64) {}

        /// It is so long.
        #[inline]
        pub fn set_time(&self, _: Duration) {}
    }

    impl Spread {
        /// Times nothing.
        #[inline]
        pub fn new(_: &'static str, _: &'static str, _: Labels<'_>) -> Self {
            Self()
        }

        /// It took so long.
        #[inline]
        pub fn record(&self, _: Duration) {}
    }
}

/// One that is there, for as long as this lives: however it ends, it is one less then.
#[derive(Debug)]
pub struct Lives<'a>(&'a Level);

impl<'a> Lives<'a> {
    /// One more, until this is dropped.
    pub fn begin(level: &'a Level) -> Self {
        level.up();
        Self(level)
    }
}

impl Drop for Lives<'_> {
    fn drop(&mut self) {
        self.0.down();
    }
}

/// Whether anything is measured at all: what costs a question to a server is not asked for nothing.
pub const IS_MEASURED: bool = cfg!(feature = "metrics");
