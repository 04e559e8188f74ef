//! A page with sessions, replayed: each `console` block is a line, the code that it ends with, and what it says.
//!
//! ```text
//! $ convoke make event order-lost
//! ? 2
//! error: `order-lost` cannot be the name of an event: …
//! ```
//!
//! `cd` goes into a folder for the lines behind it. A line of three dots stands for any number of lines, and three
//! dots in a line for any text.

use std::path::Path;

use crate::common::convoke;

/// Runs the commands of a page in this folder; returns the page as it would have to be, and how many commands it has.
pub(crate) fn replay(page: &str, folder: &Path) -> (String, usize) {
    let (mut new, mut at, mut count) = (String::new(), folder.to_path_buf(), 0);
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        new.push_str(line);
        new.push('\n');
        if line != "```console" {
            continue;
        }
        while let Some(line) = lines.next_if(|line| *line != "```") {
            let Some(command) = line.strip_prefix("$ ") else { continue };
            new.push_str(&format!("{line}\n"));
            if let Some(into) = command.strip_prefix("cd ") {
                at = at.join(into);
                continue;
            }
            count += 1;
            let mut shown = Vec::new();
            while let Some(line) = lines.next_if(|line| *line != "```" && !line.starts_with("$ ")) {
                shown.push(line);
            }
            new.push_str(&said(command, &at, &shown));
        }
    }
    (new, count)
}

/// What a command says, in the form of a page; with dots where the page has them, and what stands there fits.
fn said(command: &str, at: &Path, shown: &[&str]) -> String {
    let words = words(command);
    assert_eq!(words.first().map(String::as_str), Some("convoke"), "{command}: only `convoke` and `cd` are run here");
    let output = convoke(at, &words[1..]);
    let mut lines = Vec::new();
    if let Some(code) = output.status.code().filter(|code| *code != 0) {
        lines.push(format!("? {code}"));
    }
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    lines.extend(text.lines().map(|line| line.trim_end().to_owned()));
    // A command stands apart from the next.
    lines.push(String::new());
    if fits(shown, &lines) { shown.join("\n") + "\n" } else { lines.join("\n") + "\n" }
}

/// Whether lines are those that are shown, where three dots are any number of them.
fn fits(shown: &[&str], lines: &[String]) -> bool {
    match (shown, lines) {
        ([], []) => true,
        (["...", rest @ ..], _) => (0..=lines.len()).any(|skipped| fits(rest, &lines[skipped..])),
        ([one, shown @ ..], [other, lines @ ..]) => is_like(one, other) && fits(shown, lines),
        _ => false,
    }
}

/// Whether a line is the one that is shown, where three dots are any text.
fn is_like(shown: &str, line: &str) -> bool {
    match shown.split_once("...") {
        None => shown == line,
        Some((before, behind)) => line
            .strip_prefix(before)
            .is_some_and(|rest| (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| is_like(behind, rest))),
    }
}

/// The words of a line; between single quotes a space is none of its ends.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words
}
