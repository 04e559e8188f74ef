//! How much the cases of the suite send.

/// How much the cases send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// About a tenth: for every day.
    #[default]
    Small,
    /// Thousands, over fifty subscribers.
    Full,
}
