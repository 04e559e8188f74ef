//! Small drawings, made by the server: a line over the last samples, and a part of a whole.
//!
//! They write numbers alone, so that they are safe in markup; what they show stands beside them as text, or in their label.

use std::fmt;

use askama::filters::HtmlSafe;

const WIDE: f64 = 120.0;
const HIGH: f64 = 24.0;

/// A line over samples, the last one at its end. What is not known is a gap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spark {
    pub(crate) points: Vec<Option<u64>>,
}

#[expect(clippy::cast_precision_loss, reason = "a point on a drawing")]
impl fmt::Display for Spark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<u64> = self.points.iter().flatten().copied().collect();
        let (Some(least), Some(most), Some(last)) = (known.iter().min(), known.iter().max(), known.last()) else {
            return Ok(());
        };
        if self.points.len() < 2 {
            return Ok(());
        }
        write!(
            f,
            "<svg class=\"spark\" viewBox=\"0 0 {WIDE} {HIGH}\" width=\"{WIDE}\" height=\"{HIGH}\" role=\"img\" "
        )?;
        write!(f, "aria-label=\"from {least} to {most}, {last} at last\">")?;
        let step = WIDE / (self.points.len() - 1) as f64;
        let span = (most - least).max(1) as f64;
        let mut is_open = false;
        for (at, point) in self.points.iter().enumerate() {
            match point {
                Some(point) => {
                    let (x, y) = (step * at as f64, HIGH - 2.0 - (point - least) as f64 / span * (HIGH - 4.0));
                    let lead = if is_open { " " } else { "<polyline points=\"" };
                    write!(f, "{lead}{x:.1},{y:.1}")?;
                    is_open = true;
                }
                None if is_open => {
                    f.write_str("\"/>")?;
                    is_open = false;
                }
                None => {}
            }
        }
        f.write_str(if is_open { "\"/></svg>" } else { "</svg>" })
    }
}

impl HtmlSafe for Spark {}

/// How much of a whole there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    pub(crate) part: f64,
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is no number is none of it.
        let part = if self.part.is_finite() { self.part.clamp(0.0, 1.0) } else { 0.0 };
        write!(
            f,
            "<svg class=\"bar\" viewBox=\"0 0 100 8\" width=\"100\" height=\"8\" preserveAspectRatio=\"none\" role=\"img\" "
        )?;
        write!(
            f,
            "aria-label=\"{:.0} percent\"><rect class=\"whole\" width=\"100\" height=\"8\" rx=\"2\"/>",
            part * 100.0
        )?;
        write!(f, "<rect class=\"part\" width=\"{:.1}\" height=\"8\" rx=\"2\"/></svg>", part * 100.0)
    }
}

impl HtmlSafe for Bar {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_a_gap_where_nothing_is_known_and_none_is_drawn_of_one_sample() {
        let line = Spark { points: vec![Some(0), Some(10), None, Some(5), Some(5)] }.to_string();
        assert!(
            line.contains("<polyline points=\"0.0,22.0 30.0,2.0\"/><polyline points=\"90.0,12.0 120.0,12.0\"/></svg>"),
            "{line}"
        );
        assert!(line.contains("aria-label=\"from 0 to 10, 5 at last\""), "{line}");
        for none in [vec![], vec![Some(7)], vec![None, None]] {
            assert_eq!(Spark { points: none }.to_string(), "");
        }
        let level = Spark { points: vec![Some(3), Some(3)] }.to_string();
        assert!(level.contains("0.0,22.0 120.0,22.0"), "{level}");
    }

    #[test]
    fn a_part_is_never_more_than_the_whole() {
        for (part, width) in [(0.25, "25.0"), (7.0, "100.0"), (-1.0, "0.0"), (f64::NAN, "0.0"), (f64::INFINITY, "0.0")]
        {
            let bar = Bar { part }.to_string();
            assert!(bar.contains(&format!("class=\"part\" width=\"{width}\"")), "{bar}");
        }
    }
}
