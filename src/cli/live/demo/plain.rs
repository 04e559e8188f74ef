//! The acts as lines: for a pipe, a log, a screen reader.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::stage::{Change, Pace, Panel, Stage, Tone};

/// A stage that writes a line for each change. A reader that goes away, as `head` does, has read enough.
pub(crate) fn plain(pace: Pace) -> Stage {
    Stage::new(pace, |panel, change| {
        let _ = line(panel, &change, &mut anstream::stdout().lock());
    })
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Waits => Style::new().dimmed(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
        Tone::Back => AnsiColor::Yellow.on_default(),
    }
}

fn line(panel: &Panel, change: &Change<'_>, out: &mut impl Write) -> io::Result<()> {
    match change {
        Change::Begins => {
            let bold = Style::new().bold();
            writeln!(out, "\n{bold}{}{bold:#}: {}", panel.title, panel.about)?;
        }
        Change::Row(row) => {
            let style = style(row.tone);
            writeln!(out, "  {:<10} {style}{}{style:#}", row.who, row.says)?;
        }
        Change::Verdict(tone, text) => {
            let style = style(*tone);
            writeln!(out, "  {style}{text}{style:#}")?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::demo::stage::Row;

    #[test]
    fn a_change_is_a_line() {
        let row = Row { who: "stock".to_owned(), tone: Tone::Waits, full: 0, says: "3 left".to_owned() };
        let panel = Panel { title: "A round", about: "three answer", rows: vec![row.clone()], verdict: None };
        let mut out = Vec::new();
        for change in [Change::Begins, Change::Row(&row), Change::Verdict(Tone::Good, "resolved")] {
            line(&panel, &change, &mut out).unwrap();
        }
        let text = anstream::adapter::strip_str(std::str::from_utf8(&out).unwrap()).to_string();
        assert_eq!(text, "\nA round: three answer\n  stock      3 left\n  resolved\n");
    }
}
