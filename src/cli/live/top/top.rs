//! The loop of the live view.

use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyEventKind};
use tokio::time::Instant;

use super::source::Source;
use super::view::{Asked, View};
use crate::live::Screen;

/// How often the keyboard is asked.
const TICK: Duration = Duration::from_millis(50);

/// Shows these servers, each asked every so often, until somebody leaves.
///
/// # Errors
///
/// Those of the terminal.
pub(crate) async fn top(sources: &[Source], every: Duration) -> io::Result<()> {
    let mut screen = Screen::open()?;
    let mut view = View::default();
    let mut due = Instant::now();
    let mut drawn = None;
    let title = format!("convoke top, every {} s", every.as_secs_f32());
    loop {
        if due <= Instant::now() && !view.is_paused() {
            due = Instant::now() + every;
            for source in sources {
                let source = source.clone();
                actix::spawn(async move { source.ask().await });
            }
        }
        let changes: Vec<u64> = sources.iter().map(Source::changes).collect();
        if drawn.as_ref() != Some(&changes) {
            let tables: Vec<_> = sources.iter().flat_map(Source::tables).collect();
            screen.draw(|frame| view.draw(frame, &title, &tables))?;
            drawn = Some(changes);
        }
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => {
                    if view.press(key) == Asked::Leave {
                        return Ok(());
                    }
                    drawn = None;
                }
                Event::Resize(..) => drawn = None,
                _ => {}
            }
        }
        actix::clock::sleep(TICK).await;
    }
}
