//! A stream that is lent to tokio-postgres for the login and taken back afterwards.
//!
//! tokio-postgres negotiates TLS, authenticates (SCRAM with channel binding) and cancels; what follows the login needs
//! statements without names, which it does not offer: names collide behind PgBouncer's transaction mode, where a server's
//! connection is shared by many clients. See `wire.rs`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

/// A connected stream of whatever kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Socket for T {}

/// The stream below TLS.
pub(super) type Plain = Lent<Dialled>;
type Encrypted = Lent<<MakeRustlsConnect as MakeTlsConnect<Plain>>::Stream>;

/// A stream to a host. A type with a name, because the compiler cannot prove a future `Send` that holds a
/// `Box<dyn Socket>` where `'static` is asked for.
pub(super) struct Dialled(pub(super) Box<dyn Socket>);

impl AsyncRead for Dialled {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

/// One of several handles to a stream, used by one of them at a time.
pub(super) struct Lent<S>(Arc<Mutex<S>>);

impl<S> Lent<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    fn stream(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Clone for Lent<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream()).poll_write(context, buffer)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream()).poll_flush(context)
    }

    /// Leaves closing to the last handle. tokio-postgres would close its half after a cancel request, and PgBouncer 1.18
    /// ends its whole process when that happens before it has passed the request on.
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Lent<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream().channel_binding()
    }
}

/// Does the TLS handshake when the login asks for it, and keeps a handle to the encrypted stream.
#[derive(Clone)]
pub(super) struct LentTls {
    connect: MakeRustlsConnect,
    host: String,
    encrypted: Arc<Mutex<Option<Encrypted>>>,
}

impl LentTls {
    pub(super) fn new(connect: MakeRustlsConnect, host: String) -> Self {
        Self {
            connect,
            host,
            encrypted: Arc::default(),
        }
    }

    /// The same for another connection to the same host.
    pub(super) fn again(&self) -> Self {
        Self::new(self.connect.clone(), self.host.clone())
    }

    /// The stream to go on with after the login: the encrypted one if there was a handshake.
    pub(super) fn take_back(self, plain: Plain) -> Box<dyn Socket> {
        match self.encrypted.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(encrypted) => Box::new(encrypted),
            None => Box::new(plain),
        }
    }
}

impl TlsConnect<Plain> for LentTls {
    type Stream = Encrypted;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, Self::Error>> + Send>>;

    fn connect(mut self, stream: Plain) -> Self::Future {
        Box::pin(async move {
            let connect = MakeTlsConnect::<Plain>::make_tls_connect(&mut self.connect, &self.host)?;
            let encrypted = Lent::new(connect.connect(stream).await?);
            *self.encrypted.lock().unwrap_or_else(PoisonError::into_inner) = Some(encrypted.clone());
            Ok(encrypted)
        })
    }
}
