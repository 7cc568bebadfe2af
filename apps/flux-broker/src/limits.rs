//! How many connections the system allows.

use rlimit::Resource;

/// Descriptors that the broker needs for itself: listeners, epoll, logs.
const OWN_DESCRIPTORS: u64 = 64;

/// Raises the limit of open files to its hard limit, logs what it means, and returns how many
/// connections are possible: every one is a descriptor.
pub(crate) fn raise_open_files() -> u64 {
    let open_files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        let (soft, _) = Resource::NOFILE.get().unwrap_or_default();
        tracing::warn!(
            %error,
            open_files = soft,
            help = "raise it where the broker is started: LimitNOFILE of systemd, or ulimit -n",
            "cannot raise the limit of open files"
        );
        soft
    });
    let connections = open_files.saturating_sub(OWN_DESCRIPTORS);
    tracing::info!(open_files, connections, "possible connections");
    connections
}
