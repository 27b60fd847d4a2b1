//! Structured logs: JSON in Lambda, human at a terminal.
