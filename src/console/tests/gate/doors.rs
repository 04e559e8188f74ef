//! Who comes in where nobody has said who may, and by which names.

use std::net::SocketAddr;

use actix_web::http::Version;
use actix_web::test::TestRequest;
use convoke_console::{Shown, scope};

use crate::common::{Site, all, here, sent};

async fn unguarded() -> Site {
    Site::new(scope("/convoke").showing(&Shown::new("shop"))).await
}

#[actix_web::test]
async fn without_a_guard_this_machine_may_look_and_nobody_may_change_anything() {
    let site = unguarded().await;
    assert_eq!(site.get("/convoke").await.status, 200);
    let answer = site.ask(sent("/convoke/nothing", &[])).await;
    assert!(answer.is_denied() && answer.status == 403, "{answer:?}");
    assert!(answer.text.contains(".allow"), "{}", answer.text);
}

#[actix_web::test]
async fn without_a_guard_nobody_comes_in_from_elsewhere_or_through_a_proxy() {
    let site = unguarded().await;
    let get = || here(TestRequest::get().uri("/convoke"));
    let mut refused = vec![
        ("another machine", get().peer_addr(SocketAddr::from(([10, 0, 0, 7], 50_000)))),
        ("its name", get().insert_header(("host", "shop.example"))),
        ("a number", get().insert_header(("host", "10.0.0.7:8080"))),
        ("an old proxy", get().version(Version::HTTP_10)),
        ("nobody knows where from", TestRequest::get().uri("/convoke").insert_header(("host", "localhost"))),
    ];
    for name in ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"] {
        refused.push((name, get().insert_header((name, "127.0.0.1"))));
    }
    for (why, request) in refused {
        let answer = site.ask(request).await;
        assert!(answer.is_denied() && answer.status == 403, "{why}: {answer:?}");
    }
    let mapped: SocketAddr = "[::ffff:127.0.0.1]:5".parse().unwrap();
    for near in [mapped, "[::1]:5".parse().unwrap()] {
        assert_eq!(site.ask(get().peer_addr(near)).await.status, 200, "{near}");
    }
}

#[actix_web::test]
async fn a_name_that_leads_here_is_not_answered_to_unless_it_is_named() {
    let open = Site::new(scope("/convoke").allow(all)).await;
    let named = Site::new(scope("/convoke").allow(all).hosts(["shop.example"])).await;
    for (host, is_open, is_named) in [
        ("localhost:8080", true, false),
        ("10.0.0.7:8080", true, false),
        ("[fe80::1]:8080", true, false),
        ("shop.example", false, true),
        ("shop.example:8443", false, true),
        ("shop.example.", false, true),
        ("rebound.example", false, false),
        ("shop.example.rebound.example", false, false),
        ("shop.example@rebound.example", false, false),
        ("localhost.rebound.example", false, false),
    ] {
        for (site, wanted) in [(&open, is_open), (&named, is_named)] {
            for request in [TestRequest::get().uri("/convoke"), TestRequest::default().uri("/convoke/nothing")] {
                let answer = site.ask(here(request).insert_header(("host", host))).await;
                assert_eq!(!answer.is_denied(), wanted, "{host}: {answer:?}");
            }
        }
    }
    // Two that differ are none.
    let two = here(TestRequest::get().uri("/convoke")).append_header(("host", "localhost"));
    assert_eq!(open.ask(two).await.status, 400);
    let other = here(TestRequest::get().uri("http://rebound.example/convoke"));
    assert_eq!(open.ask(other).await.status, 400);
}

#[actix_web::test]
async fn a_page_of_another_site_may_link_here_and_no_more() {
    let site = Site::new(scope("/convoke").allow(all)).await;
    let from = |mode: &'static str, to: &'static str| {
        let request = here(TestRequest::get().uri("/convoke")).insert_header(("sec-fetch-site", "cross-site"));
        request.insert_header(("sec-fetch-mode", mode)).insert_header(("sec-fetch-dest", to))
    };
    assert!(!site.ask(from("navigate", "document")).await.is_denied());
    for (mode, to) in [("navigate", "iframe"), ("no-cors", "image"), ("cors", "empty"), ("no-cors", "script")] {
        assert!(site.ask(from(mode, to)).await.is_denied(), "{mode} {to}");
    }
}
