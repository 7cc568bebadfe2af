//! Gives memory of the heap that nobody uses back to the system.
//!
//! glibc's allocator keeps the pages that a crowd of clients used when all of them have left, because a
//! small piece further up is still in use. Whoever knows that a crowd has left says so:
//!
//! ```
//! let vector = vec![0_u8; 1 << 20];
//! drop(vector);
//! flux_heap::give_back();
//! ```
//!
//! It knows nothing of what is held, nor when it is worth its time: each arena of the heap is locked while
//! its free pages are looked through, a few milliseconds for some hundred MiB.

#![expect(unsafe_code, reason = "the call of one C function is what this crate is for")]

/// Hands pages of the heap that nobody uses back to the system; returns whether some went.
///
/// Where the allocator is not glibc's it does nothing and returns `false`.
pub fn give_back() -> bool {
    glibc::trim()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::c_int;

    unsafe extern "C" {
        /// Releases free memory from the heap, and keeps `pad` bytes at its top; 1 if any was released.
        safe fn malloc_trim(pad: usize) -> c_int;
    }

    pub(super) fn trim() -> bool {
        // It takes the locks of the allocator and touches nothing but free pieces: any thread may call it at
        // any time (malloc_trim(3): MT-Safe), so the declaration says that it is safe.
        malloc_trim(0) == 1
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod glibc {
    pub(super) fn trim() -> bool {
        false
    }
}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use std::fs;

    use super::*;

    /// Small pieces, of which each hundredth stays: what lies between them is free and stays resident.
    #[test]
    fn what_lies_between_pieces_in_use_goes_back() {
        let mut pieces: Vec<_> = (0..100_000).map(|_| Some(Box::new([1_u8; 1000]))).collect();
        for (number, piece) in pieces.iter_mut().enumerate() {
            if number % 100 > 0 {
                *piece = None;
            }
        }
        let before = resident_kib();
        assert!(give_back());
        let after = resident_kib();
        assert!(after + 50_000 < before, "{before} KiB before, {after} after");
        assert_eq!(pieces.iter().flatten().count(), 1000);
    }

    fn resident_kib() -> usize {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }
}
