//! From the overview to every page by links and keys alone; what is shown changes by itself, and what is written is done.

use std::time::{Duration, Instant};

use actix_web::rt::time::sleep;
use fantoccini::key::Key;
use serde_json::json;

use super::browser::Browser;
use super::places;
use super::stage::{OrderPlaced, SERVER, Stage, event};

/// Goes on by the tabulator to the link that has this in it, and follows it.
async fn follow(browser: &Browser, part: &str) {
    let is_it = format!("it.matches('a[href]') && it.getAttribute('href').includes({})", json!(part));
    browser.tab_to(part, &is_it).await;
    browser.leave_by(Key::Enter).await;
    assert!(browser.place().await.contains(part), "{part}");
    assert_ne!(browser.run("return document.querySelector('h1').innerText").await, "");
}

/// Skips what is on every page.
async fn skip(browser: &Browser) {
    browser.tab_to("the link that skips", "it.matches('.skip')").await;
    browser.press(Key::Enter).await;
    browser.until("what was skipped is behind", "document.activeElement.id === 'main'").await;
}

#[actix_web::test]
async fn every_page_is_reached_by_links_and_keys_and_nothing_is_asked_of_anybody_else() {
    let begun = Instant::now();
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    browser.look_by(1280, false).await;
    browser.go("/convoke/").await;
    let text = browser.text().await;
    assert!(text.contains("5 dead letters in orders") && text.contains("1 job failed for good"), "{text}");
    let mut seen = vec!["/convoke/".to_owned()];
    for (place, behind) in [
        ("/convoke/queues", vec![]),
        ("/convoke/dead", vec!["queue=orders", "/letter?"]),
        ("/convoke/tasks", vec!["/tasks/", "/job?"]),
        ("/convoke/durable", vec!["broker=approvals", "/round?"]),
        ("/convoke/store", vec!["store=orders", "/record?"]),
        ("/convoke/services", vec!["name=billing"]),
        ("/convoke/events", vec!["/events/dead?"]),
        ("/convoke/events", vec!["/events/last?"]),
        ("/convoke/rounds", vec!["name=orders"]),
        ("/convoke/schemas", vec!["name=OrderPlaced"]),
    ] {
        browser.run("document.activeElement.blur()").await;
        follow(&browser, place).await;
        assert_eq!(browser.place().await, place);
        let here = browser.run("return document.querySelector('.side [aria-current]').getAttribute('href')").await;
        assert_eq!(here, place);
        seen.push(place.to_owned());
        for part in behind {
            skip(&browser).await;
            follow(&browser, part).await;
            seen.push(browser.place().await.trim_end_matches("#main").to_owned());
        }
        browser.is_quiet(place).await;
    }
    for place in places::lists() {
        let path = place.path.split('?').next().unwrap();
        assert!(seen.iter().any(|seen| seen.starts_with(path)), "nobody came to {path}: {seen:#?}");
    }
    println!("figure: {} pages by links and keys in {:.1} s", seen.len(), begun.elapsed().as_secs_f64());
    browser.close().await;
    stage.end().await;
}

#[actix_web::test]
async fn a_page_follows_what_it_shows_and_leaves_the_focus_and_its_boxes_where_they_are() {
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    browser.look_by(320, false).await;
    browser.go("/convoke/queues").await;
    browser.run("window.isThis = true").await;
    let waiting = "[...document.querySelectorAll('tbody tr')].find(row => row.cells[0].innerText === 'orders').cells[1].innerText";
    browser.until("three orders wait", &format!("{waiting} === '3'")).await;
    skip(&browser).await;
    browser
        .tab_to("the letters of orders", "it.matches('td a') && it.getAttribute('href').includes('queue=orders')")
        .await;
    let at = "document.querySelector('.wide').scrollLeft";
    let scrolled = browser.run(&format!("return {at}")).await;
    assert!(scrolled.as_f64().unwrap() > 0.0, "what has the focus is in sight: {scrolled}");
    stage.publish("orders", &[event(14, "OrderPlaced", json!({ "id": 14 }), false)]).await;
    browser.until("four orders wait", &format!("{waiting} === '4'")).await;
    // Ages change each second, and the page with them.
    sleep(Duration::from_millis(2_500)).await;
    let focus = browser.run("return document.activeElement.getAttribute('href')").await;
    assert!(focus.as_str().is_some_and(|link| link.contains("queue=orders")), "the focus is on {focus}");
    assert_eq!(browser.run(&format!("return {at}")).await, scrolled, "the box has not moved");
    assert_eq!(browser.run("return window.isThis").await, true, "it was not loaded anew");
    browser.leave_by(Key::Enter).await;
    assert!(browser.place().await.contains(&format!("/dead/{SERVER}?queue=orders")));

    browser.go("/convoke/events/last?bus=shop").await;
    browser.until("the stream is open", "window.htmx && document.querySelector('#last')").await;
    sleep(Duration::from_millis(300)).await;
    stage.bus.publish(OrderPlaced { id: 77, total: 770 }).unwrap();
    browser.until("it has passed", "document.querySelector('#last').innerText.includes('770')").await;
    browser.is_quiet("what is live").await;
    browser.close().await;
    stage.end().await;
}

