//! One function process: started in a group of its own that never outlives the runner.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};

/// The guard of a process group: waits for the end of its standard input, then kills the group that it belongs to.
///
/// Its standard input is a pipe from the runner, and the system closes that however the runner ends, also by SIGKILL.
/// The parent-death signal of Linux would not do: it fires when the *thread* that spawned the process ends, and a thread
/// of an asynchronous runtime may end at any time; nor would it reach the function's own children. The guard is a child
/// of the runner rather than of the function, so that the runner can reap it, and as it belongs to the group itself,
/// the group's number cannot have passed to others when it kills.
const GUARD: &str = "read -r _line; kill -KILL 0";

/// When dropped, the guard's standard input closes with it, and the guard kills the group.
pub(super) struct Process {
    child: Child,
    guard: Child,
    pid: Option<u32>,
    peak_memory: Option<u64>,
}

impl Process {
    /// Starts `binary` with exactly this environment, in its own folder, as Lambda does in `/var/task`.
    pub(super) fn start(
        binary: &Path,
        environment: &BTreeMap<OsString, OsString>,
        stdout: Stdio,
        stderr: Stdio,
    ) -> io::Result<Self> {
        let guard = Command::new("/bin/sh")
            .args(["-c", GUARD])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        let group = guard.id().and_then(|id| i32::try_from(id).ok());
        let group = group.ok_or_else(|| io::Error::other("the guard of the process group ended at once"))?;
        let child = Command::new(binary)
            .current_dir(binary.parent().unwrap_or(Path::new("/")))
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(group)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id();
        Ok(Self {
            child,
            guard,
            pid,
            peak_memory: None,
        })
    }

    /// Waits for the process to end by itself; may be dropped and called again.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The most memory that the process has had resident, in bytes, as of the last call while it was alive.
    pub(super) fn peak_memory(&mut self) -> Option<u64> {
        let now = self
            .pid
            .and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
        self.peak_memory = now.as_deref().and_then(parse_peak_memory).or(self.peak_memory);
        self.peak_memory
    }

    /// Kills the process and its children and waits until they are gone.
    pub(super) async fn kill(mut self) {
        // Signalled by the runner itself too, in case the function has killed its guard.
        let _ = self.child.start_kill();
        drop(self.guard.stdin.take());
        let _ = self.child.wait().await;
        let _ = self.guard.wait().await;
    }
}

fn parse_peak_memory(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::parse_peak_memory;

    #[test]
    fn peak_memory_is_read_from_the_status_file() {
        let status = "Name:\tcollector\nVmPeak:\t  224512 kB\nVmHWM:\t   10764 kB\nVmRSS:\t   10512 kB\n";
        assert_eq!(parse_peak_memory(status), Some(10764 * 1024));
        assert_eq!(parse_peak_memory("Name:\tcollector\nState:\tZ (zombie)\n"), None);
    }
}
