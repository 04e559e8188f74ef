//! How far something has come, on a terminal alone.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on the standard error; where that is no terminal, nothing.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Of so many, if anybody knows.
    pub(super) fn new(total: Option<u64>, is_hidden: bool) -> Self {
        let target = if is_hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let template = match total {
            Some(_) => "{bar:30} {human_pos} of {human_len}, {per_sec}, {eta} left",
            None => "{spinner} {human_pos}, {per_sec}",
        };
        let bar = ProgressBar::with_draw_target(total, target);
        Self(match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }

    pub(crate) fn is_at(&self, position: u64) {
        self.0.set_position(position);
    }
}

/// What is said next stands on a line of its own.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
