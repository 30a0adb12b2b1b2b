//! A listener that can reset connections instead of serving them.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};

/// Resets new connections as long as `must_reset` says so.
pub(super) struct Resetting<F> {
    pub(super) listener: TcpListener,
    pub(super) must_reset: F,
}

impl<F: FnMut() -> bool + Send + 'static> Listener for Resetting<F> {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            let (stream, peer) = Listener::accept(&mut self.listener).await;
            if !(self.must_reset)() {
                return (stream, peer);
            }
            // Without lingering the kernel sends a reset instead of an orderly end.
            let _ = stream.set_zero_linger();
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
