//! `flux-broker config`: the file that says what the broker does.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Subcommand;
use flux_config::{Flags, Problems, System, guide, import_mosquitto, json_schema, load, starter};

use crate::access::Access;
use crate::cli::Arguments;
use crate::settings::{Known, settings};
use crate::{log, otlp};

/// What to do with it.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a file to start from to standard output, with every setting as a comment
    Init,
    /// Tell all that is wrong with a file at once; exit code 1 if something is
    ///
    /// The files that it names, of certificates, users and roles, are read as well.
    Check {
        /// The file, in TOML
        #[arg(env = "FLUX_CONFIG")]
        file: PathBuf,
    },
    /// Write what holds with a file and these flags, and where each value comes from
    Show {
        /// The file, in TOML; without it what holds by itself
        #[arg(env = "FLUX_CONFIG")]
        file: Option<PathBuf>,
        #[command(flatten)]
        arguments: Box<Arguments>,
    },
    /// Write the JSON schema of a file, with which editors complete and check
    Schema,
    /// Make a file of a mosquitto.conf: write it to standard output, and beside it each line that could not be carried over
    ///
    /// The exit code is 1 if there are such lines.
    ImportMosquitto {
        /// The mosquitto.conf
        file: PathBuf,
        /// Make a file of roles of its acl_file; it must not be there yet
        #[arg(long, value_name = "FILE")]
        roles: Option<PathBuf>,
    },
    /// Write the page of the guide about every setting
    #[command(hide = true)]
    Guide,
}

impl ConfigCommand {
    /// Does it, and returns whether the answer is yes: all is right.
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<bool> {
        match self {
            Self::Init => write!(out, "{}", starter())?,
            Self::Schema => writeln!(out, "{}", serde_json::to_string_pretty(&json_schema())?)?,
            Self::Guide => write!(out, "{}", guide())?,
            Self::ImportMosquitto { file, roles } => return import(file, roles.as_deref(), out),
            Self::Check { file } => return check(file, out),
            Self::Show { file, arguments } => {
                match load(file.as_deref(), arguments.flags(), &System) {
                    Ok(loaded) => write!(out, "{}", loaded.show())?,
                    Err(problems) => return Ok(refuse(&problems)),
                }
            }
        }
        Ok(true)
    }
}

/// Reads a file and all that it names, and says whether it is right.
fn check(file: &Path, out: &mut impl Write) -> Result<bool> {
    let loaded = match load(Some(file), Flags::default(), &System) {
        Ok(loaded) => loaded,
        Err(problems) => return Ok(refuse(&problems)),
    };
    let mut warnings = loaded.warnings.list().len();
    tell(&loaded.warnings);
    let mut is_right = true;
    if let Err(problems) = settings(&loaded, &Known::default()) {
        is_right = refuse(&problems);
    }
    if let Err(problems) = log::check(&loaded) {
        is_right = refuse(&problems);
    }
    if let Err(problems) = otlp::open(&loaded) {
        is_right = refuse(&problems);
    }
    match Access::open(&loaded.config, &Arc::default()) {
        Ok(access) => {
            let found = access.warnings(&loaded);
            warnings += found.list().len();
            tell(&found);
        }
        Err(error) => {
            is_right = refuse(&loaded.error(
                &["auth"],
                format!("{error:#}"),
                "the broker does not start before it is mended",
            ));
        }
    }
    if is_right {
        writeln!(out, "{} is right, {warnings} warnings", file.display())?;
    }
    Ok(is_right)
}

/// Writes what a mosquitto.conf becomes, and says whether all of it was carried over.
#[expect(clippy::print_stderr, reason = "what was not carried over goes beside the output")]
fn import(file: &Path, roles: Option<&Path>, out: &mut impl Write) -> Result<bool> {
    let imported = import_mosquitto(file, roles, &System)
        .with_context(|| format!("cannot read {} or what it names", file.display()))?;
    if let (Some(path), Some(text)) = (roles, &imported.roles) {
        let made = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
        made.with_context(|| format!("cannot make {}", path.display()))?;
    }
    write!(out, "{}", imported.config)?;
    for line in &imported.not_carried {
        eprintln!("{line}");
    }
    Ok(imported.not_carried.is_empty())
}

/// Tells all problems, and returns what is to be answered: no.
fn refuse(problems: &Problems) -> bool {
    tell(problems);
    false
}

/// Tells all problems.
#[expect(clippy::print_stderr, reason = "what is wrong goes beside the output")]
pub(crate) fn tell(problems: &Problems) {
    if !problems.list().is_empty() {
        eprintln!("{problems}");
    }
}
