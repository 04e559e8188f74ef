//! Texts that mean no good, through every page of a browser: nothing of them runs, no element is there that a template does not have, nobody
//! elsewhere is asked for anything, and no page becomes wider than its window.

use std::any::Any;
use std::collections::BTreeSet;
use std::env;
use std::time::{Duration, Instant};

use actix::prelude::*;
use actix_web::rt::spawn;
use convoke::prelude::*;
use convoke::transport::{DeadReason, Packet, SqliteDatabase};
use convoke::{Services, Supervisor};
use convoke_console::Shown;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::browser::Browser;
use super::stage::{SERVER, Stage, database, dead, publish};
use super::texts::texts;
use crate::jobs::Told;

/// How many texts there are, how many of them are on the pages of one application, and of how many on a list one is looked at by itself.
fn sizes() -> (usize, usize, usize) {
    if env::var_os("CONVOKE_FULL").is_some() { (10_000, 1_000, 50) } else { (250, 250, 20) }
}

/// As many listeners of one topic are shown.
const HEARD: usize = 50;

#[derive(Event, Serialize, Deserialize)]
#[event(topic = "any/placed")]
struct Placed {
    note: String,
}

#[derive(BaseService)]
#[service(on(Placed))]
struct Named;

impl Handler<Heard<Placed>> for Named {
    type Result = Handled;

    fn handle(&mut self, _: Heard<Placed>, _: &mut Context<Self>) -> Handled {
        Ok(())
    }
}

/// Letters, jobs, rounds and records, one of each text.
async fn keep(db: &SqliteDatabase, texts: &[String]) {
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
    let records =
        texts.iter().map(|text| convoke::JsonEvent::new("any/topic", json!({ "text": text, text.as_str(): 1 })));
    orders.append_all(records).await.unwrap();
    let parties: Vec<&str> = texts.iter().map(String::as_str).filter(|text| text.len() < 100).take(6).collect();
    let broker = Broker::<String>::new(Duration::from_secs(3600)).expects(parties.iter().copied());
    let broker = broker.durable(db, "approvals").await.unwrap();
    let party = Emitter::join(&broker, parties[0]).await.unwrap();
    for (number, text) in texts.iter().filter(|text| text.len() < 400).enumerate() {
        // Some are no key.
        if party.emit_for(text.as_str(), text.clone()).committed().await.is_ok() && number % 4 == 0 {
            drop(broker.abort(text.as_str(), text.as_str()).await);
        }
    }
}

/// Buses, services and a broker whose names, keys and errors are these texts.
async fn live(texts: &[String], kept: &mut Vec<Box<dyn Any>>) -> (Shown, EventBus) {
    let mut shown = Shown::new(&*texts[0]);
    let bus = EventBus::builder().publisher("first").build();
    kept.push(Box::new(bus.on((|placed: &Placed| Err::<(), _>(placed.note.clone())).named("fails")).unwrap()));
    shown = shown.bus(&bus);
    for some in texts.chunks(HEARD) {
        let other = EventBus::builder().publisher(&*some[0]).build();
        for text in some {
            kept.push(Box::new(other.on_topic("any/other", (|_: &JsonEvent| ()).named(text.clone())).unwrap()));
        }
        shown = shown.bus(&other);
    }
    let named = EventBus::default();
    let mut all = Supervisor::one_for_one(&named, format!("supervisor {}", texts[1]));
    let mut names = BTreeSet::new();
    for text in texts.iter().filter(|text| text.len() < 1_000 && names.insert((*text).clone())).take(100) {
        all = all.add(Named::supervised(&named, |_| Named).named(text.clone()));
    }
    let services = Services::new(&named).add(all).await.unwrap();
    shown = shown.services(&services);
    let broker =
        Broker::<u32>::new(Duration::from_secs(3600)).expects(texts.iter().take(30).map(String::as_str)).start();
    let party = Emitter::join(&broker, &*texts[0]).await.unwrap();
    for text in texts.iter().take(100) {
        drop(spawn(party.emit_for(text.as_str(), 1)));
    }
    for text in texts.iter().skip(100).take(100) {
        drop(spawn(party.emit_for(text.as_str(), 1)));
        tokio::task::yield_now().await;
        drop(broker.abort_for(text.as_str(), text.as_str()).await);
    }
    shown = shown.broker(&texts[2], &broker);
    kept.push(Box::new((services, broker, party)));
    (shown, bus)
}

