//! Events, who listens to them, and what was not delivered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use convoke::prelude::*;
use convoke_console::Shown;
use serde_json::json;

use super::stage::{OrderPlaced, UserRegistered, may_all, page, site, until, views};
use crate::common::sent;

fn order(id: u64) -> OrderPlaced {
    OrderPlaced { id, note: String::new() }
}

#[actix_web::test]
async fn the_catalogue_says_who_listens_to_what_and_how_it_went() {
    let bus = EventBus::builder().publisher("shop").build();
    let mail = (|order: &OrderPlaced| if order.id == 7 { Err("no connection") } else { Ok(()) }).named("mail");
    let _mail = bus.on(mail).unwrap();
    let _log = bus.on_topic("orders/*", (|_: &JsonEvent| ()).named("log")).unwrap();
    let _users = bus.on((|_: &UserRegistered| ()).named("welcome")).unwrap();
    let _stray = bus.on_topic("stray/**", (|_: &JsonEvent| ()).named("stray")).unwrap();
    for id in [6, 7, 8] {
        bus.publish(order(id)).unwrap();
    }
    bus.drain().await;
    let shown = Shown::new("shop").bus(&bus);
    let site = site(&shown, views).await;
    let text = page(&site, "/events").await;
    let (_, of_order) = text.split_once("<h3>OrderPlaced").unwrap();
    let (of_order, _) = of_order.split_once("</article>").unwrap();
    assert!(of_order.contains("mail") && of_order.contains("log") && !of_order.contains("welcome"), "{of_order}");
    let (_, of_mail) = of_order.split_once("mail").unwrap();
    let cells: Vec<_> = of_mail.split("</td>").take(7).filter_map(|cell| cell.rsplit('>').next()).collect();
    assert_eq!(cells, ["OrderPlaced", "–", "0", "0", "2", "1", "0"]);
    assert!(text.contains("Listeners to other topics") && text.contains("stray/**"), "{text}");
    assert!(text.contains("personal data</span>"), "{text}");
    // Two lines to `mail` and `log`, and one to `welcome`.
    assert_eq!(text.matches("<path class=\"line\"").count(), 3, "{text}");
    let text = page(&site, "/events?name=users").await;
    assert!(text.contains("UserRegistered") && !text.contains("<h3>OrderPlaced"), "{text}");
}

#[actix_web::test]
async fn a_dead_letter_says_why_and_is_redriven_or_discarded_by_who_may() {
    let bus = EventBus::default();
    let reachable = Arc::new(AtomicBool::new(false));
    let line = reachable.clone();
    let send = move |_: &OrderPlaced| if line.load(Ordering::Relaxed) { Ok(()) } else { Err("no connection") };
    let _mail = bus.on(send.named("mail")).unwrap();
    for id in [1, 2] {
        bus.publish(order(id)).unwrap();
    }
    bus.drain().await;
    let shown = Shown::new("shop").bus(&bus);
    let looks = site(&shown, views).await;
    let text = page(&looks, "/events/dead?bus=bus").await;
    assert!(text.contains("<b>mail</b>: failed: no connection") && text.contains("number 2"), "{text}");
    assert!(text.contains("(hidden: ") && !text.contains("&#34;id&#34;"), "{text}");
    assert!(!text.contains("<button class=\"danger\""), "who may only look has no buttons: {text}");
    let path = "/convoke/events/redrive";
    assert_eq!(looks.ask(sent(path, &[("bus", "bus"), ("id", "1")])).await.status, 403);
    assert_eq!(bus.dead_letters().len(), 2);

    let operates = site(&shown, may_all).await;
    let text = page(&operates, "/events/dead?bus=bus").await;
    assert!(text.contains("&#34;id&#34;: 1"), "{text}");
    reachable.store(true, Ordering::Relaxed);
    let answer = operates.ask(sent(path, &[("bus", "bus"), ("id", "1")])).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/convoke/events/dead?bus=bus")));
    bus.drain().await;
    assert_eq!(bus.subscriptions()[0].done, 1);
    assert_eq!(operates.ask(sent(path, &[("bus", "bus"), ("id", "1")])).await.status, 409, "it is gone");
    let path = "/convoke/events/discard";
    assert_eq!(operates.ask(sent(path, &[("bus", "bus"), ("id", "2")])).await.status, 303);
    assert_eq!(operates.ask(sent(path, &[("bus", "bus"), ("id", "2")])).await.status, 404);
    assert_eq!(operates.ask(sent(path, &[("bus", "no"), ("id", "2")])).await.status, 404);
    assert!(bus.dead_letters().is_empty());
}

