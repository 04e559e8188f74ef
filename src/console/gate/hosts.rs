//! Which names the console answers to. A page elsewhere may have its own name lead to this machine (rebinding), and would be
//! answered as one of ours.
//!
//! `Host, or :authority → Host → Hosts: is it one of ours?`

use std::net::IpAddr;
use std::str::FromStr;

use actix_web::dev::RequestHead;
use actix_web::http::header::HOST;
use actix_web::http::uri::Authority;

/// The host of a request, as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Reads `shop.example:8443`; nothing if that is no host.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let authority = Authority::from_str(text).ok()?;
        // `port_u16` is none also where one stands there that is none.
        let port = authority.port().map(|port| port.as_u16());
        let after = text.rsplit_once(']').map_or(text, |(_, after)| after);
        if text.contains('@') || port.is_none() && after.contains(':') {
            return None;
        }
        let name = authority.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        (!name.is_empty()).then(|| Self { name: name.to_owned(), port })
    }

    /// That of a request; nothing if it has none, or two that differ.
    pub(crate) fn of(head: &RequestHead) -> Option<Self> {
        let mut all = head.headers().get_all(HOST);
        let named = match (all.next(), all.next()) {
            (Some(one), None) => Some(Self::read(one.to_str().ok()?)?),
            (None, _) => None,
            (Some(_), Some(_)) => return None,
        };
        // HTTP/2 has it here, and so has a request whose target is a whole URL.
        let target = match head.uri.authority() {
            Some(authority) => Some(Self::read(authority.as_str())?),
            None => None,
        };
        match (named, target) {
            (Some(named), Some(target)) => (named == target).then_some(named),
            (named, target) => named.or(target),
        }
    }

    fn address(&self) -> Option<IpAddr> {
        let name = self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        name.unwrap_or(&self.name).parse().ok()
    }

    /// Whether it is a name of the machine that asks: `localhost`, 127.0.0.1, \[::1\].
    pub(super) fn is_loopback(&self) -> bool {
        let is_name = self.name == "localhost" || self.name.ends_with(".localhost");
        is_name || self.address().is_some_and(|address| address.to_canonical().is_loopback())
    }

    /// As it is shown.
    pub(super) fn text(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Which hosts are ours.
#[derive(Clone, Debug)]
pub(crate) enum Hosts {
    /// The names of the machine that asks.
    Loopback,
    /// Those, and every address by its number: no name of somebody else's can lead to one.
    Numbers,
    /// Those that are named; a port is compared if it is named. One that nobody can read is nobody's.
    Named(Vec<Host>),
}

impl Hosts {
    /// Those that an application has named, or else the default.
    pub(crate) fn new(named: Option<&[String]>, has_guard: bool) -> Self {
        let Some(named) = named else { return if has_guard { Self::Numbers } else { Self::Loopback } };
        let read = |text: &String| {
            let host = Host::read(text.trim());
            if host.is_none() {
                log::error!(target: "convoke::console", "`{}` is no host, and nobody is let in by it", text.escape_debug());
            }
            host
        };
        Self::Named(named.iter().filter_map(read).collect())
    }

    pub(crate) fn has(&self, host: &Host) -> bool {
        match self {
            Self::Loopback => host.is_loopback(),
            Self::Numbers => host.is_loopback() || host.address().is_some(),
            Self::Named(all) => {
                all.iter().any(|it| it.name == host.name && (it.port.is_none() || it.port == host.port))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_or_refused() {
        for text in
            ["", ":80", "a:b", "user@localhost", "localhost:", "localhost:99999", "a b", "[::1", "localhost/", "::1"]
        {
            assert_eq!(Host::read(text), None, "{text}");
        }
        for (text, name) in [("LOCALHOST:1", "localhost:1"), ("localhost.", "localhost"), ("[::1]:7", "[::1]:7")] {
            assert_eq!(Host::read(text).unwrap().text(), name);
        }
    }

    #[test]
    fn loopback_is_what_leads_to_this_machine_alone() {
        for text in ["localhost", "a.localhost:1", "127.0.0.1", "127.8.8.8:9", "[::1]", "[::ffff:127.0.0.1]:1"] {
            assert!(Hosts::Loopback.has(&Host::read(text).unwrap()), "{text}");
        }
        for text in [
            "shop.example",
            "localhost.shop.example",
            "127.0.0.1.shop.example",
            "0.0.0.0",
            "10.0.0.1",
            "[::]",
            "0x7f.1",
        ] {
            assert!(!Hosts::Loopback.has(&Host::read(text).unwrap()), "{text}");
        }
        assert!(Hosts::Numbers.has(&Host::read("10.0.0.1:80").unwrap()));
        assert!(!Hosts::Numbers.has(&Host::read("shop.example").unwrap()));
    }

    #[test]
    fn who_is_named_is_answered_to_and_nobody_else() {
        let named = ["Shop.example".to_owned(), "shop.test:8443".to_owned(), "no host".to_owned()];
        let hosts = Hosts::new(Some(&named), true);
        for (text, has) in [
            ("shop.example", true),
            ("SHOP.example.:99", true),
            ("shop.test:8443", true),
            ("shop.test", false),
            ("shop.test:443", false),
            ("localhost", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(hosts.has(&Host::read(text).unwrap()), has, "{text}");
        }
        assert!(!Hosts::new(Some(&[]), true).has(&Host::read("localhost").unwrap()));
    }
}
