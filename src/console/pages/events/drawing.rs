//! Who hears what, as a drawing: the events on the left, the listeners on the right, a line for each that hears one.

use std::collections::BTreeMap;

use super::catalog::Event;
use crate::frame::shown;

/// As many events, and as many listeners, are drawn.
const MOST: usize = 40;

/// As many characters of a name stand in the drawing.
const SIGNS: usize = 36;

const ROW: usize = 26;

/// A name at its height.
pub(super) struct Box {
    pub(super) name: String,
    pub(super) whole: String,
    pub(super) y: usize,
    pub(super) text_y: usize,
    pub(super) class: &'static str,
}

/// A line from an event to a listener.
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// The drawing: it has names from outside, which the template escapes.
pub(super) struct Drawing {
    pub(super) events: Vec<Box>,
    pub(super) listeners: Vec<Box>,
    pub(super) lines: Vec<Line>,
    pub(super) high: usize,
    /// How many events or listeners are not drawn.
    pub(super) left_out: usize,
}

fn short(name: &str) -> String {
    let whole = shown(name);
    match whole.char_indices().nth(SIGNS) {
        Some((end, _)) => format!("{}…", &whole[..end]),
        None => whole,
    }
}

fn place(at: usize, name: &str, class: &'static str) -> Box {
    Box { name: short(name), whole: shown(name), y: at * ROW, text_y: at * ROW + 16, class }
}

impl Drawing {
    /// The first of these events, with their listeners.
    pub(super) fn of(events: &[&Event<'_>]) -> Self {
        let heard: Vec<_> = events.iter().filter(|event| !event.listeners.is_empty()).collect();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut listeners, mut lines, mut left_out) = (Vec::new(), Vec::new(), heard.len().saturating_sub(MOST));
        let mut boxes = Vec::new();
        for (at, event) in heard.iter().take(MOST).enumerate() {
            boxes.push(place(at, &event.name, "event"));
            for listener in &event.listeners {
                let to = match places.get(&*listener.name) {
                    Some(to) => *to,
                    None if listeners.len() == MOST => {
                        left_out += 1;
                        continue;
                    }
                    None => {
                        let to = listeners.len();
                        let class = if listener.failed + listener.dropped > 0 { "listener failed" } else { "listener" };
                        listeners.push(place(to, &listener.name, class));
                        places.insert(&listener.name, to);
                        to
                    }
                };
                let line = Line { from: at * ROW + 11, to: to * ROW + 11 };
                if !lines.iter().any(|other: &Line| (other.from, other.to) == (line.from, line.to)) {
                    lines.push(line);
                }
            }
        }
        let high = boxes.len().max(listeners.len()) * ROW;
        Self { events: boxes, listeners, lines, high, left_out }
    }
}
