//! What stands before a database of RDS with IAM authentication: TLS, and the demand for a password in the clear, which has to
//! be a token that is signed for this login.
//!
//! Behind it is a real server. A token that is right becomes the user's password there, with which the login then goes on, so
//! that the server has the last word on it.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use aws_lc_rs::{digest, hmac};
use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::mariadb::MariaDatabase;
use crate::postgres::Database;

/// The database's user that logs in by tokens.
pub const IAM_USER: &str = "by_token";
/// The Region of the database.
pub const IAM_REGION: &str = "eu-west-3";
/// The identity whose tokens are taken, and its secret key.
pub const IAM_KEYS: [&str; 2] = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];
/// MySQL's flag that the client goes over to TLS.
const CLIENT_SSL: u32 = 0x800;

/// The front of one database.
#[derive(Debug)]
pub struct Rds {
    address: SocketAddr,
    tokens: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
enum Behind {
    Postgres(Database),
    MariaDb(MariaDatabase),
}

impl Rds {
    /// Before a PostgreSQL whose `pg_hba.conf` asks [`IAM_USER`] for his password in the clear.
    ///
    /// # Errors
    /// When the user cannot be made, or the machine has no free port.
    pub async fn postgres(database: &Database) -> Result<Self> {
        database.execute(&format!("CREATE ROLE {IAM_USER} LOGIN")).await?;
        Self::start(Behind::Postgres(database.clone())).await
    }

    /// Before a MariaDB.
    ///
    /// # Errors
    /// When the user cannot be made, or the machine has no free port.
    pub async fn mariadb(database: &MariaDatabase) -> Result<Self> {
        let user =
            format!("CREATE USER {IAM_USER}@'%' IDENTIFIED BY 'no token yet'; GRANT SELECT ON *.* TO {IAM_USER}@'%'");
        database.execute(&user).await?;
        Self::start(Behind::MariaDb(database.clone())).await
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The passwords with which somebody has come.
    #[must_use]
    pub fn tokens(&self) -> Vec<String> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn start(behind: Behind) -> Result<Self> {
        let authority = Authority::shared()?;
        let certificate = CertificateDer::from_pem_slice(authority.server_certificate.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(authority.server_key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)?;
        let tls = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let tokens = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&tokens);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let front = Front {
                    tls: tls.clone(),
                    seen: Arc::clone(&seen),
                    address,
                };
                let behind = behind.clone();
                tokio::spawn(async move {
                    // A client that goes away in the middle is not our failure.
                    let _ = match behind {
                        Behind::Postgres(database) => front.postgres(client, &database).await,
                        Behind::MariaDb(database) => front.mariadb(client, &database).await,
                    };
                });
            }
        });
        Ok(Self { address, tokens, task })
    }
}

impl Drop for Rds {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Front {
    tls: TlsAcceptor,
    seen: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl Front {
    /// Whether the password is a token for this login.
    fn takes(&self, token: &str) -> bool {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(token.to_owned());
        proved(token, &self.address.to_string()).is_ok()
    }

    async fn postgres(&self, mut client: TcpStream, database: &Database) -> Result<()> {
        let mut request = [0; 8];
        client.read_exact(&mut request).await?;
        ensure!(
            request == [0, 0, 0, 8, 4, 210, 22, 47],
            "the client does not ask for TLS"
        );
        client.write_all(b"S").await?;
        let mut client = self.tls.accept(client).await?;
        // What follows has its length, with itself, in front; and after the first, a byte for its kind before that.
        let startup = length_and_rest(&mut client).await?;
        let mut demand = [b'R', 0, 0, 0, 8, 0, 0, 0, 3];
        client.write_all(&demand).await?;
        ensure!(client.read_u8().await? == b'p', "that is no password");
        let password = length_and_rest(&mut client).await?;
        let token = std::str::from_utf8(password.get(4..).context("no password")?)?.trim_end_matches('\0');
        if !self.takes(token) {
            let fields = format!("SFATAL\0VFATAL\0C28000\0MPAM authentication failed for user \"{IAM_USER}\"\0\0");
            client.write_u8(b'E').await?;
            client.write_u32(u32::try_from(fields.len() + 4)?).await?;
            client.write_all(fields.as_bytes()).await?;
            return Ok(client.shutdown().await?);
        }
        database
            .execute(&format!("ALTER ROLE {IAM_USER} PASSWORD '{token}'"))
            .await?;
        // Only now, for the server looks users up when the client comes.
        let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, database.port())).await?;
        server.write_all(&startup).await?;
        server.read_exact(&mut demand).await?;
        ensure!(
            demand == [b'R', 0, 0, 0, 8, 0, 0, 0, 3],
            "the server does not ask for a password in the clear"
        );
        server.write_u8(b'p').await?;
        server.write_all(&password).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }

