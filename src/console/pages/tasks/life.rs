//! The life of a job as a drawing: enqueued, its attempts, its steps, its end, and its event.
//!
//! `JobStatus, steps → stations on a line, each with its place → templates/pages/job.html: an SVG`

use convoke::{JobState, JobStatus, JobStep};

use super::list::when;
use crate::frame::shown;

/// So many attempts, and so many steps, have stations of their own.
const ATTEMPTS: u32 = 6;
const STEPS: usize = 8;

/// What stands between two stations, and before the first.
const APART: usize = 104;
const EDGE: usize = 52;

/// As many signs stand below a station.
const SIGNS: usize = 14;

/// A station of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Station {
    pub(super) x: usize,
    /// Where the line to the one before it begins, if there is one.
    pub(super) from: Option<usize>,
    pub(super) label: String,
    /// What is said below it.
    pub(super) note: String,
    /// All of it, for who points at it.
    pub(super) title: String,
    /// `good`, `bad`, `warn`, `now` or `ahead`.
    pub(super) class: &'static str,
}

/// The whole of it.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) stations: Vec<Station>,
    pub(super) width: usize,
    /// What the drawing shows, as a sentence.
    pub(super) told: String,
}

impl Life {
    pub(super) fn of(status: &JobStatus, steps: &[JobStep], has_event: bool) -> Self {
        let mut life = Self { stations: Vec::new(), width: 0, told: told(status, steps.len()) };
        life.add("enqueued", "", "good");
        life.attempts(status);
        for step in steps.iter().take(STEPS) {
            life.add("step", &step.name, "good");
        }
        if let Some(more) = steps.len().checked_sub(STEPS).filter(|more| *more > 0) {
            life.add("steps", &format!("and {more} more"), "good");
        }
        let (text, fraction) = status.progress();
        if status.state() == JobState::Running && (text.is_some() || fraction.is_some()) {
            let percent =
                fraction.filter(|part| part.is_finite()).map(|part| format!("{:.0} %", part.clamp(0.0, 1.0) * 100.0));
            life.add(percent.as_deref().unwrap_or("progress"), text.unwrap_or_default(), "now");
        }
        match status.state() {
            JobState::Done => life.add("done", "", "good"),
            JobState::Failed => life.add("failed", status.reason().unwrap_or_default(), "bad"),
            JobState::Cancelled => life.add("cancelled", status.reason().unwrap_or_default(), "warn"),
            _ => life.add("end", "", "ahead"),
        }
        match status.state() {
            JobState::Done if has_event => life.add("its event", "told", "good"),
            // Its failure is an event as well.
            JobState::Failed | JobState::Cancelled => life.add("its event", "told", "good"),
            JobState::Done => {}
            _ => life.add("its event", "", "ahead"),
        }
        life.width = EDGE * 2 + APART * life.stations.len().saturating_sub(1);
        life
    }

    /// Those that are over have failed, but for the last one of a job that is done.
    fn attempts(&mut self, status: &JobStatus) {
        let (begun, most) = (status.attempt(), status.attempts());
        let first = begun.saturating_sub(ATTEMPTS - 1).max(1);
        if first > 1 {
            self.add("attempts", &format!("{} before", first - 1), "bad");
        }
        for attempt in first..=begun {
            let is_last = attempt == begun;
            let class = match status.state() {
                JobState::Running if is_last => "now",
                JobState::Done if is_last => "good",
                JobState::Cancelled if is_last => "warn",
                _ => "bad",
            };
            let note = match (is_last, status.state()) {
                (true, JobState::Running) => "runs",
                (true, JobState::Waiting) => status.reason().unwrap_or_default(),
                _ => "",
            };
            self.add(&format!("attempt {attempt}"), note, class);
        }
        if status.state() == JobState::Waiting && begun < most {
            self.add(&format!("attempt {}", begun + 1), &when(status), "ahead");
        }
    }

    fn add(&mut self, label: &str, note: &str, class: &'static str) {
        let x = EDGE + APART * self.stations.len();
        let from = self.stations.last().map(|last| last.x);
        let note = shown(note);
        let title = if note.is_empty() { label.to_owned() } else { format!("{label}: {note}") };
        let short = |text: &str| match text.char_indices().nth(SIGNS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        self.stations.push(Station { x, from, label: short(label), note: short(&note), title, class });
    }
}

fn told(status: &JobStatus, steps: usize) -> String {
    let steps = match steps {
        0 => String::new(),
        1 => ", 1 step is finished".to_owned(),
        steps => format!(", {steps} steps are finished"),
    };
    format!("the job is {}, attempt {} of {}{steps}", status.state(), status.attempt(), status.attempts())
}
