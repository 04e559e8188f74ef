//! In which order services start: by what they need, and what brings in work last.
//!
//! `Services::add(…) → levels → services.rs`

use std::collections::HashMap;
use std::rc::Rc;

use super::services_error::ServicesError;
use crate::events::event::Name;
use crate::services::life::Child;

/// Sorts them into levels, each of which needs only what stands in those before it; within one they keep their order.
pub(super) fn levels(children: &[Rc<dyn Child>]) -> Result<Vec<Vec<usize>>, ServicesError> {
    let mut names: HashMap<Name, usize> = HashMap::new();
    for (place, child) in children.iter().enumerate() {
        if names.insert(child.name(), place).is_some() {
            return Err(ServicesError::Twice { name: child.name().to_string() });
        }
    }
    let mut needs = Vec::with_capacity(children.len());
    for child in children {
        let mut needed = Vec::new();
        for name in child.needs() {
            let place = names.get(&name).copied();
            let place = place.or_else(|| children.iter().position(|other| other.answers_to(&name)));
            let missing = || ServicesError::Missing { service: child.name().to_string(), needs: name.to_string() };
            needed.push(place.ok_or_else(missing)?);
        }
        if child.is_source() {
            needed.extend((0..children.len()).filter(|place| !children[*place].is_source()));
        }
        needs.push(needed);
    }
    sorted(&needs).map_err(|cycle| ServicesError::Cycle {
        services: cycle.into_iter().map(|place| children[place].name().to_string()).collect(),
    })
}

/// The levels of a graph; or a cycle in it.
fn sorted(needs: &[Vec<usize>]) -> Result<Vec<Vec<usize>>, Vec<usize>> {
    let mut level: Vec<Option<usize>> = vec![None; needs.len()];
    let mut levels: Vec<Vec<usize>> = Vec::new();
    loop {
        let ready = |place: &usize| level[*place].is_none() && needs[*place].iter().all(|need| level[*need].is_some());
        let next: Vec<_> = (0..needs.len()).filter(ready).collect();
        if next.is_empty() {
            break;
        }
        next.iter().for_each(|place| level[*place] = Some(levels.len()));
        levels.push(next);
    }
    let Some(first) = level.iter().position(Option::is_none) else { return Ok(levels) };
    // Every one that has no level needs another that has none: whoever follows that comes back somewhere.
    let mut path = vec![first];
    loop {
        let last = path[path.len() - 1];
        let Some(next) = needs[last].iter().copied().find(|need| level[*need].is_none()) else { return Err(path) };
        if let Some(begin) = path.iter().position(|place| *place == next) {
            return Err(path.split_off(begin));
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_comes_before_who_needs_it() {
        assert_eq!(sorted(&[]), Ok(vec![]));
        assert_eq!(sorted(&[vec![], vec![]]), Ok(vec![vec![0, 1]]));
        assert_eq!(sorted(&[vec![2], vec![0], vec![]]), Ok(vec![vec![2], vec![0], vec![1]]));
        assert_eq!(sorted(&[vec![1, 2], vec![3], vec![3], vec![], vec![]]), Ok(vec![vec![3, 4], vec![1, 2], vec![0]]));
    }

    #[test]
    fn a_cycle_is_named_without_who_only_leads_to_it() {
        assert_eq!(sorted(&[vec![0]]), Err(vec![0]));
        assert_eq!(sorted(&[vec![1], vec![2], vec![3], vec![1]]), Err(vec![1, 2, 3]));
        assert_eq!(sorted(&[vec![], vec![0, 2], vec![1]]), Err(vec![1, 2]));
    }
}
