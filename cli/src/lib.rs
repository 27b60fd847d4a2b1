//! The `fanlight` command as a library.
