//! AWS Secrets Manager as moto's server (a Python package) plays it.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::http;
use crate::supervisor::{StopSignal, Supervised, words};

pub(crate) const REGION: &str = "eu-west-3";

/// A Secrets Manager for one test.
#[derive(Debug)]
pub struct SecretsManager {
    server: Supervised,
    port: u16,
}

impl SecretsManager {
    /// An empty one.
    ///
    /// # Errors
    /// When moto is not installed or does not start, with its log.
    pub async fn start() -> Result<Self> {
        let (server, port) = moto().await?;
        Ok(Self { server, port })
    }

    /// What `AWS_ENDPOINT_URL` must be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The variables that lead the AWS SDK here.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    /// Makes a secret.
    ///
    /// # Errors
    /// What the server says against it.
    pub async fn create(&self, name: &str, secret: &str) -> Result<()> {
        self.call("CreateSecret", &json!({"Name": name, "SecretString": secret}))
            .await
    }

    /// Gives a secret a new value, as a rotation does.
    ///
    /// # Errors
    /// What the server says against it.
    pub async fn put(&self, name: &str, secret: &str) -> Result<()> {
        self.call("PutSecretValue", &json!({"SecretId": name, "SecretString": secret}))
            .await
    }

    /// Makes the service fail with a refused connection.
    ///
    /// # Errors
    /// When the supervising shell is gone.
    pub fn stop(&mut self) -> Result<()> {
        self.server.stop()
    }

    /// The server's log, a line for each request.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    async fn call(&self, action: &str, body: &Value) -> Result<()> {
        // moto checks no signature but reads region and service from it.
        let scope = format!("AWS4-HMAC-SHA256 Credential=test/20260101/{REGION}/secretsmanager/aws4_request");
        let request = http::client()?
            .post(self.url())
            .header("x-amz-target", format!("secretsmanager.{action}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", scope);
        let answer = request.body(body.to_string()).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{action}: {status}: {}", answer.text().await?);
        Ok(())
    }
}

/// moto's server, which plays many of AWS' services at once, and its port.
pub(crate) async fn moto() -> Result<(Supervised, u16)> {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../.venv/bin/python");
    ensure!(
        Path::new(python).exists(),
        "{python} is lacking: scripts/install makes it"
    );
    let mut server = Supervised::new("moto", StopSignal::Term)?;
    let command = |port| {
        words![
            python,
            "-m",
            "moto.server",
            "--host=127.0.0.1",
            format!("--port={port}")
        ]
    };
    let ready = async |port| {
        http::get(&format!("http://127.0.0.1:{port}/moto-api/data.json"))
            .await
            .map(drop)
    };
    let port = server.start(command, ready).await?;
    Ok((server, port))
}
