//! What servers are called in links: short, the same every time, and without what is secret.
//!
//! `postgres://shop:secret@db.internal/shop → postgres-shop`, and `postgres-shop-2` if there are two

use convoke::look::{Address, ServerKind};

/// The longest name, in characters.
const LONGEST: usize = 48;

/// Names for all of these, in their order.
pub(super) fn names(addresses: &[Address]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for address in addresses {
        let name = name(address);
        let is_free = |name: &String| !names.contains(name);
        let numbered = || (2_usize..).map(|number| format!("{name}-{number}")).find(is_free);
        let free = if is_free(&name) { Some(name.clone()) } else { numbered() };
        names.push(free.unwrap_or(name));
    }
    names
}

fn name(address: &Address) -> String {
    // What may be shown: no password is in it. Of an option and the name of a queue nothing is needed.
    let shown = address.to_string();
    let shown = shown.split(['#', '?']).next().unwrap_or_default();
    let (scheme, rest) = shown.split_once(':').unwrap_or((shown, ""));
    let rest = rest.trim_start_matches('/').rsplit('@').next().unwrap_or_default();
    let of = match address.server() {
        // The end says which: a file, a database.
        ServerKind::Sqlite | ServerKind::Postgres => rest.rsplit(['/', '\\']).next().unwrap_or_default(),
        _ => rest,
    };
    let mut name = String::new();
    for letter in format!("{scheme}-{of}").chars() {
        let is_plain = letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_');
        match is_plain {
            true => name.push(letter.to_ascii_lowercase()),
            false if name.ends_with('-') => {}
            false => name.push('-'),
        }
    }
    let name: String = name.trim_end_matches(['-', '.']).chars().take(LONGEST).collect();
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_nothing_secret_in_it() {
        let addresses: Vec<Address> = [
            "sqlite:/var/lib/shop/shop.db#orders",
            "sqlite:/srv/other/shop.db",
            "postgres://shop:geheim@db.internal:5432/shop?schema=shop",
            "redis://:geheim@10.0.0.7:6379",
            "memory:<b>\"x",
        ]
        .iter()
        .map(|address| address.parse().unwrap())
        .collect();
        let names = names(&addresses);
        assert_eq!(names[..4], ["sqlite-shop.db", "sqlite-shop.db-2", "postgres-shop", "redis-10.0.0.7-6379"]);
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
        assert!(names.iter().all(|name| name.chars().all(is_plain) && name.len() <= LONGEST + 2), "{names:?}");
    }
}
