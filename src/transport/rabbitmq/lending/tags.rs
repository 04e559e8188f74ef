//! Which deliveries of a channel are settled, and how to say so in as few words as is exact.
//!
//! `a batch of (tag, verdict) → Tags → requeue each, acknowledge all up to one, acknowledge each beyond it`

use std::collections::BTreeSet;

/// What is said of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ack,
    Requeue,
}

/// The tags that are settled: all up to `floor`, and those in `above`.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    floor: u64,
    above: BTreeSet<u64>,
}

/// What to tell the server, in this order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) requeue: Vec<u64>,
    /// All that is not settled up to here is acknowledged: it is exact once `requeue` is told.
    pub(crate) up_to: Option<u64>,
    pub(crate) each: Vec<u64>,
}

impl Tags {
    /// Takes down a batch as settled, and plans how to say so.
    pub(crate) fn plan(&mut self, batch: &[(u64, Verdict)]) -> Plan {
        self.above.extend(batch.iter().map(|(tag, _)| *tag));
        while self.above.first() == Some(&(self.floor + 1)) {
            self.above.pop_first();
            self.floor += 1;
        }
        let mut plan = Plan::default();
        let mut below = Vec::new();
        for &(tag, verdict) in batch {
            match verdict {
                Verdict::Requeue => plan.requeue.push(tag),
                Verdict::Ack if tag <= self.floor => below.push(tag),
                Verdict::Ack => plan.each.push(tag),
            }
        }
        if below.len() > 1 {
            plan.up_to = below.into_iter().max();
        } else {
            plan.each.append(&mut below);
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Ack, Requeue};
    use super::*;

    #[test]
    fn many_are_acknowledged_at_once_only_where_nothing_else_is_below() {
        let mut tags = Tags::default();
        assert_eq!(
            tags.plan(&[(2, Ack), (1, Ack), (4, Ack)]),
            Plan { up_to: Some(2), each: vec![4], ..Plan::default() }
        );
        // 3 was missing: what is beyond it had to be named.
        assert_eq!(tags.plan(&[(5, Ack)]), Plan { each: vec![5], ..Plan::default() });
        assert_eq!(
            tags.plan(&[(3, Requeue), (6, Ack), (7, Ack)]),
            Plan { requeue: vec![3], up_to: Some(7), ..Plan::default() }
        );
        assert_eq!(tags.plan(&[(8, Ack)]), Plan { each: vec![8], ..Plan::default() });
        assert!(tags.above.is_empty() && tags.floor == 8);
    }

    /// Plays the server: nothing is acknowledged that nobody has acknowledged, and all of it is at the end.
    #[test]
    fn every_delivery_gets_its_own_verdict_in_whichever_order_they_end() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let all: Vec<_> = (1..=60).map(|tag| (tag, if random.u8(0..5) == 0 { Requeue } else { Ack })).collect();
            let mut order = all.clone();
            // Nearly in order, as concurrent handlers end.
            for at in 0..order.len() {
                let other = (at + random.usize(0..6)).min(order.len() - 1);
                order.swap(at, other);
            }
            let (mut tags, mut open) = (Tags::default(), (1..=60).collect::<BTreeSet<u64>>());
            let (mut acked, mut requeued) = (BTreeSet::new(), BTreeSet::new());
            let mut rest = &order[..];
            while !rest.is_empty() {
                let (batch, more) = rest.split_at(random.usize(1..=rest.len().min(9)));
                rest = more;
                let plan = tags.plan(batch);
                for tag in plan.requeue {
                    assert!(open.remove(&tag));
                    requeued.insert(tag);
                }
                if let Some(up_to) = plan.up_to {
                    assert!(open.contains(&up_to), "a server refuses a tag that is settled");
                    acked.extend(open.iter().copied().filter(|tag| *tag <= up_to));
                    open.retain(|tag| *tag > up_to);
                }
                for tag in plan.each {
                    assert!(open.remove(&tag));
                    acked.insert(tag);
                }
            }
            let expected = |verdict| all.iter().filter(|(_, is)| *is == verdict).map(|(tag, _)| *tag).collect();
            assert_eq!((acked, requeued, open.len()), (expected(Ack), expected(Requeue), 0), "seed {seed}");
        }
    }
}
