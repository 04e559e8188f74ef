//! Which pages are followed by server-sent events: those that have a region which is live.

use crate::gate::Visit;
use crate::view::link;

/// The longest place of a page that is followed, with what is asked of it.
pub(crate) const LONGEST: usize = 2_000;

/// Their paths. A `*` is one segment, the name of a server. A page of letters is none of them: some servers count each time that a letter
/// is read.
const LIVE: [&[&str]; 17] = [
    &[],
    &["queues"],
    &["dead"],
    &["dead", "*", "sweep"],
    &["tasks"],
    &["tasks", "*"],
    &["tasks", "*", "job"],
    &["durable"],
    &["durable", "*"],
    &["durable", "*", "round"],
    &["store"],
    &["services"],
    &["services", "of"],
    &["events"],
    &["events", "last"],
    &["rounds"],
    &["rounds", "of"],
];

fn is_live(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let is = |live: &&[&str]| {
        live.len() == segments.len()
            && live.iter().zip(&segments).all(|(live, segment)| *live == "*" || live == segment)
    };
    LIVE.iter().any(is)
}

/// Where the stream of the page is that this visit is of, if that is live.
pub(crate) fn place(visit: &Visit) -> Option<String> {
    if visit.is_still || !is_live(&visit.path) {
        return None;
    }
    let of = if visit.query.is_empty() { visit.path.clone() } else { format!("{}?{}", visit.path, visit.query) };
    // The first page has no path, and is asked for all the same.
    let of = if of.starts_with('/') { of } else { format!("/{of}") };
    (of.len() <= LONGEST).then(|| link(&format!("{}/live", visit.base), &[("of", &*of)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_server_is_live_whatever_that_is_called() {
        for live in ["", "/", "/queues", "/dead/sqlite-shop.db/sweep", "/tasks/s/job", "/events/last"] {
            assert!(is_live(live), "{live}");
        }
        for not in
            ["/schemas", "/dead/s", "/dead/s/letter", "/store/s", "/queues/s", "/tasks/s/job/x", "/assets/console.css"]
        {
            assert!(!is_live(not), "{not}");
        }
    }
}
