//! Where the server is, and the two connections to it that handles share.
//!
//! `a URL → RabbitMqServer → a Line that publishes, a Line that consumes`

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lapin::uri::{AMQPScheme, AMQPUri};
use tokio::sync::OnceCell;

use super::greeting;
use super::line::Line;
use crate::transport::{ErrorKind, TransportError};

/// Where the server is if nobody says so.
const DEFAULT_URL: &str = "amqp://localhost:5672";

/// The variables in which a URL is looked for, in this order.
const VARIABLES: [&str; 2] = ["AMQP_URL", "RABBITMQ_URL"];

/// A RabbitMQ server, with up to two connections that all its handles share: one publishes, and one consumes.
///
/// Creating a value does not connect. The connections are made when they are needed, and again when they are lost.
///
/// ```
/// use convoke::transport::RabbitMqServer;
///
/// let server = RabbitMqServer::at("amqp://shop:secret@rabbit.internal:5672/orders")?;
/// assert_eq!(format!("{server:?}"), r#"RabbitMqServer("amqp://rabbit.internal:5672/orders")"#);
/// # Ok::<(), convoke::transport::TransportError>(())
/// ```
#[derive(Clone)]
pub struct RabbitMqServer {
    lines: Arc<Lines>,
}

struct Lines {
    publishing: Arc<Line>,
    consuming: Arc<Line>,
    shown: String,
    uri: AMQPUri,
    release: OnceCell<(u32, u32)>,
}

impl RabbitMqServer {
    /// Describes a server by its URL, as in `amqp://user:password@host:5672/vhost`. `amqps` is the same over TLS, with
    /// the certificates that the machine trusts. The default virtual host is `/`. The URL may set `heartbeat` and
    /// `frame_max`. The default heartbeat is 5 s, so that a server that is silent for 10 s is given up.
    ///
    /// # Errors
    ///
    /// `Refused` if the URL is not valid. The error does not quote it.
    pub fn at(url: &str) -> Result<Self, TransportError> {
        let refused = |text: &str| TransportError::new(ErrorKind::Refused, "rabbitmq", text);
        let mut uri: AMQPUri = url
            .parse()
            .map_err(|_| refused("the URL cannot be read: write it as `amqp://user:password@host:5672/vhost`"))?;
        // The client would take it for `localhost`.
        if url.rsplit('@').next().is_some_and(|rest| rest.contains('[')) {
            return Err(refused("the URL has an IPv6 address, which the client cannot read: give it a name"));
        }
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        let scheme = match uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let vhost = if uri.vhost == "/" { "" } else { uri.vhost.as_str() };
        let shown = format!("{scheme}://{}:{}/{vhost}", uri.authority.host, uri.authority.port);
        let publishing = Arc::new(Line::new(uri.clone(), "publishes"));
        let consuming = Arc::new(Line::new(uri.clone(), "consumes"));
        let lines = Lines { publishing, consuming, shown, uri, release: OnceCell::new() };
        Ok(Self { lines: Arc::new(lines) })
    }

    /// Describes the server whose URL is in `AMQP_URL`, or else in `RABBITMQ_URL`. If neither is set, it is the one on
    /// this machine.
    ///
    /// # Errors
    ///
    /// The same as [`at`](Self::at).
    pub fn from_env() -> Result<Self, TransportError> {
        let url = VARIABLES.iter().find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
        Self::at(url.as_deref().unwrap_or(DEFAULT_URL))
    }

    pub(crate) fn publishing(&self) -> &Arc<Line> {
        &self.lines.publishing
    }

    pub(crate) fn consuming(&self) -> &Arc<Line> {
        &self.lines.consuming
    }

    /// Returns which release it is, major and minor; `None` if that cannot be told.
    pub(crate) async fn release(&self, deadline: Duration) -> Option<(u32, u32)> {
        let ask = async || greeting::release(&self.lines.uri, deadline).await.ok_or(());
        self.lines.release.get_or_try_init(ask).await.ok().copied()
    }
}

/// Shows the URL without user and password.
impl fmt::Debug for RabbitMqServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RabbitMqServer").field(&self.lines.shown).finish()
    }
}
