//! Pages that follow what they show.

use std::path::Path;
use std::time::Duration;

use convoke::prelude::*;
use convoke_console::Shown;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::stage::{Streams, page, site, until, views};

/// Longer than a page is made anew.
const SOON: Duration = Duration::from_secs(3);

#[actix_web::test]
async fn a_region_is_sent_when_it_has_changed_and_only_then() {
    tokio::time::pause();
    let bus = EventBus::default();
    let shown = Shown::new("shop").bus(&bus);
    let streams = Streams::of(&shown).await;
    let mut stream = streams.follow("/events").await;
    let (name, first) = stream.next().await.unwrap();
    assert_eq!(name, "bus-1");
    assert!(!first.contains("mail") && !first.contains("<section"), "{first}");
    assert!(timeout(SOON, stream.next()).await.is_err(), "nothing has changed");
    let _mail = bus.on_topic("orders/*", (|_: &JsonEvent| ()).named("mail")).unwrap();
    let began = Instant::now();
    let (name, second) = stream.next().await.unwrap();
    assert!(name == "bus-1" && second.contains("mail"), "{second}");
    assert!(began.elapsed() <= Duration::from_secs(1), "{:?}", began.elapsed());
    // It is what the page has, so that without JavaScript nothing is missing.
    let text = page(&site(&shown, views).await, "/events").await;
    assert!(text.contains("sse-connect=\"/convoke/live?of=%2Fevents\""), "{text}");
    let (_, region) = text.split_once("data-live sse-swap=\"bus-1\">").unwrap();
    let region = region.split_once("</section>").unwrap().0;
    let names = |text: &str| {
        text.split('>').map(|part| part.split('<').next().unwrap_or("").trim().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(region), names(&second));
}

#[actix_web::test]
async fn visitors_of_a_page_share_it_and_when_the_last_has_gone_nothing_is_left() {
    tokio::time::pause();
    let bus = EventBus::default();
    let shown = Shown::new("shop").bus(&bus);
    let streams = Streams::of(&shown).await;
    let of = "/events/last%3Fbus%3Dbus";
    let mut first = streams.follow(of).await;
    let mut second = streams.follow(of).await;
    let other = streams.follow("/services").await;
    assert!(first.next().await.is_some() && second.next().await.is_some());
    let followers = shown.followers();
    assert_eq!((followers.visitors, followers.pages, bus.watchers()), (3, 2, 1));
    bus.publish_json("orders/placed", json!({})).unwrap();
    for stream in [&mut first, &mut second] {
        loop {
            let (_, text) = stream.next().await.unwrap();
            if text.contains("orders/placed") {
                break;
            }
        }
    }
    drop((first, other));
    sleep(SOON).await;
    let followers = shown.followers();
    assert_eq!((followers.visitors, followers.pages, bus.watchers()), (1, 1, 1));
    drop(second);
    sleep(Duration::from_secs(10)).await;
    until("nothing is left", || shown.followers() == Default::default() && bus.watchers() == 0).await;
    assert!(bus.subscriptions().is_empty());
}

#[actix_web::test]
async fn a_stream_ends_after_some_minutes_so_that_the_gate_is_asked_again() {
    tokio::time::pause();
    let bus = EventBus::default();
    let shown = Shown::new("shop").bus(&bus);
    let streams = Streams::of(&shown).await;
    let mut stream = streams.follow("/events").await;
    let began = Instant::now();
    while stream.next().await.is_some() {}
    assert_eq!(began.elapsed().as_secs(), 300);
    drop(stream);
    sleep(SOON).await;
    assert_eq!(shown.followers(), Default::default());
}

#[actix_web::test]
async fn a_browser_that_takes_nothing_is_not_waited_for_without_end() {
    tokio::time::pause();
    let bus = EventBus::default();
    let shown = Shown::new("shop").bus(&bus);
    let streams = Streams::of(&shown).await;
    let stream = streams.follow("/events/last%3Fbus%3Dbus").await;
    // Each second there is more to be sent, and nobody takes it.
    for at in 0..310 {
        bus.publish_json("orders/placed", json!({ "at": at })).unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(10)).await;
    assert_eq!((shown.followers().pages, bus.watchers()), (0, 0), "nothing is made for it any more");
    drop(stream);
    assert_eq!(shown.followers(), Default::default());
}

#[actix_web::test]
async fn no_more_follow_than_may_and_what_is_no_page_is_not_followed() {
    tokio::time::pause();
    let bus = EventBus::default();
    let shown = Shown::new("shop").bus(&bus);
    let streams = Streams::of(&shown).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(streams.follow("/events").await);
    }
    assert_eq!((shown.followers().visitors, shown.followers().pages), (64, 1));
    assert_eq!(streams.ask("/events").await.0, 503);
    drop(open.pop());
    assert_eq!(streams.ask("/events").await.0, 200);
    drop(open);
    let long = "x".repeat(3_000);
    for (of, status) in [
        ("/nothing", 404),
        ("/live", 404),
        ("/schemas", 404),
        ("/events/dead%3Fbus%3Dbus", 404),
        ("/assets/console.css", 404),
        (&*long, 400),
    ] {
        let answered = streams.ask(of).await.0;
        assert_eq!(answered, status, "{of:.80}");
    }
    sleep(SOON).await;
    assert_eq!(shown.followers(), Default::default());
}

#[test]
fn no_region_is_called_as_what_a_stream_tells_by_itself() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("templates")];
    let mut regions = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            for region in std::fs::read_to_string(&entry).unwrap().split("sse-swap=\"").skip(1) {
                let name = region.split('"').next().unwrap();
                // A browser tells these without any data, which would be shown.
                assert!(!["open", "error", "message"].contains(&name), "{}: {name}", entry.display());
                regions += 1;
            }
        }
    }
    assert!(regions > 10, "{regions}");
}

#[actix_web::test]
async fn a_page_that_is_gone_ends_its_stream() {
    tokio::time::pause();
    let shown = Shown::new("shop");
    let streams = Streams::of(&shown).await;
    let mut stream = streams.follow("/services/of%3Fname%3Dbilling").await;
    assert!(stream.next().await.is_none());
    // And whoever comes to it follows nothing, or the browser would ask again and again.
    let text = site(&shown, views).await.get("/convoke/services/of?name=billing").await.text;
    assert!(text.contains("There is no such thing") && !text.contains("sse-connect"), "{text}");
    drop(stream);
    until("nobody follows", || shown.followers() == Default::default()).await;
}
