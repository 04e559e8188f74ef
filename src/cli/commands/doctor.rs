//! `convoke doctor`

use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;
use convoke::look::{Checkup, Finding, Gravity};
use serde_json::{Value, json};

use super::at::AtQueue;
use crate::error::{Error, Result, told};
use crate::places::Place;
use crate::running::run;
use crate::terminal::Terminal;

const EXAMPLES: &str = "\
Examples:
  convoke doctor postgres://localhost/shop
  convoke doctor sqs:#orders --longest-handler 90
  convoke doctor --context shop

Nothing is written. What a server does not tell is known, and never taken for
right.

Exit codes:
  0  nothing is broken, and nothing is a risk
  1  something is, or the server cannot be reached";

/// Looks whether a server can be reached, and keeps what it confirms
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct Doctor {
    /// Where, as postgres://localhost/shop, redis://localhost#orders
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// How many seconds the slowest handler of a delivery takes
    #[arg(long, value_name = "SECONDS")]
    longest_handler: Option<u32>,

    #[command(flatten)]
    at: AtQueue,
}

impl Doctor {
    pub(super) fn run(&self, terminal: &Terminal) -> Result<()> {
        let place = self.at.place(self.url.as_deref())?;
        let findings = run(async |stop| stop.or(self.look(&place)).await)?;
        let serious = findings.iter().filter(|finding| finding.gravity() >= Gravity::Risk).count();
        if terminal.is_json() {
            let findings: Vec<Value> = findings.iter().map(json_of).collect();
            terminal.document(&json!({ "findings": findings, "server": place.to_string() }))?;
        } else {
            terminal.print(&lines(&findings))?;
        }
        if serious == 0 {
            return Ok(());
        }
        // They were told already, and this is the code that says so.
        Err(Error::told())
    }

    async fn look(&self, place: &Place) -> Result<Vec<Finding>> {
        let mut checkup = Checkup::new().patience(self.at.patience().time());
        if let Some(seconds) = self.longest_handler {
            checkup = checkup.longest_handler(Duration::from_secs(seconds.into()));
        }
        Ok(checkup.of(place.address()).await?)
    }
}

/// Each finding as a line, and what to do below it.
fn lines(findings: &[Finding]) -> String {
    let mut lines = String::new();
    for finding in findings {
        let style = match finding.gravity() {
            Gravity::Right => AnsiColor::Green.on_default(),
            Gravity::Risk => AnsiColor::Yellow.on_default().bold(),
            Gravity::Broken => AnsiColor::Red.on_default().bold(),
            _ => AnsiColor::Cyan.on_default(),
        };
        let (gravity, about) = (finding.gravity(), finding.about());
        lines += &format!("{style}{gravity:<6}{style:#}  {about:<12}  {}\n", told(finding.says()));
        if let Some(todo) = finding.todo() {
            lines += &format!("{:22}{}\n", "", told(todo));
        }
    }
    lines
}

fn json_of(finding: &Finding) -> Value {
    json!({
        "about": finding.about(),
        "gravity": finding.gravity().to_string(),
        "says": told(finding.says()),
        "todo": finding.todo().map(told),
    })
}
