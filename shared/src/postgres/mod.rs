//! PostgreSQL: connections as libpq makes them, one read-only transaction a job, rows streamed as text.
