//! A program that runs beside us, and the lines it writes.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::repository::shown;

/// A child process whose output is read as it comes; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Background {
    name: String,
    child: Child,
    output: Arc<Output>,
}

impl Background {
    /// Starts a command and reads both its output streams, line by line.
    ///
    /// # Errors
    ///
    /// When the program cannot be started.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = shown(command);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{name}`"))?;
        let output = Arc::new(Output::default());
        if let Some(stdout) = child.stdout.take() {
            output.read(stdout);
        }
        if let Some(stderr) = child.stderr.take() {
            output.read(stderr);
        }
        Ok(Self { name, child, output })
    }

    /// Returns the first answer that `find` gives for the lines so far, or nothing when the
    /// deadline passes or the program closes its output without one.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Duration,
        mut find: impl FnMut(&VecDeque<String>) -> Option<T>,
    ) -> Option<T> {
        let mut found = None;
        drop(self.output.wait_while(deadline, |lines| {
            found = find(&lines.kept);
            found.is_none() && lines.open_streams > 0
        }));
        found
    }

    /// Takes the next line, or nothing after the last one or when the deadline passes.
    pub(crate) fn next_line(&self, deadline: Duration) -> Option<String> {
        let waiting = |lines: &mut Lines| lines.kept.is_empty() && lines.open_streams > 0;
        self.output.wait_while(deadline, waiting).kept.pop_front()
    }

    /// Returns the lines so far that nobody took, joined for a message.
    pub(crate) fn text(&self) -> String {
        let lines = self.output.lock();
        lines.kept.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// Waits until the program has ended by itself.
    ///
    /// # Errors
    ///
    /// When the deadline passes first.
    pub(crate) fn finish(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let open = self.output.wait_while(deadline, |lines| lines.open_streams > 0).open_streams;
        if open > 0 {
            return Err(anyhow!("`{}` did not end within {deadline:?}", self.name));
        }
        self.child.wait().with_context(|| format!("cannot wait for `{}`", self.name))
    }

    /// Says whether the program still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns its standard input, if it was asked for and not taken before.
    pub(crate) fn stdin(&mut self) -> Option<std::process::ChildStdin> {
        self.child.stdin.take()
    }

    /// Returns its process identifier.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the program the hard way, and waits for its end.
    pub(crate) fn kill(&mut self) {
        // Both fail only for a program that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the readers of the two streams share with the one who waits.
#[derive(Debug, Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<String>,
    open_streams: usize,
}

impl Output {
    /// Reads a stream to its end on a thread of its own.
    fn read(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        self.lock().open_streams += 1;
        let output = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut lines = output.lock();
                if lines.kept.len() == MAX_LINES {
                    lines.kept.pop_front();
                }
                lines.kept.push_back(line);
                drop(lines);
                output.changed.notify_all();
            }
            output.lock().open_streams -= 1;
            output.changed.notify_all();
        });
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(
        &self,
        deadline: Duration,
        condition: impl FnMut(&mut Lines) -> bool,
    ) -> MutexGuard<'_, Lines> {
        let waited = self.changed.wait_timeout_while(self.lock(), deadline, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Lines kept of one program; when there are more, the oldest go. A broker's log may be long.
const MAX_LINES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    fn cargo(argument: &str) -> Background {
        Background::start(&mut crate::repository::cargo([argument])).unwrap()
    }

    #[test]
    fn lines_of_a_program_are_found_and_its_end_is_seen() {
        let mut program = cargo("--version");
        let find =
            |lines: &VecDeque<String>| lines.iter().find(|l| l.starts_with("cargo ")).cloned();
        assert!(program.wait_for(DEADLINE, find).is_some());
        assert!(program.finish(DEADLINE).unwrap().success());
        assert!(!program.is_running());
    }

    #[test]
    fn waiting_ends_with_the_output() {
        let program = cargo("--version");
        assert_eq!(program.wait_for(DEADLINE, |_| None::<()>), None);
        assert!(program.next_line(DEADLINE).is_some());
        assert_eq!(program.next_line(DEADLINE), None);
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = Background::start(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
