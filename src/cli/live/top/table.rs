//! What is shown: tables whose cells know how they are written and compared.

use std::cmp::Ordering;
use std::time::Duration;

use crate::error::{cut as cut_text, shown};
use crate::view::{UNKNOWN, age, figure};

/// A cell. `None` is what the server does not tell; it comes last in every order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Text(String),
    /// A text that is never cut, as an id: it is of no use by half.
    Name(String),
    Count(Option<u64>),
    /// A count that goes no further than this one: there are that many, or more.
    AtLeast(u64),
    Age(Option<Duration>),
    /// How long there is left, or since when there is nothing left.
    Due(Result<Duration, Duration>),
    /// By how much a count has changed, each second.
    Change(Option<f64>),
}

impl Cell {
    /// The cell as it may be shown: nothing of it steers a terminal.
    pub(super) fn written(&self) -> String {
        match self {
            Self::Text(text) => cut_text(text, LONGEST),
            Self::Name(text) => shown(text),
            Self::Count(count) => figure(*count),
            Self::AtLeast(count) => figure(Some(*count)) + "+",
            Self::Age(time) => age(*time),
            Self::Due(Ok(left)) => age(Some(*left)),
            Self::Due(Err(over)) => format!("-{}", age(Some(*over))),
            Self::Change(Some(change)) if change.abs() < 0.05 => "0".to_owned(),
            Self::Change(Some(change)) => format!("{change:+.1}"),
            Self::Change(None) => UNKNOWN.to_owned(),
        }
    }

    /// Whether it stands at the right of its column.
    fn is_number(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Name(_))
    }

    fn value(&self) -> Option<f64> {
        match self {
            Self::Text(_) | Self::Name(_) => None,
            #[expect(clippy::cast_precision_loss, reason = "it is compared, and no more")]
            Self::Count(count) => count.map(|count| count as f64),
            #[expect(clippy::cast_precision_loss, reason = "it is compared, and no more")]
            Self::AtLeast(count) => Some(*count as f64),
            Self::Age(age) => age.map(|age| age.as_secs_f64()),
            // What has been due for longest is the largest.
            Self::Due(Ok(left)) => Some(-left.as_secs_f64()),
            Self::Due(Err(over)) => Some(over.as_secs_f64()),
            Self::Change(value) => *value,
        }
    }

    fn compared(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(one) | Self::Name(one), Self::Text(other) | Self::Name(other)) => one.cmp(other),
            _ => match (self.value(), other.value()) {
                // The largest first.
                (Some(one), Some(other)) => other.total_cmp(&one),
                (one, other) => one.is_none().cmp(&other.is_none()),
            },
        }
    }
}

/// A table: a title, the names of its columns, and rows with as many cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// What is wrong with it, in place of what it would show.
    pub(super) fault: Option<String>,
}

impl Table {
    /// Puts the rows in the order of this column; those that are equal there stay as they are.
    pub(super) fn sort(&mut self, column: usize) {
        self.rows.sort_by(|one, other| match (one.get(column), other.get(column)) {
            (Some(one), Some(other)) => one.compared(other),
            _ => Ordering::Equal,
        });
    }

    /// Leaves the rows in whose texts this stands.
    pub(super) fn filter(&mut self, text: &str) {
        let text = text.to_lowercase();
        self.rows.retain(|row| {
            row.iter().any(|cell| matches!(cell, Cell::Text(is) | Cell::Name(is) if is.to_lowercase().contains(&text)))
        });
    }

