//! How a service is, as it is told and asked.
//!
//! `a change of state → ServiceState's table → ServiceStatus → service/status`

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::ServiceState;
use crate::base::{Noted, Shown};
use crate::events::event::{Event, Name, read_date, write_date};

/// The status of a service. It is published as an event on `service/status` at each change, and returned when you ask.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// The name of the service.
    pub service: Name,
    /// The state of the service.
    pub state: ServiceState,
    /// The time since which the service has been in this state.
    #[serde(serialize_with = "write_date", deserialize_with = "read_date")]
    pub since: SystemTime,
    /// The last error, if it has led to this state or a handler has failed in this state.
    pub error: Option<String>,
    /// The number of times the service was started again.
    pub restarts: u32,
    /// The number of failed calls: handlers that returned an error or took too long, and calls lost when the service
    /// ended.
    pub errors: u64,
    /// The last failure that it tells of, as that is known to a test.
    #[serde(skip)]
    pub(crate) noted: Noted,
}

impl fmt::Debug for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceStatus")
            .field("service", &self.service)
            .field("state", &self.state)
            .field("since", &self.since)
            .field("error", &self.error)
            .field("restarts", &self.restarts)
            .field("errors", &self.errors)
            .finish()
    }
}

impl Event for ServiceStatus {
    const NAME: &'static str = "ServiceStatus";
    const TOPIC: &'static str = "service/status";
    const ENTITY: &'static str = "Service";

    fn entity_id(&self) -> Option<String> {
        Some(self.service.to_string())
    }

    fn to_json(&self) -> Result<Value, serde_json::Error> {
        crate::events::event::to_value(self)
    }

    fn from_json(payload: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(payload)
    }
}

impl ServiceStatus {
    pub(crate) fn new(service: Name, now: SystemTime) -> Self {
        Self {
            service,
            state: ServiceState::Stopped,
            since: now,
            error: None,
            restarts: 0,
            errors: 0,
            noted: Noted::default(),
        }
    }

    /// A test looks at it, and so at the failure that it tells of.
    pub(crate) fn look(&self) {
        #[cfg(feature = "testing")]
        crate::base::saw_until(self.noted);
    }

    /// Enters a state, if the table has it; says whether it has. A state that is followed by itself is none.
    pub(crate) fn enter(&mut self, state: ServiceState, error: Option<String>, now: SystemTime) -> bool {
        if !self.state.may_become(state) {
            return false;
        }
        if self.state == ServiceState::Restarting && state == ServiceState::Starting {
            self.restarts = self.restarts.saturating_add(1);
        }
        self.state = state;
        self.since = now;
        self.error = error;
        true
    }

    /// A call of it has failed.
    pub(crate) fn erred(&mut self, error: String) {
        self.errors = self.errors.saturating_add(1);
        self.error = Some(error);
    }
}

impl fmt::Display for ServiceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            ServiceState::Failed => write!(f, "{} has failed", self.service)?,
            state => write!(f, "{} is {state}", self.service)?,
        }
        match &self.error {
            Some(error) => write!(f, ": {}", Shown::text(error)),
            None => Ok(()),
        }
    }
}

