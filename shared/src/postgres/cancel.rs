//! Where a session is, for connecting there and for asking there to cancel what it does.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::CancelToken;

use super::handover::{Dialled, Lent, LentTls};

/// How long a cancel request may take when nobody waits for it any more.
const LAST_WORD: Duration = Duration::from_mins(1);

/// Where a host's name leads.
#[derive(Debug, Clone)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Address {
    pub(super) async fn dial(&self) -> io::Result<Dialled> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Ok(Dialled(Box::new(stream)))
            }
            Self::Unix(path) => Ok(Dialled(Box::new(UnixStream::connect(path).await?))),
        }
    }
}

/// Asks the server to cancel what a session is doing.
pub(super) struct Canceller {
    pub(super) address: Address,
    pub(super) token: CancelToken,
    pub(super) tls: LentTls,
}

impl Canceller {
    /// Sends the request and waits until the server has dealt with it, so that it cannot hit the next statement.
    pub(super) async fn cancel(self: &Arc<Self>, deadline: Instant) {
        let canceller = Arc::clone(self);
        // A task of its own keeps the connection open when there is no time left to wait: PgBouncer 1.18 does not
        // survive a client that leaves before its cancel request has been passed on.
        let request = tokio::spawn(async move { timeout(LAST_WORD, canceller.request()).await });
        match timeout_at(deadline, request).await {
            Ok(Ok(Ok(Ok(())))) => {}
            Ok(Ok(Ok(Err(error)))) => tracing::debug!(%error, "a query could not be cancelled"),
            Ok(Ok(Err(_)) | Err(_)) | Err(_) => tracing::debug!("a query could not be cancelled in time"),
        }
    }

    async fn request(&self) -> io::Result<()> {
        let mut stream = Lent::new(self.address.dial().await?);
        self.token
            .cancel_query_raw(stream.clone(), self.tls.again())
            .await
            .map_err(io::Error::other)?;
        let mut end = [0; 256];
        while stream.read(&mut end).await? > 0 {}
        Ok(())
    }
}
