//! Every page in light and dark and by windows of three widths: what an accessibility checker has against it, whether it is no wider than
//! the window, and whether one sees what has the focus.

use std::env;

use fantoccini::key::Key;
use serde_json::{Value, json};

use super::browser::Browser;
use super::places::{self, Place};
use super::stage::{SERVER, Stage};

const AXE: &str = include_str!("axe.min.js");

/// What it finds that keeps somebody from using the page, or makes it hard: each by its rule and where it is.
const CHECK: &str = "const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations
        .filter(it => it.impact === 'serious' || it.impact === 'critical')
        .map(it => [it.id, it.help, it.nodes.map(node => node.target.join(' ') + ': ' + node.html.slice(0, 200) + ': ' + node.failureSummary)])),
        error => done(String(error)))";

/// How much wider it is than the window, and what sticks out that is in no box of its own.
const WIDER: &str = "const wide = document.documentElement.scrollWidth - innerWidth;
    if (wide <= 0) return null;
    const boxed = it => { for (let up = it; up; up = up.parentElement) if (getComputedStyle(up).overflowX !== 'visible') return true; return false };
    return [wide, [...document.body.querySelectorAll('*')].filter(it => it.getBoundingClientRect().right > innerWidth + 1 && !boxed(it))
        .map(it => it.outerHTML.slice(0, 160)).slice(0, 5)]";

/// What one can go to by keys, and of which nobody would see that it has the focus.
const UNSEEN: &str = "const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary, [tabindex]')]
        .filter(it => it.id !== 'main' && it.getClientRects().length > 0);
    return all.filter(it => {
        it.focus();
        const style = getComputedStyle(it), box = it.getBoundingClientRect();
        const isRinged = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 && style.outlineColor !== 'rgba(0, 0, 0, 0)';
        return document.activeElement !== it || !it.matches(':focus-visible') || !isRinged || box.width === 0 || box.right <= 0 || box.left >= innerWidth;
    }).map(it => it.outerHTML.slice(0, 160))";

/// Which widths and themes: each width and each theme in every run, and all of both under `--full`.
fn looks() -> Vec<(u32, bool)> {
    let all = [(1280, false), (320, true), (768, false), (1280, true), (320, false), (768, true)];
    all[..if env::var_os("CONVOKE_FULL").is_some() { 6 } else { 2 }].to_vec()
}

async fn check(browser: &Browser, what: &str) -> Vec<String> {
    browser.run(AXE).await;
    let found = browser.run_until_called(CHECK).await;
    let Value::Array(found) = found else { panic!("{what}: {found}") };
    found.into_iter().map(|it| format!("{what}: {}", serde_json::to_string_pretty(&it).unwrap())).collect()
}

#[actix_web::test]
async fn every_page_is_for_everybody_and_fits_whatever_one_looks_by() {
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    let mut places = places::all(&browser).await;
    places.push(Place { name: "overview of production", path: "/production/".to_owned() });
    let (mut faults, mut count) = (Vec::new(), 0);
    for place in &places {
        browser.go(&place.path).await;
        for (width, is_dark) in [(320, false), (768, true), (1280, false), (320, true), (768, false), (1280, true)] {
            let what = format!("{} by {width}, {}", place.path, if is_dark { "dark" } else { "light" });
            browser.look_by(width, is_dark).await;
            let wider = browser.run(WIDER).await;
            if !wider.is_null() {
                faults.push(format!("{what}: it is wider than the window: {wider}"));
            }
            if looks().contains(&(width, is_dark)) {
                faults.extend(check(&browser, &what).await);
                count += 1;
            }
        }
        for width in [320, 1280] {
            browser.look_by(width, false).await;
            // What has the focus by a script is shown as such behind a key.
            browser.press(Key::Down).await;
            let unseen = browser.run(UNSEEN).await;
            if unseen != json!([]) {
                faults.push(format!("{} by {width}: nobody sees that these have the focus: {unseen}", place.path));
            }
        }
    }
    println!("figure: {} pages, {count} times looked at by axe: {} faults", places.len(), faults.len());
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    browser.is_quiet("looks").await;
    browser.close().await;
    stage.end().await;
}

#[actix_web::test]
async fn a_page_that_asks_back_is_for_everybody_too() {
    let stage = Stage::new().await;
    let Some(browser) = Browser::open(&stage.site, true).await else { return };
    let mut faults = Vec::new();
    let places = places::all(&browser).await;
    let job = &places.iter().find(|place| place.name == "job").unwrap().path.replace("/convoke", "/production");
    let letters = format!("/dead/{SERVER}?queue=orders");
    for (path, button) in [
        (format!("/convoke{letters}"), "button[value=discard-all]"),
        (format!("/production{letters}"), "button[value=redrive-all]"),
        (job.clone(), "form.actions button"),
    ] {
        browser.go(&path).await;
        browser.click(button).await;
        assert!(browser.text().await.contains("Are you sure?"));
        // Nothing on it changes, also where the page that has sent it is followed.
        assert_eq!(browser.run("return document.querySelector('[sse-connect]')").await, Value::Null, "{path}");
        for (width, is_dark) in [(1280, false), (320, true)] {
            browser.look_by(width, is_dark).await;
            let what = format!("{path}, {button} by {width}");
            faults.extend(check(&browser, &what).await);
            let wider = browser.run(WIDER).await;
            assert!(wider.is_null(), "{what}: {wider}");
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    browser.close().await;
    stage.end().await;
}
