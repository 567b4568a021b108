//! An address that never answers, on loopback: what a firewall that drops packets looks like from outside.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::super::Failure;

/// How long a connection to it must hang to be believed.
const PROOF: Duration = Duration::from_millis(200);
/// Connections that are tried until one hangs.
const FILLERS_MAX: usize = 16;

/// Listens and never accepts, and the queue of connections to be accepted is full: from then on Linux drops whoever
/// asks for another, unanswered, so that it asks again and again until its own deadline.
///
/// A listener with room in its queue would be less of a black hole: the kernel itself completes connections to it and
/// takes in their first requests.
pub(super) struct BlackHole {
    address: SocketAddr,
    _listener: TcpListener,
    _fillers: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens one, and makes sure that it is one.
    pub(super) async fn open() -> Result<Self, Failure> {
        let socket = TcpSocket::new_v4().map_err(no_hole)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).map_err(no_hole)?;
        let listener = socket.listen(1).map_err(no_hole)?;
        let address = listener.local_addr().map_err(no_hole)?;
        let mut fillers = Vec::new();
        while fillers.len() < FILLERS_MAX {
            match actix_rt::time::timeout(PROOF, TcpStream::connect(address)).await {
                Ok(connected) => fillers.push(connected.map_err(no_hole)?),
                Err(_) => return Ok(Self { address, _listener: listener, _fillers: fillers }),
            }
        }
        Err(Failure::failed("cannot open a black hole: connections beyond a full queue are answered here"))
    }

    /// Where it is.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn no_hole(error: io::Error) -> Failure {
    Failure::failed(format!("cannot open a black hole: {error}"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn nobody_gets_an_answer_from_a_black_hole() {
        let hole = BlackHole::open().await.ok().unwrap();
        let asked = actix_rt::time::timeout(PROOF, TcpStream::connect(hole.address())).await;
        assert!(asked.is_err(), "it was neither accepted nor refused");
    }
}
