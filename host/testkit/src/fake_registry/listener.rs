//! A listener that can reset connections instead of serving them.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};

use super::{Fault, Part, Seen, Shared};

/// Resets new connections as long as everything is to be reset.
pub(super) struct Resetting {
    pub(super) listener: TcpListener,
    pub(super) shared: Shared,
}

impl Listener for Resetting {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            let mut state = self.shared.lock();
            if state.faults.get(&Part::Other) != Some(&Fault::Reset) {
                return (stream, peer);
            }
            state.seen.push(Seen {
                method: String::new(),
                path: String::new(),
                part: Part::Other,
                is_conditional: false,
                has_credentials: false,
                status: 0,
            });
            // Without lingering the kernel sends a reset instead of an orderly end.
            let _ = stream.set_zero_linger();
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
