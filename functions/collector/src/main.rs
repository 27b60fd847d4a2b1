//! Lambda function: runs one configured job and pushes what it found.

fn main() {}
