//! The live view: tables below each other, and keys as in `htop`.

use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::table::{Table, cut};

const HELP: &str = "q F10 quit   > F6 sort   \\ F4 filter   p pause   ↑ ↓ PgUp PgDn scroll";

/// What somebody who looks has asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// By which column each table is sorted; as they come unless somebody has said so.
    column: Option<usize>,
    filter: String,
    /// The filter is being typed.
    typing: bool,
    paused: bool,
    /// How many lines are scrolled away.
    away: usize,
}

/// What a key has asked for beyond the view itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Nothing,
    Leave,
}

impl View {
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Asked {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Asked::Leave;
        }
        if self.typing {
            match key.code {
                KeyCode::Char(letter) => self.filter.push(letter),
                KeyCode::Backspace => drop(self.filter.pop()),
                KeyCode::Enter => self.typing = false,
                KeyCode::Esc => (self.typing, self.filter) = (false, String::new()),
                _ => {}
            }
            return Asked::Nothing;
        }
        match key.code {
            KeyCode::Char('q') | KeyCode::F(10) | KeyCode::Esc => return Asked::Leave,
            KeyCode::Char('>' | '.') | KeyCode::F(6) => self.column = Some(self.column.map_or(0, |column| column + 1)),
            KeyCode::Char('<' | ',') => self.column = self.column.and_then(|column| column.checked_sub(1)),
            KeyCode::Char('\\' | '/') | KeyCode::F(4 | 3) => self.typing = true,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Down => self.away += 1,
            KeyCode::Up => self.away = self.away.saturating_sub(1),
            KeyCode::PageDown => self.away += 10,
            KeyCode::PageUp => self.away = self.away.saturating_sub(10),
            KeyCode::Home => self.away = 0,
            _ => {}
        }
        Asked::Nothing
    }

    /// The lines of all tables.
    fn lines(&mut self, tables: &[Table], width: usize) -> Vec<Shown> {
        let most = tables.iter().map(|table| table.columns.len()).max().unwrap_or_default();
        // Behind the last column comes the order in which rows have come.
        self.column = self.column.filter(|column| *column < most);
        let mut lines = Vec::new();
        for table in tables {
            let mut table = table.clone();
            if !self.filter.is_empty() {
                table.filter(&self.filter);
            }
            if let Some(column) = self.column {
                table.sort(column);
            }
            if !lines.is_empty() {
                lines.push(Shown { is: Is::Row, text: String::new() });
            }
            lines.push(Shown { is: Is::Title, text: cut(&table.title, width) });
            let rows = table.lines(width, self.column).into_iter().enumerate();
            lines.extend(rows.map(|(number, text)| Shown { is: if number == 0 { Is::Head } else { Is::Row }, text }));
            lines.extend(
                table.fault.iter().map(|fault| Shown { is: Is::Fault, text: cut(&format!("  {fault}"), width) }),
            );
        }
        lines
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, title: &str, tables: &[Table]) {
        let [head, body, foot] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let paused = if self.paused { "  paused" } else { "" };
        frame.render_widget(Line::styled(format!("{title}{paused}"), bold), head);
        let lines = self.lines(tables, usize::from(body.width));
        let height = usize::from(body.height);
        self.away = self.away.min(lines.len().saturating_sub(height));
        let shown: Vec<Line<'_>> = window(&lines, self.away, height).map(Shown::line).collect();
        frame.render_widget(Paragraph::new(shown), body);
        let keys = match (self.typing, self.filter.is_empty()) {
            (true, _) => format!("filter: {}▏  Enter keeps it, Esc leaves it", self.filter),
            (false, false) => format!("filter: {}   {HELP}", self.filter),
            (false, true) => HELP.to_owned(),
        };
        frame.render_widget(Line::styled(keys, Style::new().fg(Color::DarkGray)), foot);
    }
}

/// A line of a table.
struct Shown {
    is: Is,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    Title,
    Head,
    Row,
    Fault,
}

impl Shown {
    fn line(&self) -> Line<'_> {
        let style = match self.is {
            Is::Title => Style::new().add_modifier(Modifier::BOLD),
            Is::Head => Style::new().fg(Color::Cyan),
            Is::Row => Style::new(),
            Is::Fault => Style::new().fg(Color::Red),
        };
        Line::styled(&*self.text, style)
    }
}

