//! What a process holds of the machine, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::clock;

/// Memory and descriptors of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    resident_kib: u64,
    /// The most there ever was resident.
    peak_kib: u64,
    descriptors: usize,
}

impl Footprint {
    /// The line above those of [`Footprint::row`].
    pub(super) const HEADING: &str =
        "scenario     time s   MiB before / peak / after / again   files before / after / again";

    pub(crate) fn of(process: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))
            .context("the broker is gone, or this is not Linux")?;
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim_end_matches("kB").trim().parse().ok()
        };
        Ok(Self {
            resident_kib: kib("VmRSS:").context("VmRSS is not understood")?,
            peak_kib: kib("VmHWM:").context("VmHWM is not understood")?,
            descriptors: fs::read_dir(format!("/proc/{process}/fd"))?.count(),
        })
    }

    /// Returns the KiB that are resident.
    pub(crate) const fn resident_kib(&self) -> u64 {
        self.resident_kib
    }

    /// Returns the most KiB that were ever resident.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.peak_kib
    }

    /// Returns how many MiB more there are resident than in `before`.
    pub(super) fn grown_mib(&self, before: &Self) -> u64 {
        self.resident_kib.saturating_sub(before.resident_kib) / 1024
    }

    fn extra_kib(&self, before: &Self) -> u64 {
        self.resident_kib.saturating_sub(before.resident_kib)
    }

    /// Returns the same without the descriptors of so many connections.
    pub(super) const fn without(self, connections: usize) -> Self {
        Self { descriptors: self.descriptors.saturating_sub(connections), ..self }
    }

    /// Returns the memory of several moments, in MiB.
    pub(super) fn column(moments: &[Self]) -> String {
        let mebibytes = moments.iter().map(|now| (now.resident_kib / 1024).to_string());
        mebibytes.collect::<Vec<_>>().join(", ")
    }

    /// Waits until the broker has noticed that everybody is gone, and has given back what they used, or for
    /// some seconds more; returns what it holds then.
    ///
    /// # Errors
    ///
    /// When descriptors stay open that were not before.
    pub(super) fn after_all_have_left(&self, process: u32) -> Result<Self> {
        let now = clock::poll(DEADLINE, || {
            let now = Self::of(process);
            let is_over = now.as_ref().map_or(true, |now| now.descriptors <= self.descriptors);
            is_over.then_some(now)
        });
        let Some(now) = now else {
            let (before, now) = (self.descriptors, Self::of(process)?.descriptors);
            bail!("{now} descriptors are open, before it were {before}");
        };
        now?;
        let returned = clock::poll(PATIENCE, || {
            let now = Self::of(process);
            let is_back = now.as_ref().map_or(true, |now| now.extra_kib(self) <= RETURNED_KIB);
            is_back.then_some(now)
        });
        returned.unwrap_or_else(|| Self::of(process))
    }

    /// Compares what is held before, after the first and after the second time.
    ///
    /// Most of what was used must be back. Tables that have grown stay, and pages that small pieces hold on
    /// to; what a second time adds to them is a leak.
    ///
    /// # Errors
    ///
    /// When the first time has left more than the tolerance, or the second one as much again.
    pub(super) fn check(&self, [after, again]: [&Self; 2]) -> Result<()> {
        let used = after.peak_kib.saturating_sub(self.resident_kib);
        let tolerance = TOLERANCE_KIB + used / TOLERATED_PART;
        let kept = after.extra_kib(self);
        ensure!(kept <= tolerance, "{kept} KiB more are left than before, over {tolerance}");
        let grown = again.resident_kib.saturating_sub(after.resident_kib);
        ensure!(grown <= tolerance, "a second time left {grown} KiB more, over {tolerance}");
        Ok(())
    }

    /// Checks what each of `clients` leaves behind that come and go from one of these moments to the
    /// next, however many they are.
    ///
    /// What the allocator keeps for the next time comes once; a leak comes each time.
    ///
    /// # Errors
    ///
    /// When each leaves more than the tolerance.
    pub(super) fn check_each(rounds: &[Self], clients: usize) -> Result<()> {
        let [first, .., last] = rounds else { return Ok(()) };
        let all = u64::try_from(clients * (rounds.len() - 1))?.max(1);
        let grown = last.resident_kib.saturating_sub(first.resident_kib) * 1024;
        let each = grown / all;
        ensure!(
            each <= TOLERATED_EACH,
            "each of {all} clients has left {each} bytes, over {TOLERATED_EACH}"
        );
        Ok(())
    }

    pub(super) fn row(&self, [after, again]: [&Self; 2], name: &str, time: Duration) -> String {
        let [before, peak, once, twice] =
            [self.resident_kib, again.peak_kib, after.resident_kib, again.resident_kib]
                .map(|kib| kib / 1024);
        format!(
            "{name:<12} {:>6.1}   {before:>6} / {peak:>4} / {once:>5} / {twice:>4}   {:>6} / {:>4} / {:>4}",
            time.as_secs_f64(),
            self.descriptors,
            after.descriptors,
            again.descriptors,
        )
    }
}

const TOLERANCE_KIB: u64 = 8 * 1024;
/// Half of what was held at most: whoever leaks what a connection holds leaks all of it twice.
const TOLERATED_PART: u64 = 2;
/// Bytes that a client may leave behind: less than the smallest buffer that a connection has.
const TOLERATED_EACH: u64 = 3 * 1024;
/// What may be more than before when a crowd has left: tables that have grown, remembered routes.
const RETURNED_KIB: u64 = 24 * 1024;
/// The broker looks each second whether a crowd has left.
const PATIENCE: Duration = Duration::from_secs(5);
const DEADLINE: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory in MiB after each round of 500 clients.
    fn check(mebibytes: &[u64]) -> bool {
        let footprint =
            |mib: &u64| Footprint { resident_kib: mib * 1024, peak_kib: 0, descriptors: 0 };
        let rounds: Vec<_> = mebibytes.iter().map(footprint).collect();
        Footprint::check_each(&rounds, 500).is_ok()
    }

    #[test]
    fn a_leak_of_16_kib_each_is_found_and_what_comes_once_is_none() {
        assert!(check(&[17, 17, 17, 17]));
        assert!(check(&[17, 20, 19, 20]));
        assert!(!check(&[17, 25, 33, 41]));
        assert!(check(&[20, 17, 16, 17]), "what is given back is none");
        assert!(check(&[17]) && check(&[]));
    }
}
