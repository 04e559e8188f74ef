//! The pages: each in a room of its own, with what it shows and what can be done there.
//!
//! `a request, through the gate → show: what sight and shown say → a struct with its template → Html`
//!
//! Of servers and databases: `overview` is what is wrong now, `queues` how full they are, `dead` their dead letters, `tasks` the jobs of a
//! database, `durable` its rounds, `store` its records. Of this process: `services`, `events`, `rounds` and `schemas`.

pub(crate) mod overview;
pub(crate) mod queues;
pub(crate) mod dead;
pub(crate) mod tasks;
pub(crate) mod durable;
pub(crate) mod store;
pub(crate) mod services;
pub(crate) mod events;
pub(crate) mod rounds;
mod schemas;

use std::sync::Arc;

use crate::frame::Refused;
use crate::gate::Visit;
use crate::scope::Routes;
use crate::sight::Watched;

/// Registers all of them.
pub(crate) fn routes(routes: &mut Routes) {
    overview::routes(routes);
    queues::routes(routes);
    dead::routes(routes);
    tasks::routes(routes);
    durable::routes(routes);
    store::routes(routes);
    services::routes(routes);
    events::routes(routes);
    rounds::routes(routes);
    schemas::routes(routes);
}

/// The server of this name.
fn server_of<'a>(visit: &'a Visit, name: &str) -> Result<&'a Arc<Watched>, Refused> {
    visit.sight.find(name).ok_or_else(|| {
        Refused::missing(visit, &format!("the console knows no server `{name}`: its pages name those that it knows"))
    })
}

/// What each server says, all asked at the same time.
async fn of_each<T: 'static, F: Future<Output = T> + 'static>(
    visit: &Visit,
    ask: impl Fn(Arc<Watched>) -> F,
) -> Vec<(Arc<Watched>, T)> {
    let asked: Vec<_> = visit.sight.servers().iter().map(|server| (server.clone(), ask(server.clone()))).collect();
    let asked: Vec<_> = asked.into_iter().map(|(server, asked)| (server, actix_web::rt::spawn(asked))).collect();
    let mut said = Vec::new();
    for (server, asked) in asked {
        if let Ok(answer) = asked.await {
            said.push((server, answer));
        }
    }
    said
}
