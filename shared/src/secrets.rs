//! AWS Secrets Manager, cached for five minutes.
