//! Servers for the tests.
