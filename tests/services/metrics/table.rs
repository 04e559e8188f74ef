//! The table of the manual, and what a recorder has seen: in both directions.

use std::collections::{BTreeMap, BTreeSet};

use super::book::{Book, Family};
use super::{inside, kept, outside};

const MANUAL: &str = include_str!("../../../src/guide/production.md");

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) kind: String,
    /// The labels, each with the values that it may have, if Convoke has chosen those.
    pub(super) labels: BTreeMap<String, BTreeSet<String>>,
    /// Whether labels may be left out, and values come only once they are needed: it is measured for each call of a listener.
    pub(super) by_call: bool,
}

/// All rows, by the names of the metrics.
pub(super) fn rows() -> BTreeMap<String, Row> {
    let rows = MANUAL.lines().filter(|line| line.starts_with("| `convoke_"));
    let rows: Vec<_> = rows.map(row).collect();
    let count = rows.len();
    let all: BTreeMap<_, _> = rows.into_iter().collect();
    assert_eq!(all.len(), count, "a name stands there twice");
    all
}

fn row(line: &str) -> (String, Row) {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [name, kind, labels, by] = cells[..] else { panic!("{line} has not four cells") };
    let kind = kind.split([':', ',', ' ']).next().unwrap_or_default().to_owned();
    let labels = labels.split("; ").filter(|label| *label != "none").map(|label| {
        let (label, values) = label.split_once(": ").unwrap_or((label, ""));
        let values = values.split(", ").filter(|value| !value.is_empty()).map(plain);
        (plain(label), values.collect())
    });
    (plain(name), Row { kind, labels: labels.collect(), by_call: by.contains("`Measure`") })
}

/// What stands between two backticks, and nothing else.
fn plain(code: &str) -> String {
    let inner = code.strip_prefix('`').and_then(|code| code.strip_suffix('`'));
    inner.filter(|inner| !inner.contains('`')).unwrap_or_else(|| panic!("{code} is no name")).to_owned()
}

/// What the table and a recorder disagree in.
fn faults(name: &str, row: &Row, family: &Family) -> Vec<String> {
    let mut faults = Vec::new();
    if family.kind != row.kind {
        faults.push(format!("{name} is a {}, and the table has a {}", family.kind, row.kind));
    }
    let labels: Vec<_> = row.labels.keys().map(String::as_str).collect();
    for seen in family.labels() {
        if seen != labels {
            faults.push(format!("{name} has the labels {seen:?}, and in the table {labels:?}"));
        }
    }
    for (label, values) in row.labels.iter().filter(|(_, values)| !values.is_empty()) {
        let seen = family.values(label);
        let there: BTreeSet<_> = values.iter().map(String::as_str).collect();
        let agree = if row.by_call { seen.is_subset(&there) } else { seen == there };
        if !agree {
            faults.push(format!("{name} has {seen:?} as `{label}`, and in the table {there:?}"));
        }
    }
    faults
}

async fn use_all(book: &Book) {
    // All buses are one here, and the others bury too.
    inside::letters(book).await;
    kept::outboxes(book).await;
    kept::durable(book).await;
    kept::tasks(book).await;
    outside::workers(book).await;
    outside::routes(book).await;
    inside::rounds(book).await;
    inside::services(book).await;
}

#[convoke::test(allow_failures)]
async fn the_table_has_what_is_measured_and_nothing_else() {
    let book = Book::default();
    let _recorder = metrics::set_default_local_recorder(&book);
    use_all(&book).await;
    let (table, seen) = (rows(), book.families());
    let mut all = Vec::new();
    all.extend(seen.keys().filter(|name| !table.contains_key(*name)).map(|name| format!("{name} is not in the table")));
    for (name, row) in &table {
        match seen.get(name) {
            Some(family) => all.extend(faults(name, row, family)),
            None => all.push(format!("{name} is in the table, and nobody measures it")),
        }
    }
    // Each was used, and not only made.
    let used = |family: &Family| family.series.values().any(|series| series.told > 0);
    all.extend(seen.iter().filter(|(_, family)| !used(family)).map(|(name, _)| format!("{name} was told nothing")));
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[convoke::test(allow_failures)]
async fn names_are_as_prometheus_has_them_and_each_is_described() {
    let book = Book::default();
    let _recorder = metrics::set_default_local_recorder(&book);
    use_all(&book).await;
    for (name, family) in book.families() {
        assert_eq!(name.ends_with("_total"), family.kind == "counter", "{name}");
        assert_eq!(name.ends_with("_seconds"), family.unit == Some(metrics::Unit::Seconds), "{name}");
        assert!(family.kind != "histogram" || name.ends_with("_seconds"), "{name}");
        assert!(!family.what.is_empty(), "{name} is not described");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
    }
}

/// The table is read as it is meant, or nothing above would say anything.
#[test]
fn the_table_is_read_and_a_difference_is_a_fault() {
    let (name, row) = row("| `convoke_a_total` | counter: of what | `of`; `result`: `ok`, `failed` | every a |");
    assert_eq!((&*name, &*row.kind, row.by_call), ("convoke_a_total", "counter", false));
    let family = |kind: &'static str, labels: &[&[(&str, &str)]]| {
        let series = labels.iter().map(|labels| {
            let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned()));
            (labels.collect(), Default::default())
        });
        Family { kind, series: series.collect(), ..Family::default() }
    };
    let (ok, failed) = ([("of", "x"), ("result", "ok")], [("of", "x"), ("result", "failed")]);
    let count = |family: Family| faults(&name, &row, &family).len();
    assert_eq!(count(family("counter", &[&ok, &failed])), 0);
    assert_eq!(count(family("gauge", &[&ok, &failed])), 1, "another kind");
    assert_eq!(count(family("counter", &[&ok])), 1, "a value that nobody measures");
    assert_eq!(count(family("counter", &[&ok, &failed, &[("of", "x"), ("result", "lost")]])), 1, "a value beyond them");
    assert_eq!(count(family("counter", &[&ok, &failed, &[("result", "ok")]])), 1, "a label that is missing");
    assert_eq!(
        count(family("counter", &[&ok, &failed, &[("of", "x"), ("result", "ok"), ("key", "7")]])),
        1,
        "one more"
    );
}