#[actix_web::test]
async fn dead_letters_are_paged_and_the_latest_stand_first() {
    let bus = EventBus::default();
    let _mail = bus.on((|_: &OrderPlaced| Err::<(), _>("no")).named("mail")).unwrap();
    for id in 0..120 {
        bus.publish(order(id)).unwrap();
    }
    bus.drain().await;
    let site = site(&Shown::new("shop").bus(&bus), views).await;
    let mut place = "/events/dead?bus=bus".to_owned();
    let mut numbers = Vec::new();
    loop {
        let text = page(&site, &place).await;
        let of_page = text.split("number ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        numbers.extend(of_page);
        let Some((before, _)) = text.split_once("\">Earlier ones") else { break };
        let link = before.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
        place = link.strip_prefix("/convoke").unwrap().to_owned();
    }
    assert_eq!(numbers, (1..=120).rev().collect::<Vec<_>>());
}

#[actix_web::test]
async fn personal_data_is_on_no_page_for_who_may_not_reveal_it() {
    let bus = EventBus::default();
    let _mail = bus.on((|_: &UserRegistered| Err::<(), _>("no connection")).named("mail")).unwrap();
    let shown = Shown::new("shop").bus(&bus);
    let (looks, reveals) = (site(&shown, views).await, site(&shown, may_all).await);
    drop(page(&looks, "/events/last?bus=bus").await);
    bus.publish(UserRegistered { email: "canary@example.org".to_owned() }).unwrap();
    bus.publish_json("users/registered", json!({ "email": "canary@example.org" })).unwrap();
    bus.drain().await;
    for path in ["/events", "/events/dead?bus=bus", "/events/last?bus=bus"] {
        assert!(!page(&looks, path).await.contains("canary"), "{path}");
    }
    for path in ["/events/dead?bus=bus", "/events/last?bus=bus"] {
        assert!(page(&reveals, path).await.contains("canary@example.org"), "{path}");
    }
}

#[actix_web::test]
async fn somebody_watches_while_a_page_is_looked_at_and_nobody_afterwards() {
    tokio::time::pause();
    let bus = EventBus::default();
    let next = bus.clone();
    let _chain =
        bus.on_topic("orders/placed", move |_: &JsonEvent| next.publish_json("orders/billed", json!({})).map(|_| ()));
    let _chain = _chain.unwrap();
    let shown = Shown::new("shop").bus(&bus);
    let site = site(&shown, views).await;
    let before = bus.subscriptions();
    for path in ["/events", "/services", "/rounds", "/events/dead?bus=bus"] {
        drop(page(&site, path).await);
        assert_eq!((bus.watchers(), bus.subscriptions().len()), (0, before.len()), "{path}");
    }
    bus.publish_json("orders/placed", json!({ "unseen": 1 })).unwrap();
    bus.drain().await;
    assert!(page(&site, "/events/last?bus=bus").await.contains("Nothing has passed yet."));
    assert_eq!((bus.watchers(), bus.subscriptions().len()), (1, before.len()), "a watcher is no listener");
    bus.publish_json("orders/placed", json!({})).unwrap();
    bus.drain().await;
    let text = page(&site, "/events/last?bus=bus").await;
    assert!(text.contains("2 events in ") && !text.contains("unseen"), "{text}");
    let (_, pairs) = text.split_once("What leads to what").unwrap();
    assert!(
        pairs.contains("<th scope=\"row\">orders/placed</th><td>orders/billed</td><td class=\"num\">1</td>"),
        "{pairs}"
    );
    // It goes on while somebody looks, and ends some seconds after the last look.
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        drop(page(&site, "/events/last?bus=bus").await);
        assert_eq!(bus.watchers(), 1);
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    until("nobody watches", || bus.watchers() == 0).await;
    assert_eq!(bus.unheard(), 2, "what a watcher sees is not heard");
}

#[actix_web::test]
async fn ten_thousand_events_pass_and_the_page_has_the_last_of_them() {
    let bus = EventBus::default();
    let site = site(&Shown::new("shop").bus(&bus), views).await;
    drop(page(&site, "/events/last?bus=bus").await);
    for id in 0..10_000 {
        bus.publish_json("numbers", json!({ "id": id })).unwrap();
    }
    let text = page(&site, "/events/last?bus=bus").await;
    assert!(text.contains("10,000 events in "), "{}", &text[..2_000]);
    assert_eq!(text.matches("<tr><td><time").count(), 100);
}
