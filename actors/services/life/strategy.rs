//! Who is started again together.

/// The children that a supervisor restarts when one of them has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// Only the child that has ended.
    #[default]
    OneForOne,
    /// All children. The others are stopped first, in the reverse of their order.
    OneForAll,
    /// The child that has ended, and the children that were added after it.
    RestForOne,
}

impl Strategy {
    /// Which of so many.
    pub(crate) fn affected(self, fallen: usize, children: usize) -> std::ops::Range<usize> {
        match self {
            Self::OneForOne => fallen..fallen + 1,
            Self::OneForAll => 0..children,
            Self::RestForOne => fallen..children,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_strategy_has_its_neighbors() {
        assert_eq!(Strategy::OneForOne.affected(1, 4), 1..2);
        assert_eq!(Strategy::OneForAll.affected(1, 4), 0..4);
        assert_eq!(Strategy::RestForOne.affected(1, 4), 1..4);
        assert_eq!(Strategy::default(), Strategy::OneForOne);
    }
}