    /// The lines of the table in so many columns of a terminal: its head first, if it has one. What does not fit is cut from the longest
    /// texts, and then columns from the right. A sign marks the column by which it is sorted.
    pub(super) fn lines(&self, width: usize, sorted: Option<usize>) -> Vec<String> {
        if self.columns.is_empty() {
            return Vec::new();
        }
        let name = |(column, name): (usize, &&str)| format!("{name}{}", if sorted == Some(column) { "▾" } else { "" });
        let mut cells: Vec<Vec<String>> = vec![self.columns.iter().enumerate().map(name).collect()];
        cells.extend(self.rows.iter().map(|row| row.iter().map(Cell::written).collect()));
        let mut widths: Vec<usize> = (0..self.columns.len())
            .map(|column| cells.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let is = |column: usize, what: fn(&Cell) -> bool| {
            self.rows.first().and_then(|row| row.get(column)).is_some_and(what)
        };
        let is_text = |column: usize| is(column, |cell| matches!(cell, Cell::Text(_)));
        let least = |widths: &[usize]| -> Vec<usize> {
            let widths = widths.iter().enumerate();
            widths.map(|(column, width)| if is_text(column) { LEAST.min(*width) } else { *width }).collect()
        };
        while widths.len() > 1 && needed(&least(&widths)) > width {
            widths.pop();
        }
        while needed(&widths) > width {
            let texts = widths.iter_mut().enumerate().filter(|(column, width)| **width > LEAST && is_text(*column));
            let Some((_, longest)) = texts.max_by_key(|(_, width)| **width) else { break };
            *longest -= 1;
        }
        let numbers: Vec<bool> = (0..widths.len()).map(|column| is(column, Cell::is_number)).collect();
        let line = |row: &Vec<String>| {
            let mut line = String::new();
            for (column, (text, width)) in row.iter().zip(&widths).enumerate() {
                if column > 0 {
                    line.push_str("  ");
                }
                let text = cut(text, *width);
                if numbers.get(column) == Some(&true) {
                    line.push_str(&format!("{text:>width$}"));
                } else {
                    line.push_str(&format!("{text:<width$}"));
                }
            }
            line.trim_end().chars().take(width).collect()
        };
        cells.iter().map(line).collect()
    }
}

/// A text is cut down to this, and no further: then columns go.
const LEAST: usize = 10;

/// The longest text that is written out: as much as any line has room for.
const LONGEST: usize = 300;

fn needed(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1)
}

/// A text in so many columns, with a sign that there was more.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |name: &str, waiting, oldest: Option<u64>| {
            vec![Cell::Text(name.to_owned()), Cell::Count(waiting), Cell::Age(oldest.map(Duration::from_secs))]
        };
        let rows =
            vec![row("orders", Some(1_204), Some(75)), row("mails", None, None), row("a\u{1b}[31m", Some(7), Some(0))];
        Table { title: "queues".to_owned(), columns: vec!["QUEUE", "WAITING", "OLDEST"], rows, fault: None }
    }

    #[test]
    fn names_stand_left_and_counts_right() {
        let lines = table().lines(80, None);
        assert_eq!(lines[0], "QUEUE        WAITING  OLDEST");
        assert_eq!(lines[1], "orders         1,204     75s");
        assert_eq!(lines[2], "mails              –       –");
        assert_eq!(lines[3], r"a\u{1b}[31m        7      0s");
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut long = table();
        long.rows[0][0] = Cell::Text("a-queue-with-a-very-long-name".to_owned());
        assert_eq!(long.lines(29, None)[1], "a-queue-wit…    1,204     75s");
        assert_eq!(long.lines(20, None)[1], "a-queue-wi…    1,204");
        for width in 0..40 {
            assert!(long.lines(width, None).iter().all(|line| line.chars().count() <= width), "{width}");
        }
    }

    #[test]
    fn what_is_not_known_comes_last() {
        let mut table = table();
        table.sort(1);
        let names: Vec<String> = table.rows.iter().map(|row| row[0].written()).collect();
        assert_eq!(names, ["orders", r"a\u{1b}[31m", "mails"]);
        table.sort(0);
        assert_eq!(table.rows[1][0].written(), "mails");
        table.filter("ORD");
        assert_eq!(table.rows.len(), 1);
    }

    #[test]
    fn what_is_overdue_is_the_first_and_an_id_is_never_cut() {
        let row = |id: &str, due| vec![Cell::Name(id.to_owned()), Cell::Due(due), Cell::Text("x".repeat(40))];
        let (soon, over) = (Ok(Duration::from_secs(7)), Err(Duration::from_secs(180)));
        let rows = vec![row("1700000000000-1", soon), row("1700000000000-2", over)];
        let mut table = Table { title: String::new(), columns: vec!["ID", "DUE", "WHY"], rows, fault: None };
        table.sort(1);
        let lines = table.lines(34, None);
        assert_eq!(lines[1], "1700000000000-2  -3m  xxxxxxxxxxx…");
        assert_eq!(lines[2], "1700000000000-1   7s  xxxxxxxxxxx…");
        assert_eq!(table.lines(22, None)[1], "1700000000000-2  -3m");
    }

    #[test]
    fn what_changes_has_one_digit() {
        assert_eq!(Cell::Change(Some(-3.25)).written(), "-3.2");
        assert_eq!(Cell::Change(Some(0.01)).written(), "0");
        assert_eq!(Cell::AtLeast(10_000).written(), "10,000+");
    }
}
