//! Names, keys, errors and payloads that mean no good, through every page: the pages have the same elements as with harmless ones.

use std::time::Duration;

use convoke::prelude::*;
use convoke::transport::{DeadReason, Packet};
use serde_json::json;

use super::shop::{On, Shop, between, dead};
use crate::jobs::Told;

/// What breaks out, hides or turns.
const BASES: [&str; 25] = [
    "<script>alert(1)</script>",
    "</script><script src=//evil.example/x.js></script>",
    "\"><img src=x onerror=alert(1)>",
    "'><svg onload=alert(1)>",
    "\" onmouseover=\"alert(1)",
    "' onfocus='alert(1)' autofocus='",
    "</title><h1>x",
    "</textarea><b>",
    "</pre></main></body></html>",
    "<!--",
    "--><b>",
    "<![CDATA[x]]>",
    "<style>*{display:none}</style>",
    "</section><section id=\"wrong\" data-live sse-swap=\"wrong\">",
    "<a href=\"javascript:alert(1)\">x</a>",
    "javascript:alert(1)",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#60;b&#62;&amp;",
    "a&b=c#d?e%3Cb%3E",
    "\u{202e}evil\u{2066}\u{200f}",
    "\u{1b}[2J\u{7}\u{9b}31m\r\n\t",
    "\u{0}\u{8}\u{7f}\u{85}\u{2028}\u{feff}",
    "</g></svg><circle r=\"9\"/>",
    "../../../etc/passwd%00",
];

/// Two hundred of them: each by itself, within others, long, and in both cases.
fn hostile() -> Vec<String> {
    let each = |base: &&str| {
        [
            (*base).to_owned(),
            format!("a{base}"),
            format!("{base}{base}"),
            format!("x{base}y\""),
            base.to_uppercase(),
            format!("{base}'\"<>&"),
            format!("{}{base}", "x".repeat(70)),
            format!("{base}{}", "long ".repeat(2_000)),
        ]
    };
    BASES.iter().flat_map(each).collect()
}

/// A letter, a job, a round and a record of each.
async fn filled(name: &str, texts: &[String]) -> Shop {
    let shop = Shop::new(On::Sqlite, name).await;
    let db = shop.sqlite.as_ref().unwrap();
    shop.publish("orders", &[]).await;
    let letter = |text: &String| {
        let mut packet =
            Packet::new(text.clone(), json!({"text": text, "password": "geheim", text.as_str(): 1}).to_string());
        (packet.topic, packet.key) = (text.clone(), Some(text.clone()));
        packet.attributes.insert("eventName", text.as_str());
        packet.attributes.insert("note", text.as_str());
        dead(&packet, DeadReason::Permanent, &[text, text])
    };
    shop.publish("orders-dead", &texts.iter().map(letter).collect::<Vec<_>>()).await;
    let tasks = db.tasks().await.unwrap();
    for text in texts {
        let id = tasks.enqueue(Told { text: text.clone() }).await.unwrap().into_job().id().number();
        let all = "UPDATE convoke_job SET task = ?1, queue = ?1, text = ?1, note = ?1, state = 3, attempt = 2, at = 4102444800000 WHERE id = ?2";
        sqlx::query(all).bind(text).bind(id).execute(db.pool()).await.unwrap();
        let step = "INSERT INTO convoke_job_step (job, name, result) VALUES (?1, ?2, ?3)";
        let result = json!({ "text": text }).to_string();
        sqlx::query(step).bind(id).bind(text).bind(result).execute(db.pool()).await.unwrap();
    }
    let orders = db.store("orders").await.unwrap();
    orders
        .append_all(texts.iter().map(|text| convoke::JsonEvent::new("any/topic", json!({"text": text}))))
        .await
        .unwrap();
    for text in texts.iter().filter(|text| text.len() < 200) {
        let broker = Broker::<String>::new(Duration::from_secs(3600)).expects([text.as_str(), "other"]);
        let Ok(broker) = broker.durable(db, text.as_str()).aborted_by([text.as_str()]).await else { continue };
        if let Ok(party) = Emitter::join(&broker, text.as_str()).await {
            let _ = party.emit_for(text.as_str(), "yes".to_owned()).committed().await;
            let _ = party.emit_for(7, "yes".to_owned()).committed().await;
            let _ = broker.abort(7, text.as_str()).by(text.as_str()).await;
        }
    }
    shop
}

