//! What is wrong now comes first.

use convoke::prelude::*;
use convoke::transport::DeadReason;

use super::shop::{BOTH, On, Shop, order};

#[actix_web::test]
async fn what_is_wrong_comes_first_with_a_link_to_where_it_is() {
    for on in BOTH {
        let shop = Shop::new(on, "overview-wrong").await;
        shop.bury(&[3, 4].map(|number| (order(number, "b"), DeadReason::Permanent, vec!["no"]))).await;
        shop.publish("orders", &[order(1, "a"), order(2, "a")]).await;
        let page = shop.get("/").await;
        assert_eq!(page.status, 200, "{on:?}");
        let place = format!("<a href=\"/convoke/dead/{}?queue=orders\">2 dead letters in orders</a>", shop.server);
        let (wrong, servers) = (page.text.find(&place), page.text.find("<section id=\"servers\""));
        assert!(wrong.is_some() && wrong < servers, "{on:?}: {}", page.text);
        assert!(page.text.contains("<dt>waiting</dt><dd>2</dd>"), "{on:?}: {}", page.text);
        assert!(page.text.contains("<div class=\"bad\"><dt>dead</dt><dd>2</dd></div>"), "{on:?}: {}", page.text);
    }
}

#[actix_web::test]
async fn where_nothing_is_wrong_that_is_said() {
    for on in BOTH {
        let shop = Shop::new(on, "overview-right").await;
        shop.publish("orders", &[order(1, "a")]).await;
        let page = shop.get("/").await;
        assert!(page.text.contains("Nothing that the console knows of."), "{on:?}: {}", page.text);
        assert!(!page.text.contains("note bad"), "{on:?}: {}", page.text);
    }
}

#[actix_web::test]
async fn queues_tell_what_waits_and_are_found_by_their_names() {
    for on in BOTH {
        let shop = Shop::new(on, "overview-queues").await;
        shop.publish("orders", &[order(1, "a"), order(2, "b"), order(3, "c")]).await;
        shop.publish("mails", &[order(4, "a")]).await;
        let page = shop.get("/queues").await;
        assert!(
            page.text.contains("<th scope=\"row\">orders</th><td class=\"number\">3</td>"),
            "{on:?}: {}",
            page.text
        );
        assert!(page.text.contains("<th scope=\"row\">mails</th>"), "{on:?}");
        let page = shop.get("/queues?name=ORD").await;
        assert!(page.text.contains(">orders<") && !page.text.contains(">mails<"), "{on:?}: {}", page.text);
        let page = shop.get("/queues?name=none").await;
        assert!(page.text.contains("No queue of such a name."), "{on:?}: {}", page.text);
    }
}

#[actix_web::test]
async fn rounds_that_cannot_be_decided_are_named() {
    let shop = Shop::new(On::Sqlite, "overview-works").await;
    let db = shop.sqlite.as_ref().unwrap();
    let broker = Broker::<String>::new(std::time::Duration::from_secs(3600)).expects(["legal", "chair"]);
    let broker = broker.durable(db, "approvals").await.unwrap();
    broker.open(7).await.unwrap();
    drop(broker);
    let aside = "UPDATE convoke_round SET state = 2, text = 'no program has the predicate `three`'";
    sqlx::query(aside).execute(db.pool()).await.unwrap();
    let page = shop.get("/").await;
    assert!(page.text.contains("1 round of approvals that cannot be decided</a>"), "{}", page.text);
}
