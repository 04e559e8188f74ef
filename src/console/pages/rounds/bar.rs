//! A party of a round, from the opening of the round to its signal, as a drawing.

use std::fmt;
use std::time::Duration;

use askama::filters::HtmlSafe;

const WIDE: f64 = 300.0;

/// How a party stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Kept,
    Waits,
    Vetoed,
    Unknown,
}

/// A bar from the opening to the signal, or to now; the deadline is at the end of the row.
pub(super) struct PartyBar {
    pub(super) stands: Stands,
    /// Where the bar ends, in parts of the whole time of the round.
    pub(super) end: f64,
}

impl PartyBar {
    /// The bar of somebody who was done, or waits, so long after the opening of a round that lasts so long.
    pub(super) fn of(stands: Stands, at: Duration, whole: Duration) -> Self {
        let whole = whole.as_secs_f64();
        let end = if whole > 0.0 { (at.as_secs_f64() / whole).clamp(0.0, 1.0) } else { 1.0 };
        Self { stands, end }
    }
}

/// It writes numbers and words of its own alone.
impl fmt::Display for PartyBar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, label) = match self.stands {
            Stands::Kept => ("kept", "has kept its promise"),
            Stands::Waits => ("waits", "owes its signal"),
            Stands::Vetoed => ("vetoed", "has vetoed"),
            Stands::Unknown => ("nobody", "nobody has this name"),
        };
        let end = self.end * (WIDE - 16.0) + 8.0;
        write!(
            f,
            "<svg class=\"party {class}\" viewBox=\"0 0 {WIDE} 16\" width=\"{WIDE}\" height=\"16\" role=\"img\" "
        )?;
        write!(f, "aria-label=\"{label}, after {:.0} percent of the time\">", self.end * 100.0)?;
        write!(
            f,
            "<path class=\"time\" d=\"M 8 8 H {}\"/><path class=\"end\" d=\"M {} 1 V 15\"/>",
            WIDE - 8.0,
            WIDE - 8.0
        )?;
        write!(f, "<path class=\"until\" d=\"M 8 8 H {end:.1}\"/>")?;
        if self.stands != Stands::Waits {
            write!(f, "<circle cx=\"{end:.1}\" cy=\"8\" r=\"4\"/>")?;
        }
        f.write_str("</svg>")
    }
}

impl HtmlSafe for PartyBar {}
