//! Cores and their time: pinning a process, and what it has used.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The core of the broker.
pub(crate) const BROKER_CORE: usize = 0;
/// The core of the load.
pub(crate) const LOAD_CORE: usize = 1;

/// Says whether processes can be kept on cores of their own.
pub(crate) fn can_pin() -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let taskset = Command::new("taskset").arg("--version").stdout(Stdio::null()).status();
    cores > LOAD_CORE && taskset.is_ok()
}

/// Returns the same command on one core; its process identifier stays the one we start.
pub(crate) fn pinned(command: &Command, core: usize) -> Command {
    let mut pinned = if can_pin() {
        let mut taskset = Command::new("taskset");
        taskset.args(["-c", &core.to_string()]).arg(command.get_program());
        taskset
    } else {
        Command::new(command.get_program())
    };
    pinned.args(command.get_args());
    pinned
}

/// Returns the processor time a process has used, in its own code and in the kernel.
///
/// # Errors
///
/// When the process does not exist, or this is not Linux.
pub(crate) fn time_of(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse(&stat).with_context(|| format!("{path} is not understood"))
}

/// The name in parentheses may hold anything; utime and stime are fields 14 and 15.
fn parse(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let total = ticks.next()?? + ticks.next()??;
    Some(Duration::from_millis(total * 1000 / TICKS_PER_SECOND))
}

/// What Linux tells user space on every platform we build for.
const TICKS_PER_SECOND: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_user_and_system() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 123 45 0 0 20 0 1 0 5 6 7";
        assert_eq!(parse(stat), Some(Duration::from_millis(1680)));
        assert_eq!(parse("42 (a) S 1"), None);
    }
}
