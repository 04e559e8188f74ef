//! Without JavaScript: every page is whole, and what is written is done.

use serde_json::json;

use super::browser::Browser;
use super::places;
use super::stage::{SERVER, Stage};

#[actix_web::test]
async fn without_scripts_every_page_is_whole_and_a_write_is_done() {
    let stage = Stage::new().await;
    let Some(with) = Browser::open(&stage.site, true).await else { return };
    let Some(without) = Browser::open(&stage.site, false).await else { return };
    // Ages and what is counted each second are another at each look.
    let words = "return document.body.innerText.replace(/[0-9.]+ (ms|s|min|h|percent)\\b( ago| left)?|\\bnow\\b|[0-9]+(\\.[0-9]+)?/g, '#').split(/\\s+/)";
    for place in places::all(&with).await {
        with.go(&place.path).await;
        without.go(&place.path).await;
        assert_eq!(without.run("return typeof htmx").await, "undefined", "{}", place.path);
        let (whole, plain) = (with.run(words).await, without.run(words).await);
        assert_eq!(plain, whole, "{}", place.path);
    }
    // What is deleted is asked back.
    without.go(&format!("/convoke/dead/{SERVER}?queue=orders")).await;
    let letters = "return [...document.querySelectorAll('tbody th a')].map(a => a.innerText)";
    let before = without.run(letters).await;
    without.choose("tbody input[type=checkbox]").await;
    without.click("button[value=discard-chosen]").await;
    assert!(without.text().await.contains("1 letter of orders will be deleted for good."));
    without.click("button.danger").await;
    let left = without.run(letters).await;
    assert_eq!(left.as_array().unwrap()[..], before.as_array().unwrap()[1..]);
    // And in production whatever is written.
    without.go(&format!("/production/dead/{SERVER}?queue=orders")).await;
    without.click("button[value=redrive-all]").await;
    assert!(without.text().await.contains("This is production."));
    without.click("button.danger").await;
    without.go(&format!("/production/dead/{SERVER}?queue=orders")).await;
    assert_eq!(without.run(letters).await, json!([]));
    without.is_quiet("without scripts").await;
    without.close().await;
    with.close().await;
    stage.end().await;
}
