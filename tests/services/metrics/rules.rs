//! The alerts that come with Convoke name nothing that nobody measures.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Row, rows};

const RULES: &str = include_str!("../../../examples/prometheus/convoke.rules.yml");

/// What Prometheus adds by itself.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];

/// What is wrong with one alert.
fn faults(rule: &str, table: &BTreeMap<String, Row>) -> Vec<String> {
    let title = rule.lines().next().unwrap_or_default().trim();
    let (mut faults, mut known) = (Vec::new(), BTreeSet::from(OF_PROMETHEUS.map(str::to_owned)));
    let mut metrics = 0;
    for (at, _) in rule.match_indices("convoke_") {
        let name: String =
            rule[at..].chars().take_while(|letter| letter.is_ascii_lowercase() || *letter == '_').collect();
        let Some(row) = table.get(&name) else {
            faults.push(format!("{title}: there is no {name}"));
            continue;
        };
        metrics += 1;
        known.extend(row.labels.keys().cloned());
        let Some(matchers) = rule[at + name.len()..].strip_prefix('{') else { continue };
        for matcher in matchers.split('}').next().unwrap_or_default().split(',') {
            let end = matcher.find(['=', '!']).unwrap_or(matcher.len());
            let (label, value) = (matcher[..end].trim(), matcher[end..].trim_start_matches(['=', '!', '~']));
            let Some(values) = row.labels.get(label) else {
                faults.push(format!("{title}: {name} has no label {label}"));
                continue;
            };
            for value in value.trim_matches('"').split('|').filter(|_| !values.is_empty()) {
                if !values.contains(value) {
                    faults.push(format!("{title}: `{label}` of {name} is never {value}"));
                }
            }
        }
    }
    if metrics == 0 {
        faults.push(format!("{title}: it looks at nothing"));
    }
    // What is kept of labels, and what is shown of them.
    let lists = ["by (", "on ("].into_iter().flat_map(|word| rule.split(word).skip(1));
    let kept = lists.flat_map(|list| list.split(')').next().unwrap_or_default().split(','));
    let shown = rule.split("$labels.").skip(1).map(|text| text.split([' ', '}']).next().unwrap_or_default());
    for label in kept.chain(shown).map(str::trim) {
        if !known.contains(label) {
            faults.push(format!("{title}: none of its metrics has a label {label}"));
        }
    }
    for part in ["expr:", "labels:", "severity:", "summary:", "description:"] {
        if rule.matches(part).count() != 1 {
            faults.push(format!("{title}: it has not one {part}"));
        }
    }
    faults
}

#[test]
fn alerts_look_at_what_is_in_the_table() {
    let table = rows();
    let alerts: Vec<_> = RULES.split("- alert:").skip(1).collect();
    assert!(alerts.len() >= 12, "{} alerts", alerts.len());
    let all: Vec<_> = alerts.iter().flat_map(|rule| faults(rule, &table)).collect();
    assert!(all.is_empty(), "{}", all.join("\n"));
    let names: BTreeSet<_> = alerts.iter().map(|rule| rule.lines().next()).collect();
    assert_eq!(names.len(), alerts.len(), "two have the same name");
}

/// A mistake in an alert is seen.
#[test]
fn an_alert_with_a_mistake_is_a_fault() {
    let table = rows();
    let rule = |expr: &str| {
        format!(
            " A\n expr: {expr}\n labels:\n severity: x\n annotations:\n summary: \"{{{{ $labels.broker }}}}\"\n description: d\n"
        )
    };
    let count = |expr: &str| faults(&rule(expr), &table).len();
    assert_eq!(
        count("sum by (broker) (convoke_rounds_closed_total{outcome=\"cancelled\",cause!~\"idle|lost\"}) > 0"),
        0
    );
    assert_eq!(count("sum by (broker) (convoke_rounds_open + convoke_rounds_opened) > 0"), 1, "no such metric");
    assert_eq!(count("convoke_rounds_closed_total{result=\"x\"}"), 1, "no such label");
    assert_eq!(count("convoke_rounds_closed_total{outcome=~\"resolved|canceled\"}"), 1, "no such value");
    assert_eq!(count("sum by (broker, source) (convoke_rounds_open)"), 1, "not a label of this one");
    assert_eq!(count("convoke_worker_backlog"), 1, "what is shown is no label of it");
    assert_eq!(count("up"), 2, "nothing of ours, and no such label");
}

/// What the manual shows of the scraping stands in the file as well.
#[test]
fn the_manual_shows_the_file() {
    let manual = include_str!("../../../src/guide/production.md");
    let shown = manual.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(include_str!("../../../examples/prometheus/prometheus.yml").contains(shown), "{shown}");
}
