//! What is seen of the acts: panels with rows.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// How long an act waits, so that its steps can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Slow enough to follow.
    Shown,
    /// Without a pause: for tests, and for who knows it.
    Fast,
}

/// What a row or a verdict means, which is what its color and its sign come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Waits,
    Good,
    Bad,
    Back,
}

/// A row of a panel: who, how far, and what is said of it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) who: String,
    pub(crate) tone: Tone,
    /// In hundredths.
    pub(crate) full: u16,
    pub(crate) says: String,
}

/// An act as it stands.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) verdict: Option<(Tone, String)>,
}

/// What is told when something has changed: the panel by its number, and what to say of it.
type Hears = Rc<dyn Fn(&Panel, Change<'_>)>;

/// What has changed in a panel.
#[derive(Debug)]
pub(crate) enum Change<'a> {
    Begins,
    Row(&'a Row),
    Verdict(Tone, &'a str),
}

/// The panels of all acts. A clone is the same stage.
#[derive(Clone)]
pub(crate) struct Stage {
    panels: Rc<RefCell<Vec<Panel>>>,
    hears: Hears,
    pace: Pace,
    /// Rises with each change, so that what has not changed is not drawn again.
    changes: Rc<Cell<u64>>,
}

impl Stage {
    pub(crate) fn new(pace: Pace, hears: impl Fn(&Panel, Change<'_>) + 'static) -> Self {
        Self { panels: Rc::default(), hears: Rc::new(hears), pace, changes: Rc::default() }
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.get()
    }

    pub(crate) fn panels(&self) -> Vec<Panel> {
        self.panels.borrow().clone()
    }

    /// Begins an act, whose rows stand from the beginning on, so that nothing moves while it plays.
    pub(crate) fn begin<const N: usize>(
        &self,
        title: &'static str,
        about: &'static str,
        rows: [(&str, &str); N],
    ) -> Act {
        let row =
            |(who, says): (&str, &str)| Row { who: who.to_owned(), tone: Tone::Waits, full: 0, says: says.to_owned() };
        let panel = Panel { title, about, rows: rows.into_iter().map(row).collect(), verdict: None };
        self.changed();
        (self.hears)(&panel, Change::Begins);
        panel.rows.iter().for_each(|row| (self.hears)(&panel, Change::Row(row)));
        let mut panels = self.panels.borrow_mut();
        panels.push(panel);
        Act { stage: self.clone(), number: panels.len() - 1 }
    }

    fn changed(&self) {
        self.changes.set(self.changes.get() + 1);
    }
}

/// An act that plays. A clone is the same act.
#[derive(Clone)]
pub(crate) struct Act {
    stage: Stage,
    number: usize,
}

impl Act {
    /// Says how a row stands; one that is not there yet is added.
    pub(crate) fn row(&self, who: &str, tone: Tone, full: u16, says: impl Into<String>) {
        let row = Row { who: who.to_owned(), tone, full: full.min(100), says: says.into() };
        let mut panels = self.stage.panels.borrow_mut();
        let Some(panel) = panels.get_mut(self.number) else { return };
        match panel.rows.iter_mut().find(|row| row.who == who) {
            Some(place) => place.clone_from(&row),
            None => panel.rows.push(row.clone()),
        }
        self.stage.changed();
        (self.stage.hears)(panel, Change::Row(&row));
    }

    /// Says how the act, or a part of it, has ended.
    pub(crate) fn verdict(&self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        let mut panels = self.stage.panels.borrow_mut();
        let Some(panel) = panels.get_mut(self.number) else { return };
        panel.verdict = Some((tone, text.clone()));
        self.stage.changed();
        (self.stage.hears)(panel, Change::Verdict(tone, &text));
    }

    /// Waits, so that the last step can be seen.
    pub(crate) async fn pause(&self, millis: u64) {
        if self.stage.pace == Pace::Shown {
            actix::clock::sleep(Duration::from_millis(millis)).await;
        }
    }
}
