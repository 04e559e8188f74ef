//! Libraries that do the same, each in a process of its own, which prints one line of JSON.

use super::{Place, Sample, commands};
use crate::harness::Failure;

/// A library that is measured beside ours.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// Over which databases it works.
    databases: &'static [&'static str],
    /// The variable that says where it is.
    variable: &'static str,
    /// How one gets it.
    install: &'static str,
    /// The program that is told where it is; `None` if what the variable names is the program.
    program: Option<&'static str>,
    /// Before those that all have.
    arguments: &'static [&'static str],
}

const PEERS: [Peer; 3] = [
    Peer {
        name: "eventsourcing",
        databases: &["sqlite", "postgres"],
        variable: "CONVOKE_EVENTSOURCING",
        install: "a Python that has it: pip install 'eventsourcing[postgres]==9.5.6'",
        program: None,
        arguments: &["-c", include_str!("eventsourcing_store.py")],
    },
    Peer {
        name: "emmett",
        databases: &["postgres"],
        variable: "CONVOKE_EMMETT",
        install: "a folder that has it: npm install @event-driven-io/emmett-postgresql@0.42.0 and what that asks for",
        program: Some("node"),
        arguments: &["--input-type=module", "-e", include_str!("emmett_store.mjs"), "--"],
    },
    Peer {
        name: "cqrs-es",
        databases: &["postgres"],
        variable: "CONVOKE_CQRS_ES",
        install: "what `cargo build --release --manifest-path benches/cqrs-es/Cargo.toml` has built",
        program: None,
        arguments: &[],
    },
];

/// Those that work over a database.
pub(super) fn over(database: &str) -> Vec<&'static Peer> {
    PEERS.iter().filter(|peer| peer.databases.contains(&database)).collect()
}

impl Peer {
    /// # Errors
    ///
    /// If it is not there, or does not do its work.
    pub(super) async fn sample(&self, place: &Place<'_>) -> Result<Sample, Failure> {
        let at = std::env::var(self.variable).map_err(|_| format!("set {} to {}", self.variable, self.install))?;
        let mut command = tokio::process::Command::new(self.program.unwrap_or(&at));
        command.args(self.arguments);
        if self.program.is_some() {
            command.arg(&at);
        }
        let url =
            if place.database == "sqlite" { format!("{}-{}", place.url, place.name) } else { place.url.to_owned() };
        let (single, many) = (place.single, place.many);
        command.args([url, single.to_string(), many.to_string(), commands().to_string()]);
        let output = command.output().await?;
        if !output.status.success() {
            return Err(format!("{}: {}", self.name, String::from_utf8_lossy(&output.stderr)).into());
        }
        let read: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let of = |work: &str, count: usize| {
            let figure = |place: usize| Some(read[work][place].as_f64()? / count as f64);
            Some((figure(0)?, figure(1)?))
        };
        let all = single + many;
        Ok([of("one", single), of("hundreds", many), None, of("read", all), None, of("commands", commands())])
    }
}
