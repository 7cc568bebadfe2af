//! How many connections the system allows.

use rlimit::Resource;

/// Descriptors that the broker needs for itself: listeners, epoll, logs.
const OWN_DESCRIPTORS: u64 = 64;

/// Raises the limit of open files to its hard limit, and logs what it means: every connection
/// is a descriptor.
pub(crate) fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(files) => {
            let connections = files.saturating_sub(OWN_DESCRIPTORS);
            tracing::info!(open_files = files, connections, "possible connections");
        }
        Err(error) => {
            let (soft, _) = Resource::NOFILE.get().unwrap_or_default();
            tracing::warn!(%error, open_files = soft, "cannot raise the limit of open files");
        }
    }
}