async fn stage(texts: &[String]) -> Stage {
    let (folder, db, address) = database().await;
    publish(&address, "orders", &[]).await;
    let letter = |text: &String| {
        let body =
            json!({ "metadata": { "containsPersonalData": false }, "text": text, text.as_str(): [text] }).to_string();
        let mut packet = Packet::new(text.clone(), body);
        (packet.topic, packet.key) = (text.clone(), Some(text.clone()));
        packet.attributes.insert("eventName", text.as_str());
        packet.attributes.insert("note", text.as_str());
        dead(&packet, DeadReason::Permanent, &[text, text])
    };
    publish(&address, "orders-dead", &texts.iter().map(letter).collect::<Vec<_>>()).await;
    keep(&db, texts).await;
    let mut kept = Vec::new();
    let (shown, bus) = live(texts, &mut kept).await;
    for text in texts {
        bus.publish(Placed { note: text.clone() }).unwrap();
    }
    bus.drain().await;
    Stage::serve(shown.at(address.clone()), bus, address, folder, kept)
}

/// What a page is made of, and what has become of it.
const MADE_OF: &str = "const all = new Set();
    for (const it of document.querySelectorAll('*'))
        all.add(it.localName + ' ' + [...it.attributes].map(one => one.name).sort().join(' '));
    return { ran: window.ran === undefined ? null : String(window.ran), made: [...all],
        strange: [...document.querySelectorAll('iframe, object, embed, base, style, img, video, audio, math, template, frame, foreignObject, [style], [srcdoc]')]
            .map(it => it.outerHTML.slice(0, 200)),
        scripts: [...document.scripts].filter(it => !it.src.startsWith(location.origin + '/')).length,
        wide: document.documentElement.scrollWidth - innerWidth, title: document.title.length }";

/// Looks at a page by a narrow window and a wide one; returns what it is made of.
async fn look(browser: &Browser, path: &str) -> BTreeSet<String> {
    browser.go(path).await;
    let mut made = BTreeSet::new();
    for width in [320, 1280] {
        browser.look_by(width, false).await;
        let found = browser.run(MADE_OF).await;
        assert_eq!(
            (&found["ran"], &found["strange"], &found["scripts"]),
            (&Value::Null, &json!([]), &json!(0)),
            "{path}"
        );
        if found["wide"].as_f64().unwrap() > 0.0 {
            let wide = "return [...document.body.querySelectorAll('*')].filter(it => it.getBoundingClientRect().right > innerWidth + 1)
                .map(it => it.outerHTML.slice(0, 200)).slice(0, 8)";
            panic!("{path} by {width} is wider than its window: {found:.300}: {}", browser.run(wide).await);
        }
        made.extend(found["made"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()));
    }
    made
}

