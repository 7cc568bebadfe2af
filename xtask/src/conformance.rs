//! The ledger of conformance: a row for each normative statement of the standards, a page made from
//! it, and the suite that proves it, against any broker.

mod comparison;
mod doors;
mod judgement;
mod ledger;
mod number;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use self::doors::Transport;
use self::ledger::Ledger;
use crate::repository;

/// What to do; without any of these the page is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Fail when the page is not what the ledger says
    #[arg(long, conflicts_with_all = ["addr", "compare"])]
    check: bool,
    /// Run the suite against the broker that listens there
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "compare")]
    addr: Option<String>,
    /// Run the suite over these transports: against our broker, or with --addr against that one
    #[arg(long, value_delimiter = ',', value_name = "TRANSPORT", conflicts_with_all = ["check", "compare"])]
    transport: Vec<Transport>,
    /// Certificate of the authority that signed that of the broker at --addr, in PEM
    #[arg(long, value_name = "FILE", requires = "addr")]
    ca: Option<PathBuf>,
    /// Only cases whose name contains this
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["check", "compare"])]
    only: Option<String>,
    /// Run the suite against our broker and mosquitto, and write the page that compares them
    #[arg(long)]
    compare: bool,
}

/// Does what the options say.
///
/// # Errors
///
/// When the ledger is wrong, the page stale, or a case fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let root = repository::root();
    let (transports, only) = (&options.transport[..], options.only.as_deref().unwrap_or_default());
    if let Some(address) = &options.addr {
        let transports = if transports.is_empty() { &[Transport::Tcp] } else { transports };
        for transport in transports {
            judgement::run(address, transport.layer(options.ca.as_deref())?, only)?;
        }
        return Ok(());
    }
    if !transports.is_empty() {
        return doors::run(transports, only);
    }
    if options.compare {
        return comparison::run(&root);
    }
    if options.check {
        return check(&root);
    }
    let ledger = read(&root)?;
    let path = root.join(PAGE);
    fs::write(&path, page::of(&ledger)).with_context(|| format!("cannot write {PAGE}"))?;
    println!("    wrote {PAGE}: {}", ledger.summary());
    Ok(())
}

/// Checks the ledger, and that the page is what it says.
///
/// # Errors
///
/// When a statement has no row, a row names a case that does not exist, or the page is stale.
pub(crate) fn check(root: &Path) -> Result<()> {
    let ledger = read(root)?;
    let found =
        fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    ensure!(found == page::of(&ledger), "{PAGE} is stale: run `cargo xtask conformance`");
    println!("    {}", ledger.summary());
    Ok(())
}

fn read(root: &Path) -> Result<Ledger> {
    let text =
        fs::read_to_string(root.join(DATA)).with_context(|| format!("cannot read {DATA}"))?;
    let ledger = Ledger::parse(&text).with_context(|| format!("{DATA} is not a ledger"))?;
    let wrong = ledger.errors();
    if !wrong.is_empty() {
        bail!("{DATA}:\n  {}", wrong.join("\n  "));
    }
    Ok(ledger)
}

const DATA: &str = "docs/conformance.toml";
const PAGE: &str = "docs/conformance.md";
