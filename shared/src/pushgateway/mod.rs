//! The Pushgateway: grouping keys, PUT and POST, and what its answers mean.
