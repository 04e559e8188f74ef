//! Services that fail and come back.

use std::time::Duration;

use convoke::prelude::*;
use convoke::{ServiceState, Services, Supervisor};
use convoke_console::Shown;

use super::stage::{Fragile, OrderPlaced, page, site, until, views};

#[actix_web::test]
async fn a_service_that_fails_is_shown_with_its_restarts_their_causes_and_what_is_left() {
    let bus = EventBus::default();
    let backoff = Backoff::fixed(Duration::from_millis(1));
    let orders = Supervisor::one_for_one(&bus, "orders").budget(4, Duration::from_secs(600)).add(
        Fragile::supervised(&bus, |_| Fragile).named("billing").backoff(backoff).budget(3, Duration::from_secs(600)),
    );
    let services = Services::new(&bus).add(orders).await.unwrap();
    let shown = Shown::new("shop").bus(&bus).services(&services);
    let site = site(&shown, views).await;
    let text = page(&site, "/services").await;
    assert!(text.contains("All services run.") && text.contains("3 of 3 within 10 min"), "{text}");

    bus.publish(OrderPlaced { id: 7, note: "no ledger for <b>7</b>".to_owned() }).unwrap();
    let health = services.health();
    let has_restarted = || health.statuses().iter().any(|status| status.restarts == 1 && status.state.is_up());
    until("it has restarted", has_restarted).await;

    let text = page(&site, "/services").await;
    assert!(text.contains("2 of 3 within 10 min"), "its own budget: {text}");
    assert!(text.contains("3 of 4 within 10 min"), "that of its supervisor: {text}");
    let text = page(&site, "/services/of?name=billing").await;
    assert!(text.contains("no ledger for &#60;b&#62;7&#60;/b&#62;"), "{text}");
    for state in ["starting", "running", "restarting"] {
        assert!(text.contains(&format!("{state}</span></td>")), "{state}: {text}");
    }
    assert!(text.contains("aria-label=\"5 changes of state; running at last\""), "{text}");
    assert!(text.contains("OrderPlaced"), "what it hears: {text}");
    assert_eq!(site.get("/convoke/services/of?name=nobody").await.status, 404);
    drop(services.shutdown().await);
}

#[actix_web::test]
async fn a_service_that_has_failed_for_good_is_on_the_list_of_what_is_wrong() {
    let bus = EventBus::default();
    let billing = Fragile::supervised(&bus, |_| Fragile).named("billing").budget(0, Duration::from_secs(60));
    let billing = billing.await.unwrap();
    let shown = Shown::new("shop").bus(&bus).tree(billing.tree());
    let site = site(&shown, views).await;
    bus.publish(OrderPlaced { id: 7, note: "no ledger".to_owned() }).unwrap();
    until("it has failed", || billing.status().state == ServiceState::Failed).await;
    let text = page(&site, "/services?only=wrong").await;
    assert!(text.contains("failed</span>") && text.contains("no restart is allowed"), "{text}");
    assert!(text.contains("0 of 0 within 60 s"), "{text}");
    let text = page(&site, "/services?name=ledger").await;
    assert!(!text.contains("billing"), "{text}");
}

#[actix_web::test]
async fn the_console_keeps_no_service_alive_and_no_broker() {
    let bus = EventBus::default();
    let broker = Broker::<u32>::new(Duration::from_secs(1)).start();
    let weak = broker.downgrade();
    let billing = Fragile::supervised(&bus, |_| Fragile).await.unwrap();
    let shown = Shown::new("shop").bus(&bus).tree(billing.tree()).broker("orders", &broker);
    let site = site(&shown, views).await;
    assert!(page(&site, "/rounds").await.contains("orders"));
    drop(broker);
    until("the broker has ended", || weak.upgrade().is_none_or(|broker| !broker.connected())).await;
    actix_web::rt::time::sleep(Duration::from_millis(950)).await;
    let text = page(&site, "/rounds").await;
    assert!(text.contains("role=\"alert\""), "{text}");
    assert_eq!(billing.stop().await.state, ServiceState::Stopped);
    assert!(page(&site, "/services").await.contains("stopped</span>"));
}