/// The lines that are seen when so many are scrolled away. What a table is called and what its columns are stays in view as long as a
/// row of it does: it stands over the first two.
fn window(lines: &[Shown], away: usize, height: usize) -> impl Iterator<Item = &Shown> {
    const STAYS: usize = 2;
    let title = lines.iter().take(away + STAYS + 2).rposition(|line| line.is == Is::Title);
    let stays = title
        .filter(|title| *title < away && height > STAYS)
        .map(|title| lines.get(title..title + STAYS).unwrap_or_default())
        .filter(|stays| stays.iter().any(|line| line.is == Is::Head))
        .unwrap_or_default();
    stays.iter().chain(lines.iter().skip(away + stays.len())).take(height)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::KeyEventKind;

    use super::*;
    use crate::live::top::table::Cell;

    fn tables() -> Vec<Table> {
        let row = |name: &str, waiting| vec![Cell::Text(name.to_owned()), Cell::Count(waiting)];
        let rows = vec![row("mails", Some(7)), row("orders", Some(1_204))];
        let queues = Table { title: "queues".to_owned(), columns: vec!["QUEUE", "WAITING"], rows, fault: None };
        let rounds = Table {
            title: "rounds".to_owned(),
            columns: vec!["ROUND", "OPEN"],
            fault: Some("it is away".to_owned()),
            ..Table::default()
        };
        vec![queues, rounds]
    }

    fn screen(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| view.draw(frame, "convoke top", &tables())).unwrap();
        terminal.backend().to_string().lines().map(|line| line.trim_matches('"').trim_end().to_owned() + "\n").collect()
    }

    fn press(view: &mut View, codes: impl IntoIterator<Item = KeyCode>) -> Asked {
        let mut asked = Asked::Nothing;
        for code in codes {
            let mut key = KeyEvent::new(code, KeyModifiers::NONE);
            key.kind = KeyEventKind::Press;
            asked = view.press(key);
        }
        asked
    }

    #[test]
    fn tables_stand_below_each_other() {
        let expected = "\
convoke top
queues
QUEUE   WAITING
mails         7
orders    1,204

rounds
ROUND  OPEN
  it is away

q F10 quit   > F6 sort   \\ F4 filter
";
        assert_eq!(screen(&mut View::default(), 36, 11), expected);
    }

    #[test]
    fn keys_sort_filter_and_leave() {
        let mut view = View::default();
        press(&mut view, [KeyCode::Char('>'), KeyCode::Char('>')]);
        assert!(screen(&mut view, 36, 9).contains("QUEUE   WAITING▾\norders"), "{}", screen(&mut view, 36, 9));
        press(&mut view, [KeyCode::Char('>')]);
        assert!(screen(&mut view, 36, 9).contains("WAITING\nmails"));
        press(&mut view, [KeyCode::Char('\\'), KeyCode::Char('o'), KeyCode::Char('r'), KeyCode::Char('q')]);
        assert!(screen(&mut view, 60, 9).contains("filter: orq"));
        assert!(!screen(&mut view, 60, 9).contains("orders"));
        press(&mut view, [KeyCode::Backspace, KeyCode::Enter]);
        assert!(screen(&mut view, 60, 9).contains("orders"));
        assert!(!screen(&mut view, 60, 9).contains("mails"));
        assert_eq!(press(&mut view, [KeyCode::Char('q')]), Asked::Leave);
    }

    #[test]
    fn the_head_of_a_table_stays_while_its_rows_are_scrolled() {
        let rows = (0..30).map(|n| vec![Cell::Text(format!("queue-{n:02}")), Cell::Count(Some(n))]).collect();
        let queues = Table { title: "a server".to_owned(), columns: vec!["QUEUE", "WAITING"], rows, fault: None };
        let short = Table { title: "tasks".to_owned(), ..tables().remove(0) };
        let tables = vec![queues, short];
        let mut view = View::default();
        let drawn = |view: &mut View| -> Vec<String> {
            let mut terminal = Terminal::new(TestBackend::new(30, 9)).unwrap();
            terminal.draw(|frame| view.draw(frame, "convoke top", &tables)).unwrap();
            let text = terminal.backend().to_string();
            text.lines().map(|line| line.trim_matches('"').trim_end().to_owned()).collect()
        };
        let rows =
            |first: usize, last: usize| (first..=last).map(|n| format!("queue-{n:02}{n:>9}")).collect::<Vec<_>>();
        let head = ["a server".to_owned(), "QUEUE     WAITING".to_owned()];
        for (down, first) in [(0, 0), (1, 1), (1, 2), (5, 7)] {
            press(&mut view, vec![KeyCode::Down; down]);
            let screen = drawn(&mut view);
            assert_eq!(screen[1..3], head, "{screen:?}");
            assert_eq!(screen[3..8], rows(first, first + 4), "{screen:?}");
        }
        // Each line is seen on the way down, and at the end the next table with its own head.
        press(&mut view, vec![KeyCode::Down; 100]);
        let screen = drawn(&mut view);
        assert_eq!(screen[4..6], ["tasks".to_owned(), "QUEUE   WAITING".to_owned()], "{screen:?}");
        assert!(screen[7].starts_with("orders"), "{screen:?}");
    }

    #[test]
    fn no_size_is_too_small_and_nothing_is_scrolled_out_of_sight() {
        let mut view = View::default();
        press(&mut view, [KeyCode::PageDown; 9]);
        for (width, height) in [(1, 1), (2, 2), (10, 3), (200, 50)] {
            screen(&mut view, width, height);
        }
        assert!(screen(&mut view, 80, 24).contains("orders"));
    }
}