    async fn mariadb(&self, mut client: TcpStream, database: &MariaDatabase) -> Result<()> {
        let mut server = TcpStream::connect(database.host()).await?;
        let greeting = packet(&mut server).await?;
        send(&mut client, 0, &greeting).await?;
        let request = packet(&mut client).await?;
        ensure!(request.len() == 32, "the client does not ask for TLS");
        let mut client = self.tls.accept(client).await?;
        let mut response = packet(&mut client).await?;
        send(&mut client, 3, b"\xfemysql_clear_password\0").await?;
        let password = packet(&mut client).await?;
        let token = std::str::from_utf8(&password)?.trim_end_matches('\0');
        if !self.takes(token) {
            let refusal =
                format!("\u{15}\u{4}#28000Access denied for user '{IAM_USER}'@'127.0.0.1' (using password: YES)");
            let refusal = [b"\xff", refusal.as_bytes()].concat();
            send(&mut client, 5, &refusal).await?;
            return Ok(client.shutdown().await?);
        }
        database
            .execute(&format!("ALTER USER {IAM_USER}@'%' IDENTIFIED BY '{token}'"))
            .await?;
        // The client has already proved to the server that it knows the token, for the server's greeting was its own.
        let flags = response.first_chunk_mut::<4>().context("no flags")?;
        *flags = (u32::from_le_bytes(*flags) & !CLIENT_SSL).to_le_bytes();
        send(&mut server, 1, &response).await?;
        let verdict = packet(&mut server).await?;
        send(&mut client, 5, &verdict).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}

async fn length_and_rest(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(usize::try_from(length)?.max(4), 0);
    stream.read_exact(&mut message[4..]).await?;
    Ok(message)
}

/// The content of one of MySQL's packets.
async fn packet(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let header = stream.read_u32_le().await?;
    let mut content = vec![0; usize::try_from(header & 0xff_ffff)?];
    stream.read_exact(&mut content).await?;
    Ok(content)
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), sequence: u8, content: &[u8]) -> Result<()> {
    let header = u32::try_from(content.len())? | u32::from(sequence) << 24;
    stream.write_u32_le(header).await?;
    stream.write_all(content).await?;
    Ok(stream.flush().await?)
}

/// Proves a token by the description of AWS' signature, version 4, apart from the client that made it.
fn proved(token: &str, place: &str) -> Result<()> {
    let (host, query) = token.split_once("/?").context("no query")?;
    ensure!(host == place, "it is for {host}");
    let mut parameters: Vec<_> = query.split('&').collect();
    parameters.sort_unstable();
    let given = |name: &str| {
        let mut pairs = parameters.iter().filter_map(|parameter| parameter.split_once('='));
        let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
        let decoded = value.map(|value| percent_decode_str(value).decode_utf8_lossy().into_owned());
        decoded.with_context(|| format!("no {name}"))
    };
    let (date, signature) = (given("X-Amz-Date")?, given("X-Amz-Signature")?);
    let scope = format!("{}/{IAM_REGION}/rds-db/aws4_request", date.get(..8).context("no day")?);
    for (name, wanted) in [
        ("Action", "connect"),
        ("DBUser", IAM_USER),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &format!("{}/{scope}", IAM_KEYS[0])),
        ("X-Amz-Expires", "900"),
        ("X-Amz-SignedHeaders", "host"),
    ] {
        let given = given(name)?;
        ensure!(given == wanted, "{name} is {given}");
    }
    parameters.retain(|parameter| !parameter.starts_with("X-Amz-Signature="));
    let nothing = hex(digest::digest(&digest::SHA256, b"").as_ref());
    let request = format!("GET\n/\n{}\nhost:{host}\n\nhost\n{nothing}", parameters.join("&"));
    let request = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let sign = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes());
    let mut key = format!("AWS4{}", IAM_KEYS[1]).into_bytes();
    for part in scope.split('/') {
        key = sign(&key, part).as_ref().to_vec();
    }
    let expected = sign(&key, &format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{request}"));
    if hex(expected.as_ref()) != signature {
        bail!("the signature is wrong");
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
