//! Text of somebody who means no good, on every page of this process, wherever text from outside can stand.

use std::time::Duration;

use convoke::prelude::*;
use convoke::{ServiceState, Supervisor};
use convoke_console::Shown;
use serde_json::json;

use super::stage::{Fragile, OrderPlaced, UserRegistered, may_all, page, site, until, views};

/// What would run, end an attribute, end an element, steer a terminal or a reader, or fill the page.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "<script>alert(1)</script>",
        "</section><script>alert(1)</script>",
        "<section id=\"x\" data-live>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "</pre></td></table></main>",
        "<!-- ",
        "]]>",
        "</title><svg onload=alert(1)>",
        "javascript:alert(1)",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;script&gt;&#60;script&#62;",
        "a\u{202e}b\u{2066}c\u{200f}",
        "line\nevent: x\ndata: <script>\n\nid: 7",
        "line\r\ndata: y",
        "\u{0}\u{1b}]0;x\u{7}\u{1b}[2J\u{9b}",
        "\u{2028}\u{2029}\u{feff}\u{ad}",
        "%3Cscript%3E%00",
        "../../etc/passwd",
        "?bus=other&name=x#y",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("<b>".repeat(30_000));
    texts.push("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}".repeat(300));
    // Combinations, the same in every run.
    for seed in 0..12_usize {
        texts.push(format!("{}{}{}", texts[seed % 20], texts[(seed * 7 + 3) % 20], texts[(seed * 11 + 5) % 20]));
    }
    texts
}

/// A value in a query.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[actix_web::test]
async fn no_name_no_key_no_error_and_no_payload_runs_or_breaks_a_page() {
    for (at, text) in texts().into_iter().enumerate() {
        let bus = EventBus::builder().publisher(&*text).build();
        let failing = text.clone();
        let listener = move |_: &OrderPlaced| Err::<(), _>(failing.clone());
        let _mail = bus.on(listener.named(text.clone())).unwrap();
        let failing = text.clone();
        let _user = bus.on(move |_: &UserRegistered| Err::<(), _>(failing.clone())).unwrap();
        let orders = Supervisor::one_for_one(&bus, format!("supervisor {text}")).add(
            Fragile::supervised(&bus, |_| Fragile)
                .named(text.clone())
                .backoff(Backoff::none())
                .budget(1, Duration::from_secs(60)),
        );
        let orders = orders.await.unwrap();
        let broker = Broker::<u32>::new(Duration::from_secs(600)).expects([&*text, "other"]).start();
        let party = Emitter::join(&broker, &*text).await.unwrap();
        let _waits = actix_web::rt::spawn(party.emit_for(&*text, 1));
        let shown = Shown::new(&*text).bus(&bus).tree(orders.tree()).broker(&text, &broker);
        let (looks, reveals) = (site(&shown, views).await, site(&shown, may_all).await);
        // What the console calls the bus and the broker can be shown: the links of its pages say it.
        let named = |page: &str, place: &str| {
            let (_, name) = page.split_once(&format!("{place}=")).unwrap();
            name.split_once('"').unwrap().0.to_owned()
        };
        let bus_name = named(&page(&looks, "/events").await, "/events/last?bus");
        let broker_name = named(&page(&looks, "/rounds").await, "/rounds/of?name");
        drop(looks.get(&format!("/convoke/events/last?bus={bus_name}")).await);

        bus.publish(OrderPlaced { id: 7, note: text.clone() }).unwrap();
        bus.publish(UserRegistered { email: text.clone() }).unwrap();
        // Some of them are no topic.
        if bus.publish_json(&text, json!({ &*text: &*text })).is_err() {
            bus.publish_json("strange", json!({ &*text: [&*text] })).unwrap();
        }
        bus.drain().await;
        let restarts =
            || orders.statuses().iter().any(|status| status.restarts > 0 || status.state == ServiceState::Failed);
        until("it has restarted", restarts).await;

        let of = encoded(&text);
        for path in [
            "/services".to_owned(),
            format!("/services?name={of}&only=wrong"),
            format!("/services/of?name={of}"),
            "/events".to_owned(),
            format!("/events?name={of}"),
            format!("/events?name=&after={of}&topic={of}"),
            format!("/events/dead?bus={bus_name}"),
            format!("/events/dead?bus={bus_name}&name={of}"),
            format!("/events/last?bus={bus_name}"),
            "/rounds".to_owned(),
            format!("/rounds/of?name={broker_name}"),
            format!("/rounds/of?name={broker_name}&key={of}&only={of}"),
            "/schemas".to_owned(),
        ] {
            // A query of megabytes is refused by whoever takes it in.
            if path.len() > 30_000 {
                continue;
            }
            for site in [&looks, &reveals] {
                let text = page(site, &path).await;
                assert!(text.len() < 400_000, "{at} {path:.80}: {} bytes", text.len());
            }
        }
        for path in [
            format!("/services/of?name=no{of}"),
            format!("/rounds/of?name=no{of}"),
            format!("/events/dead?bus=no{of}"),
            format!("/schemas/of?name={of}"),
        ] {
            if path.len() > 30_000 {
                continue;
            }
            let answer = looks.get(&format!("/convoke{path}")).await;
            assert_eq!(answer.status, 404, "{at} {path:.80}");
            super::stage::is_well_made(&path, &answer.text);
        }
        orders.stop().await;
    }
}
