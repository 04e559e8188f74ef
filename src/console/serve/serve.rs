//! A server that has nothing but the console.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::dev::Server;
use actix_web::{App, HttpRequest, HttpServer, web};

use super::door::Door;
use super::enter::{self, Entrance};
use crate::gate::{Allowed, Host, Hosts, Person, check};
use crate::scope::scope;
use crate::shown::Shown;

/// As many characters has a password at least.
const PASSWORD: usize = 12;

/// As many threads answer: one that is busy leaves another.
const WORKERS: usize = 2;

type Guard = Arc<dyn Fn(&HttpRequest) -> Allowed + Send + Sync>;

/// Begins a console that is a server of its own, on this address; of port 0 the system chooses one.
///
/// Without more, the address has to be of this machine alone, and who has the URL that [`Serving::url`] returns may look.
#[must_use = "nothing is served before `start`"]
pub fn serve(shown: &Shown, address: SocketAddr) -> Serve {
    Serve {
        shown: shown.clone(),
        address,
        person: Person::named("console"),
        password: None,
        allow: None,
        hosts: None,
        is_production: false,
        audit: None,
    }
}

/// A console of its own, before it has begun; [`serve`] makes one.
#[must_use = "nothing is served before `start`"]
pub struct Serve {
    shown: Shown,
    address: SocketAddr,
    person: Person,
    password: Option<String>,
    allow: Option<Guard>,
    hosts: Option<Vec<String>>,
    is_production: bool,
    audit: Option<PathBuf>,
}

impl Serve {
    /// Says as whom somebody comes in, and what they may. Default: a person `console` who may view.
    pub fn as_person(mut self, person: Person) -> Self {
        self.person = person;
        self
    }

    /// Asks for this password, in place of a key that is good once. It has 12 characters at least, and one is tried a second.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Says who may look, and who may do what, in place of a key and a password.
    pub fn allow(mut self, allow: impl Fn(&HttpRequest) -> Allowed + Send + Sync + 'static) -> Self {
        self.allow = Some(Arc::new(allow));
        self
    }

    /// Names the hosts that it answers to, as [`Console::hosts`](crate::Console::hosts) does.
    pub fn hosts<H: Into<String>>(mut self, hosts: impl IntoIterator<Item = H>) -> Self {
        self.hosts = Some(hosts.into_iter().map(Into::into).collect());
        self
    }

    /// Says that every write asks back before it is done. Default: false.
    pub fn production(mut self, is_production: bool) -> Self {
        self.is_production = is_production;
        self
    }

    /// Names the file that tells who did what, when and from where. Default: none.
    pub fn audit(mut self, path: impl Into<PathBuf>) -> Self {
        self.audit = Some(path.into());
        self
    }

    /// Opens its port. It answers once [`Serving::run`] is polled.
    ///
    /// # Errors
    ///
    /// If others could come in, as on an address that is not of this machine alone without a password or a guard; if a password is too
    /// short, if a host is none, if the audit log is no file, or if the port is taken.
    pub fn start(self) -> Result<Serving, ServeError> {
        let is_near = self.address.ip().to_canonical().is_loopback();
        if !is_near && self.password.is_none() && self.allow.is_none() {
            return Err(ServeError::Open(self.address));
        }
        if self.password.as_ref().is_some_and(|password| password.chars().count() < PASSWORD) {
            return Err(ServeError::Password);
        }
        if let Some(wrong) = self.hosts.iter().flatten().find(|host| Host::read(host.trim()).is_none()) {
            return Err(ServeError::Host(wrong.clone()));
        }
        if let Some(path) = &self.audit {
            check(path).map_err(ServeError::Audit)?;
        }
        let listener = std::net::TcpListener::bind(self.address).map_err(ServeError::Io)?;
        let address = listener.local_addr().map_err(ServeError::Io)?;
        let hosts = Hosts::new(self.hosts.as_deref(), !is_near);
        let has_key = self.password.is_none() && self.allow.is_none();
        let door = Arc::new(Door::new(self.person, self.password, address.port()).ok_or(ServeError::Random)?);
        let url = if has_key {
            format!("http://{address}{}?key={}", enter::PATH, door.cut().ok_or(ServeError::Random)?)
        } else {
            format!("http://{address}/")
        };
        let entrance = web::Data::new(Entrance { door: Arc::clone(&door), hosts: hosts.clone() });
        let (shown, allow, is_production, audit) = (self.shown, self.allow, self.is_production, self.audit);
        let server = HttpServer::new(move || {
            let mut console = scope("").showing(&shown).production(is_production).answering_to(hosts.clone());
            if let Some(audit) = &audit {
                console = console.audit(audit);
            }
            let app = App::new();
            match allow.clone() {
                Some(allow) => app.service(console.allow(move |request| allow(request))),
                None => {
                    let door = Arc::clone(&door);
                    let console = console.allow(move |request| door.who(request)).signing_in_at(enter::PATH);
                    let enter =
                        web::resource(enter::PATH).app_data(entrance.clone()).default_service(web::to(enter::neither));
                    app.service(enter.route(web::get().to(enter::get)).route(web::post().to(enter::post)))
                        .service(console)
                }
            }
        });
        let server =
            server.workers(WORKERS).disable_signals().shutdown_timeout(1).listen(listener).map_err(ServeError::Io)?;
        Ok(Serving { url, address, server: server.run() })
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Serve");
        debug.field("address", &self.address).field("person", &self.person).field("hosts", &self.hosts);
        debug.field("production", &self.is_production).field("audit", &self.audit).finish_non_exhaustive()
    }
}

/// A console whose port is open.
#[must_use = "it answers once `run` is polled"]
pub struct Serving {
    url: String,
    address: SocketAddr,
    server: Server,
}

impl Serving {
    /// Returns where a browser opens it. With a key in it, it is a secret, and good once.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers, until this future is dropped or the process ends.
    ///
    /// # Errors
    ///
    /// If the port cannot be listened on any more.
    pub async fn run(self) -> io::Result<()> {
        let ends = Ends(self.server.handle());
        let done = self.server.await;
        drop(ends);
        done
    }
}

/// What answers is told to end when nobody awaits it any more.
struct Ends(actix_web::dev::ServerHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        // The order is given by the call; its future only tells when that is done.
        drop(self.0.stop(false));
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An error returned where a console does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// Everybody on the network could look at it.
    Open(SocketAddr),
    /// The password is too short.
    Password,
    /// What it should answer to is no host.
    Host(String),
    /// The audit log is no file, or cannot be written.
    Audit(io::Error),
    /// The system gives no random bytes.
    Random,
    /// The address cannot be listened on.
    Io(io::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(address) => write!(
                f,
                "{address} can be reached from elsewhere, where everybody could look: give it a password or a guard, or listen on \
                 127.0.0.1"
            ),
            Self::Password => {
                write!(f, "the password is too short: a console has one of {PASSWORD} characters at least")
            }
            Self::Host(host) => {
                write!(f, "`{}` is no host: write it as shop.example or shop.example:8443", host.escape_debug())
            }
            Self::Audit(error) => write!(f, "the audit log cannot be written: {error}"),
            Self::Random => f.write_str("the system gives no random bytes, without which there is no key"),
            Self::Io(error) => write!(f, "the console cannot listen: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Audit(error) | Self::Io(error) => Some(error),
            Self::Open(_) | Self::Password | Self::Host(_) | Self::Random => None,
        }
    }
}
