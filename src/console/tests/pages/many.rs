//! Very many letters: a page reads what is on it, and what is done to all is done in steps.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::rt::time::sleep;
use convoke::transport::DeadReason;

use super::shop::{On, Shop, ids, next, numbers, order};

const MANY: u64 = 10_000;

async fn shop(on: On, name: &str, many: u64) -> Shop {
    let shop = Shop::new(on, name).await;
    let letters = (0..many).map(|number| {
        let error = if number == many - 1 { "the needle" } else { "hay" };
        (order(number, &format!("key-{}", number % 7)), DeadReason::Exhausted, vec![error])
    });
    shop.bury(&letters.collect::<Vec<_>>()).await;
    shop
}

#[actix_web::test]
async fn ten_thousand_letters_are_paged_by_their_ids_each_once() {
    let shop = shop(On::Sqlite, "many-paged", MANY).await;
    let (mut seen, mut pages, mut path) = (BTreeSet::new(), 0, format!("/dead/{}?queue=orders", shop.server));
    loop {
        let page = shop.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        let ids = ids(&page.text);
        assert!(ids.len() <= 100);
        for id in ids {
            assert!(seen.insert(id.parse::<u64>().unwrap()), "{id} is on two pages");
        }
        pages += 1;
        match next(&page.text) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!((seen.len() as u64, pages), (MANY, 100));
}

#[actix_web::test]
async fn one_among_ten_thousand_is_found_by_going_on() {
    let shop = shop(On::Memory, "many-needle", MANY).await;
    let (mut found, mut path) = (Vec::new(), format!("/dead/{}?queue=orders&error=needle", shop.server));
    for _ in 0..200 {
        let page = shop.get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        found.extend(ids(&page.text));
        match next(&page.text) {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
}

#[actix_web::test]
async fn all_are_redriven_in_steps_that_are_followed_and_each_key_keeps_its_order() {
    const ALL: u64 = 3_000;
    let shop = shop(On::Sqlite, "many-redriven", ALL).await;
    let letters = format!("/dead/{}/letters", shop.server);
    let done = shop.post(&letters, &[("queue", "orders"), ("do", "redrive-all")]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let place = format!("/dead/{}/sweep?queue=orders", shop.server);
    let mut page = shop.get(&place).await;
    for _ in 0..3_000 {
        if !page.text.contains("under way</p>") {
            break;
        }
        // A second one would overtake the first.
        let again = shop.post(&letters, &[("queue", "orders"), ("do", "redrive-all")]).await;
        assert!(again.status == 409 || again.status == 303, "{}", again.text);
        sleep(Duration::from_millis(20)).await;
        page = shop.get(&place).await;
    }
    assert!(page.text.contains("3,000 of 3,000 redriven"), "{}", page.text);
    let taken = shop.taken("orders").await;
    assert_eq!(taken.len() as u64, ALL);
    for key in 0..7 {
        let of: Vec<u64> = numbers(&taken).into_iter().filter(|number| number % 7 == key).collect();
        assert!(of.is_sorted(), "key-{key}: {of:?}");
    }
}

#[actix_web::test]
async fn what_is_under_way_can_be_stopped_and_the_rest_stays() {
    const ALL: u64 = 5_000;
    let shop = shop(On::Sqlite, "many-stopped", ALL).await;
    let place = format!("/dead/{}", shop.server);
    let (letters, fields) = (format!("{place}/letters"), [("queue", "orders"), ("do", "redrive-all")]);
    let (_, stopped) = tokio::join!(shop.post(&letters, &fields), async {
        sleep(Duration::from_millis(50)).await;
        shop.post(&format!("{place}/stop"), &[("queue", "orders")]).await
    });
    assert_eq!(stopped.status, 303);
    let mut page = shop.get(&format!("{place}/sweep?queue=orders")).await;
    for _ in 0..1_000 {
        if !page.text.contains("under way</p>") {
            break;
        }
        sleep(Duration::from_millis(10)).await;
        page = shop.get(&format!("{place}/sweep?queue=orders")).await;
    }
    let taken = shop.taken("orders").await.len() as u64;
    let left = shop.taken("orders-dead").await.len() as u64;
    assert_eq!(taken + left, ALL, "none is lost, and none is twice");
    assert!(page.text.contains("stopped: the rest is as it was"), "{taken}: {}", page.text);
}
