//! Asks before it writes.
//!
//! `--yes → yes`, `a terminal → the name of the context is typed, or y`, `neither → refused`

use super::act::Act;
use crate::error::{Error, Result, shown};
use crate::places::Place;
use crate::terminal::Terminal;

/// Whether a command may write here.
///
/// # Errors
///
/// If somebody says no, or nobody can be asked.
pub(super) fn consent(terminal: &Terminal, place: &Place, act: &Act<'_>) -> Result<()> {
    if act.yes || !place.is_production() && act.asks.is_none() {
        return Ok(());
    }
    let context = place.context().filter(|_| place.is_production());
    let (question, wanted) = match context {
        Some(name) => {
            let asks = act.asks.map_or_else(|| format!("`{}` writes to it", act.command), str::to_owned);
            let shown = shown(name);
            (format!("{place} is production: {asks}. Type `{shown}` to go on: "), name)
        }
        None => (format!("{place}: {}. Go on? (y/N) ", act.asks.unwrap_or_default()), "y"),
    };
    let Some(answer) = terminal.ask(&question)? else {
        let why = match context {
            Some(name) => format!("context `{}` is production, and there is no terminal to ask on", shown(name)),
            None => format!("{}: and there is no terminal to ask on", act.asks.unwrap_or_default()),
        };
        return Err(Error::refused(why).hint("a script says `--yes`; nothing was changed"));
    };
    let answer = answer.trim();
    if answer == wanted || context.is_none() && answer.eq_ignore_ascii_case("yes") {
        return Ok(());
    }
    Err(Error::refused("it was not wanted: nothing was changed"))
}
