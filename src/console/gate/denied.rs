//! The page of whoever is not let through, or is asked first.

use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, HttpResponseBuilder};
use askama::Template;

use super::form::Fields;
use super::visit::Visit;

/// Why somebody is not let through, as a page. It needs nothing but itself, for whoever reads it may reach nothing else.
#[derive(Clone, Debug, Template)]
#[template(path = "gate/denied.html")]
pub(crate) struct Denied {
    status: u16,
    title: &'static str,
    text: String,
    hint: Option<String>,
    link: Option<(String, &'static str)>,
}

impl Denied {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Not let through");
        Self { status: status.as_u16(), title, text: text.into(), hint: None, link: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn link(mut self, to: impl Into<String>, text: &'static str) -> Self {
        self.link = Some((to.into(), text));
        self
    }

    pub(crate) fn response(&self) -> HttpResponse {
        page(StatusCode::from_u16(self.status).unwrap_or(StatusCode::FORBIDDEN), self)
    }
}

/// Asks whether a write in production is wanted: its form once more.
#[derive(Debug, Template)]
#[template(path = "gate/sure.html")]
pub(super) struct Sure<'a> {
    pub(super) visit: &'a Visit,
    /// What a form says of itself in a field `asks`; or else where it goes.
    pub(super) asks: &'a str,
    pub(super) fields: Fields<'a>,
    /// The same, as they are read: the first, and cut.
    pub(super) told: Vec<(String, String)>,
    pub(super) sure: &'a str,
}

impl Sure<'_> {
    pub(super) fn response(&self) -> HttpResponse {
        page(StatusCode::PRECONDITION_REQUIRED, self)
    }
}

pub(crate) fn page(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => HttpResponseBuilder::new(status).content_type(ContentType::html()).body(html),
        Err(error) => {
            log::error!(target: "convoke::console", "a page was not written: {error}");
            HttpResponse::InternalServerError().finish()
        }
    }
}
