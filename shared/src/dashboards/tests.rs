//! What is built of a configuration.
