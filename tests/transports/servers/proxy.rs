//! A proxy for faults between us and a server: it loses requests, loses answers, falls silent, forgets its connections, or
//! refuses them.
//!
//! `client → Proxy → server`; a fault is aimed at the requests that have some text in them, or befalls all connections

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives, and the connection is closed.
    LoseRequest,
    /// It arrives and is answered, and the connection is closed instead.
    LoseAnswer,
    /// Nothing comes back, and the connection stays.
    Silence,
}

#[derive(Default)]
struct State {
    /// The text in the requests that are meant, what happens to them, and to how many.
    fault: Option<(String, Fault, usize)>,
    /// The beginnings of all requests.
    requests: Vec<String>,
}

/// What befalls the connections that there are.
#[derive(Clone, Copy)]
enum Fate {
    Carried,
    /// Nothing passes any more, and neither side is told.
    Forgotten,
    Closed,
}

/// A proxy in front of a server at `host:port`.
pub(crate) struct Proxy {
    port: u16,
    server: String,
    state: Arc<Mutex<State>>,
    fates: watch::Sender<Fate>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self {
            port: listener.local_addr()?.port(),
            server: server.trim_start_matches("http://").to_owned(),
            state: Arc::default(),
            fates: watch::Sender::new(Fate::Carried),
            listening: Mutex::default(),
        };
        proxy.listen(listener);
        Ok(proxy)
    }

    fn listen(&self, listener: TcpListener) {
        let (server, state, fates) = (self.server.clone(), self.state.clone(), self.fates.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, state, fate) = (server.clone(), state.clone(), fates.subscribe());
                tokio::spawn(async move {
                    // A connection that breaks is what this is for.
                    let _ = carry(client, &server, state, fate).await;
                });
            }
        });
        *self.listening.lock().unwrap() = Some(task);
    }

    /// Forgets the connections that there are, as a NAT does; new ones are carried as before.
    pub(crate) fn forget(&self) {
        self.fates.send_replace(Fate::Forgotten);
    }

    /// Closes the connections that there are, and has new ones refused, as a server does that is being restarted.
    pub(crate) async fn refuse(&self) {
        let task = self.listening.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            // Its listener is gone when it is.
            let _ = task.await;
        }
        self.fates.send_replace(Fate::Closed);
    }

    /// Takes connections again, at the same port.
    pub(crate) async fn accept(&self) -> io::Result<()> {
        self.listen(TcpListener::bind(("127.0.0.1", self.port)).await?);
        Ok(())
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Has this happen to the next requests that have this text in them.
    pub(crate) fn aim(&self, text: &str, fault: Fault, times: usize) {
        self.state.lock().unwrap().fault = Some((text.to_owned(), fault, times));
    }

    /// How many requests had this text in them.
    pub(crate) fn seen(&self, text: &str) -> usize {
        self.state.lock().unwrap().requests.iter().filter(|request| request.contains(text)).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(task) = self.listening.lock().unwrap().take() {
            task.abort();
        }
    }
}

async fn carry(
    client: TcpStream,
    server: &str,
    state: Arc<Mutex<State>>,
    mut fate: watch::Receiver<Fate>,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    let fault = Arc::new(Mutex::new(None));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut there = std::pin::pin!(requests(from_client, to_server, state, fault.clone()));
    let mut back = std::pin::pin!(answers(from_server, to_client, fault));
    // Whichever ends first closes both ways.
    tokio::select! {
        biased;
        Ok(()) = fate.changed() => {
            let fate = *fate.borrow_and_update();
            match fate {
                Fate::Forgotten => std::future::pending().await,
                Fate::Carried | Fate::Closed => Ok(()),
            }
        },
        done = &mut there => done,
        done = &mut back => done,
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: Arc<Mutex<State>>,
    now: Arc<Mutex<Option<Fault>>>,
) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut bytes).await?;
        if count == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
        let fault = {
            let mut state = state.lock().unwrap();
            let hit = match &mut state.fault {
                Some((aim, fault, left)) if *left > 0 && text.contains(aim.as_str()) => {
                    *left -= 1;
                    Some(*fault)
                }
                _ => None,
            };
            state.requests.push(text);
            hit
        };
        if fault.is_some() {
            *now.lock().unwrap() = fault;
        }
        if fault == Some(Fault::LoseRequest) {
            return Ok(());
        }
        to.write_all(&bytes[..count]).await?;
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, now: Arc<Mutex<Option<Fault>>>) -> io::Result<()> {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut bytes).await?;
        let fault = *now.lock().unwrap();
        match fault {
            Some(Fault::Silence) => std::future::pending().await,
            Some(_) => return Ok(()),
            None if count == 0 => return Ok(()),
            None => to.write_all(&bytes[..count]).await?,
        }
    }
}
