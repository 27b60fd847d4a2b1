//! The workspace's own binaries, never stale; or the functions as SAM has built them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

/// The `fanlight` command.
///
/// # Errors
/// What Cargo says when the workspace does not build.
pub fn fanlight() -> Result<PathBuf> {
    Ok(folder()?.join("fanlight"))
}

/// The collector's function.
///
/// # Errors
/// What Cargo says when the workspace does not build.
pub fn collector() -> Result<PathBuf> {
    function("collector", "Collector")
}

/// The Metrics API's function.
///
/// # Errors
/// What Cargo says when the workspace does not build.
pub fn metrics_api() -> Result<PathBuf> {
    function("metrics-api", "MetricsApi")
}

/// The authorizer's function.
///
/// # Errors
/// What Cargo says when the workspace does not build.
pub fn authorizer() -> Result<PathBuf> {
    function("authorizer", "Authorizer")
}

/// A function's binary: of the folder that `FANLIGHT_TEST_BUILD` names, which `sam build` has filled and which has the
/// functions by their names in the template, or else Cargo's.
fn function(binary: &str, name: &str) -> Result<PathBuf> {
    match std::env::var_os("FANLIGHT_TEST_BUILD") {
        Some(build) => {
            let path = Path::new(&build).join(name).join("bootstrap");
            ensure!(path.is_file(), "{} is lacking: `make build` makes it", path.display());
            Ok(path)
        }
        None => Ok(folder()?.join(binary)),
    }
}

/// The folder of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder that the binaries stand in, beside the running executable's or one above it.
///
/// Cargo builds a package's binaries for that package's tests only, so a run of the tests alone could meet binaries of
/// last week; hence they are built once per process, in the profile that the running executable was built in, which
/// takes Cargo half a second when there is nothing to do.
fn folder() -> Result<&'static Path> {
    static FOLDER: OnceLock<Result<PathBuf>> = OnceLock::new();
    FOLDER
        .get_or_init(build)
        .as_deref()
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}

fn build() -> Result<PathBuf> {
    let (target, folder) = target_folder()?;
    let profile = if folder.ends_with("debug") { "dev" } else { "release" };
    // All of the workspace, as `cargo test --workspace` does: its crates agree on the features of what they share.
    cargo_build(&target, &["--workspace", "--bins", "--profile", profile])?;
    Ok(folder)
}

/// Builds these binaries as they are deployed and gives their folder.
///
/// # Errors
/// What Cargo says when they do not build.
pub fn release(names: &[&str]) -> Result<PathBuf> {
    let (target, _) = target_folder()?;
    let mut arguments = vec!["--release"];
    arguments.extend(names.iter().flat_map(|name| ["--bin", name]));
    cargo_build(&target, &arguments)?;
    Ok(target.join("release"))
}

/// Cargo's target folder, and the one of our own profile in it.
fn target_folder() -> Result<(PathBuf, PathBuf)> {
    let ours = std::env::current_exe()?;
    // Tests stand in `debug/deps`, the demo in `debug`.
    let folder = ours
        .ancestors()
        .skip(1)
        .find(|folder| !folder.ends_with("deps"))
        .context("an executable in no folder")?;
    let target = folder.parent().context("an executable outside of a target folder")?;
    Ok((target.to_owned(), folder.to_owned()))
}

fn cargo_build(target: &Path, arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked"])
        .args(arguments)
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace())
        .output()
        .context("cannot run cargo")?;
    ensure!(
        output.status.success(),
        "cargo build: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
