//! What `on_topic` takes: one pattern of topics, or several.

use super::topic::{Pattern, TopicError};

/// A pattern of topics, or several.
pub trait Patterns {
    /// Returns the patterns.
    ///
    /// # Errors
    ///
    /// Returns a [`TopicError`] if one of the texts is not a valid pattern.
    fn patterns(self) -> Result<Vec<Pattern>, TopicError>;
}

impl Patterns for &str {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![Pattern::new(self)?])
    }
}

impl Patterns for Pattern {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![self])
    }
}

impl<const N: usize> Patterns for [&str; N] {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.into_iter().map(Pattern::new).collect()
    }
}

impl Patterns for Vec<Pattern> {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(self)
    }
}

impl Patterns for String {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![Pattern::new(&self)?])
    }
}

impl Patterns for &Pattern {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        Ok(vec![self.clone()])
    }
}

impl Patterns for &[&str] {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.iter().map(|text| Pattern::new(text)).collect()
    }
}

impl Patterns for Vec<&str> {
    fn patterns(self) -> Result<Vec<Pattern>, TopicError> {
        self.as_slice().patterns()
    }
}
