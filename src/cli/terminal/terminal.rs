//! The two streams of the command.

use std::cell::Cell;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::json::written as safe;
use super::progress::Progress;
use super::said::Said;
use crate::error::{Error, Result};

const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// The longest answer that is read.
const ANSWER: u64 = 1024;

/// Where a command says what it has done. Colors stand only on a terminal, and not where `NO_COLOR` is set.
#[derive(Debug)]
pub(crate) struct Terminal {
    json: bool,
    /// JSON stands on lines, and so does an error.
    lines: Cell<bool>,
}

impl Terminal {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, lines: Cell::new(false) }
    }

    /// Whether a machine reads what is said.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes lines that a person reads, of which whatever came from outside was escaped. Returns whether somebody still reads.
    ///
    /// # Errors
    ///
    /// If the standard output cannot be written to for another reason than that its reader is gone.
    pub(crate) fn print(&self, lines: &str) -> Result<bool> {
        let mut out = anstream::stdout().lock();
        heard(out.write_all(lines.as_bytes()).and_then(|()| out.flush()))
    }

    /// Writes one document for a machine, which is all that it is told.
    ///
    /// # Errors
    ///
    /// Those of [`print`](Self::print).
    pub(crate) fn document(&self, document: &Value) -> Result<bool> {
        self.print(&format!("{}\n", safe(document, true)))
    }

    /// Writes a line for each of these, for a machine. Returns whether somebody still reads.
    ///
    /// # Errors
    ///
    /// Those of [`print`](Self::print).
    pub(crate) fn lines<'a>(&self, lines: impl IntoIterator<Item = &'a Value>) -> Result<bool> {
        self.lines.set(true);
        let lines: String = lines.into_iter().map(|line| format!("{}\n", safe(line, false))).collect();
        self.print(&lines)
    }

    /// Says that lines will come, so that an error is one too.
    pub(crate) fn speaks_in_lines(&self) {
        self.lines.set(true);
    }

    /// Writes a remark that is not what was asked for, as a warning, to the standard error. Nobody is told when that fails.
    pub(crate) fn remark(&self, text: &str) {
        let _ = writeln!(anstream::stderr(), "{YELLOW}note:{YELLOW:#} {text}");
    }

    /// Empties the screen, if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`print`](Self::print).
    pub(crate) fn clear(&self) -> Result<bool> {
        if !io::stdout().is_terminal() {
            return Ok(true);
        }
        let mut out = io::stdout().lock();
        heard(out.write_all(b"\x1b[H\x1b[2J").and_then(|()| out.flush()))
    }

    /// Whether there is a person who can be asked.
    pub(crate) fn has_somebody(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a person; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the answer cannot be read.
    pub(crate) fn ask(&self, question: &str) -> Result<Option<String>> {
        if !self.has_somebody() {
            return Ok(None);
        }
        let failed = |error: io::Error| Error::disk("ask on", Path::new("the terminal"), &error);
        let mut out = anstream::stderr().lock();
        write!(out, "{YELLOW}{question}{YELLOW:#}").and_then(|()| out.flush()).map_err(failed)?;
        let mut answer = Vec::new();
        io::stdin().lock().take(ANSWER).read_until(b'\n', &mut answer).map_err(failed)?;
        Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
    }

    /// Shows how far something has come, of so many if anybody knows.
    pub(crate) fn progress(&self, total: Option<u64>) -> Progress {
        Progress::new(total, self.json)
    }

    /// Says what was done, or would be.
    pub(crate) fn say(&self, said: &Said) -> io::Result<()> {
        if self.json {
            return written(writeln!(anstream::stdout(), "{}", safe(&said.json(), true)));
        }
        written(self.tell(said, &mut anstream::stdout().lock()))
    }

    fn tell(&self, said: &Said, out: &mut impl Write) -> io::Result<()> {
        if let Some(diff) = &said.diff {
            if diff.is_empty() {
                return writeln!(out, "nothing would change");
            }
            return colored(diff, out);
        }
        if let Some((what, folder)) = &said.whole {
            writeln!(out, "{GREEN}{what} created:{GREEN:#} {folder}")?;
        }
        for made in said.made.iter().filter(|made| said.whole.is_none() || made.changed) {
            let verb = if made.changed { "changed" } else { "created" };
            match made.what {
                Some(what) => writeln!(out, "{GREEN}{what} {verb}:{GREEN:#} {}", made.path)?,
                None => writeln!(out, "  {verb} {}", made.path)?,
            }
        }
        for note in &said.notes {
            writeln!(out, "{note}")?;
        }
        for (text, paste) in &said.remember {
            writeln!(out, "{YELLOW}{text}{YELLOW:#}")?;
            for line in paste.iter().flat_map(|paste| paste.lines()) {
                writeln!(out, "    {line}")?;
            }
        }
        Ok(())
    }

    /// Writes text that is for a machine in any case: completions, a manual page.
    pub(crate) fn plain(&self, text: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        written(out.write_all(text).and_then(|()| out.flush()))
    }

    /// Says why nothing was done. There is nobody to be told when this fails.
    pub(crate) fn fail(&self, error: &Error) {
        if error.is_told() {
            return;
        }
        if self.json {
            let said = json!({ "error": error.to_string(), "help": error.hints() });
            let _ = writeln!(anstream::stdout(), "{}", safe(&said, !self.lines.get()));
            return;
        }
        let mut out = anstream::stderr().lock();
        let _ = writeln!(out, "{RED}error:{RED:#} {error}");
        for hint in error.hints() {
            let _ = writeln!(out, "  {CYAN}help:{CYAN:#} {hint}");
        }
    }
}

/// A reader that goes away, as `head` does, has read enough.
fn written(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Whether somebody still reads.
fn heard(result: io::Result<()>) -> Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::disk("write to", Path::new("the standard output"), &error)),
    }
}

fn colored(diff: &str, out: &mut impl Write) -> io::Result<()> {
    for line in diff.lines() {
        match line.as_bytes().first() {
            Some(b'+') => writeln!(out, "{GREEN}{line}{GREEN:#}")?,
            Some(b'-') => writeln!(out, "{RED}{line}{RED:#}")?,
            Some(b'@') => writeln!(out, "{CYAN}{line}{CYAN:#}")?,
            _ => writeln!(out, "{line}")?,
        }
    }
    Ok(())
}
