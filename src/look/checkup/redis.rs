//! A Redis.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Value, cmd};

use super::clock::Asked;
use super::finding::Finding;
use crate::look::Address;
use crate::transport::redis::{Link, WRONG_URL, client};
use crate::transport::{ErrorKind, TransportError};

/// What the server says of itself; nothing where it does not say.
#[derive(Clone, Default)]
struct Facts {
    version: Option<String>,
    /// That of a Valkey, which also tells a version of Redis.
    valkey: Option<String>,
    user: Option<String>,
    eviction: Option<String>,
    appendonly: Option<bool>,
    appendfsync: Option<String>,
    /// Whether it starts with a log whose end is cut off.
    truncated: Option<bool>,
    snapshots: Option<bool>,
    /// Whether the last write to the disk went well.
    written: Option<bool>,
    replica: Option<bool>,
    used: Option<u64>,
    most: Option<u64>,
    loading: Option<bool>,
}

pub(super) async fn look(address: &Address, patience: Duration) -> Result<Vec<Finding>, TransportError> {
    let at: Arc<str> = address.to_string().into();
    let (client, _) =
        client(address.url()).ok_or_else(|| TransportError::new(ErrorKind::Refused, at.clone(), WRONG_URL))?;
    let link = Link::new(at.clone(), client, patience, patience);
    link.command(&cmd("PING")).await.map_err(|fault| fault.at(&at))?;
    let info = said(&link, &at, "INFO", &[]).await?.and_then(text).unwrap_or_default();
    let mut facts = of_info(&info);
    facts.user = said(&link, &at, "ACL", &["WHOAMI"]).await?.and_then(text);
    for (name, place) in [("appendfsync", &mut facts.appendfsync), ("maxmemory-policy", &mut facts.eviction)] {
        if let Some(is) = setting(&link, &at, name).await? {
            *place = Some(is);
        }
    }
    facts.truncated = setting(&link, &at, "aof-load-truncated").await?.map(|truncated| truncated == "yes");
    facts.snapshots = setting(&link, &at, "save").await?.map(|save| !save.is_empty());
    let mut findings = judge(&facts);
    let asked = Asked::now();
    if let Some(Value::Array(time)) = said(&link, &at, "TIME", &[]).await?
        && let [seconds, micros] = &time[..]
        && let (Some(seconds), Some(micros)) = (number(seconds), number(micros))
    {
        findings.push(asked.answered(seconds + micros / 1e6));
    }
    Ok(findings)
}

/// What the server answers; nothing if it does not let this user ask.
async fn said(link: &Link, at: &Arc<str>, command: &str, words: &[&str]) -> Result<Option<Value>, TransportError> {
    let mut ask = cmd(command);
    for word in words {
        ask.arg(*word);
    }
    match link.command(&ask).await {
        Ok(answer) => Ok(Some(answer.value)),
        Err(fault) if fault.is_temporary() => Err(fault.at(at)),
        Err(_) => Ok(None),
    }
}

async fn setting(link: &Link, at: &Arc<str>, name: &str) -> Result<Option<String>, TransportError> {
    let Some(Value::Array(pair)) = said(link, at, "CONFIG", &["GET", name]).await? else { return Ok(None) };
    Ok(pair.into_iter().nth(1).and_then(text))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) => Some(text),
        Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<f64> {
    text(value.clone())?.parse().ok()
}

fn of_info(info: &str) -> Facts {
    let field = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    };
    let is = |name: &str, value: &str| field(name).map(|is| is == value);
    let number = |name: &str| field(name)?.parse().ok();
    let written = match (field("rdb_last_bgsave_status"), field("aof_last_write_status")) {
        (None, None) => None,
        (rdb, aof) => Some(rdb.is_none_or(|is| is == "ok") && aof.is_none_or(|is| is == "ok")),
    };
    Facts {
        version: field("redis_version"),
        valkey: field("valkey_version"),
        user: None,
        eviction: field("maxmemory_policy"),
        appendonly: is("aof_enabled", "1"),
        appendfsync: None,
        truncated: None,
        snapshots: None,
        written,
        replica: is("role", "slave"),
        used: number("used_memory"),
        most: number("maxmemory"),
        loading: is("loading", "1"),
    }
}

