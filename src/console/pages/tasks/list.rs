//! A page of jobs.

use actix_web::web;
use askama::Template;
use convoke::{JobSpot, JobState, JobStatus, ListedJob, NoJobSpot};
use serde::Deserialize;

use crate::frame::{Age, Bar, Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::in_time;

/// As many jobs are on a page.
const PAGE: usize = 100;

/// The states in which jobs are, as they are asked for.
pub(super) const STATES: [(&str, JobState); 5] = [
    ("waiting", JobState::Waiting),
    ("running", JobState::Running),
    ("failed", JobState::Failed),
    ("cancelled", JobState::Cancelled),
    ("done", JobState::Done),
];

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    state: String,
    task: String,
    /// Behind which job the page begins.
    behind: String,
}

struct Row {
    id: String,
    link: String,
    task: String,
    queue: String,
    state: JobState,
    class: &'static str,
    is_cancelled: bool,
    attempt: u32,
    attempts: u32,
    when: String,
    bar: Option<Bar>,
    text: String,
}

#[derive(Template)]
#[template(path = "pages/jobs.html")]
struct Jobs<'a> {
    visit: &'a Visit,
    title: String,
    asked: &'a Asked,
    place: String,
    first: String,
    states: Vec<(&'static str, String, bool)>,
    rows: Vec<Row>,
    next: Option<String>,
}

pub(crate) async fn show(visit: Visit, server: web::Path<String>, asked: web::Query<Asked>) -> Result<Html, Refused> {
    let server = server_of(&visit, &server)?;
    let asked = asked.into_inner();
    let state = match asked.state.as_str() {
        "" => None,
        text => {
            let known = STATES.iter().find(|(word, _)| *word == text).map(|(_, state)| *state);
            Some(known.ok_or_else(|| Refused::wrong(&visit, "there is no such state of a job"))?)
        }
    };
    let behind = match asked.behind.as_str() {
        "" => None,
        text => {
            let spot = text.parse::<JobSpot>();
            Some(spot.map_err(|error: NoJobSpot| Refused::wrong(&visit, &error.to_string()))?)
        }
    };
    let unanswered = |unanswered| Refused::unanswered(&visit, &unanswered);
    let works = server.works().await.map_err(unanswered)?;
    let page = in_time(async {
        let mut jobs = works.tasks().await?.jobs();
        if let Some(state) = state {
            jobs = jobs.state(state);
        }
        if !asked.task.is_empty() {
            jobs = jobs.of(asked.task.as_str());
        }
        jobs.page(behind, PAGE + 1).await
    });
    let mut page = page.await.map_err(unanswered)?;
    let has_more = page.len() > PAGE;
    page.truncate(PAGE);
    let place = format!("{}/tasks/{}", visit.base, server.name());
    let of = |state: &str, behind: &str| link(&place, &[("state", state), ("task", &asked.task), ("behind", behind)]);
    let next = page.last().filter(|_| has_more).map(|job| of(&asked.state, &job.spot().to_string()));
    let states = STATES.iter().map(|(word, _)| (*word, of(word, ""), *word == asked.state));
    let states = std::iter::once(("all", of("", ""), asked.state.is_empty())).chain(states).collect();
    let rows = page.iter().map(|job| row(&place, job)).collect();
    Html::of(&Jobs {
        title: shown(&server.title()),
        first: of(&asked.state, ""),
        asked: &asked,
        states,
        rows,
        next,
        place,
        visit: &visit,
    })
}

fn row(place: &str, job: &ListedJob) -> Row {
    let (id, status) = (job.id().to_string(), job.status());
    let (text, fraction) = status.progress();
    Row {
        link: link(&format!("{place}/job"), &[("id", &id)]),
        id,
        task: shown(status.task()),
        queue: shown(status.queue()),
        state: status.state(),
        class: class(status.state()),
        is_cancelled: status.is_cancelled(),
        attempt: status.attempt(),
        attempts: status.attempts(),
        when: when(status),
        bar: fraction.map(|part| Bar { part }),
        text: status.reason().or(text).map(shown).unwrap_or_default(),
    }
}

/// When a job that waits is due, or since when; of one that runs or is over, when its last attempt was.
pub(super) fn when(status: &JobStatus) -> String {
    match (status.due_in(), status.waited(), status.last_due()) {
        (Some(due), ..) => format!("due in {}", Age(Some(due))),
        (None, Some(waited), _) => format!("due for {}", Age(Some(waited))),
        (None, None, Some(last)) => format!("last due {} ago", Age(Some(last))),
        (None, None, None) => String::new(),
    }
}

/// How a state is colored.
pub(super) fn class(state: JobState) -> &'static str {
    match state {
        JobState::Failed => "bad",
        JobState::Cancelled => "warn",
        JobState::Done => "good",
        _ => "",
    }
}
