//! The states of a service over time, as a drawing.

use std::fmt;
use std::time::SystemTime;

use askama::filters::HtmlSafe;
use convoke::{ServiceChange, ServiceState};

use super::row::class;

const WIDE: f64 = 600.0;

/// The least that a state takes, or nobody would see a short one.
const LEAST: f64 = 3.0;

/// The states of a service, from the first change that is known until now.
pub(super) struct Strip {
    /// Each with its end, in parts of the whole.
    spans: Vec<(ServiceState, f64)>,
}

impl Strip {
    pub(super) fn of(changes: &[ServiceChange], now: SystemTime) -> Self {
        let Some(first) = changes.first() else { return Self { spans: Vec::new() } };
        let since = |at: SystemTime| at.duration_since(first.at).unwrap_or_default().as_secs_f64();
        let whole = since(now).max(f64::MIN_POSITIVE);
        let ends = changes.iter().skip(1).map(|change| change.at).chain([now]);
        let spans = changes.iter().zip(ends).map(|(change, end)| (change.state, (since(end) / whole).clamp(0.0, 1.0)));
        Self { spans: spans.collect() }
    }
}

/// It writes numbers and the names of states alone.
impl fmt::Display for Strip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, _)) = self.spans.last() else { return Ok(()) };
        write!(
            f,
            "<svg class=\"strip\" viewBox=\"0 0 {WIDE} 20\" role=\"img\" aria-label=\"{} changes of state; ",
            self.spans.len()
        )?;
        write!(f, "{last} at last\" preserveAspectRatio=\"none\">")?;
        let mut from = 0.0;
        for (state, end) in &self.spans {
            let width = (end * WIDE - from).max(LEAST);
            write!(
                f,
                "<rect class=\"{}\" x=\"{from:.1}\" width=\"{width:.1}\" height=\"20\"><title>{state}</title></rect>",
                class(*state)
            )?;
            from = (end * WIDE).max(from);
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for Strip {}
