//! One TLS configuration for every connection: rustls with aws-lc.