/// Whether what is cut off at the end of a log is a transaction as a whole: Valkey does so since this version, and no Redis is known to.
fn cuts_off_whole_transactions(valkey: Option<&str>) -> bool {
    let mut numbers = valkey.unwrap_or_default().split('.').map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next()) >= (9, 1, 2)
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match &facts.version {
        Some(version) => Finding::right("server", format!("Redis {version} answers")),
        None => Finding::known("server", "it answers, and does not tell its version: this user may not call INFO"),
    });
    if let Some(user) = &facts.user {
        findings.push(Finding::right("user", format!("the user is {user}")));
    }
    findings.push(match facts.eviction.as_deref() {
        Some("noeviction") => {
            Finding::right("eviction", "maxmemory-policy is noeviction: a full server refuses, and deletes nothing")
        }
        Some(policy) => {
            let says = format!("maxmemory-policy is {policy}: a full server deletes keys, and whole queues with them");
            Finding::risk("eviction", says, "set maxmemory-policy noeviction")
        }
        None => Finding::known("eviction", "it does not tell its maxmemory-policy: make sure of noeviction"),
    });
    findings.push(match (facts.appendonly, facts.snapshots) {
        (Some(true), _) => Finding::right("appendonly", "what is written goes to a log"),
        (Some(false), Some(true)) => {
            let says =
                "appendonly is no: a restart goes back to the last snapshot, and what was confirmed since is lost";
            Finding::risk("appendonly", says, "say CONFIG SET appendonly yes, and set it in redis.conf")
        }
        (Some(false), _) => {
            Finding::risk("appendonly", "appendonly is no: a restart may lose what was confirmed", "set appendonly yes")
        }
        (None, _) => Finding::known("appendonly", "it does not tell whether it writes a log"),
    });
    if facts.appendonly == Some(true) {
        findings.push(match facts.appendfsync.as_deref() {
            Some("always") => Finding::right("appendfsync", "each write is on the disk before it is confirmed"),
            Some("everysec") => Finding::known(
                "appendfsync",
                "appendfsync is everysec: a crash of the machine takes up to two seconds of what was confirmed",
            ),
            Some(other) => {
                let says =
                    format!("appendfsync is {other}: the system writes when it likes, as late as after half a minute");
                Finding::risk("appendfsync", says, "set appendfsync everysec, or always where nothing may be lost")
            }
            None => Finding::known("appendfsync", "it does not tell its appendfsync"),
        });
        if facts.truncated == Some(true) && !cuts_off_whole_transactions(facts.valkey.as_deref()) {
            findings.push(Finding::known(
                "short reads",
                "where a kill has cut off the log within a script, a second one may carry out its half, or take what was confirmed since: \
                 send BGREWRITEAOF to a server whose log says `short read`",
            ));
        }
    }
    if facts.written == Some(false) {
        let says = "the last write to its disk has failed: it may refuse all writes, and a restart loses them";
        findings.push(Finding::broken("disk", says, "look at its log, its disk and the rights of its folder"));
    }
    if facts.replica == Some(true) {
        findings.push(Finding::broken("writes", "it is a replica, which takes no writes", "name the primary server"));
    }
    if facts.loading == Some(true) {
        findings.push(Finding::broken(
            "writes",
            "it loads its data, and answers nothing else yet",
            "wait until it has",
        ));
    }
    if let (Some(used), Some(most @ 1..)) = (facts.used, facts.most) {
        let percent = used.saturating_mul(100) / most;
        findings.push(Finding::held(
            percent < 80,
            "memory",
            format!("it uses {percent} % of its maxmemory"),
            format!("it uses {percent} % of its maxmemory, and a full one refuses what is published"),
            "raise maxmemory, or find out which queue grows",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::Gravity;

    const INFO: &str = "# Server\r\nredis_version:7.4.1\r\n# Memory\r\nused_memory:100\r\nmaxmemory:1000\r\n\
        maxmemory_policy:noeviction\r\n# Persistence\r\nloading:0\r\nrdb_last_bgsave_status:ok\r\naof_enabled:1\r\n\
        aof_last_write_status:ok\r\n# Replication\r\nrole:master\r\n";

    fn facts() -> Facts {
        Facts { appendfsync: Some("always".to_owned()), ..of_info(INFO) }
    }

    fn worst(facts: &Facts) -> (&'static str, Gravity) {
        let findings = judge(facts);
        findings.iter().max_by_key(|finding| finding.gravity()).map(|worst| (worst.about(), worst.gravity())).unwrap()
    }

    #[test]
    fn each_fact_has_its_finding() {
        use Gravity::{Broken, Known, Right, Risk};

        let set = |change: fn(&mut Facts)| {
            let mut facts = facts();
            change(&mut facts);
            worst(&facts)
        };
        assert_eq!(worst(&facts()).1, Right);
        assert_eq!(set(|facts| facts.eviction = Some("allkeys-lru".to_owned())), ("eviction", Risk));
        assert_eq!(set(|facts| facts.appendonly = Some(false)), ("appendonly", Risk));
        assert_eq!(set(|facts| facts.appendfsync = Some("everysec".to_owned())), ("appendfsync", Known));
        assert_eq!(set(|facts| facts.appendfsync = Some("no".to_owned())), ("appendfsync", Risk));
        assert_eq!(set(|facts| facts.truncated = Some(true)), ("short reads", Known));
        let valkey = |version: &str| {
            let info = format!("{INFO}valkey_version:{version}\r\n");
            worst(&Facts { truncated: Some(true), appendfsync: Some("always".to_owned()), ..of_info(&info) }).1
        };
        assert_eq!(["9.1.1", "9.1.2", "9.2.0-rc1", "10.0", "8.1.9"].map(valkey), [Known, Right, Right, Right, Known]);
        assert_eq!(set(|facts| facts.replica = Some(true)), ("writes", Broken));
        assert_eq!(set(|facts| facts.loading = Some(true)), ("writes", Broken));
        assert_eq!(set(|facts| facts.used = Some(900)), ("memory", Risk));
        assert_eq!(
            worst(&of_info(&INFO.replace("aof_last_write_status:ok", "aof_last_write_status:err"))),
            ("disk", Broken)
        );
    }

    #[test]
    fn what_it_does_not_tell_is_not_taken_for_right() {
        let findings = judge(&of_info(""));
        let known: Vec<&str> =
            findings.iter().filter(|finding| finding.gravity() == Gravity::Known).map(Finding::about).collect();
        assert_eq!(known, ["server", "eviction", "appendonly"]);
    }
}
