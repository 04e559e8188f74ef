//! How a job is shown: as a row, as lines, as JSON.

use std::time::Duration;

use convoke::{JobId, JobState, JobStatus, JobStep};
use serde_json::{Map, Value, json};

use crate::error::{cut, shown, told};
use crate::terminal::Column;
use crate::view::{age, hidden};

pub(super) const COLUMNS: [Column; 5] =
    [Column::whole("ID"), Column::text("TASK"), Column::whole("STATE"), Column::number("TRIES"), Column::text("HOW")];

/// The longest reason of a row: as much as any line has room for.
const ROW: usize = 300;

pub(super) fn row(id: JobId, status: &JobStatus) -> Vec<String> {
    vec![
        id.to_string(),
        shown(status.task()),
        status.state().to_string(),
        format!("{}/{}", status.attempt(), status.attempts()),
        how(status),
    ]
}

/// How it is, in a few words.
fn how(status: &JobStatus) -> String {
    let mut how = Vec::new();
    if status.is_cancelled() && !status.state().is_over() {
        how.push("asked to end".to_owned());
    }
    if let Some(due) = status.due_in() {
        how.push(format!("due in {}", age(Some(due))));
    }
    if let Some(waited) = status.waited() {
        how.push(format!("due for {}", age(Some(waited))));
    }
    if let Some(due) = status.last_due().filter(|_| status.state().is_over()) {
        how.push(format!("{} ago", age(Some(due))));
    }
    let (text, fraction) = progress(status);
    let said: Vec<String> = fraction.into_iter().chain(text.map(|text| cut(text, ROW))).collect();
    if !said.is_empty() {
        how.push(said.join(" "));
    }
    if let Some(reason) = status.reason() {
        how.push(cut(reason, ROW));
    }
    how.join(", ")
}

/// What it has said of its progress, and how far that is in hundredths.
fn progress(status: &JobStatus) -> (Option<&str>, Option<String>) {
    let (text, fraction) = status.progress();
    (text, fraction.filter(|fraction| fraction.is_finite()).map(|fraction| format!("{:.0} %", fraction * 100.0)))
}

/// All there is to know of a job, and of what it carries as much as may be shown.
pub(super) fn lines(id: JobId, status: &JobStatus, steps: &[JobStep], reveal: bool) -> String {
    let mut lines = String::new();
    let mut add = |name: &str, text: &str| {
        lines.push_str(format!("{name:9} {text}").trim_end());
        lines.push('\n');
    };
    add("id", &id.to_string());
    add("task", &format!("{} in queue {}", shown(status.task()), shown(status.queue())));
    let asked = if status.is_cancelled() && !status.state().is_over() { ", and is asked to end" } else { "" };
    add("state", &format!("{}{asked}", status.state()));
    add("attempts", &format!("{} of {}", status.attempt(), status.attempts()));
    if let Some(due) = status.due_in() {
        add("due", &format!("in {}", age(Some(due))));
    }
    if let Some(waited) = status.waited() {
        add("due", &format!("for {}", age(Some(waited))));
    }
    if let Some(due) = status.last_due() {
        add("last due", &format!("{} ago", age(Some(due))));
    }
    let (text, fraction) = progress(status);
    if text.is_some() || fraction.is_some() {
        let both: Vec<String> = fraction.into_iter().chain(text.map(told)).collect();
        add("progress", &both.join(" "));
    }
    if let Some(reason) = status.reason() {
        add("error", &told(reason));
    }
    for (place, step) in steps.iter().enumerate() {
        let name = if place == 0 { "steps" } else { "" };
        add(name, &format!("{}: {}", shown(&step.name), json_text(&step.result, reveal)));
    }
    add("payload", &payload(status).map_or_else(String::new, |value| json_text(&value.to_string(), reveal)));
    if let Some(result) = result(status) {
        add("result", &json_text(&result.to_string(), reveal));
    }
    lines
}

/// A text of JSON, if it may be seen: a task does not say whether anybody may.
fn json_text(text: &str, reveal: bool) -> String {
    if reveal { cut(text, usize::MAX) } else { hidden(text) }
}

fn payload(status: &JobStatus) -> Option<Value> {
    status.payload().ok()
}

fn result(status: &JobStatus) -> Option<Value> {
    if status.state() == JobState::Done { status.result().ok().flatten() } else { None }
}

/// A job for a machine. What it carries is there only if it may be seen.
pub(super) fn json_of(id: JobId, status: &JobStatus, steps: Option<&[JobStep]>, reveal: bool) -> Value {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let (text, fraction) = status.progress();
    let mut all = Map::new();
    let mut add = |name: &str, value: Value| all.insert(name.to_owned(), value);
    add("attempt", json!(status.attempt()));
    add("attempts", json!(status.attempts()));
    add("dueInSeconds", json!(seconds(status.due_in())));
    add("id", json!(id));
    add("lastDueSeconds", json!(seconds(status.last_due())));
    add("isCancelled", json!(status.is_cancelled()));
    add("progress", json!({ "fraction": fraction, "text": text }));
    add("queue", json!(status.queue()));
    add("reason", json!(status.reason()));
    add("state", json!(status.state().to_string()));
    add("task", json!(status.task()));
    add("waitedSeconds", json!(seconds(status.waited())));
    if reveal {
        add("payload", json!(payload(status)));
        add("result", json!(result(status)));
    }
    if let Some(steps) = steps {
        let step = |step: &JobStep| {
            let result: Option<Value> = serde_json::from_str(&step.result).ok().filter(|_| reveal);
            if reveal { json!({ "name": step.name, "result": result }) } else { json!({ "name": step.name }) }
        };
        add("steps", steps.iter().map(step).collect());
    }
    Value::Object(all)
}
