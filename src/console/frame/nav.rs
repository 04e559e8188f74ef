//! Where one can go from every page.

use crate::gate::Visit;

/// What belongs together, with a heading.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) places: Vec<Place>,
}

/// A place, and whether one is there.
pub(crate) struct Place {
    pub(crate) link: String,
    pub(crate) name: &'static str,
    pub(crate) is_here: bool,
}

/// What stands where, in the order in which somebody on call needs it.
const PLACES: [(&str, &[(&str, &str)]); 3] = [
    ("", &[("", "Overview")]),
    (
        "Servers",
        &[
            ("/queues", "Queues"),
            ("/dead", "Dead letters"),
            ("/tasks", "Tasks"),
            ("/durable", "Durable rounds"),
            ("/store", "Store"),
        ],
    ),
    (
        "This process",
        &[("/services", "Services"), ("/events", "Events"), ("/rounds", "Rounds"), ("/schemas", "Schemas")],
    ),
];

pub(crate) fn groups(visit: &Visit) -> Vec<Group> {
    let place = |(path, name): &(&str, &'static str)| Place {
        link: if path.is_empty() { format!("{}/", visit.base) } else { format!("{}{path}", visit.base) },
        name,
        is_here: is_here(&visit.path, path),
    };
    let group = |(title, places): &(&'static str, &[(&str, &'static str)])| Group {
        title,
        places: places.iter().map(place).collect(),
    };
    PLACES.iter().map(group).collect()
}

fn is_here(path: &str, place: &str) -> bool {
    match path.strip_prefix(place) {
        _ if place.is_empty() => matches!(path, "" | "/"),
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_at_one_place_also_below_it() {
        for (path, place, is) in [
            ("", "", true),
            ("/", "", true),
            ("/queues", "", false),
            ("/queues", "/queues", true),
            ("/queues/s", "/queues", true),
            ("/queues-x", "/queues", false),
            ("/dead", "/queues", false),
        ] {
            assert_eq!(is_here(path, place), is, "{path} {place}");
        }
    }
}
