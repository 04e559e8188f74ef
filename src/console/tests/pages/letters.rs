//! Dead letters: found, read, redriven and deleted.

use convoke::transport::{DeadReason, Packet};
use serde_json::json;

use super::shop::{BOTH, On, Shop, event, ids, numbers, order};

/// Five letters: of two keys, of four reasons, one with personal data.
async fn shop(on: On, name: &str) -> Shop {
    let shop = Shop::new(on, name).await;
    let registered = event(3, "UserRegistered", json!({"email": "ada@example.org"}), true);
    let letters = [
        (order(1, "a"), DeadReason::Exhausted, vec!["cannot bill the order", "the card was declined"]),
        (order(2, "b"), DeadReason::Permanent, vec!["no such book"]),
        (registered, DeadReason::Rejected, vec!["no such template"]),
        (Packet::new("4", "no event"), DeadReason::Broken, vec!["the body is no JSON"]),
        (order(5, "a"), DeadReason::Exhausted, vec!["cannot bill the order"]),
    ];
    shop.bury(&letters).await;
    shop
}

#[actix_web::test]
async fn letters_are_listed_and_found_by_what_they_have() {
    for on in BOTH {
        let shop = shop(on, "letters-found").await;
        let page = shop.letters("").await;
        let all = ids(&page.text);
        assert_eq!((page.status.as_u16(), all.len()), (200, 5), "{on:?}: {}", page.text);
        for text in ["no attempt is left", "cannot bill the order", "it is no event", "OrderPlaced"] {
            assert!(page.text.contains(text), "{on:?}: {text}");
        }
        for (asked, found) in [
            ("&event=OrderPlaced", vec![0, 1, 4]),
            ("&key=a", vec![0, 4]),
            ("&reason=broken", vec![3]),
            ("&error=BILL", vec![0, 4]),
            ("&event=OrderPlaced&key=a&reason=exhausted&error=declined", vec![0]),
            ("&event=OrderPlaced&key=b&reason=permanent&error=book", vec![1]),
            ("&event=Order", vec![]),
            ("&reason=nonsense", vec![]),
        ] {
            let page = shop.letters(asked).await;
            let found: Vec<String> = found.into_iter().map(|at: usize| all[at].clone()).collect();
            assert_eq!(ids(&page.text), found, "{on:?}: {asked}");
        }
        // Nothing has died where nobody has published.
        let place = format!("/dead/{}?queue=", shop.server);
        let missing = shop.get(&format!("{place}ordres")).await;
        assert_eq!(missing.status, 404, "{on:?}: {}", missing.text);
    }
}

#[actix_web::test]
async fn a_letter_tells_why_it_died_and_hides_what_is_personal_unless_somebody_may_reveal() {
    for on in BOTH {
        let shop = shop(on, "letters-hidden").await;
        let all = ids(&shop.letters("").await.text);
        let place = |at: usize| format!("/convoke/dead/{}/letter?queue=orders&id={}", shop.server, all[at]);
        let page = shop.site.get(&place(0)).await;
        let (outer, inner) = (page.text.find("cannot bill the order"), page.text.find("the card was declined"));
        assert!(outer.is_some() && outer < inner, "{on:?}: {}", page.text);
        assert!(
            page.text.contains("no attempt is left") && page.text.contains("&#34;id&#34;: 1"),
            "{on:?}: {}",
            page.text
        );
        let hidden = shop.looks.get(&place(2)).await;
        assert!(!hidden.text.contains("ada@example.org"), "{on:?}: {}", hidden.text);
        assert!(hidden.text.contains("bytes of JSON with email)"), "{on:?}: {}", hidden.text);
        assert!(!hidden.text.contains("<form method=\"post\""), "{on:?}: who only looks is offered nothing");
        assert!(shop.site.get(&place(2)).await.text.contains("ada@example.org"), "{on:?}");
        let list = shop.looks.get(&format!("/convoke/dead/{}?queue=orders", shop.server)).await;
        assert!(!list.text.contains("ada@example.org") && !list.text.contains("<button type=\"submit\" name=\"do\""));
    }
}

