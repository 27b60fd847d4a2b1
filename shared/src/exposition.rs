//! The text exposition format, written one sample at a time.
