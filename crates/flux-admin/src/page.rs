//! The page about metrics, written from their definitions.

use std::fs;
use std::path::Path;

use crate::{EMQX, Family, Kind, Times};

/// The page about metrics.
fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat `flux-broker --admin` serves under `/metrics`. This page is written from the definitions in \
         `crates/flux-admin`.\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for family in Family::ALL {
        let kind = match family.kind {
            Kind::Counter | Kind::Seconds => "counter",
            Kind::Gauge => "gauge",
        };
        let labels = family.labels.iter().map(|label| format!("`{label}`"));
        let labels = labels.collect::<Vec<_>>().join(", ");
        page += &format!("| `{}` | {kind} | {labels} | {} |\n", family.full_name(), family.help);
    }
    for times in Times::ALL {
        page += &format!("| `flux_{}` | histogram |  | {} |\n", times.name, times.help);
    }
    page += COMPAT;
    for alias in EMQX {
        page += &format!("| `emqx_{}` | {} |\n", alias.name, alias.help);
    }
    page += SYS;
    for topic in crate::SysTopic::ALL {
        page += &format!("| `$SYS/broker/{}` | {} |\n", topic.name, topic.help);
    }
    page
}

const COMPAT: &str = "\n## Names of another broker\n\n\
    With `compat = [\"emqx\"]` under `[admin]` these are served as well, for dashboards and alerts that were made for \
    EMQX. They are those of its names that mean here what they mean there; as there, counters have no `_total` behind \
    them. What is not in the list has no number here that means the same. EMQX leaves out of what is sent what it sends of \
    `$SYS`; here that is counted.\n\n\
    | metric | meaning |\n|---|---|\n";

const SYS: &str = "\n## `$SYS`\n\n\
    The same numbers are published for dashboards that know mosquitto, every 10 s (`--sys-interval SECONDS`, 0 for \
    never): what has changed since, with QoS 0, retained, and not stored. No client may publish there. With roles, \
    whoever is to read them needs the right to: `subscribe = [\"$SYS/#\"]`. Names, forms and meanings are those of \
    mosquitto(8), but `publish/bytes` counts whole packets, and `store/messages/bytes` all that messages take, where mosquitto \
    counts payloads alone. Not there are `heap/#`, which mosquitto has of an allocator that counts (see \
    `flux_held_bytes`), and `packet/out/#` of mosquitto 2.1.\n\n\
    | topic | meaning |\n|---|---|\n\
    | `$SYS/broker/version` | `flux-broker version` and which |\n\
    | `$SYS/broker/uptime` | seconds since the broker began, and the word `seconds` |\n\
    | `$SYS/broker/clients/maximum` | the most that `clients/total` was |\n\
    | `$SYS/broker/load/#` | how many in a minute, on average over `1min`, `5min` and `15min`: `messages/received`, \
    `messages/sent`, `publish/received`, `publish/sent`, `publish/dropped`, `bytes/received`, `bytes/sent`, \
    `sockets`, `connections` |\n";

/// With `FLUX_BLESS=1` the page is written anew.
#[test]
fn the_page_about_metrics_is_what_the_definitions_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/metrics.md");
    if std::env::var_os("FLUX_BLESS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), page(), "FLUX_BLESS=1 writes it");
}
