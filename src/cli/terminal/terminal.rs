//! The two streams of the command.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::said::Said;
use crate::error::Error;

const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default();

/// Where a command says what it has done. Colors stand only on a terminal, and not where `NO_COLOR` is set.
#[derive(Debug)]
pub(crate) struct Terminal {
    json: bool,
}

impl Terminal {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Says what was done, or would be.
    pub(crate) fn say(&self, said: &Said) -> io::Result<()> {
        if self.json {
            return written(writeln!(anstream::stdout(), "{:#}", said.json()));
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
        if self.json {
            let said = json!({ "error": error.to_string(), "help": error.hints() });
            let _ = writeln!(anstream::stdout(), "{said:#}");
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
