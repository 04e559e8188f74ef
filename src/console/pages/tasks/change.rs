//! What is done to a job: another chance, or an early end.

use actix_web::web;

use super::job::id_of;
use crate::frame::{Answer, Fields, Refused, link};
use crate::gate::Visit;
use crate::pages::server_of;
use crate::sight::in_time;

pub(super) async fn change(
    visit: Visit,
    server: web::Path<String>,
    form: web::Form<Vec<(String, String)>>,
) -> Result<Answer, Refused> {
    let server = server_of(&visit, &server)?;
    let fields = Fields::new(form.into_inner());
    let id = id_of(&visit, fields.get("id"))?;
    let what = match fields.get("do") {
        what @ ("retry" | "cancel") => what,
        _ => return Err(Refused::wrong(&visit, "neither retry nor cancel is asked for")),
    };
    visit.wrote(&format!("{what} a job"), &format!("job {id}")).await?;
    let unanswered = |unanswered| Refused::unanswered(&visit, &unanswered);
    let works = server.works().await.map_err(unanswered)?;
    let gone = || Refused::missing(&visit, &format!("there is no job {id} any more"));
    if what == "cancel" {
        let was = in_time(async { works.tasks().await?.job(id).cancel().await }).await.map_err(unanswered)?;
        if was.ok_or_else(gone)?.is_over() {
            return Err(Refused::clash(&visit, &format!("job {id} has ended already, and stays as it is")));
        }
    } else {
        let retried = in_time(async {
            let job = works.tasks().await?.job(id);
            // Why it was not is another question.
            if job.retry().await? { Ok(Some(true)) } else { Ok(job.status().await?.map(|_| false)) }
        });
        if !retried.await.map_err(unanswered)?.ok_or_else(gone)? {
            let text = format!("job {id} has neither failed nor was it cancelled, or another job has its unique key");
            return Err(Refused::clash(&visit, &text));
        }
    }
    let place = format!("{}/tasks/{}/job", visit.base, server.name());
    Ok(Answer::See(link(&place, &[("id", &id.to_string())])))
}
