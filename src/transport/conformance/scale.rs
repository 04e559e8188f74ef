//! How much the cases of the suite send.

/// How many packets the cases send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scale {
    /// About a tenth of the full scale, for every day.
    #[default]
    Small,
    /// Thousands of packets, over fifty subscribers.
    Full,
}
