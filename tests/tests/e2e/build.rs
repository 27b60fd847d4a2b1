//! How the binaries are built, where a lost line of configuration would cost speed and show nowhere else.

use std::process::Command;

use anyhow::{Result, ensure};

/// Whether this executable, which holds the symbols of the aws-lc that all others are linked with, has such a name.
fn mentions(pattern: &str) -> Result<bool> {
    let grep = Command::new("grep")
        .args(["--quiet", "--text", "--regexp", pattern])
        .arg(std::env::current_exe()?)
        .status()?;
    ensure!(grep.code().is_some_and(|code| code < 2), "grep: {grep}");
    Ok(grep.success())
}

#[test]
fn aws_lc_is_built_without_what_costs_time_or_size() -> Result<()> {
    // The brackets keep the patterns from matching themselves.
    assert!(
        mentions("aws_lc_[0-9_]*_RAND_byte[s]")?,
        "the symbols of aws-lc are not found at all"
    );
    for (pattern, variable) in [
        ("jent_entrop[y]", "AWS_LC_SYS_NO_JITTER_ENTROPY"),
        ("aes_gcm_encrypt_avx51[2]", "AWS_LC_SYS_CFLAGS"),
    ] {
        assert!(
            !mentions(pattern)?,
            "{variable} in .cargo/config.toml did not reach the build"
        );
    }
    Ok(())
}