/// The elements of a page with the names of their attributes, in their order; and its text is looked at meanwhile.
fn elements(path: &str, page: &str) -> Vec<String> {
    let mut elements = Vec::new();
    let mut rest = page;
    while let Some((text, after)) = rest.split_once('<') {
        // What is shown turns nothing, and no script is there but ours.
        let steers = |letter: char| {
            letter != '\n' && letter.is_control()
                || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        assert!(!text.chars().any(steers), "{path}: {text:?}");
        // To the end of the tag, which no value of an attribute has in it: quotes are closed first.
        let (mut quote, mut end) = (None, after.len());
        for (at, letter) in after.char_indices() {
            match (quote, letter) {
                (None, '>') => {
                    end = at;
                    break;
                }
                (None, '"' | '\'') => quote = Some(letter),
                (Some(open), close) if open == close => quote = None,
                _ => {}
            }
        }
        let tag = &after[..end];
        let mut bare = String::new();
        let mut quote = None;
        for letter in tag.chars() {
            match (quote, letter) {
                (None, '"' | '\'') => quote = Some(letter),
                (Some(open), close) if open == close => quote = None,
                (None, letter) => bare.push(letter),
                _ => {}
            }
        }
        for link in between(tag, "href=\"", "\"").into_iter().chain(between(tag, "action=\"", "\"")) {
            assert!(link.starts_with("/convoke") || link == "#main", "{path}: {link}");
        }
        elements.push(bare);
        rest = &after[(end + 1).min(after.len())..];
    }
    elements
}

/// What is asked of every page that lists, and of each thing on it.
fn lists(shop: &Shop) -> Vec<String> {
    let server = &shop.server;
    vec![
        "/".into(),
        "/queues".into(),
        "/dead".into(),
        format!("/dead/{server}?queue=orders"),
        "/tasks".into(),
        format!("/tasks/{server}"),
        "/durable".into(),
        "/store".into(),
        format!("/store/{server}?store=orders"),
    ]
}

#[actix_web::test]
async fn two_hundred_hostile_texts_add_no_element_to_any_page() {
    let hostile = hostile();
    assert_eq!(hostile.len(), 200);
    // As long as they are, and as many.
    let harmless: Vec<String> = (0..200).map(|number| format!("harmless {number}")).collect();
    let (bad, good) = (filled("hostile-bad", &hostile).await, filled("hostile-good", &harmless).await);
    for path in lists(&bad) {
        let (bad, good) = (bad.get(&path).await, good.get(&path).await);
        assert_eq!(bad.status, 200, "{path}");
        assert_eq!(good.status, 200, "{path}");
        let (bad, good) = (elements(&path, &bad.text), elements(&path, &good.text));
        // Which brokers there are depends on which names are valid.
        if path != "/durable" && path != "/" {
            assert_eq!(bad, good, "{path}");
        }
        let known: std::collections::BTreeSet<&String> = good.iter().collect();
        let strange: Vec<&String> = bad.iter().filter(|element| !known.contains(element)).collect();
        assert!(strange.is_empty() || path == "/durable" || path == "/", "{path}: {strange:?}");
    }
    // Each letter, job, round and record by itself, as who may reveal sees it and as another does.
    let mut seen = 0;
    for list in lists(&bad).into_iter().chain([format!("/dead/{}?queue=orders&after=100", bad.server)]) {
        let pages = [bad.get(&list).await.text, good.get(&list).await.text];
        let links = pages.each_ref().map(|page| {
            let all = between(page, "href=\"/convoke", "\"").into_iter().map(|link| link.replace("&#38;", "&"));
            all.filter(|link| ["/letter?", "/job?", "/record?", "?broker="].iter().any(|of| link.contains(of)))
                .collect::<Vec<_>>()
        });
        let Some(harmless) = links[1].first() else { continue };
        let expected = elements(harmless, &good.get(harmless).await.text);
        let known: std::collections::BTreeSet<String> = expected.into_iter().collect();
        for link in &links[0] {
            for site in [&bad.site, &bad.looks] {
                let page = site.get(&format!("/convoke{link}")).await;
                assert_eq!(page.status, 200, "{link}: {}", page.text);
                for element in elements(link, &page.text) {
                    assert!(known.contains(&element), "{link}: <{element}> in {}", page.text);
                }
                assert!(!page.text.contains("geheim"), "{link}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 2 * 400, "{seen}");
}

#[actix_web::test]
async fn what_is_asked_for_is_repeated_as_text_alone() {
    let shop = Shop::new(On::Sqlite, "hostile-asked").await;
    shop.publish("orders", &[]).await;
    let server = shop.server.clone();
    let pages = |text: &str| {
        vec![
            format!("/queues?name={text}"),
            format!("/dead/{server}?queue={text}"),
            format!("/dead/{server}?queue=orders&event={text}&key={text}&reason={text}&error={text}&after={text}"),
            format!("/dead/{server}?queue=orders&event={text}&key={text}&reason={text}&error={text}"),
            format!("/dead/{server}/letter?queue={text}&id=1"),
            format!("/dead/{server}/sweep?queue={text}"),
            format!("/dead/{text}?queue=orders"),
            format!("/tasks/{server}?state=&task={text}"),
            format!("/tasks/{server}?state={text}&task={text}&behind={text}"),
            format!("/tasks/{server}/job?id={text}"),
            format!("/durable/{server}?broker={text}&key={text}&behind={text}"),
            format!("/durable/{server}?broker={text}"),
            format!("/durable/{server}/round?broker={text}&round=1"),
            format!("/store/{server}?store={text}&topic={text}&entity={text}&about={text}&until={text}"),
            format!("/store/{server}/record?store={text}&at={text}"),
        ]
    };
    for text in hostile().into_iter().filter(|text| text.len() < 1_000) {
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for (path, plain) in pages(&encoded).into_iter().zip(pages("plain")) {
            let (page, plain) = (shop.get(&path).await, shop.get(&plain).await);
            assert!(page.status.as_u16() < 500, "{path}: {}", page.text);
            let known: std::collections::BTreeSet<String> = elements(&path, &plain.text).into_iter().collect();
            // A page of another status has elements of its own.
            if page.status == plain.status {
                for element in elements(&path, &page.text) {
                    assert!(known.contains(&element), "{path}: <{element}> in {}", page.text);
                }
            } else {
                assert!(
                    !page.text.contains("<script>") && !page.text.contains("<img") && !page.text.contains("<svg o"),
                    "{path}"
                );
                elements(&path, &page.text);
            }
        }
        // What is written is answered by a link that says what was meant, or a page.
        let fields = [("queue", &*text), ("do", "redrive-all"), ("event", &*text), ("key", &*text)];
        let answer = shop.post(&format!("/dead/{server}/letters"), &fields).await;
        if let Some(place) = answer.header("location") {
            assert!(
                place.starts_with("/convoke/dead/") && place.bytes().all(|byte| byte.is_ascii_graphic()),
                "{place}"
            );
        }
        elements("redrive", &answer.text);
    }
}