/// Looks at every page of a stage: the lists page by page, and of what is on them some by themselves. Returns what they are made of, and
/// how many there were.
async fn look_at_all(browser: &Browser, stage: &Stage, text: &str) -> (BTreeSet<String>, usize) {
    let (mut made, mut seen) = (BTreeSet::new(), 0);
    let (_, _, every) = sizes();
    let at = |path: &str| format!("/convoke{path}");
    let mut some = Vec::new();
    for list in [
        at("/"),
        at("/queues"),
        at("/dead"),
        at(&format!("/dead/{SERVER}?queue=orders")),
        at("/tasks"),
        at(&format!("/tasks/{SERVER}")),
        at("/durable"),
        at(&format!("/durable/{SERVER}?broker=approvals")),
        at("/store"),
        at(&format!("/store/{SERVER}?store=orders")),
        at("/services"),
        at("/events"),
        at("/events/dead?bus=first"),
        at("/events/last?bus=first"),
        at("/rounds"),
    ] {
        let mut next = Some(list);
        while let Some(path) = next {
            made.extend(look(browser, &path).await);
            seen += 1;
            let links = "const all = [...document.querySelectorAll('main a')].map(a => a.getAttribute('href'));
                const next = [...document.querySelectorAll('main a')].find(a => a.rel === 'next' || a.innerText === 'Earlier ones');
                const one = all.filter(href => /\\/(letter|job|record|round|of)\\?|&round=/.test(href));
                return [next ? next.getAttribute('href') : null, one.filter((_, at) => at % arguments[0] === 0)]";
            let found = browser.run_with(links, vec![every.into()]).await;
            next = found[0].as_str().map(str::to_owned);
            some.extend(found[1].as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()));
        }
    }
    some.dedup();
    for path in some {
        made.extend(look(browser, &path).await);
        seen += 1;
    }
    // What is sent by the stream is shown as well.
    for path in ["/events", "/events/last?bus=first"] {
        browser.go(&at(path)).await;
        browser.run("window.come = 0; document.addEventListener('htmx:sseMessage', () => window.come += 1)").await;
        stage.bus.publish(Placed { note: text.to_owned() }).unwrap();
        browser.until("something has come", "window.come > 0").await;
        let found = browser.run(MADE_OF).await;
        assert_eq!((&found["ran"], &found["strange"]), (&Value::Null, &json!([])), "{path}");
        made.extend(found["made"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()));
    }
    (made, seen)
}

#[actix_web::test]
async fn nothing_of_a_hostile_text_runs_and_no_page_is_broken_by_one() {
    let (many, some, _) = sizes();
    // Some of them are long, for what is long can be gone to by keys.
    let harmless = |number| format!("harmless {number}{}", " word".repeat(if number % 5 == 4 { 300 } else { 0 }));
    let harmless: Vec<String> = (0..120).map(harmless).collect();
    let good = stage(&harmless).await;
    let Some(browser) = Browser::open(&good.site, true).await else { return };
    let (mut known, _) = look_at_all(&browser, &good, &harmless[0]).await;
    // Once somebody has looked for a while, a queue has a line.
    browser.go("/convoke/queues").await;
    browser.until("a queue has a line", "document.querySelector('svg.spark polyline')").await;
    known.extend(look(&browser, "/convoke/queues").await);
    browser.close().await;
    good.end().await;
    let (mut pages, begun) = (0, Instant::now());
    for from in (0..many).step_by(some) {
        let texts = texts(from..(from + some).min(many));
        let bad = stage(&texts).await;
        let Some(browser) = Browser::open(&bad.site, true).await else { return };
        let (made, seen) = look_at_all(&browser, &bad, &texts[0]).await;
        let strange: Vec<&String> = made.difference(&known).collect();
        assert!(strange.is_empty(), "no template has {strange:#?}");
        pages += seen;
        // What is asked for is repeated, and what asks back has it in its fields.
        for text in texts.iter().filter(|text| text.len() < 400).step_by(40) {
            let of: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            for path in [
                format!("/convoke/dead/{SERVER}?queue=orders&event={of}&key={of}&reason={of}&error={of}"),
                format!("/convoke/services?name={of}&only={of}"),
                format!("/convoke/store/{SERVER}?store=orders&topic={of}&entity={of}&about={of}"),
                format!("/convoke/rounds/of?name={of}"),
            ] {
                look(&browser, &path).await;
                pages += 1;
            }
        }
        browser.go("/production/events/dead?bus=first").await;
        browser.click("article button").await;
        assert_eq!(browser.run(MADE_OF).await["ran"], Value::Null);
        let said = browser.elsewhere();
        assert_eq!(said, [""; 0]);
        browser.close().await;
        bad.end().await;
    }
    println!(
        "figure: {many} hostile texts on {pages} pages, by two widths, in {:.0} s: none ran, and none broke a page",
        begun.elapsed().as_secs_f64()
    );
}
