//! A terminal that is filled: raw mode, and the other screen.
//!
//! `Screen::open → draw, again and again → Drop: the terminal is as it was`
//!
//! However it is left, by a key, an error or a panic, the terminal is given back.

use std::io;

use ratatui::{DefaultTerminal, Frame};

/// The terminal in raw mode on its other screen.
pub(crate) struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    /// # Errors
    ///
    /// If this is no terminal, or it does not take what it is told.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self { terminal: ratatui::try_init()? })
    }

    pub(crate) fn draw(&mut self, frame: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(frame).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
