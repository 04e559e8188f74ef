//! A terminal that is filled: raw mode, and the other screen.
//!
//! `Screen::open → draw, again and again → Drop: the terminal is as it was`
//!
//! However it is left, by a key, an error or a panic, the terminal is given back. A panic that is meant, as an act of the
//! demonstration shows one, leaves it as it is.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use ratatui::{Frame, Terminal};

/// Whether a terminal is filled at this moment.
static FILLED: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back, if it is filled: for who ends the process wherever it is.
pub(crate) fn give_back() {
    if FILLED.swap(false, Ordering::SeqCst) {
        ratatui::restore();
    }
}

/// The terminal in raw mode on its other screen.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// # Errors
    ///
    /// If this is no terminal, or it does not take what it is told.
    pub(crate) fn open() -> io::Result<Self> {
        enable_raw_mode()?;
        FILLED.store(true, Ordering::SeqCst);
        let opened =
            execute!(stdout(), EnterAlternateScreen).and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        match opened {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    pub(crate) fn draw(&mut self, frame: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(frame).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Has a panic give the terminal back before it is told.
pub(crate) fn restore_on_panic() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        ratatui::restore();
        before(info);
    }));
}

/// Keeps a panic that is meant from the terminal.
pub(crate) fn hush_panic(meant: &'static str) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload_as_str() != Some(meant) {
            before(info);
        }
    }));
}
