//! Whether a server keeps what it has confirmed: one that evicts keys, or writes nothing to its disk, loses rounds.
//!
//! `CONFIG GET, or else INFO → what it says → an error that says what to set`

use std::sync::Arc;

use ::redis::{Value, cmd};

use super::handle::RedisRounds;
use crate::transport::{ErrorKind, TransportError};

/// What has to be set: the name, what it has to be, where `INFO` says so and how, and what happens else.
struct Setting {
    name: &'static str,
    wanted: &'static str,
    section: &'static str,
    field: &'static str,
    of_field: &'static str,
    why: &'static str,
}

const SETTINGS: [Setting; 2] = [
    Setting {
        name: "maxmemory-policy",
        wanted: "noeviction",
        section: "memory",
        field: "maxmemory_policy",
        of_field: "noeviction",
        why: "a server that is full would delete rounds",
    },
    Setting {
        name: "appendonly",
        wanted: "yes",
        section: "persistence",
        field: "aof_enabled",
        of_field: "1",
        why: "rounds would end with the server",
    },
];

/// Looks whether the server has what rounds need.
///
/// # Errors
///
/// - `Unsupported` if it has not, or says nothing of it.
/// - Those of any command.
pub(super) async fn check(server: &RedisRounds, at: &Arc<str>) -> Result<(), TransportError> {
    if server.trusts() {
        return Ok(());
    }
    for setting in &SETTINGS {
        match said(server, at, setting).await? {
            Said::Right => {}
            Said::Wrong(is) => {
                let Setting { name, wanted, why, .. } = setting;
                let text = format!("the server has {name} {is}, and {why}: set {name} to {wanted}");
                return Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text));
            }
            Said::Nothing => {
                let name = setting.name;
                let text = format!(
                    "the server does not say what {name} is: let the user call CONFIG GET or INFO, or, if maxmemory-policy is \
                     noeviction and appendonly is yes, say trusting_the_server()"
                );
                return Err(TransportError::new(ErrorKind::Unsupported, at.clone(), text));
            }
        }
    }
    Ok(())
}

enum Said {
    Right,
    /// What it is.
    Wrong(String),
    Nothing,
}

async fn said(server: &RedisRounds, at: &Arc<str>, setting: &Setting) -> Result<Said, TransportError> {
    if let Some(Value::Array(pair)) = asked(server, at, "CONFIG", &["GET", setting.name]).await?
        && let [_, Value::BulkString(is)] = &pair[..]
    {
        return Ok(compared(&String::from_utf8_lossy(is), setting.wanted));
    }
    if let Some(Value::BulkString(text)) = asked(server, at, "INFO", &[setting.section]).await? {
        let text = String::from_utf8_lossy(&text);
        let is = text.lines().find_map(|line| line.strip_prefix(setting.field)?.strip_prefix(':'));
        if let Some(is) = is {
            return Ok(match compared(is.trim(), setting.of_field) {
                // In the word of the setting.
                Said::Wrong(is) if is == "0" => Said::Wrong("no".to_owned()),
                said => said,
            });
        }
    }
    Ok(Said::Nothing)
}

fn compared(is: &str, wanted: &str) -> Said {
    match is.eq_ignore_ascii_case(wanted) {
        true => Said::Right,
        // It is one word: whatever else stands there is nobody's.
        false => {
            Said::Wrong(is.chars().filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-').take(32).collect())
        }
    }
}

/// What the server answers; nothing if it does not let anybody ask.
async fn asked(
    server: &RedisRounds,
    at: &Arc<str>,
    command: &str,
    words: &[&str],
) -> Result<Option<Value>, TransportError> {
    let mut ask = cmd(command);
    for word in words {
        ask.arg(*word);
    }
    match server.link().command(&ask).await {
        Ok(answer) => Ok(Some(answer.value)),
        Err(fault) if fault.is_temporary() => Err(fault.at(at)),
        Err(_) => Ok(None),
    }
}