/// Whether all of them run.
pub(crate) fn is_ready(statuses: &[ServiceStatus]) -> bool {
    statuses.iter().all(|status| status.state.is_up())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::json;

    use super::ServiceState::{Degraded, Failed, Restarting, Running, Starting, Stopped, Stopping};
    use super::*;

    fn status() -> ServiceStatus {
        ServiceStatus::new("billing".into(), UNIX_EPOCH)
    }

    /// One that has gone through these states.
    fn through(states: &[ServiceState]) -> ServiceStatus {
        let mut status = status();
        for state in states {
            assert!(status.enter(*state, None, UNIX_EPOCH), "{} → {state}", status.state);
        }
        status
    }

    #[test]
    fn the_table_of_transitions() {
        let table = [
            (Starting, "running restarting stopping stopped failed"),
            (Running, "degraded restarting stopping stopped failed"),
            (Degraded, "running restarting stopping stopped failed"),
            (Restarting, "starting stopping stopped failed"),
            (Stopping, "stopped restarting"),
            (Stopped, "starting"),
            (Failed, "starting"),
        ];
        for (state, expected) in table {
            let next: Vec<_> = state.next().iter().map(ToString::to_string).collect();
            assert_eq!(next.join(" "), expected, "after {state}");
            for other in ServiceState::ALL {
                assert_eq!(state.may_become(other), state.next().contains(&other), "{state} → {other}");
                let mut status = status();
                status.state = state;
                assert_eq!(status.enter(other, None, UNIX_EPOCH), state.may_become(other), "{state} → {other}");
            }
        }
    }

    #[test]
    fn no_state_is_a_dead_end_and_each_is_reached() {
        for state in ServiceState::ALL {
            assert!(!state.next().is_empty(), "{state}");
            assert!(ServiceState::ALL.iter().any(|before| before.may_become(state)), "{state}");
            assert!(!state.may_become(state), "{state}");
        }
    }

    #[test]
    fn up_and_over_are_told_apart() {
        let of =
            |is: fn(ServiceState) -> bool| ServiceState::ALL.into_iter().filter(|state| is(*state)).collect::<Vec<_>>();
        assert_eq!(of(ServiceState::is_up), [Running, Degraded]);
        assert_eq!(of(ServiceState::is_over), [Stopped, Failed]);
    }

    #[test]
    fn a_refused_transition_changes_nothing() {
        let mut status = through(&[Starting, Running]);
        let before = status.clone();
        assert!(!status.enter(Starting, Some("no".to_owned()), UNIX_EPOCH + Duration::from_secs(9)));
        assert_eq!(status, before);
    }

    #[test]
    fn a_change_has_its_time_and_its_error_and_the_next_has_none() {
        let later = UNIX_EPOCH + Duration::from_secs(9);
        let mut status = through(&[Starting, Running]);
        status.enter(Degraded, Some("no feed".to_owned()), later);
        assert_eq!((status.state, status.since, status.error.as_deref()), (Degraded, later, Some("no feed")));
        assert_eq!(status.to_string(), "billing is degraded: no feed");
        status.enter(Running, None, later);
        assert_eq!(status.error, None);
        assert_eq!(status.to_string(), "billing is running");
        status.enter(Failed, Some("no ledger".to_owned()), later);
        assert_eq!(status.to_string(), "billing has failed: no ledger");
    }

    #[test]
    fn only_a_start_after_a_restart_counts_as_one() {
        assert_eq!(through(&[Starting, Running, Stopping, Stopped, Starting]).restarts, 0);
        assert_eq!(through(&[Starting, Running, Restarting, Starting]).restarts, 1);
        assert_eq!(through(&[Starting, Running, Restarting, Starting, Restarting, Starting, Running]).restarts, 2);
        assert_eq!(through(&[Starting, Failed, Starting]).restarts, 0);
    }

    #[test]
    fn errors_are_counted_and_the_last_is_told() {
        let mut status = through(&[Starting, Running]);
        status.erred("one".to_owned());
        status.erred("two".to_owned());
        assert_eq!((status.errors, status.error.as_deref(), status.state), (2, Some("two"), Running));
    }

    #[test]
    fn all_are_ready_or_none_is() {
        let up = through(&[Starting, Running]);
        let degraded = through(&[Starting, Running, Degraded]);
        assert!(is_ready(&[]));
        assert!(is_ready(&[up.clone(), degraded]));
        assert!(!is_ready(&[up, status()]));
    }

    #[test]
    fn its_json_is_what_a_topic_subscriber_reads() {
        let mut status = through(&[Starting, Running]);
        status.since = UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let expected = json!({
            "service": "billing", "state": "running", "since": "2026-01-01T00:00:00+00:00", "error": null, "restarts": 0,
            "errors": 0,
        });
        assert_eq!(status.to_json().unwrap(), expected);
        assert_eq!(ServiceStatus::from_json(&expected).unwrap(), status);
        assert_eq!(status.entity_id().as_deref(), Some("billing"));
        assert!(ServiceStatus::from_json(&json!({ "since": "yesterday" })).is_err());
    }

    #[test]
    fn states_are_padded_as_text_is() {
        assert_eq!(format!("{Running:>10}|"), "   running|");
        let names: Vec<_> = ServiceState::ALL.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["starting", "running", "degraded", "restarting", "stopping", "stopped", "failed"]);
    }
}
