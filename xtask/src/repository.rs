//! Where things are, and how a command is run there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Returns the root of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// Returns a command for the cargo that runs this task, at the root of the workspace.
pub(crate) fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    // What this task was started with: build scripts that look at it would run again, and all that needs them.
    let own = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    own.for_each(|name| {
        command.env_remove(name);
    });
    command
}

/// Returns the triple of the machine that this is.
///
/// # Errors
///
/// When the compiler cannot be asked.
pub(crate) fn host() -> Result<String> {
    let text = about_compiler()?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say for which machine it is")?.to_owned())
}

/// Returns which compiler this is.
///
/// # Errors
///
/// When it cannot be asked.
pub(crate) fn compiler() -> Result<String> {
    Ok(about_compiler()?.lines().next().unwrap_or_default().to_owned())
}

fn about_compiler() -> Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").current_dir(root()).output();
    let output = output.context("cannot ask rustc for its version")?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Builds packages and returns the folder of their binaries.
///
/// # Errors
///
/// When cargo fails; it has said why.
pub(crate) fn build(packages: &[&str], profile: Profile) -> Result<PathBuf> {
    build_with(packages, &[], profile)
}

/// The same with features.
///
/// # Errors
///
/// As [`build`].
pub(crate) fn build_with(
    packages: &[&str],
    features: &[&str],
    profile: Profile,
) -> Result<PathBuf> {
    let mut command = cargo(["build", "--locked"]);
    for feature in features {
        command.args(["--features", feature]);
    }
    for package in packages {
        command.args(["--package", package]);
    }
    if profile == Profile::Release {
        command.arg("--release");
    }
    println!("==> {}", shown(&command));
    run(&mut command)?;
    // This binary is target/PROFILE/xtask, and the others stand beside it.
    let own = std::env::current_exe().context("cannot tell where xtask is")?;
    let target = own.ancestors().nth(2).context("xtask is not in a target folder")?;
    Ok(target.join(match profile {
        Profile::Debug => "debug",
        Profile::Release => "release",
    }))
}

/// How to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// Runs a command to its end, its output on ours.
///
/// # Errors
///
/// When the command cannot be started or does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    ensure!(status.success(), "`{}`: {status}", shown(command));
    Ok(())
}

/// Says whether a command can be run and succeeds; its output is dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns the command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={:?}", name.to_string_lossy(), value?.to_string_lossy()))
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    variables
        .chain([program.to_string_lossy().into_owned()])
        .chain(command.get_args().map(|argument| argument.to_string_lossy().into_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_holds_the_workspace_manifest() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[workspace]"));
    }

    #[test]
    fn the_host_is_a_triple() {
        assert!(host().unwrap().split('-').count() >= 3);
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/somewhere/cargo");
        command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--no-deps"]);
        assert_eq!(shown(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }
}