#[actix_web::test]
async fn letters_go_back_in_the_order_in_which_they_died() {
    for on in BOTH {
        let shop = shop(on, "letters-redriven").await;
        let all = ids(&shop.letters("").await.text);
        let place = format!("/dead/{}/letters", shop.server);
        let some = [("queue", "orders"), ("do", "redrive-chosen"), ("id", &*all[0]), ("id", &*all[4])];
        let done = shop.post(&place, &some).await;
        assert_eq!(done.status, 303, "{on:?}: {}", done.text);
        assert_eq!(done.header("location"), Some(&*format!("/convoke/dead/{}?queue=orders", shop.server)));
        assert_eq!(ids(&shop.letters("").await.text), all[1..4], "{on:?}");
        assert_eq!(numbers(&shop.taken("orders").await), [1, 5], "{on:?}");
        // Of the rest those of an event, and then all.
        let of = [("queue", "orders"), ("do", "redrive-all"), ("event", "OrderPlaced")];
        assert_eq!(shop.post(&place, &of).await.status, 303, "{on:?}");
        assert_eq!(numbers(&shop.taken("orders").await), [2], "{on:?}");
        assert_eq!(shop.post(&place, &[("queue", "orders"), ("do", "redrive-all")]).await.status, 303, "{on:?}");
        let page = shop.letters("").await;
        assert!(ids(&page.text).is_empty() && page.text.contains("2 of 2 redriven"), "{on:?}: {}", page.text);
        assert_eq!(shop.taken("orders").await.len(), 2, "{on:?}");
    }
}

#[actix_web::test]
async fn what_is_deleted_is_asked_back_first() {
    for on in BOTH {
        let shop = shop(on, "letters-deleted").await;
        let all = ids(&shop.letters("").await.text);
        let place = format!("/dead/{}/letters", shop.server);
        let one = [("queue", "orders"), ("do", "discard-chosen"), ("id", &*all[1])];
        let asked = shop.post(&place, &one).await;
        assert_eq!(asked.status, 200, "{on:?}");
        assert!(asked.text.contains("1 letter of orders will be deleted for good."), "{on:?}: {}", asked.text);
        assert_eq!((asked.field("id"), asked.field("do")), (Some(&*all[1]), Some("discard-chosen")), "{on:?}");
        assert_eq!(ids(&shop.letters("").await.text).len(), 5, "{on:?}: nothing is deleted yet");
        let sure = [one[0], one[1], one[2], ("sure", asked.field("sure").unwrap())];
        assert_eq!(shop.post(&place, &sure).await.status, 303, "{on:?}");
        let left: Vec<String> = [&all[..1], &all[2..]].concat();
        assert_eq!(ids(&shop.letters("").await.text), left, "{on:?}");
        assert!(shop.taken("orders").await.is_empty(), "{on:?}");
    }
}

#[actix_web::test]
async fn what_makes_no_sense_changes_nothing_and_says_why() {
    for on in BOTH {
        let shop = shop(on, "letters-wrong").await;
        let place = format!("/dead/{}/letters", shop.server);
        for (fields, status) in [
            (vec![("queue", "orders"), ("do", "redrive-chosen")], 400),
            (vec![("queue", "orders"), ("do", "redrive-chosen"), ("id", "../x")], 400),
            (vec![("queue", "orders"), ("do", "burn"), ("id", "1")], 400),
            (vec![("do", "redrive-all")], 400),
        ] {
            assert_eq!(shop.post(&place, &fields).await.status.as_u16(), status, "{on:?}: {fields:?}");
        }
        assert_eq!(shop.post("/dead/none/letters", &[("queue", "orders"), ("do", "redrive-all")]).await.status, 404);
        for (path, status) in [
            (format!("/dead/{}", shop.server), 400),
            (format!("/dead/{}?queue=orders&after=a%20b", shop.server), 400),
            (format!("/dead/{}/letter?queue=orders&id=99999", shop.server), 404),
            (format!("/dead/{}?queue=orders-dead", shop.server), 400),
            (format!("/dead/{}/sweep?queue=orders", shop.server), 404),
            ("/dead/none?queue=orders".to_owned(), 404),
        ] {
            let page = shop.get(&path).await;
            assert_eq!(page.status.as_u16(), status, "{on:?}: {path}: {}", page.text);
            assert!(page.text.contains("<nav class=\"side\""), "{on:?}: {path}: one can go on from there");
        }
        let may_not = crate::common::sent(&format!("/convoke{place}"), &[("queue", "orders"), ("do", "redrive-all")]);
        assert_eq!(shop.looks.ask(may_not).await.status, 403, "{on:?}");
        assert_eq!(ids(&shop.letters("").await.text).len(), 5, "{on:?}");
    }
}
