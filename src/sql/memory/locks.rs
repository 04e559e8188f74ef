//! Who has which lock, and who waits for whom: a circle is found by whoever would close it.
//!
//! `ask → Yours | Wait (until it is released) | Deadlock`

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

/// All locks of a database that somebody has.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// In the order of their names: who waits is told in the same order each time.
    held: BTreeMap<Arc<str>, Held>,
    /// For what a transaction waits.
    waits: HashMap<u64, Arc<str>>,
}

#[derive(Debug)]
struct Held {
    by: u64,
    /// Who comes next, and how that is told.
    queue: VecDeque<(u64, oneshot::Sender<()>)>,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub(super) enum Asked {
    Yours,
    /// It is yours when this is ready.
    Wait(oneshot::Receiver<()>),
    Deadlock,
}

impl Locks {
    /// Asks for a lock. Whoever waits for one asks for no other meanwhile.
    pub(super) fn ask(&mut self, who: u64, name: &str) -> Asked {
        let Some((name, held)) = self.held.get_key_value(name) else {
            self.held.insert(name.into(), Held { by: who, queue: VecDeque::new() });
            return Asked::Yours;
        };
        if held.by == who {
            return Asked::Yours;
        }
        // Nobody who waits is in a circle yet, so this comes to an end.
        let (name, mut by) = (name.clone(), held.by);
        while let Some(next) = self.waits.get(&by).and_then(|name| self.held.get(name)) {
            if next.by == who {
                return Asked::Deadlock;
            }
            by = next.by;
        }
        let (tell, granted) = oneshot::channel();
        if let Some(held) = self.held.get_mut(&name) {
            held.queue.push_back((who, tell));
        }
        self.waits.insert(who, name);
        Asked::Wait(granted)
    }

    /// It waits no more, be it that it has the lock or that it has given up.
    pub(super) fn forget(&mut self, who: u64) {
        if let Some(held) = self.waits.remove(&who).and_then(|name| self.held.get_mut(&name)) {
            held.queue.retain(|(waits, _)| *waits != who);
        }
    }

    /// Gives back all locks of one that has ended, each to who has waited longest.
    pub(super) fn release(&mut self, who: u64) {
        let waits = &mut self.waits;
        self.held.retain(|_, held| {
            if held.by != who {
                return true;
            }
            let Some((next, tell)) = held.queue.pop_front() else { return false };
            held.by = next;
            waits.remove(&next);
            // If it is just giving up, it has the lock until it ends.
            let _ = tell.send(());
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_longest_is_next_and_a_circle_is_found_by_who_closes_it() {
        let mut locks = Locks::default();
        for (who, name) in [(1, "a"), (1, "a"), (2, "b"), (3, "c")] {
            assert!(matches!(locks.ask(who, name), Asked::Yours));
        }
        let Asked::Wait(mut second) = locks.ask(2, "a") else { panic!("it is held") };
        let Asked::Wait(mut third) = locks.ask(3, "b") else { panic!("it is held") };
        assert!(
            matches!(locks.ask(1, "c"), Asked::Deadlock),
            "1 has a, for which 2 waits, who has b, for which 3 waits"
        );
        locks.release(1);
        second.try_recv().unwrap();
        assert!(third.try_recv().is_err());
        locks.release(2);
        third.try_recv().unwrap();
        locks.release(3);
        assert!(locks.held.is_empty() && locks.waits.is_empty());
    }

    #[test]
    fn who_gives_up_is_passed_over() {
        let mut locks = Locks::default();
        assert!(matches!(locks.ask(1, "a"), Asked::Yours));
        let (Asked::Wait(_gone), Asked::Wait(mut next)) = (locks.ask(2, "a"), locks.ask(3, "a")) else {
            panic!("it is held")
        };
        locks.forget(2);
        locks.release(1);
        next.try_recv().unwrap();
        locks.release(3);
        assert!(locks.held.is_empty() && locks.waits.is_empty());
    }
}
