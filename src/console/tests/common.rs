//! An application with a console, and what is asked of it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use actix_web::App;
use actix_web::body::to_bytes;
use actix_web::dev::Service;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::test::{TestRequest, init_service};
use convoke_console::{Allowed, Console, Person};

/// The host of the applications here.
pub(crate) const HOST: &str = "localhost:8080";

type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// An application that has a console.
pub(crate) struct Site(Box<dyn Fn(TestRequest) -> Answering>);

/// What it has answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Its page, if it has one.
    pub(crate) text: String,
}

impl Answer {
    /// Whether the gate has said no, and no page has answered.
    pub(crate) fn is_denied(&self) -> bool {
        self.status != StatusCode::NOT_FOUND && self.text.contains("<main id=\"gate\">")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a hidden field of a form.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(rest.split_once('"')?.0)
    }

    /// The cookie that it sets, as it is sent back.
    pub(crate) fn cookie(&self) -> Option<String> {
        let line = self.header("set-cookie")?;
        Some(line.split(';').next()?.to_owned())
    }
}

impl Site {
    pub(crate) async fn new(console: Console) -> Self {
        let service = Rc::new(init_service(App::new().service(console)).await);
        Self(Box::new(move |request| {
            let service = Rc::clone(&service);
            Box::pin(async move {
                let (status, headers, body) = match service.call(request.to_request()).await {
                    Ok(answer) => (answer.status(), answer.headers().clone(), answer.into_body()),
                    Err(error) => {
                        let answer = error.error_response();
                        (answer.status(), answer.headers().clone(), answer.into_body())
                    }
                };
                // A stream of events has no end.
                let is_stream =
                    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
                let text = match is_stream {
                    true => String::new(),
                    false => String::from_utf8_lossy(&to_bytes(body).await.unwrap()).into_owned(),
                };
                Answer { status, headers, text }
            })
        }))
    }

    pub(crate) async fn ask(&self, request: TestRequest) -> Answer {
        (self.0)(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(here(TestRequest::get().uri(path))).await
    }
}

/// Comes from this machine, by its name.
pub(crate) fn here(request: TestRequest) -> TestRequest {
    request.peer_addr(SocketAddr::from(([127, 0, 0, 1], 50_000))).insert_header(("host", HOST))
}

/// Sends a form from a page of ours, as a browser says.
pub(crate) fn sent(path: &str, fields: &[(&str, &str)]) -> TestRequest {
    here(TestRequest::post().uri(path)).insert_header(("sec-fetch-site", "same-origin")).set_form(fields)
}

/// Everybody is somebody who may change things and see everything.
pub(crate) fn all(_: &actix_web::HttpRequest) -> Allowed {
    Allowed::As(Person::named("ada").operates().reveals())
}

/// The path of a route, with something in each of its holes.
pub(crate) fn filled(route: &str) -> String {
    let mut path = String::from("/convoke");
    for part in route.split_inclusive('/') {
        match part.strip_prefix('{') {
            Some(_) => path.push_str(if part.ends_with('/') { "x/" } else { "x" }),
            None => path.push_str(part),
        }
    }
    path
}
