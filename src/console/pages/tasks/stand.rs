//! How the tasks of every database stand.

use askama::Template;

use crate::frame::{Age, Figure, Html, Refused, link, shown};
use crate::gate::Visit;
use crate::pages::of_each;

struct Unclaimed {
    task: String,
    queue: String,
    waited: Age,
    link: String,
}

struct Stand {
    id: String,
    title: String,
    age: Age,
    trouble: Option<String>,
    /// What is shown of each state, and where its jobs are.
    figures: Vec<(&'static str, Figure, String, bool)>,
    oldest: Age,
    unclaimed: Vec<Unclaimed>,
    all: String,
}

#[derive(Template)]
#[template(path = "pages/tasks.html")]
struct Tasks<'a> {
    visit: &'a Visit,
    stands: Vec<Stand>,
}

pub(crate) async fn show(visit: Visit) -> Result<Html, Refused> {
    let said = of_each(&visit, |server| async move { server.tasks().await }).await;
    let of_works = said.iter().filter(|(server, _)| server.has_works());
    let stands = of_works.map(|(server, told)| {
        let place = format!("{}/tasks/{}", visit.base, server.name());
        let of = |state: &str| link(&place, &[("state", state)]);
        let counted = |number| Figure::counted(Some(number), 100_000);
        let figures = told.value.iter().flat_map(|stand| {
            let figures = &stand.figures;
            [
                ("wait", counted(figures.waiting), of("waiting"), false),
                ("are due later", counted(figures.scheduled), of("waiting"), false),
                ("run", counted(figures.running), of("running"), false),
                ("failed", counted(figures.failed), of("failed"), true),
            ]
        });
        let unclaimed = told.value.iter().flat_map(|stand| &stand.unclaimed).map(|jobs| Unclaimed {
            task: shown(&jobs.task),
            queue: shown(&jobs.queue),
            waited: Age(Some(jobs.waited)),
            link: link(&format!("{place}/job"), &[("id", &jobs.first.to_string())]),
        });
        Stand {
            id: format!("tasks-{}", server.name()),
            title: shown(&server.title()),
            age: Age(told.age),
            trouble: told.trouble.clone(),
            figures: figures.collect(),
            oldest: Age(told.value.as_ref().and_then(|stand| stand.figures.oldest)),
            unclaimed: unclaimed.collect(),
            all: place,
        }
    });
    let stands = stands.collect();
    Html::of(&Tasks { visit: &visit, stands })
}
