//! What the first page weighs, with all that it loads.

use serde_json::Value;

use super::browser::Browser;
use super::stage::Stage;

/// As many bytes may come over the wire, heads and all.
const MOST: u64 = 150 * 1024;

#[actix_web::test]
async fn the_first_page_and_all_that_it_loads_are_at_most_150_kib() {
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    browser.go("/convoke/").await;
    browser.until("all is loaded", "window.htmx && performance.getEntriesByType('resource').length >= 3").await;
    let script = "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
        .map(it => [it.name, it.transferSize])";
    let Value::Array(all) = browser.run(script).await else { panic!("no list of what was loaded") };
    let mut sum = 0;
    let mut told = Vec::new();
    for entry in &all {
        let (name, size) = (entry[0].as_str().unwrap(), entry[1].as_u64().unwrap());
        // The stream has no end, and tells no size before that.
        if !name.contains("/live?") {
            assert!(size > 0, "{name} came from a cache");
            told.push(format!("{size} {}", name.rsplit('/').next().unwrap()));
        }
        sum += size;
    }
    println!("figure: the first page weighs {sum} bytes in {} requests: {}", told.len(), told.join(", "));
    assert!(sum <= MOST, "{sum} bytes: {told:?}");
    // The next one has them already.
    browser.go("/convoke/queues").await;
    let again = browser.run(script).await;
    let again: u64 = again.as_array().unwrap()[1..].iter().map(|it| it[1].as_u64().unwrap()).sum();
    assert_eq!(again, 0, "what goes with every page is kept");
    browser.close().await;
    stage.end().await;
}
