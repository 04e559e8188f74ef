//! Which of the names that are there may have been meant.

/// As many are said.
const SAID: usize = 3;

/// The names that are near to this one, the nearest first.
pub(crate) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_ascii_lowercase();
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|other| {
            let lower = other.to_ascii_lowercase();
            let steps = strsim::damerau_levenshtein(&wanted, &lower);
            let within = wanted.len() >= 4 && (lower.contains(&wanted) || wanted.contains(&lower));
            (steps <= 1 + wanted.len() / 4 || within).then_some((steps, other))
        })
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(SAID).map(|(_, other)| other).collect()
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn what_is_meant_is_near_and_the_rest_is_not() {
        let names = ["OrderPlaced", "OrderBilled", "UserRegistered", "OrderPaid"];
        assert_eq!(near("OrderPlace", names)[0], "OrderPlaced");
        assert_eq!(near("orderplaced", names)[0], "OrderPlaced");
        assert_eq!(near("Placed", names), ["OrderPlaced"]);
        assert!(near("Warehouse", names).is_empty());
    }
}
