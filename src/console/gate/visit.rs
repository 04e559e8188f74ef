//! What a page is told of the request that it answers.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, error};

use super::audit::{Entry, Unnoted};
use super::person::Person;
use crate::assets;
use crate::shown::Shown;
use crate::sight::Sight;

/// A request that the gate has let through: who asks, and what a page needs to answer. A page takes it as an argument.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Who asks.
    pub(crate) person: Person,
    /// What every link within the console begins with: `/convoke`, or nothing where it has the whole of a server.
    pub(crate) base: String,
    /// What every form that writes has in a hidden field of the name `token`.
    pub(crate) token: String,
    /// Whether a write asks back.
    pub(crate) production: bool,
    /// Whether it is a write of which somebody was asked already, as in production.
    pub(crate) sure: bool,
    /// Whether its page stays as it is, for it asks back or says no, and is followed by nobody.
    pub(crate) is_still: bool,
    /// What the console is told of.
    pub(crate) shown: Shown,
    /// Who asks the servers.
    pub(crate) sight: Sight,
    /// Where in the console this is, behind `base`: `/queues`.
    pub(crate) path: String,
    /// What stands behind its `?`, as it came.
    pub(crate) query: String,
    /// Its lines in the audit log, if it is a write and there is a log.
    pub(super) entry: Option<Entry>,
}

impl Visit {
    /// Whether payloads with personal data may be shown.
    pub(crate) fn reveals(&self) -> bool {
        self.person.may_reveal()
    }

    /// Whether forms that write may be shown.
    pub(crate) fn operates(&self) -> bool {
        self.person.may_operate()
    }

    /// The path of a file that goes with the pages: `console.css`, `htmx.js`.
    pub(crate) fn asset(&self, name: &str) -> String {
        format!("{}/assets/{}", self.base, assets::named(name))
    }

    /// The same, of a page that nobody follows.
    pub(crate) fn still(&self) -> Self {
        Self { is_still: true, ..self.clone() }
    }

    /// Notes what a write is about, before it is done, and what has come of it: a verb and the name of a queue, a task or a broker. No
    /// key and no payload. That it was begun, by whom and from where, and how it ended, is noted by the gate.
    ///
    /// # Errors
    ///
    /// If it cannot be noted: then it must not be done.
    pub(crate) async fn wrote(&self, what: &str, of: &str) -> Result<(), Unnoted> {
        log::info!(
            target: "convoke::console", "`{}`: {} {}", self.person.name().escape_debug(), what.escape_debug(), of.escape_debug()
        );
        match &self.entry {
            Some(entry) => entry.note(what, of).await,
            None => Ok(()),
        }
    }
}

/// It is there in every request that the gate has let through, and no page is reached by another one.
impl FromRequest for Visit {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = request.extensions().get::<Self>().cloned();
        ready(
            visit.ok_or_else(|| error::ErrorInternalServerError("a page of the console is reached by its gate alone")),
        )
    }
}
