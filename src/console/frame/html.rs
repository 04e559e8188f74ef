//! A page as an answer, and why there is none.
//!
//! `a template → Html → 200`, `Refused::missing(&visit, …) → the same frame, with a cause → 404`

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use askama::Template;
use convoke::transport::{ErrorKind, TransportError};

use crate::gate::{Unnoted, Visit};
use crate::sight::Unanswered;
use crate::view::told;

const HTML: &str = "text/html; charset=utf-8";

/// A page that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Html {
    status: StatusCode,
    text: String,
}

impl Html {
    /// Renders a page.
    ///
    /// # Errors
    ///
    /// If a value on it cannot be written, which is a mistake of ours.
    pub(crate) fn of(page: &impl Template) -> Result<Self, Refused> {
        match page.render() {
            Ok(text) => Ok(Self { status: StatusCode::OK, text }),
            Err(error) => {
                log::error!(target: "convoke::console", "a page cannot be written: {error}");
                let text = "this page cannot be written: that is a mistake of the console".to_owned();
                Err(Refused { status: StatusCode::INTERNAL_SERVER_ERROR, text, page: String::new() })
            }
        }
    }
}

impl Html {
    /// What is sent.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Responder for Html {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::build(self.status).content_type(HTML).body(self.text)
    }
}

/// What becomes of a form: where somebody is sent, or a page that asks back.
#[derive(Debug)]
pub(crate) enum Answer {
    See(String),
    Page(Html),
}

impl Responder for Answer {
    type Body = BoxBody;

    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::See(place) => HttpResponse::SeeOther().insert_header((header::LOCATION, place)).finish(),
            Self::Page(page) => page.respond_to(request),
        }
    }
}

/// Why there is no such page, or why nothing was done: a page of its own, in the same frame.
pub(crate) struct Refused {
    status: StatusCode,
    text: String,
    page: String,
}

#[derive(Template)]
#[template(path = "frame/refused.html")]
struct RefusedPage<'a> {
    visit: &'a Visit,
    title: &'a str,
    text: &'a str,
}

impl Refused {
    fn new(visit: &Visit, status: StatusCode, title: &str, text: &str) -> Self {
        let text = told(text);
        // What is not there does not change.
        let visit = &visit.still();
        let page = RefusedPage { visit, title, text: &text }.render();
        Self { status, page: page.unwrap_or_default(), text }
    }

    /// What is asked for makes no sense.
    pub(crate) fn wrong(visit: &Visit, text: &str) -> Self {
        Self::new(visit, StatusCode::BAD_REQUEST, "This cannot be asked", text)
    }

    /// There is no such thing, or not any more.
    pub(crate) fn missing(visit: &Visit, text: &str) -> Self {
        Self::new(visit, StatusCode::NOT_FOUND, "There is no such thing", text)
    }

    /// Something else is under way, or was faster.
    pub(crate) fn clash(visit: &Visit, text: &str) -> Self {
        Self::new(visit, StatusCode::CONFLICT, "Something else came before", text)
    }

    /// A server has not answered in time.
    pub(crate) fn late(visit: &Visit, text: &str) -> Self {
        Self::new(visit, StatusCode::GATEWAY_TIMEOUT, "No answer yet", text)
    }

    /// A server has said no.
    pub(crate) fn failed(visit: &Visit, text: &str) -> Self {
        Self::new(visit, StatusCode::BAD_GATEWAY, "The server says no", text)
    }

    /// Why a server gives no answer.
    pub(crate) fn unanswered(visit: &Visit, unanswered: &Unanswered) -> Self {
        match unanswered {
            Unanswered::Late => Self::late(visit, "the server has not answered in time: try again in a moment"),
            Unanswered::Said(error) => Self::of(visit, error),
        }
    }

    /// What a server has said.
    pub(crate) fn of(visit: &Visit, error: &TransportError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::Missing => Self::missing(visit, &text),
            ErrorKind::Unsupported => Self::wrong(visit, &text),
            ErrorKind::Unreachable => Self::late(visit, &text),
            _ => Self::failed(visit, &text),
        }
    }
}

/// What is not noted is not done.
impl From<Unnoted> for Refused {
    fn from(error: Unnoted) -> Self {
        Self { status: error.status_code(), text: error.to_string(), page: String::new() }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({}: {})", self.status, self.text)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        if self.page.is_empty() {
            return HttpResponse::build(self.status).content_type("text/plain; charset=utf-8").body(self.text.clone());
        }
        HttpResponse::build(self.status).content_type(HTML).body(self.page.clone())
    }
}
