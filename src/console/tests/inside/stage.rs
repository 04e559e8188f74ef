//! What the tests of the pages of this process share.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use actix_web::App;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Service;
use actix_web::test::{TestRequest, init_service};
use convoke::prelude::*;
use convoke_console::{Allowed, Person, Shown, scope};
use serde::{Deserialize, Serialize};

use crate::common::{Site, here};

/// An event that its listeners fail on, or not.
#[derive(Event, Serialize, Deserialize)]
#[event(topic = "orders/placed", entity_id = id)]
pub(crate) struct OrderPlaced {
    pub(crate) id: u64,
    pub(crate) note: String,
}

/// One of personal data.
#[derive(Event, Serialize, Deserialize)]
#[event(topic = "users/registered", contains_personal_data)]
pub(crate) struct UserRegistered {
    pub(crate) email: String,
}

/// A service that panics with what it is told.
#[derive(BaseService)]
#[service(on(OrderPlaced))]
pub(crate) struct Fragile;

impl Handler<Heard<OrderPlaced>> for Fragile {
    type Result = Handled;

    fn handle(&mut self, order: Heard<OrderPlaced>, _: &mut Context<Self>) -> Handled {
        assert!(order.note.is_empty(), "{}", order.note);
        Ok(())
    }
}

/// A console whose visitors may do this.
pub(crate) async fn site(shown: &Shown, person: fn(Person) -> Person) -> Site {
    let console = scope("/convoke").showing(shown);
    Site::new(console.allow(move |_| Allowed::As(person(Person::named("ada"))))).await
}

/// Somebody who may only look.
pub(crate) fn views(person: Person) -> Person {
    person
}

/// Somebody who may do everything.
pub(crate) fn may_all(person: Person) -> Person {
    person.operates().reveals()
}

/// Awaits that this is true, by the clock of the runtime.
pub(crate) async fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_true() {
            return;
        }
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to be that {what}");
}

/// A page of a site, which has to be there, and to be well made.
pub(crate) async fn page(site: &Site, path: &str) -> String {
    let answer = site.get(&format!("/convoke{path}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    is_well_made(path, &answer.text);
    answer.text
}

/// A stream of events that somebody reads.
pub(crate) struct Stream {
    body: Pin<Box<BoxBody>>,
    text: String,
}

/// An answer that has begun: its code, and what follows.
type Begun = Pin<Box<dyn Future<Output = (u16, Stream)>>>;

/// Opens streams of a console.
pub(crate) struct Streams(Box<dyn Fn(String) -> Begun>);

impl Streams {
    pub(crate) async fn of(shown: &Shown) -> Self {
        let console = scope("/convoke").showing(shown).allow(|_| Allowed::As(Person::named("ada")));
        let service = Rc::new(init_service(App::new().service(console)).await);
        Self(Box::new(move |path| {
            let service = service.clone();
            Box::pin(async move {
                let request = here(TestRequest::get().uri(&path)).to_request();
                let answer = service.call(request).await.unwrap();
                let status = answer.status().as_u16();
                (status, Stream { body: Box::pin(answer.into_body().boxed()), text: String::new() })
            })
        }))
    }

    /// Follows a page.
    pub(crate) async fn follow(&self, of: &str) -> Stream {
        let (status, stream) = self.ask(of).await;
        assert_eq!(status, 200, "{of}");
        stream
    }

    pub(crate) async fn ask(&self, of: &str) -> (u16, Stream) {
        (self.0)(format!("/convoke/live?of={of}")).await
    }
}

impl Stream {
    /// The next event: its name and its data; `None` once the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = event.to_owned();
                self.text = rest.to_owned();
                let name = event.lines().find_map(|line| line.strip_prefix("event: ")).map(str::to_owned);
                let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                if let Some(name) = name {
                    return Some((name, data.join("\n")));
                }
            }
            let chunk = std::future::poll_fn(|cx| self.body.as_mut().poll_next(cx)).await?;
            let chunk = chunk.unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// The elements that our pages have.
const TAGS: [&str; 56] = [
    "a", "article", "b", "body", "br", "button", "caption", "circle", "code", "dd", "details", "div", "dl", "dt", "em",
    "fieldset", "footer", "form", "g", "h1", "h2", "h3", "head", "header", "html", "input", "label", "legend", "li",
    "line", "link", "main", "meta", "nav", "ol", "option", "p", "path", "polyline", "pre", "rect", "section", "select",
    "small", "span", "strong", "svg", "table", "tbody", "td", "text", "th", "thead", "time", "title", "tr",
];

/// Those without an end.
const VOID: [&str; 5] = ["br", "input", "link", "meta", "!doctype"];

/// Asks that a page has our elements alone, each with its end, no attribute that runs anything, and no character that steers.
pub(crate) fn is_well_made(path: &str, page: &str) {
    let steers = |letter: char| {
        (letter.is_control() && letter != '\n')
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!page.chars().any(steers), "{path}: a character steers");
    let mut open = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((tag, after)) = after.split_once('>') else { panic!("{path}: `<` without an end: {rest:.80}") };
        rest = after;
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().unwrap().to_lowercase();
        let is_ours = TAGS.contains(&&*name) || VOID.contains(&&*name) || matches!(&*name, "ul" | "script" | "summary");
        assert!(is_ours, "{path}: <{tag}>");
        if name == "script" && !tag.starts_with('/') {
            assert!(tag.contains(" src=\"/convoke/assets/"), "{path}: <{tag}>");
        }
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_deref(), Some(&*name), "{path}: </{name}>");
            continue;
        }
        // The only one between quotes of the other kind, which no text from outside is.
        if tag.starts_with("meta name=\"htmx-config\"") {
            continue;
        }
        // Between quotes stands what is said, and outside of them what it is.
        let outside: String = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        for attribute in outside.split_whitespace().skip(1) {
            let attribute = attribute.trim_end_matches('=').to_lowercase();
            assert!(!attribute.starts_with("on") && attribute != "style", "{path}: <{tag}>");
            let is_name = attribute.chars().all(|letter| letter.is_ascii_alphanumeric() || "-/:".contains(letter));
            assert!(is_name, "{path}: <{tag}>");
        }
        for link in ["href=\"", "src=\"", "action=\""] {
            // A page without files has no icon, or a browser would ask the application for one.
            if let Some((_, value)) = tag.split_once(link).filter(|_| tag != "link rel=\"icon\" href=\"data:,\"") {
                assert!(value.starts_with('/') || value.starts_with('#'), "{path}: <{tag}>");
            }
        }
        if !VOID.contains(&&*name) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{path}: {open:?} without an end");
}
