//! How the binaries are built, where a lost line of configuration would cost speed and show nowhere else.

use std::process::Command;

use anyhow::{Result, ensure};

#[test]
fn aws_lc_is_built_without_jitter_entropy() -> Result<()> {
    let executable = std::env::current_exe()?;
    let mentions = |pattern: &str| -> Result<bool> {
        let grep = Command::new("grep")
            .args(["--quiet", "--text", "--regexp", pattern])
            .arg(&executable)
            .status()?;
        ensure!(grep.code().is_some_and(|code| code < 2), "grep: {grep}");
        Ok(grep.success())
    };
    // This executable holds the symbols of the aws-lc that all others are linked with. The brackets keep the patterns
    // from matching themselves.
    assert!(
        mentions("aws_lc_[0-9_]*_RAND_byte[s]")?,
        "the symbols of aws-lc are not found at all"
    );
    assert!(
        !mentions("jent_entrop[y]")?,
        "AWS_LC_SYS_NO_JITTER_ENTROPY in .cargo/config.toml did not reach the build"
    );
    Ok(())
}
