//! All pages of a console, each with a name: what is on a list is found by its link there.

use super::browser::Browser;
use super::stage::SERVER;

/// A page.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) path: String,
}

/// Those that have a path of their own.
pub(super) fn lists() -> Vec<Place> {
    let of = |name, path: &str| Place { name, path: format!("/convoke{path}") };
    vec![
        of("overview", "/"),
        of("queues", "/queues"),
        of("dead", "/dead"),
        of("letters", &format!("/dead/{SERVER}?queue=orders")),
        of("tasks", "/tasks"),
        of("jobs", &format!("/tasks/{SERVER}")),
        of("failed-jobs", &format!("/tasks/{SERVER}?state=failed")),
        of("durable", "/durable"),
        of("open-rounds", &format!("/durable/{SERVER}?broker=approvals")),
        of("stores", "/store"),
        of("records", &format!("/store/{SERVER}?store=orders")),
        of("services", "/services"),
        of("service", "/services/of?name=billing"),
        of("events", "/events"),
        of("bus-letters", "/events/dead?bus=shop"),
        of("passing", "/events/last?bus=shop"),
        of("rounds", "/rounds"),
        of("broker", "/rounds/of?name=orders"),
        of("schemas", "/schemas"),
        of("schema", "/schemas/of?name=OrderPlaced"),
    ]
}

/// Those that a link leads to: of which list, and what is in the link.
const LINKED: [(&str, &str, &str); 4] = [
    ("letter", "letters", "/letter?"),
    ("job", "failed-jobs", "/job?"),
    ("round", "open-rounds", "/round?"),
    ("record", "records", "/record?"),
];

/// Those that say no, or ask back.
fn others() -> Vec<Place> {
    let of = |name, path: &str| Place { name, path: path.to_owned() };
    vec![of("missing", "/convoke/services/of?name=nobody"), of("nothing", "/convoke/nothing"), of("denied", "/denied/")]
}

/// All of them.
pub(super) async fn all(browser: &Browser) -> Vec<Place> {
    let mut places = lists();
    for (name, list, part) in LINKED {
        let list = places.iter().find(|place| place.name == list).unwrap().path.clone();
        browser.go(&list).await;
        let link = browser.run_with(LINK, vec![part.into()]).await;
        let path = link.as_str().unwrap_or_else(|| panic!("no link with {part} on {list}")).to_owned();
        places.push(Place { name, path });
    }
    places.extend(others());
    places
}

/// The first link with this in it.
const LINK: &str =
    "const found = [...document.querySelectorAll('main a')].find(a => a.getAttribute('href').includes(arguments[0]));
    return found && found.getAttribute('href')";
