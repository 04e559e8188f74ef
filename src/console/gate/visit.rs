//! What a page is told of the request that it answers.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage, HttpRequest, error};

use super::person::Person;
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
    /// What the console is told of.
    pub(crate) shown: Shown,
    /// Who asks the servers.
    pub(crate) sight: Sight,
    /// Where in the console this is, behind `base`: `/queues`.
    pub(crate) path: String,
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
}

/// It is there in every request that the gate has let through, and no page is reached by another one.
impl FromRequest for Visit {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let visit = request.extensions().get::<Self>().cloned();
        ready(visit.ok_or_else(|| error::ErrorInternalServerError("a page of the console is reached by its gate alone")))
    }
}
