//! Our broker with everything on that a broker in the world has: a config file, users, roles, limits and metrics.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::contender::Contender;

impl Contender {
    /// Returns our broker with one worker, a thousand rules, rates of every kind, and metrics.
    ///
    /// # Errors
    ///
    /// When its files cannot be written beside the binaries.
    pub(super) fn ours_with_everything(binaries: &Path) -> Result<Self> {
        let write = |name: &str, text: &str| -> Result<PathBuf> {
            let path = binaries.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(path)
        };
        let roles = write("bench-roles.toml", &roles())?;
        let users = write("bench-users", "")?;
        let config = CONFIG
            .replace("{roles}", &roles.to_string_lossy())
            .replace("{users}", &users.to_string_lossy());
        let config = write("bench-flux.toml", &config)?;
        let mut ours = Self::ours(binaries);
        ours.add("with everything", &["--config", &config.to_string_lossy()]);
        Ok(ours)
    }
}

/// A thousand rules: ten for whoever measures, and ten for each of 99 others.
fn roles() -> String {
    let mut text = String::from(
        "default = \"deny\"\non_overlap = \"filter\"\n\n\
         [roles.load]\npublish = [\"#\"]\nretain = [\"#\"]\nsubscribe = [\"#\"]\n\
         deny = { publish = [\"secret/#\"], subscribe = [\"secret/#\"] }\n\n\
         [[bind]]\nclient_id = \"*\"\nroles = [\"load\"]\n\n",
    );
    for number in 1..100 {
        let _ = write!(
            text,
            "[roles.site-{number}]\n\
             publish = [\"s{number}/state\", \"s{number}/data/#\", \"s{number}/a\", \"s{number}/b\", \"s{number}/+/c\"]\n\
             subscribe = [\"s{number}/state\", \"s{number}/cmd/#\", \"s{number}/d\", \"s{number}/e\", \"s{number}/+/f\"]\n\n\
             [[bind]]\nuser = \"site-{number}-*\"\nroles = [\"site-{number}\"]\n\n"
        );
    }
    text
}

/// Rates are more than any load has: what they cost is that somebody looks.
const CONFIG: &str = r#"
[auth]
password_file = "{users}"
allow_anonymous = true

[acl]
file = "{roles}"

[limits]
publishes_per_second = 100_000_000
publish_bytes_per_second = "100GiB"
client_publishes_per_second = 100_000_000
client_publish_bytes_per_second = "100GiB"

[protocol]
min_keep_alive = "1s"
max_keep_alive = "1h"

[session]
max_expiry = "1day"

[admin]
bind = "loopback:0"

[sys]
interval = "1s"

[log]
filter = "info"
"#;
