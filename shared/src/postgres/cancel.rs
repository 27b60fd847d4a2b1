//! Where a session is, for connecting there and for asking there to cancel what it does.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;
use tokio_postgres::CancelToken;

use super::handover::{Dialled, Lent, LentTls};
use crate::database;

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
    pub(super) async fn cancel(self: &Arc<Self>, deadline: Instant) {
        let canceller = Arc::clone(self);
        database::cancel(async move { canceller.request().await }, deadline).await;
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
