//! The ratios as a picture: a handmade SVG, a panel for each size and in it a bar for each contestant.
//!
//! ```text
//! n = 10
//! actix                  ████ 1.00×
//! tokio mpsc + timeout   ████████ 1.75×
//! ```
//!
//! Longer is better. Ours stand out; a thin line marks the baseline. It draws itself in dark colors
//! where the page is dark.

use std::fmt::Write;

use crate::harness::{Row, Work, ratio};
use crate::report::{sizes, thousands};

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 16.0;
/// Where bars begin: the names stand left of it.
const LEFT: f64 = 230.0;
/// Room right of the longest bar for its figures.
const RIGHT: f64 = 130.0;
const LINE: f64 = 22.0;
const BAR: f64 = 14.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.panel { font-weight: 600 }
.name { text-anchor: end }
.figure { fill: #59636e }
.ground { fill: #ffffff }
.peer { fill: #afb8c1 }
.ours { fill: #0969da }
.line { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .figure { fill: #9198a1 } .ground { fill: #0d1117 }
  .peer { fill: #57606a } .ours { fill: #4493f8 } .line { stroke: #f0f6fc }
}";

/// Draws the ratios of all rows.
pub(crate) fn svg(work: &Work, rows: &[Row]) -> String {
    let ratio_of = |row: &Row| ratio(work, rows, row).unwrap_or(0.0);
    let longest = rows.iter().map(ratio_of).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / longest;

    let mut body = String::new();
    let mut y = MARGIN + 14.0;
    let (times, per) = (work.figure.how_many_times(), work.figure.per(work.unit));
    let title = format!("{}: {times} \"{}\" ({per})", work.name, work.baseline);
    let _ = writeln!(body, r#"<text class="title" x="{MARGIN}" y="{y}">{}</text>"#, escape(&title));
    for n in sizes(rows) {
        y += 2.0 * LINE - 8.0;
        let n_text = thousands(n);
        let _ = writeln!(body, r#"<text class="panel" x="{MARGIN}" y="{y}">n = {n_text}</text>"#);
        let top = y + 6.0;
        for row in rows.iter().filter(|row| row.n == n) {
            y += LINE;
            bar(&mut body, row, work.figure.symbol(), ratio_of(row), scale, y);
        }
        let (x, bottom) = (LEFT + scale, y + 6.0);
        let _ = writeln!(body, r#"<line class="line" x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}"/>"#);
    }
    let height = y + MARGIN;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">
<title>{}</title>
<style>
{STYLE}
</style>
<rect class="ground" width="{WIDTH}" height="{height}"/>
{body}</svg>
"#,
        escape(&title)
    )
}

/// A name, a bar and its figures on one line whose text stands on `y`.
fn bar(body: &mut String, row: &Row, symbol: &str, ratio: f64, scale: f64, y: f64) {
    let class = if row.contestant.starts_with("convoke") { "ours" } else { "peer" };
    let (end, width) = (LEFT + ratio * scale + 6.0, ratio * scale);
    let _ = writeln!(
        body,
        r#"<text class="name" x="{}" y="{y}">{}</text>
<rect class="{class}" x="{LEFT}" y="{}" width="{width:.1}" height="{BAR}" rx="2"/>
<text x="{end:.1}" y="{y}">{ratio:.2}× <tspan class="figure">{:.0} {symbol}</tspan></text>"#,
        LEFT - 8.0,
        escape(row.contestant),
        y - BAR + 3.0,
        row.figure()
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::WORK;

    #[test]
    fn every_row_has_its_bar_and_ours_stand_out() {
        let rows = [("actix", 300.0), ("convoke, by themselves", 50.0)].map(|(contestant, cpu_ns)| Row {
            contestant,
            n: 1000,
            cpu_ns,
            bytes: None,
            spread: 0.0,
        });
        let picture = svg(&WORK, &rows);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert_eq!(picture.matches(r#"class="peer""#).count(), 1);
        assert_eq!(picture.matches(r#"class="ours""#).count(), 1);
        assert!(picture.contains("6.00×") && picture.contains("n = 1,000"), "{picture}");
    }
}
