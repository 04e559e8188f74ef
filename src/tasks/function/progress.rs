//! How far a function is.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::tasks::Noted;

/// Tells how far the function of a task is, as an argument of it. It is kept with the job, at most once a second, and whoever has
/// the [job](crate::Job::status) can see it. It can be sent to other threads.
#[derive(Clone)]
pub struct TaskProgress(Arc<watch::Sender<Noted>>);

impl TaskProgress {
    pub(in crate::tasks) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Noted::default())))
    }

    /// Sets which part of it is done, from 0 to 1.
    pub fn fraction(&self, fraction: f64) {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        self.0.send_modify(|noted| noted.fraction = Some(fraction));
    }

    /// Sets what is being done. Texts of more than 200 characters are cut.
    pub fn text(&self, text: impl AsRef<str>) {
        let text: String = text.as_ref().chars().take(200).collect();
        self.0.send_modify(|noted| noted.text = Some(text));
    }

    pub(in crate::tasks) fn watch(&self) -> watch::Receiver<Noted> {
        self.0.subscribe()
    }
}

impl fmt::Debug for TaskProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noted = self.0.borrow();
        f.debug_struct("TaskProgress").field("text", &noted.text).field("fraction", &noted.fraction).finish()
    }
}
