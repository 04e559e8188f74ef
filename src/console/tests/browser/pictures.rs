//! The pages as pictures, for who would see the console before it is built: made anew where `CONVOKE_PICTURES` is set.

use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use actix_web::rt::time::sleep;
use serde_json::json;

use super::browser::Browser;
use super::places;
use super::stage::{Stage, event};

/// Those that are kept.
const KEPT: [&str; 14] = [
    "overview",
    "queues",
    "letters",
    "letter",
    "jobs",
    "job",
    "open-rounds",
    "round",
    "records",
    "services",
    "service",
    "events",
    "rounds",
    "schema",
];

/// As many bytes may they have together.
const MOST: usize = 700 * 1024;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pictures")
}

/// The bytes of a text in base64.
fn bytes(text: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let letters: Vec<u32> = text.bytes().filter(|letter| *letter != b'=').map(|letter| value(letter).into()).collect();
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3);
    for four in letters.chunks(4) {
        let whole = four.iter().fold(0, |whole, letter| whole << 6 | letter) << (6 * (4 - four.len()));
        bytes.extend_from_slice(&whole.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// What another run would show otherwise: seconds, and a folder that goes with its test.
const SETTLED: &str = "const jobs = [...new Set(document.body.innerText.match(/\\b17[0-9]{14}\\b/g) || [])].sort();
    const all = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let at = all.nextNode(); at; at = all.nextNode())
        at.data = at.data.replace(/\\b17[0-9]{14}\\b/g, id => 1767323045000000 + jobs.indexOf(id)).replace(/[^ :]*\\/\\.tmp[^/]*\\//g, '/var/lib/shop/').replace(/\\b[0-9]+ s ago/g, '4 s ago').replace(/\\b[0-9]+ s old/g, '0 s old').replace(/\\b(open for) [0-9.]+ s/g, '$1 4 s').replace(/\\b(due for) [0-9]+ s/g, '$1 4 s')";

/// Where the last of what is there ends.
const HIGH: &str =
    "const all = [...document.querySelectorAll('main > *, .side > *')].map(it => it.getBoundingClientRect().bottom);
    return Math.min(900, Math.max(...all) + 24)";

/// Makes a picture of what is there, no higher than a window and no lower than the page.
async fn picture(browser: &Browser, name: &str) -> usize {
    browser.run(SETTLED).await;
    let high = browser.run(HIGH).await;
    let clip = json!({ "x": 0, "y": 0, "width": 1280, "height": high.as_f64().unwrap().ceil(), "scale": 1 });
    let made = browser.ask("Page.captureScreenshot", json!({ "format": "webp", "quality": 70, "clip": clip })).await;
    let picture = bytes(made["data"].as_str().unwrap());
    fs::write(folder().join(format!("{name}.webp")), &picture).unwrap();
    picture.len()
}

#[actix_web::test]
async fn the_pictures_of_the_pages_are_there_and_small() {
    if env::var_os("CONVOKE_PICTURES").is_some() {
        let stage = Stage::new().await;
        let Some(browser) = Browser::open(&stage.site, true).await else { return };
        fs::create_dir_all(folder()).unwrap();
        // A queue has a line once somebody has looked for a while.
        browser.go("/convoke/queues").await;
        for number in 20..24 {
            stage.publish("orders", &[event(number, "OrderPlaced", json!({ "id": number }), false)]).await;
            sleep(Duration::from_millis(1_100)).await;
        }
        // What is on a picture stays, and is followed by nobody.
        let places = places::all(&browser).await;
        browser.ask("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
        for place in places.iter().filter(|place| KEPT.contains(&place.name)) {
            browser.look_by(1280, false).await;
            browser.go(&place.path).await;
            picture(&browser, place.name).await;
            if place.name == "overview" {
                browser.look_by(1280, true).await;
                picture(&browser, "overview-dark").await;
            }
        }
        browser.close().await;
        stage.end().await;
    }
    // Each is shown where they are, and no other is there.
    let page = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut sum = 0;
    for name in KEPT.into_iter().chain(["overview-dark"]) {
        let path = folder().join(format!("{name}.webp"));
        let picture = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(picture.starts_with(b"RIFF") && &picture[8..12] == b"WEBP", "{name}");
        assert!(page.contains(&format!("({name}.webp)")), "{name} is not shown");
        sum += picture.len();
    }
    assert_eq!(fs::read_dir(folder()).unwrap().count(), KEPT.len() + 2, "those, and the page");
    println!("figure: {} pictures of {sum} bytes", KEPT.len() + 1);
    assert!(sum <= MOST, "{sum}");
}

#[test]
fn what_a_browser_sends_is_read() {
    for (text, wanted) in [
        ("", &b""[..]),
        ("Zg==", b"f"),
        ("Zm8=", b"fo"),
        ("Zm9v", b"foo"),
        ("Zm9vYmE=", b"fooba"),
        ("//79", b"\xff\xfe\xfd"),
    ] {
        assert_eq!(bytes(text), wanted, "{text}");
    }
}
