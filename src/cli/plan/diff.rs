//! What would change, as `git diff` shows it.

use similar::TextDiff;

/// A unified diff of one file; a new one comes from `/dev/null`.
pub(super) fn diff(path: &str, before: Option<&str>, after: &str) -> String {
    let from = if before.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after);
    diff.unified_diff().context_radius(3).header(&from, &format!("b/{path}")).to_string()
}
