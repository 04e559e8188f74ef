//! The figures as text: a table for people, lines of JSON for programs.

use std::fmt::Write;

use crate::harness::{Plan, Row, Work, find, ratio};

/// The table: a line for each contestant, a column for each size, and in it the time and the ratio.
pub(crate) fn table(work: &Work, plan: &Plan, rows: &[Row]) -> String {
    let (sizes, contestants) = (sizes(rows), contestants(rows));
    let width = contestants.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = format!(
        "{}: {} (median of {}), and {} \"{}\"\n\n",
        work.name,
        work.figure.per(work.unit),
        plan.samples,
        work.figure.how_many_times(),
        work.baseline
    );

    text.push_str(&" ".repeat(width));
    for n in &sizes {
        let head = format!("n = {}", thousands(*n));
        let _ = write!(text, "{head:>20}");
    }
    text.push('\n');
    for contestant in contestants {
        let _ = write!(text, "{contestant:width$}");
        for row in sizes.iter().filter_map(|&n| find(rows, contestant, n)) {
            let times = ratio(work, rows, row).map_or_else(|| String::from("-"), |ratio| format!("{ratio:.2}×"));
            let _ = write!(text, "{:>12.1}{times:>8}", row.figure());
        }
        text.push('\n');
    }
    if let Some(widest) = rows.iter().max_by(|a, b| a.spread.total_cmp(&b.spread)) {
        let _ = writeln!(
            text,
            "\nhalf of the samples lie within ±{:.1} % or less of their row's middle (widest: \"{}\", n = {})",
            widest.spread * 100.0,
            widest.contestant,
            thousands(widest.n)
        );
    }
    text
}

/// One line for each row. Names of ours contain nothing that JSON would have to escape. Where memory is what counts, a
/// line has its `bytes` as well.
pub(crate) fn json(work: &Work, rows: &[Row]) -> String {
    rows.iter().fold(String::new(), |mut lines, row| {
        let bytes = row.bytes.map(|bytes| format!(r#", "bytes": {bytes:.1}"#)).unwrap_or_default();
        let _ = writeln!(
            lines,
            r#"{{"work": "{}", "contestant": "{}", "n": {}, "cpu_ns": {:.1}{bytes}}}"#,
            work.name, row.contestant, row.n, row.cpu_ns
        );
        lines
    })
}

/// The sizes that were measured, in order.
pub(crate) fn sizes(rows: &[Row]) -> Vec<usize> {
    distinct(rows.iter().map(|row| row.n))
}

/// The contestants that were measured, in order.
pub(crate) fn contestants(rows: &[Row]) -> Vec<&'static str> {
    distinct(rows.iter().map(|row| row.contestant))
}

/// 1000 as "1,000".
pub(crate) fn thousands(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", thousands(n / 1000), n % 1000) }
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut seen, item| {
        if !seen.contains(&item) {
            seen.push(item);
        }
        seen
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::WORK;

    fn rows() -> Vec<Row> {
        [("actix", 2, 877.04), ("tokio mpsc + timeout", 2, 481.0), ("actix", 1000, 338.0)]
            .map(|(contestant, n, cpu_ns)| Row { contestant, n, cpu_ns, bytes: None, spread: 0.01 })
            .to_vec()
    }

    #[test]
    fn a_line_of_json_is_what_the_later_benchmarks_keep_to() -> serde_json::Result<()> {
        let lines = json(&WORK, &rows());
        assert_eq!(lines.lines().count(), rows().len());
        let first = lines.lines().next();
        assert_eq!(first, Some(r#"{"work": "rounds", "contestant": "actix", "n": 2, "cpu_ns": 877.0}"#));
        for line in lines.lines() {
            let row: serde_json::Value = serde_json::from_str(line)?;
            assert!(row["cpu_ns"].is_f64());
        }
        Ok(())
    }

    #[test]
    fn memory_is_one_key_more() {
        let row = Row { bytes: Some(96.04), ..rows()[0].clone() };
        let line = json(&WORK, &[row]);
        assert!(line.ends_with("\"cpu_ns\": 877.0, \"bytes\": 96.0}\n"), "{line}");
    }

    #[test]
    fn the_table_has_a_line_for_each_contestant() {
        let plan = Plan { only: None, n: None, rounds: None, samples: 11 };
        let table = table(&WORK, &plan, &rows());
        assert!(table.contains("n = 1,000"), "{table}");
        assert!(table.contains("877.0   1.00×"), "{table}");
        assert!(table.contains("481.0   1.82×"), "{table}");
    }

    #[test]
    fn thousands_are_set_apart() {
        let texts = [2, 999, 1000, 1_234_567].map(thousands);
        assert_eq!(texts, ["2", "999", "1,000", "1,234,567"]);
    }
}
