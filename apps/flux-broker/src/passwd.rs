//! `flux-broker passwd`: the users of a password file.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Subcommand;
use flux_auth::{PasswordHash, Users};

/// What to do with a password file. mosquitto's are read as well; what is added is argon2id, or keys for SCRAM.
#[derive(Debug, Subcommand)]
pub(crate) enum Passwd {
    /// Add a user or change a password; it is asked for, or is the first line of what is piped in
    Add {
        /// The file; it is made if need be
        file: PathBuf,
        /// The user name
        user: String,
        /// Keep keys for SCRAM-SHA-256 instead of a hash: the client may log in with MQTT 5.0 without sending its password, and
        /// with its password as well
        #[arg(long)]
        scram: bool,
    },
    /// Remove a user
    Remove {
        /// The file
        file: PathBuf,
        /// The user name
        user: String,
    },
    /// List the users
    List {
        /// The file
        file: PathBuf,
    },
    /// Check the password of a user, or that the file can be read
    Check {
        /// The file
        file: PathBuf,
        /// The user name; the password is asked for, or is the first line of what is piped in
        user: Option<String>,
    },
}

impl Passwd {
    /// Does it, and returns whether the answer is yes. `ask` returns a password; it is told whether a new one is
    /// meant.
    pub(crate) fn run(
        &self,
        out: &mut impl Write,
        ask: &mut dyn FnMut(IsNew) -> Result<Vec<u8>>,
    ) -> Result<bool> {
        match self {
            Self::Add { file, user, scram } => {
                // Nobody types a password for a file that cannot be changed.
                load_if_there(file)?;
                let password = ask(IsNew::Yes)?;
                let hash = match scram {
                    true => PasswordHash::for_scram(str::from_utf8(&password)?)?,
                    false => PasswordHash::of(&password)?,
                };
                let _alone = Users::lock(file)?;
                let mut users = load_if_there(file)?;
                let is_change = users.set(user, hash)?;
                users.save(file)?;
                let done = if is_change { "changed" } else { "added" };
                writeln!(out, "user `{user}` {done}")?;
            }
            Self::Remove { file, user } => {
                let _alone = Users::lock(file)?;
                let mut users = Users::load(file)?;
                if !users.remove(user) {
                    writeln!(out, "there is no user `{user}`")?;
                    return Ok(false);
                }
                users.save(file)?;
                writeln!(out, "user `{user}` removed")?;
            }
            Self::List { file } => {
                for (name, hash) in Users::load(file)?.iter() {
                    let note = if hash.is_of_today() {
                        ""
                    } else {
                        " (hash of another kind: set it anew)"
                    };
                    writeln!(out, "{name}{note}")?;
                }
            }
            Self::Check { file, user: None } => {
                writeln!(out, "{} users", Users::load(file)?.iter().len())?;
            }
            Self::Check { file, user: Some(user) } => {
                let users = Users::load(file)?;
                let password = ask(IsNew::No)?;
                let is_right = users.hash(user).is_some_and(|hash| hash.verify(&password));
                let answer = if is_right { "right" } else { "wrong user name or password" };
                writeln!(out, "{answer}")?;
                return Ok(is_right);
            }
        }
        Ok(true)
    }
}

/// Whether a password is a new one, and must not be mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IsNew {
    Yes,
    No,
}

/// Asks at the terminal, without an echo and twice for a new one; else reads the first line of standard input.
pub(crate) fn ask_for_password(is_new: IsNew) -> Result<Vec<u8>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return first_line(stdin.lock());
    }
    let password = rpassword::prompt_password("Password: ")?;
    if is_new == IsNew::Yes && rpassword::prompt_password("Again: ")? != password {
        bail!("the two passwords differ: nothing is changed");
    }
    if password.is_empty() {
        bail!("the password is empty: nothing is changed");
    }
    Ok(password.into_bytes())
}

fn first_line(input: impl BufRead) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    input.take(LONGEST_PASSWORD + 2).read_until(b'\n', &mut line)?;
    let end = line.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
    line.truncate(end.map_or(0, |end| end + 1));
    match u64::try_from(line.len())? {
        0 => bail!("the password is empty: pipe it in, or type it at a terminal"),
        1..=LONGEST_PASSWORD => Ok(line),
        _ => {
            bail!("the password is longer than {LONGEST_PASSWORD} bytes, which no client can send")
        }
    }
}

fn load_if_there(file: &Path) -> Result<Users> {
    if file.try_exists()? { Ok(Users::load(file)?) } else { Ok(Users::new()?) }
}

/// The length field of a CONNECT packet says no more (MQTT 5.0 section 1.5.6).
const LONGEST_PASSWORD: u64 = 65_535;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_password_is_the_first_line_of_what_is_piped_in() {
        let line = |input: &str| first_line(input.as_bytes());
        assert_eq!(line("secret\r\nmore\n").unwrap(), b"secret");
        assert_eq!(line(" with spaces ").unwrap(), b" with spaces ");
        assert!(line("\nsecret").is_err() && line("").is_err());
        assert!(line(&"x".repeat(65_535)).is_ok() && line(&"x".repeat(65_536)).is_err());
    }

    #[test]
    fn users_are_added_changed_checked_listed_and_removed() {
        let directory =
            std::env::temp_dir().join(format!("flux-broker-passwd-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("users");
        let run = |command: &Passwd, password: &str| {
            let mut out = Vec::new();
            let done = command.run(&mut out, &mut |_| Ok(password.into()));
            (done.ok(), String::from_utf8(out).unwrap())
        };
        let user = || String::from("alice");
        let add = Passwd::Add { file: file.clone(), user: user(), scram: false };
        let check = Passwd::Check { file: file.clone(), user: Some(user()) };
        let remove = Passwd::Remove { file: file.clone(), user: user() };
        assert_eq!(run(&remove, "").0, None);
        assert_eq!(run(&add, "secret"), (Some(true), "user `alice` added\n".into()));
        assert_eq!(run(&check, "secret"), (Some(true), "right\n".into()));
        assert_eq!(run(&check, "wrong"), (Some(false), "wrong user name or password\n".into()));
        assert_eq!(run(&add, "other"), (Some(true), "user `alice` changed\n".into()));
        assert_eq!(run(&check, "secret").0, Some(false));
        let count = Passwd::Check { file: file.clone(), user: None };
        assert_eq!(run(&count, ""), (Some(true), "1 users\n".into()));
        assert_eq!(run(&Passwd::List { file: file.clone() }, "").1, "alice\n");
        assert!(!fs::read_to_string(&file).unwrap().contains("other"));
        assert_eq!(run(&remove, ""), (Some(true), "user `alice` removed\n".into()));
        assert_eq!(run(&remove, ""), (Some(false), "there is no user `alice`\n".into()));
        let bad = Passwd::Add { file, user: "a:b".into(), scram: false };
        assert_eq!(run(&bad, "secret").0, None);
        fs::remove_dir_all(&directory).unwrap();
    }
}
