//! Every route × role × method × `Sec-Fetch-Site` × `Origin` × token × `Host`: nobody comes in who may not, and everybody who may.

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use convoke_console::{Allowed, Person, Shown, routes, scope};

use crate::common::{Answer, HOST, Site, filled, here, sent};

/// What an application says of who asks.
const ROLES: [&str; 5] = ["unknown", "refused", "views", "operates", "reveals"];

/// `None` is a request without the header.
const SITES: [Option<&str>; 5] = [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none")];

const ORIGINS: [Option<&str>; 4] = [None, Some("http://localhost:8080"), Some("http://localhost:8081"), Some("null")];

const HOSTS: [Option<&str>; 4] = [Some(HOST), Some("rebound.example:8080"), Some("127.0.0.1:8080"), None];

fn role(name: &str) -> Allowed {
    let person = Person::named("ada");
    match name {
        "unknown" => Allowed::Unknown,
        "refused" => Allowed::Refused,
        "views" => Allowed::As(person),
        "operates" => Allowed::As(person.operates()),
        _ => Allowed::As(person.reveals()),
    }
}

async fn site(name: &'static str) -> Site {
    Site::new(scope("/convoke").showing(&Shown::new("shop")).allow(move |_| role(name))).await
}

/// What has to stand on every answer, whatever it is.
fn is_dressed(answer: &Answer) -> bool {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
        form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let keeps = answer.header("cache-control").is_some_and(|keeps| keeps == "no-store" || keeps.ends_with("immutable"));
    answer.header("content-security-policy") == Some(policy)
        && answer.header("x-content-type-options") == Some("nosniff")
        && answer.header("x-frame-options") == Some("DENY")
        && answer.header("referrer-policy") == Some("same-origin")
        && answer.header("cross-origin-resource-policy") == Some("same-origin")
        && keeps
}

/// The cookie of a browser that has been here, and the token of its forms: those of a page that asks back.
async fn browser() -> (String, String) {
    let console = scope("/convoke").allow(|_| role("operates")).production(true);
    let site = Site::new(console).await;
    let cookie = site.get("/convoke").await.cookie().unwrap();
    let asked = site.ask(sent("/convoke/nothing", &[]).insert_header(("cookie", cookie.clone()))).await;
    let token = asked.field("token").unwrap().to_owned();
    (cookie, token)
}

#[actix_web::test]
async fn nobody_comes_in_who_may_not_and_everybody_who_may() {
    let (cookie, token) = browser().await;
    let mut count = 0_u64;
    let mut holes = BTreeSet::new();
    let paths: BTreeSet<String> = routes().iter().map(|(_, route)| filled(route)).collect();
    assert!(routes().iter().any(|(method, _)| *method == "GET"), "there are no routes");
    // What nobody has registered is behind the gate too.
    let paths = paths.into_iter().chain(["/convoke/nothing".to_owned()]);
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PURGE"]
        .map(|name| Method::from_bytes(name.as_bytes()).unwrap());
    let mut sites = Vec::new();
    for name in ROLES {
        sites.push((name, site(name).await));
    }
    for path in paths {
        for (role, site) in &sites {
            for method in &methods {
                let is_read = *method == Method::GET || *method == Method::HEAD;
                for (sec, origin, host, has_token) in combinations(is_read) {
                    let mut request = TestRequest::default().method(method.clone()).uri(&path);
                    request = here(request).insert_header(("cookie", cookie.clone()));
                    request = match host {
                        Some(host) => request.insert_header(("host", host)),
                        None => TestRequest::default().method(method.clone()).uri(&path),
                    };
                    for (header, value) in [("sec-fetch-site", sec), ("origin", origin)] {
                        request = match value {
                            Some(value) => request.insert_header((header, value)),
                            None => request,
                        };
                    }
                    if !is_read {
                        request = request.set_form([("token", if has_token { token.as_str() } else { "0" })]);
                    }
                    let answer = site.ask(request).await;
                    count += 1;
                    let is_ours = host == Some(HOST) || host == Some("127.0.0.1:8080");
                    let may = match (is_read, *role) {
                        (_, "unknown" | "refused") => false,
                        (true, _) => matches!(sec, None | Some("same-origin" | "none")),
                        (false, "operates") => {
                            let is_own = host == Some(HOST) && origin == Some("http://localhost:8080");
                            sec == Some("same-origin") || sec.is_none() && is_own && has_token
                        }
                        (false, _) => false,
                    };
                    let (wanted, came_in) = (may && is_ours, !answer.is_denied());
                    if wanted != came_in || !is_dressed(&answer) {
                        holes.insert(format!(
                            "{method} {path} as {role}, {sec:?} {origin:?} {host:?}, token {has_token}: {} (wanted {wanted}), {:?}",
                            answer.status, answer.headers
                        ));
                    }
                }
            }
        }
    }
    println!("figure: {count} requests, {} holes", holes.len());
    assert!(holes.is_empty(), "{} holes: {:#?}", holes.len(), holes.iter().take(20).collect::<Vec<_>>());
}

type Combination = (Option<&'static str>, Option<&'static str>, Option<&'static str>, bool);

/// Of a read neither Origin nor token is asked.
fn combinations(is_read: bool) -> Vec<Combination> {
    let mut all = Vec::new();
    for sec in SITES {
        for host in HOSTS {
            for origin in &ORIGINS[..if is_read { 1 } else { ORIGINS.len() }] {
                all.push((sec, *origin, host, false));
                if !is_read {
                    all.push((sec, *origin, host, true));
                }
            }
        }
    }
    all
}

#[actix_web::test]
async fn every_form_of_the_path_is_behind_the_gate() {
    let site = site("unknown").await;
    for path in [
        "/convoke",
        "/convoke/",
        "/convoke//",
        "/convoke/?a=b",
        "/convoke/..",
        "/convoke/%2e%2e/convoke",
        "/convoke/a/b/c",
        "/convoke/%00",
        "/convoke/assets/",
        "/convoke/assets/htmx.js",
    ] {
        let answer = site.get(path).await;
        assert!(answer.is_denied() && answer.status == 401, "{path}: {answer:?}");
    }
    // And nothing else is.
    for path in ["/", "/convokes", "/Convoke", "/other"] {
        assert!(site.get(path).await.text.is_empty(), "{path}");
    }
}
