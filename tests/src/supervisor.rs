//! Servers that end when we end, however we end.
//!
//! Each server is started by a small shell (`supervise.sh`) that reads commands from a pipe whose write end only we
//! hold. When that end closes, because the value was dropped, because a panic unwound, or because the kernel closed it
//! after a Ctrl-C or a SIGKILL, the shell stops the server and removes its folder. The shell stands in a process group
//! of its own, so that a terminal's Ctrl-C reaches us and not the server. (The kernel's parent-death signal would not
//! do: it is tied to the thread that started the process, and test threads come and go.)

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

const SCRIPT: &str = include_str!("supervise.sh");
const READY_WITHIN: Duration = Duration::from_mins(1);
const PORT_TRIES: usize = 5;

/// How a server is asked to end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum StopSignal {
    /// What most servers take.
    Term,
    /// PostgreSQL's immediate shutdown.
    Quit,
}

/// One server, its folder, and the shell that watches over both.
#[derive(Debug)]
pub(crate) struct Supervised {
    name: &'static str,
    folder: PathBuf,
    process: Option<u32>,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    shell: Child,
}

impl Supervised {
    /// A folder and a shell that is ready to start `name` in it.
    pub(crate) fn new(name: &'static str, signal: StopSignal) -> Result<Self> {
        let signal = match signal {
            StopSignal::Term => "TERM",
            StopSignal::Quit => "QUIT",
        };
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "supervise.sh", name, signal])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start a shell to supervise {name}"))?;
        let commands = shell.stdin.take();
        let mut answers = BufReader::new(shell.stdout.take().context("the shell has no standard output")?);
        let folder = answer(name, &mut answers)?;
        Ok(Self {
            name,
            folder: folder.into(),
            process: None,
            commands,
            answers,
            shell,
        })
    }

    /// The folder that lives as long as the server.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's process, if one was started.
    pub(crate) fn process(&self) -> Option<u32> {
        self.process
    }

    /// Writes a file into the folder and gives its path.
    pub(crate) fn write(&self, file: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(file);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Runs a command of preparation to its end.
    pub(crate) fn run(&mut self, command: &[String]) -> Result<()> {
        let answer = self.command(&format!("run {}", quoted(command)))?;
        if answer != "ok" {
            bail!("{} {answer}; its log:\n{}", command.join(" "), self.log());
        }
        Ok(())
    }

    /// Starts the server on a free port, which `command` puts where it belongs, and waits until `ready` says so.
    pub(crate) async fn start(
        &mut self,
        command: impl Fn(u16) -> Vec<String>,
        ready: impl AsyncFn(u16) -> Result<()>,
    ) -> Result<u16> {
        let mut last = None;
        for _ in 0..PORT_TRIES {
            let port = free_port()?;
            match self.start_on(port, &command, &ready).await {
                Ok(()) => return Ok(port),
                // Someone was faster to take the port between our look and the server's.
                Err(error) if self.log().contains("in use") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| anyhow::anyhow!("no port was tried")))
    }

    /// Starts the server on this port and waits until `ready` says so.
    pub(crate) async fn start_on(
        &mut self,
        port: u16,
        command: impl Fn(u16) -> Vec<String>,
        ready: impl AsyncFn(u16) -> Result<()>,
    ) -> Result<()> {
        let process = self.command(&format!("start {}", quoted(&command(port))))?;
        self.process = Some(
            process
                .parse()
                .with_context(|| format!("{} answered {process:?} to start", self.name))?,
        );
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let Err(error) = ready(port).await else { return Ok(()) };
            if !self.is_running() {
                self.command("stop")?;
                bail!("{} ended while it started; its log:\n{}", self.name, self.log());
            }
            if Instant::now() > deadline {
                let log = self.log();
                return Err(error.context(format!(
                    "{} was not ready in {READY_WITHIN:?}; its log:\n{log}",
                    self.name
                )));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Stops the server and keeps its folder.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.process = None;
        self.command("stop").map(drop)
    }

    /// Makes the server and its children stand still: connections are accepted by the kernel and never answered.
    pub(crate) fn freeze(&mut self) -> Result<()> {
        self.command("freeze").map(drop)
    }

    /// Lets a frozen server go on.
    pub(crate) fn thaw(&mut self) -> Result<()> {
        self.command("thaw").map(drop)
    }

    /// What the server has written so far.
    pub(crate) fn log(&self) -> String {
        fs::read(self.folder.join("log"))
            .map_or_else(|error| error.to_string(), |log| String::from_utf8_lossy(&log).into())
    }

    fn is_running(&self) -> bool {
        self.process.is_some_and(|process| {
            fs::read_to_string(format!("/proc/{process}/status")).is_ok_and(|status| {
                !status
                    .lines()
                    .any(|line| line.starts_with("State:") && line.contains("zombie"))
            })
        })
    }

    fn command(&mut self, line: &str) -> Result<String> {
        let commands = self
            .commands
            .as_mut()
            .context("the supervising shell was already let go")?;
        writeln!(commands, "{line}").with_context(|| format!("the shell that supervises {} is gone", self.name))?;
        answer(self.name, &mut self.answers)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.commands.take());
        // The shell waits a bounded time for the server, so that this ends too.
        let _ = self.shell.wait();
    }
}

fn answer(name: &str, answers: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        bail!("the shell that supervises {name} ended without an answer");
    }
    Ok(line.trim_end().to_owned())
}

/// A command line for the shell in which every word is taken as it is.
fn quoted(command: &[String]) -> String {
    command.iter().fold(String::new(), |mut line, word| {
        // Writing into a string cannot fail.
        let _ = write!(line, "'{}' ", word.replace('\'', r"'\''"));
        line
    })
}

/// A loopback port that was free a moment ago.
///
/// # Errors
/// When the machine has none left.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}

/// The words of a command, from anything that reads as text.
macro_rules! words {
    ($($word:expr),* $(,)?) => { vec![$($word.to_string()),*] };
}
pub(crate) use words;

/// Where a server's program is: in `PATH` or where Debian puts programs for administrators.
pub(crate) fn program(name: &str, package: &str) -> Result<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
        .map(|program| program.display().to_string())
        .with_context(|| format!("{name} is not installed: Debian package {package} (scripts/install installs it)"))
}
