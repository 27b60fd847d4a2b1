//! What a command says on standard output and standard error, to whoever still reads it.
//!
//! The macros of the standard library panic where a pipe has been closed, as `| head` does. These take their place in
//! all modules of the command: what is said into a closed pipe is dropped, and the command goes on to its end and its
//! exit status, for one that deletes or runs something must not stop half-way.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::OnceLock;

/// The first write to standard output that failed, other than for a closed pipe.
static FAILED: OnceLock<io::Error> = OnceLock::new();

macro_rules! print {
    ($($argument:tt)*) => { $crate::output::out(format_args!($($argument)*)) };
}

macro_rules! println {
    ($($argument:tt)*) => { $crate::output::out(format_args!("{}\n", format_args!($($argument)*))) };
}

macro_rules! eprint {
    ($($argument:tt)*) => { $crate::output::err(format_args!($($argument)*)) };
}

macro_rules! eprintln {
    () => { $crate::output::err(format_args!("\n")) };
    ($($argument:tt)*) => { $crate::output::err(format_args!("{}\n", format_args!($($argument)*))) };
}

/// Writes to standard output. What fails is told by [`finish`].
pub fn out(text: fmt::Arguments<'_>) {
    if let Err(error) = unless_closed(io::stdout().lock().write_fmt(text)) {
        // The first one says what was wrong.
        let _ = FAILED.set(error);
    }
}

/// Writes to standard error, if anybody reads it.
pub fn err(text: fmt::Arguments<'_>) {
    // There is nowhere else to say that it failed.
    let _ = io::stderr().lock().write_fmt(text);
}

/// Flushes standard output, and tells whether all that was written is there.
///
/// # Errors
/// The first write that failed; a pipe that was closed is none.
pub fn finish() -> Result<(), &'static io::Error> {
    if let Err(error) = unless_closed(io::stdout().lock().flush()) {
        let _ = FAILED.set(error);
    }
    FAILED.get().map_or(Ok(()), Err)
}

/// Whoever closes the pipe has read enough, which is no failure.
pub(crate) fn unless_closed(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_closed_pipe_is_no_failure() {
        assert!(unless_closed(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
        assert!(unless_closed(Err(io::ErrorKind::StorageFull.into())).is_err());
        assert!(unless_closed(Ok(())).is_ok());
    }
}
