//! What a write has to bring, and what is asked back. No route is needed for any of it: the gate asks before it looks for one.

use std::cell::Cell;
use std::rc::Rc;

use actix_web::test::TestRequest;
use convoke_console::{Allowed, Person, scope};

use crate::common::{Answer, Site, all, here, sent};

const PATH: &str = "/convoke/nothing?queue=orders";

fn is_asked(answer: &Answer) -> bool {
    answer.status == 428
}

async fn production() -> (Site, String) {
    let site = Site::new(scope("/convoke").allow(all).production(true)).await;
    let cookie = site.get("/convoke").await.cookie().unwrap();
    (site, cookie)
}

/// As a browser sends it that says nothing of the page: an old one, or over a network without TLS.
fn old(path: &str, cookie: &str, fields: &[(&str, &str)]) -> TestRequest {
    let request = here(TestRequest::post().uri(path)).insert_header(("origin", "http://localhost:8080"));
    request.insert_header(("cookie", cookie.to_owned())).set_form(fields)
}

#[actix_web::test]
async fn a_token_is_good_in_its_own_browser_and_for_its_own_person() {
    let (site, cookie) = production().await;
    let asked = site.ask(sent(PATH, &[]).insert_header(("cookie", cookie.clone()))).await;
    let token = asked.field("token").unwrap();
    let fields = [("token", token)];
    assert!(is_asked(&site.ask(old(PATH, &cookie, &fields)).await));

    let other = site.get("/convoke").await.cookie().unwrap();
    assert_ne!(cookie, other);
    for (why, request) in [
        ("another browser", old(PATH, &other, &fields)),
        ("no browser", old(PATH, "a=b", &fields)),
        ("no token", old(PATH, &cookie, &[])),
        ("half of it", old(PATH, &cookie, &[("token", &token[1..])])),
        ("the cookie itself", old(PATH, &cookie, &[("token", cookie.split_once('=').unwrap().1)])),
        ("no origin", here(TestRequest::post().uri(PATH)).insert_header(("cookie", cookie.clone())).set_form(fields)),
    ] {
        let answer = site.ask(request).await;
        assert!(answer.is_denied() && answer.status == 403, "{why}: {answer:?}");
    }
    let bob = scope("/convoke").allow(|_| Allowed::As(Person::named("bob").operates()));
    assert_eq!(Site::new(bob).await.ask(old(PATH, &cookie, &fields)).await.status, 403);
}

#[actix_web::test]
async fn in_production_exactly_that_is_done_of_which_somebody_is_sure() {
    let (site, cookie) = production().await;
    let send = |path: &str, fields: &[(&str, &str)]| sent(path, fields).insert_header(("cookie", cookie.clone()));
    let first = site.ask(send(PATH, &[("id", "7"), ("id", "8"), ("asks", "Redrive 2 of <orders>?")])).await;
    assert!(is_asked(&first));
    assert!(first.text.contains("Redrive 2 of &#60;orders&#62;?"), "{}", first.text);
    assert!(first.text.contains("name=\"id\" value=\"7\"") && first.text.contains("name=\"id\" value=\"8\""));
    let sure = first.field("gate").unwrap();
    let asks = ("asks", "Redrive 2 of <orders>?");

    let done = site.ask(send(PATH, &[("id", "7"), ("id", "8"), asks, ("gate", sure)])).await;
    assert_eq!(done.status, 404, "{done:?}"); // behind the gate, where nobody has a route
    for (path, fields) in [
        (PATH, vec![("id", "7"), ("id", "9"), asks, ("gate", sure)]),
        (PATH, vec![("id", "7"), ("id", "8"), ("id", "9"), asks, ("gate", sure)]),
        (PATH, vec![("id", "8"), ("id", "7"), asks, ("gate", sure)]),
        (PATH, vec![("id", "7"), ("id", "8"), asks, ("gate", "yes")]),
        (PATH, vec![("gate", sure)]),
        ("/convoke/nothing?queue=mails", vec![("id", "7"), ("id", "8"), asks, ("gate", sure)]),
        ("/convoke/other?queue=orders", vec![("id", "7"), ("id", "8"), asks, ("gate", sure)]),
    ] {
        assert!(is_asked(&site.ask(send(path, &fields)).await), "{path} {fields:?}");
    }
}

#[actix_web::test]
async fn a_write_is_a_form_of_a_bounded_size() {
    let site = Site::new(scope("/convoke").allow(all)).await;
    let long = "x".repeat(257 * 1024);
    let answer = site.ask(sent(PATH, &[("id", &long)])).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    let json = here(TestRequest::post().uri(PATH)).insert_header(("sec-fetch-site", "same-origin"));
    assert_eq!(site.ask(json.set_json([7])).await.status, 415);
    let broken = here(TestRequest::post().uri(PATH)).insert_header(("sec-fetch-site", "same-origin"));
    let broken =
        broken.insert_header(("content-type", "application/x-www-form-urlencoded")).set_payload(vec![0xff, 0xfe]);
    assert_eq!(site.ask(broken).await.status, 400);
}

#[actix_web::test]
async fn the_guard_is_asked_each_time() {
    let is_in = Rc::new(Cell::new(true));
    let asked = Rc::clone(&is_in);
    let person = Person::named("ada").operates();
    let allow =
        move |_: &actix_web::HttpRequest| if asked.get() { Allowed::As(person.clone()) } else { Allowed::Unknown };
    let site = Site::new(scope("/convoke").allow(allow)).await;
    assert_eq!(site.get("/convoke").await.status, 200);
    is_in.set(false);
    assert_eq!(site.get("/convoke").await.status, 401);
    assert_eq!(site.ask(sent(PATH, &[])).await.status, 401);
}
