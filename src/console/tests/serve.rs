//! The console as a server of its own: who comes in by its key or its password.

use std::net::SocketAddr;
use std::time::Instant;

use actix_web::rt::spawn;
use convoke_console::{Allowed, Person, ServeError, Serving, Shown, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

fn near() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn everywhere() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// Begins it, beside the test; returns its address and its URL.
fn begin(serving: Serving) -> (SocketAddr, String) {
    let found = (serving.address(), serving.url().to_owned());
    spawn(serving.run());
    found
}

/// What is answered to this: the status, the headers and the body as they come.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(address: SocketAddr, path: &str, more: &str) -> String {
    let host = format!("127.0.0.1:{}", address.port());
    let near = SocketAddr::from(([127, 0, 0, 1], address.port()));
    ask(near, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")).await
}

async fn post(address: SocketAddr, path: &str, more: &str, body: &str) -> String {
    let host = format!("127.0.0.1:{}", address.port());
    let near = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n{more}\r\n",
        body.len()
    );
    ask(near, &(head + body)).await
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

/// The header with the cookie that it sets.
fn cookie(answer: &str) -> Option<String> {
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: "))?;
    Some(format!("Cookie: {}\r\n", line.split(';').next()?))
}

fn path(url: &str) -> &str {
    &url[url.find("/enter").unwrap()..]
}

#[actix_web::test]
async fn a_key_lets_one_browser_in_once_by_a_cookie_that_goes_nowhere_else() {
    let (address, url) = begin(serve(&Shown::new("shop"), near()).start().unwrap());
    assert!(url.starts_with(&format!("http://{address}/enter?key=")), "{url}");
    assert_eq!(status(&get(address, "/", "").await), 401);

    // Who fetches it in advance, asks from elsewhere or guesses does not use it up.
    assert_eq!(status(&get(address, path(&url), "Sec-Purpose: prefetch\r\n").await), 403);
    assert_eq!(status(&get(address, "/enter?key=0", "").await), 401);
    let rebound = format!("GET {} HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n", path(&url));
    assert_eq!(status(&ask(address, &rebound).await), 403);
    let head = format!("HEAD {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n", path(&url));
    let head = ask(address, &head).await;
    assert!(status(&head) == 405 && head.contains("x-frame-options: DENY"), "{head}");

    let answer = get(address, path(&url), "").await;
    assert_eq!(status(&answer), 303, "{answer}");
    let line = answer.lines().find(|line| line.starts_with("set-cookie: ")).unwrap();
    assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{line}");
    for wanted in [
        "location: /\r\n",
        "referrer-policy: no-referrer\r\n",
        "cache-control: no-store\r\n",
        "x-frame-options: DENY\r\n",
    ] {
        assert!(answer.contains(wanted), "{wanted}: {answer}");
    }
    assert!(!answer.contains(url.split_once("key=").unwrap().1), "{answer}");
    let cookie = cookie(&answer).unwrap();
    assert_eq!(status(&get(address, "/", &cookie).await), 200);
    assert_eq!(status(&get(address, path(&url), "").await), 401);
    // Nothing can be changed by default.
    let own = format!("{cookie}Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(status(&post(address, "/nothing", &own, "").await), 403);
}

#[actix_web::test]
async fn a_key_is_good_once_also_for_those_who_come_at_once() {
    let (address, url) = begin(serve(&Shown::new("shop"), near()).start().unwrap());
    let mut all = JoinSet::new();
    for _ in 0..20 {
        let path = path(&url).to_owned();
        all.spawn(async move { get(address, &path, "").await });
    }
    let answers = all.join_all().await;
    let let_in = answers.iter().filter(|answer| status(answer) == 303 && cookie(answer).is_some()).count();
    assert_eq!(let_in, 1, "{answers:#?}");
    assert_eq!(answers.iter().filter(|answer| status(answer) == 401).count(), 19, "{answers:#?}");
}

#[actix_web::test]
async fn a_cookie_of_another_start_lets_nobody_in() {
    let (one, url) = begin(serve(&Shown::new("shop"), near()).start().unwrap());
    let (other, _) = begin(serve(&Shown::new("shop"), near()).start().unwrap());
    let cookie = cookie(&get(one, path(&url), "").await).unwrap();
    assert_eq!(status(&get(one, "/", &cookie).await), 200);
    assert_eq!(status(&get(other, "/", &cookie).await), 401);
    // Also by the name that the other gives to its own.
    let renamed = cookie.replace(&one.port().to_string(), &other.port().to_string());
    assert_ne!(renamed, cookie);
    assert_eq!(status(&get(other, "/", &renamed).await), 401);
    // Nor does one that somebody has changed, or made.
    let value = cookie.trim_end().rsplit_once('=').unwrap().1;
    let swapped: String = value.chars().rev().collect();
    for wrong in [swapped.as_str(), "", ".", &value[1..], value.split_once('.').unwrap().0] {
        let made = format!("Cookie: convoke-console-{}={wrong}\r\n", one.port());
        assert_eq!(status(&get(one, "/", &made).await), 401, "{made}");
    }
}

#[actix_web::test]
async fn a_password_lets_in_whoever_has_it_and_one_is_tried_at_a_time() {
    let person = Person::named("ada").operates();
    let (address, url) =
        begin(serve(&Shown::new("shop"), everywhere()).as_person(person).password("correct horse").start().unwrap());
    assert!(!url.contains("key"), "{url}");
    let form = get(address, "/enter", "").await;
    assert!(
        status(&form) == 200 && form.contains("type=\"password\"") && form.contains("referrer-policy: same-origin"),
        "{form}"
    );
    assert!(get(address, "/", "").await.contains("href=\"/enter\""));

    let own = format!("Origin: http://127.0.0.1:{}\r\n", address.port());
    assert_eq!(status(&post(address, "/enter", "", "password=correct+horse").await), 403);
    assert_eq!(status(&post(address, "/enter", "Sec-Fetch-Site: cross-site\r\n", "password=correct+horse").await), 403);
    let let_in = post(address, "/enter", &own, "password=correct+horse").await;
    assert_eq!(status(&let_in), 303, "{let_in}");
    assert_eq!(status(&get(address, "/", &cookie(&let_in).unwrap()).await), 200);

    // Of those who try at once one is told that it was wrong, and then one each second.
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..10 {
        let own = own.clone();
        all.spawn(async move { post(address, "/enter", &own, "password=correct+horses").await });
    }
    let answers = all.join_all().await;
    assert!(answers.iter().all(|answer| cookie(answer).is_none()), "{answers:#?}");
    let count = |wanted: u16| answers.iter().filter(|answer| status(answer) == wanted).count() as u64;
    assert!(count(401) >= 1 && count(401) + count(429) == 10, "{answers:#?}");
    assert!(count(401) <= 1 + begun.elapsed().as_secs(), "{} were tried", count(401));
}

#[actix_web::test]
async fn it_starts_only_where_nobody_comes_in_who_was_not_let_in() {
    let shown = Shown::new("shop");
    assert!(matches!(serve(&shown, everywhere()).start(), Err(ServeError::Open(_))));
    let mapped = "[::ffff:10.0.0.1]:0".parse().unwrap();
    assert!(matches!(serve(&shown, mapped).start(), Err(ServeError::Open(_))));
    assert!(matches!(serve(&shown, near()).password("short").start(), Err(ServeError::Password)));
    assert!(matches!(serve(&shown, near()).hosts(["no host"]).start(), Err(ServeError::Host(_))));
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(serve(&shown, near()).audit(folder.path()).start(), Err(ServeError::Audit(_))));
    let taken = serve(&shown, near()).start().unwrap();
    assert!(matches!(serve(&shown, taken.address()).start(), Err(ServeError::Io(_))));

    let guard = |_: &actix_web::HttpRequest| Allowed::As(Person::named("ada"));
    let (address, url) = begin(serve(&shown, everywhere()).allow(guard).start().unwrap());
    assert!(!url.contains("key"), "{url}");
    assert_eq!(status(&get(address, "/", "").await), 200);
    let rebound = format!("GET / HTTP/1.1\r\nHost: rebound.example:{}\r\nConnection: close\r\n\r\n", address.port());
    let near = SocketAddr::from(([127, 0, 0, 1], address.port()));
    assert_eq!(status(&ask(near, &rebound).await), 403);
}
