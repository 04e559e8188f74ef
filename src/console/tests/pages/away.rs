//! Servers that hang or are away: their cards say so, and nothing else is slow.

use std::net::TcpListener;

use convoke::transport::{DeadReason, Memory};
use convoke_console::Shown;
use tokio::time::{Duration, Instant, advance, pause, resume};

use super::shop::{On, Shop, order, site};

/// As long as a page may wait for a server.
const MOST: Duration = Duration::from_secs(1);

#[actix_web::test]
async fn a_server_that_is_away_is_named_once() {
    let folder = tempfile::tempdir().unwrap();
    let away = format!("sqlite:{}", folder.path().join("away/shop.db").display());
    let overview = site(&Shown::new("shop").at(away.parse().unwrap()), |person| person).await.get("/convoke/").await;
    let (_, wrong) = overview.text.split_once("<ul class=\"wrong\">").unwrap();
    let (wrong, _) = wrong.split_once("</ul>").unwrap();
    assert_eq!((wrong.matches("<li").count(), wrong.matches(&away).count()), (1, 1), "{wrong}");
    assert!(wrong.contains("there is no such file"), "{wrong}");
}

#[actix_web::test]
async fn a_server_that_hangs_makes_only_its_card_say_so() {
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let hanging = format!("redis://{}", hangs.local_addr().unwrap());
    let shop = Shop::new(On::Memory, "away-hangs").await;
    shop.bury(&[(order(1, "a"), DeadReason::Permanent, vec!["no"])]).await;
    let shown = Shown::new("shop").at(hanging.parse().unwrap()).at(shop.address.clone());
    let both = site(&shown, |person| person).await;
    // Nobody answers in this time, which passes at once.
    pause();
    for path in ["/", "/queues", "/dead", "/durable"] {
        let begun = Instant::now();
        let page = both.get(&format!("/convoke{path}")).await;
        assert!(begun.elapsed() <= MOST, "{path}: {:?}", begun.elapsed());
        assert_eq!(page.status, 200, "{path}");
        assert!(page.text.contains("no answer yet") || page.text.contains("has not answered"), "{path}: {}", page.text);
        assert!(page.text.contains("memory:away-hangs"), "{path}: {}", page.text);
    }
    // What is of the other one alone does not wait at all.
    let begun = Instant::now();
    for path in ["/dead/memory-away-hangs?queue=orders", "/tasks", "/tasks/memory-away-hangs", "/store"] {
        let page = both.get(&format!("/convoke{path}")).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(!page.text.contains("no answer"), "{path}: {}", page.text);
    }
    assert!(begun.elapsed() < Duration::from_millis(10), "{:?}", begun.elapsed());
    // Who asks for the one that hangs is told so, in time.
    let name = hanging.replace("redis://", "redis-").replace(':', "-");
    for path in [format!("/dead/{name}?queue=orders"), format!("/durable/{name}?broker=b")] {
        let begun = Instant::now();
        let page = both.get(&format!("/convoke{path}")).await;
        assert!(begun.elapsed() <= MOST, "{path}: {:?}", begun.elapsed());
        assert_eq!(page.status, 504, "{path}: {}", page.text);
    }
    // Once it is known to hang, a page hardly waits.
    advance(Duration::from_secs(30)).await;
    let _ = both.get("/convoke/queues").await;
    advance(Duration::from_secs(30)).await;
    let begun = Instant::now();
    let page = both.get("/convoke/queues").await;
    assert!(begun.elapsed() <= Duration::from_millis(150), "{:?}", begun.elapsed());
    assert!(page.text.contains("note bad"), "{}", page.text);
    resume();
    drop(hangs);
}

#[actix_web::test]
async fn a_server_that_is_away_is_said_so_and_so_is_a_file_that_is_not_there() {
    let _db = Memory::database_named("away-there");
    // Nobody listens at a port that was given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shown = Shown::new("shop")
        .at(format!("redis://ada:geheim@{port}").parse().unwrap())
        .at("sqlite:/nowhere/at/all.db".parse().unwrap())
        .at("memory:away-nowhere".parse().unwrap())
        .at("memory:away-there".parse().unwrap());
    let site = site(&shown, |person| person).await;
    let page = site.get("/convoke/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("geheim"), "{}", page.text);
    let cards: Vec<&str> = page.text.split("<article").skip(1).collect();
    let bad = cards.iter().filter(|card| card.contains("note bad")).count();
    assert_eq!((cards.len(), bad), (4, 3), "{}", page.text);
    let page = site.get("/convoke/tasks/sqlite-all.db").await;
    assert_eq!(page.status, 404, "{}", page.text);
}
