//! What is wrong in this process, for the page that says that first.

use convoke::{ServiceState, ServiceView};

use super::buses::BusShown;
use super::parts::{ServicesShown, SideShown};
use crate::view::{link, shown, told};

/// Something that is wrong.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// 2 is the worst.
    pub(crate) gravity: u8,
    pub(crate) text: String,
    /// Where more is said, behind the base of the console.
    pub(crate) href: String,
}

/// What is wrong, the worst first.
pub(super) fn troubles(trees: &[ServicesShown], buses: &[BusShown], sides: &[SideShown]) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    for services in trees {
        if services.is_live == Some(false) {
            let text = match &services.blocked_by {
                Some(service) => format!("the arbiter of the services does not answer: `{}` blocks it", shown(service)),
                None => "the arbiter of the services does not answer, or a service has failed that liveness needs"
                    .to_owned(),
            };
            troubles.push(Trouble { gravity: 2, text, href: "/services".to_owned() });
        }
        services.views.iter().for_each(|view| of_service(view, &mut troubles));
    }
    for side in sides.iter().filter(|side| !side.is_healthy && !side.has_ended) {
        let text = format!("{} `{}`: {}", side.kind, shown(&side.name), told(&side.text));
        troubles.push(Trouble { gravity: 2, text, href: "/services".to_owned() });
    }
    for bus in buses {
        let (kept, ..) = bus.letters;
        if kept > 0 {
            let text = match kept {
                1 => format!("1 dead letter on `{}`", shown(&bus.name)),
                _ => format!("{kept} dead letters on `{}`", shown(&bus.name)),
            };
            troubles.push(Trouble { gravity: 1, text, href: link("/events/dead", &[("bus", &bus.name)]) });
        }
        for full in bus.listeners.iter().filter(|listener| listener.waiting >= listener.capacity.div_ceil(2).max(8)) {
            let text =
                format!("{} events wait for `{}`, of {} that may", full.waiting, shown(&full.name), full.capacity);
            troubles.push(Trouble { gravity: 1, text, href: "/events".to_owned() });
        }
    }
    troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.gravity));
    troubles
}

fn of_service(view: &ServiceView, troubles: &mut Vec<Trouble>) {
    let gravity = match view.status.state {
        ServiceState::Failed => Some(2),
        ServiceState::Degraded | ServiceState::Restarting => Some(1),
        _ => None,
    };
    if let Some(gravity) = gravity {
        let href = link("/services/of", &[("name", &shown(&view.status.service))]);
        troubles.push(Trouble { gravity, text: told(&view.status.to_string()), href });
    }
    view.children.iter().for_each(|child| of_service(child, troubles));
}