#[actix_web::test]
async fn what_is_said_aloud_is_said_once_while_it_stays() {
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    browser.go("/convoke/queues").await;
    let is_whole =
        "document.querySelector('section [role=alert]') && document.querySelectorAll('svg.spark').length > 1";
    browser.until("one server is away, and queues have a line", is_whole).await;
    // Whoever reads a page aloud says what comes into a region; what was there before is no news.
    browser
        .run(
            "window.come = []; window.changes = 0; window.old = document.querySelector('section [role=alert]');
             new MutationObserver(all => {
                 for (const one of all) {
                     window.changes += 1;
                     for (const node of one.addedNodes) if (node.nodeType === 1) window.come.push(node.outerHTML);
                 }
             }).observe(document.querySelector('main'), { childList: true, subtree: true, characterData: true })",
        )
        .await;
    stage.publish("orders", &[event(14, "OrderPlaced", json!({ "id": 14 }), false)]).await;
    browser.until("it has changed", "window.changes > 0").await;
    let come = browser.run("return [window.come, window.old.isConnected]").await;
    assert_eq!(come, json!([[], true]));
    browser.close().await;
    stage.end().await;
}

#[actix_web::test]
async fn a_letter_is_redriven_and_a_round_is_aborted_by_keys() {
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    browser.go(&format!("/convoke/dead/{SERVER}?queue=orders")).await;
    let letters = "[...document.querySelectorAll('tbody th a')].map(a => a.innerText)";
    let before = browser.run(&format!("return {letters}")).await;
    skip(&browser).await;
    follow(&browser, "/letter?").await;
    let text = browser.text().await;
    assert!(text.contains("cannot bill the order") && text.contains("the card was declined"), "{text}");
    browser.run("document.querySelector('#main').focus()").await;
    browser.tab_to("redrive", "it.value === 'redrive-chosen'").await;
    browser.leave_by(Key::Enter).await;
    let after = browser.run(&format!("return {letters}")).await;
    assert_eq!(after.as_array().unwrap()[..], before.as_array().unwrap()[1..], "the first has gone");
    browser.go("/convoke/queues").await;
    browser.until("it waits with the three", "document.body.innerText.match(/orders\\s+4\\s/)").await;

    browser.go(&format!("/convoke/durable/{SERVER}?broker=approvals")).await;
    skip(&browser).await;
    follow(&browser, "/round?").await;
    browser.until("it waits", "document.body.innerText.includes('have not kept the promise')").await;
    browser.tab_to("why", "it.name === 'reason'").await;
    browser.type_in("the contract was withdrawn").await;
    browser.tab_to("abort", "it.innerText === 'Abort…'").await;
    browser.leave_by(Key::Enter).await;
    browser.until("it asks", "document.body.innerText.includes('Are you sure?')").await;
    browser.tab_to("sure", "it.innerText === 'Abort'").await;
    browser.leave_by(Key::Enter).await;
    browser
        .until("it is over", "document.querySelector('#round').innerText.includes('the contract was withdrawn')")
        .await;
    assert!(browser.text().await.contains("cancelled"));
    browser.is_quiet("what was written").await;
    browser.close().await;
    stage.end().await;
}
