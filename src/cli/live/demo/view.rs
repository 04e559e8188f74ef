//! The acts on a terminal: five panels, drawn anew when something has changed.

use std::io;
use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::stage::{Panel, Stage, Tone};
use crate::live::Screen;

/// How often the keyboard is asked.
const TICK: Duration = Duration::from_millis(40);
/// How wide a bar is, in columns.
const BAR: usize = 12;
/// How wide the name of a row is, in columns.
const WHO: usize = 12;

/// How the view was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By a key.
    Left,
    /// It shall be shown again.
    Again,
}

/// Shows a stage until somebody leaves it. The terminal is as it was when this returns, or is dropped.
///
/// # Errors
///
/// Those of the terminal.
pub(crate) async fn view(stage: &Stage, over: impl Fn() -> bool) -> io::Result<Ended> {
    let mut screen = Screen::open()?;
    let mut drawn = None;
    loop {
        let now = (stage.changes(), over());
        if drawn != Some(now) {
            screen.draw(|frame| draw(frame, &stage.panels(), now.1))?;
            drawn = Some(now);
        }
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(Ended::Left),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(Ended::Left),
                    KeyCode::Char('r') if now.1 => return Ok(Ended::Again),
                    _ => {}
                },
                Event::Resize(..) => drawn = None,
                _ => {}
            }
        }
        actix::clock::sleep(TICK).await;
    }
}

fn color(tone: Tone) -> Style {
    match tone {
        Tone::Waits => Style::new().fg(Color::DarkGray),
        Tone::Good => Style::new().fg(Color::Green),
        Tone::Bad => Style::new().fg(Color::Red),
        Tone::Back => Style::new().fg(Color::Yellow),
    }
}

/// What stands for a tone where there are no colors.
fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Waits => "·",
        Tone::Good => "✓",
        Tone::Bad => "✗",
        Tone::Back => "↻",
    }
}

/// Draws all panels from above; what does not fit into a low terminal is cut from the oldest act on.
pub(super) fn draw(frame: &mut Frame<'_>, panels: &[Panel], over: bool) {
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
    let bold = Style::new().add_modifier(Modifier::BOLD);
    frame.render_widget(Line::styled("convoke: parts of a system that act together", bold), head);
    let keys = if over { "q leave   r again" } else { "q leave" };
    frame.render_widget(Line::styled(keys, color(Tone::Waits)), foot);

    let lines: Vec<Line<'_>> = panels.iter().flat_map(lines).collect();
    let hidden = lines.len().saturating_sub(usize::from(body.height));
    frame.render_widget(Paragraph::new(lines[hidden..].to_vec()), body);
}

fn lines(panel: &Panel) -> impl Iterator<Item = Line<'_>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let mut title = vec![Span::styled(panel.title, bold)];
    title.push(match &panel.verdict {
        Some((tone, text)) => Span::styled(format!("  {} {text}", sign(*tone)), color(*tone)),
        None => Span::styled(format!(": {}", panel.about), color(Tone::Waits)),
    });
    let rows = panel.rows.iter().map(|row| {
        let full = usize::from(row.full) * BAR / 100;
        Line::from(vec![
            Span::raw(format!("  {:<WHO$}", row.who)),
            Span::styled(format!("{}{} ", "━".repeat(full), "┄".repeat(BAR - full)), color(row.tone)),
            Span::styled(format!("{} {}", sign(row.tone), row.says), color(row.tone)),
        ])
    });
    std::iter::once(Line::from(title)).chain(rows)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::live::demo::stage::{Pace, Row};

    fn panels() -> Vec<Panel> {
        let stage = Stage::new(Pace::Fast, |_, _| {});
        let act = stage.begin("A round", "three answer", [("stock", "waits"), ("payment", "waits")]);
        act.row("stock", Tone::Good, 100, "3 left");
        act.verdict(Tone::Bad, "cancelled: payment is missing");
        stage.panels()
    }

    fn screen(width: u16, height: u16, panels: &[Panel]) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, panels, true)).unwrap();
        let text = terminal.backend().to_string();
        text.lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn a_panel_has_its_verdict_beside_its_title() {
        let expected = "\
convoke: parts of a system that act together
A round  ✗ cancelled: payment is missing
  stock       ━━━━━━━━━━━━ ✓ 3 left
  payment     ┄┄┄┄┄┄┄┄┄┄┄┄ · waits

q leave   r again
";
        assert_eq!(screen(60, 6, &panels()), expected);
    }

    #[test]
    fn a_low_and_narrow_terminal_shows_the_latest() {
        let expected = "\
convoke: parts of
  payment     ┄┄┄┄
q leave   r again
";
        assert_eq!(screen(18, 3, &panels()), expected);
    }

    #[test]
    fn no_size_is_too_small() {
        let row = |number: usize| Row { who: format!("{number}"), tone: Tone::Back, full: 50, says: "x".repeat(200) };
        let panel = Panel { title: "many", about: "", rows: (0..100).map(row).collect(), verdict: None };
        for (width, height) in [(1, 1), (2, 2), (200, 1), (1, 200)] {
            screen(width, height, std::slice::from_ref(&panel));
        }
    }
}
