//! [`Users`]: the names and hashes of a password file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::decoys::DecoySecret;
use super::hash::{HashPasswordError, ParseHashError, PasswordHash};

/// Users and the hashes of their passwords. A line of the text is `name:hash`; empty lines, and those that
/// begin with `#`, are skipped, and stay where they are when it is written. But one, `#flux-decoys:secret`, is read: what is made with it
/// stands in for users that are not there, and so looks the same after a restart and with other users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Of the file, or of the text that it had without one.
    decoys: Option<DecoySecret>,
    hashes: BTreeMap<Box<str>, Arc<PasswordHash>>,
}

impl Users {
    /// Returns a file without users, with a secret of its own for [those that are not there](Self).
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn new() -> Result<Self, HashPasswordError> {
        Ok(Self { decoys: Some(DecoySecret::new()?), hashes: BTreeMap::new() })
    }

    /// Reads the text of a password file.
    ///
    /// # Errors
    ///
    /// With the first line that is wrong: who would skip it, might shut somebody out.
    pub fn parse(text: &str) -> Result<Self, ParseUsersError> {
        let mut users = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let text = text.trim_end();
            if let Some(secret) = text.strip_prefix(DECOYS) {
                let secret = DecoySecret::parse(secret).ok_or(ParseUsersError::Decoys { line })?;
                users.decoys = Some(secret);
                continue;
            }
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let Some((name, hash)) = text.split_once(':') else {
                return Err(ParseUsersError::NoColon { line });
            };
            let hash = hash.parse().map_err(|error| {
                let user = name.to_owned();
                ParseUsersError::Hash { line, user, error }
            })?;
            match users.set(name, hash) {
                Ok(false) => {}
                Ok(true) => return Err(ParseUsersError::Twice { line, user: name.to_owned() }),
                Err(error) => return Err(ParseUsersError::Name { line, error }),
            }
        }
        if !users.hashes.is_empty() {
            users.decoys = Some(users.decoy_secret());
        }
        Ok(users)
    }

    /// Returns the secret that the file has, or the one that belongs to its text.
    pub(super) fn decoy_secret(&self) -> DecoySecret {
        self.decoys.unwrap_or_else(|| DecoySecret::derived(&self.text()))
    }

    /// Returns the text of a password file.
    #[must_use]
    pub fn text(&self) -> String {
        self.in_place_of("")
    }

    /// Returns the text of a password file that takes the place of another: what has not changed stays as and where it is.
    fn in_place_of(&self, before: &str) -> String {
        let mut missing: BTreeMap<&str, String> =
            self.hashes.iter().map(|(name, hash)| (&**name, hash.to_string())).collect();
        let (mut text, mut secret) = (String::new(), self.decoys);
        for line in before.split_terminator('\n') {
            let content = line.trim_end();
            let line = match content.split_once(':') {
                _ if content.starts_with(DECOYS) => match secret.take() {
                    Some(secret) => format!("{DECOYS}{}", secret.text()),
                    None => continue,
                },
                Some((name, hash)) if !name.starts_with('#') => match missing.remove(name) {
                    Some(same) if same == hash => line.to_owned(),
                    Some(new) => format!("{name}:{new}"),
                    None => continue,
                },
                Some(_) | None => line.to_owned(),
            };
            text.push_str(&line);
            text.push('\n');
        }
        let secret = secret.map(|secret| format!("{DECOYS}{}\n", secret.text()));
        text.insert_str(0, &secret.unwrap_or_default());
        for (name, hash) in missing {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}:{hash}");
        }
        text
    }

    /// Reads a password file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is none.
    pub fn load(path: &Path) -> Result<Self, UsersFileError> {
        let text = fs::read_to_string(path)
            .map_err(|error| UsersFileError::Read { path: path.to_owned(), error })?;
        Self::parse(&text).map_err(|error| UsersFileError::Parse { path: path.to_owned(), error })
    }

    /// Writes a password file: all of it or nothing. A new one is readable by its owner alone; one that takes the place of
    /// another has the same owner, group and permissions, so that a broker that read it by its group still does, and
    /// the same comments.
    ///
    /// # Errors
    ///
    /// When it cannot be written; the old one is as it was.
    pub fn save(&self, path: &Path) -> Result<(), UsersFileError> {
        let before = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            read => read,
        };
        let result =
            before.and_then(|before| replace_file(path, self.in_place_of(&before).as_bytes()));
        result.map_err(|error| UsersFileError::Write { path: path.to_owned(), error })
    }

    /// Waits until nobody else who asks for this changes files of passwords in the same directory. Who changes one has to have
    /// this from before it is read until it is written: else what others change meanwhile is lost.
    ///
    /// # Errors
    ///
    /// When the directory is not there, or cannot be locked.
    pub fn lock(path: &Path) -> Result<UsersLock, UsersFileError> {
        // The file itself is another one after each change, and may not be there yet.
        let lock = || {
            let directory = File::open(directory_of(&real(path)?))?;
            directory.lock()?;
            Ok(UsersLock { _directory: directory })
        };
        lock().map_err(|error| UsersFileError::Write { path: path.to_owned(), error })
    }

    /// Sets the password of a user, who need not be there, and returns whether there was one.
    ///
    /// # Errors
    ///
    /// When a file cannot hold the name.
    pub fn set(&mut self, name: &str, hash: PasswordHash) -> Result<bool, UserNameError> {
        if name.is_empty() {
            return Err(UserNameError::Empty);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(UserNameError::TooLong { len: name.len() });
        }
        if let Some(character) = name.chars().find(|it| *it == ':' || it.is_control()) {
            return Err(UserNameError::Character { character });
        }
        if name.starts_with('#') {
            return Err(UserNameError::Character { character: '#' });
        }
        Ok(self.hashes.insert(name.into(), Arc::new(hash)).is_some())
    }

    /// Removes a user, and returns whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.hashes.remove(name).is_some()
    }

    /// Returns the hash of a user's password.
    #[must_use]
    pub fn hash(&self, name: &str) -> Option<&Arc<PasswordHash>> {
        self.hashes.get(name)
    }

    /// Returns all users in alphabetical order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<PasswordHash>)> {
        self.hashes.iter().map(|(name, hash)| (&**name, hash))
    }
}

/// The right to change the password files of a directory, until it is dropped.
#[derive(Debug)]
#[must_use = "others may change the file when it is dropped"]
pub struct UsersLock {
    _directory: File,
}

/// Why a file cannot hold a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UserNameError {
    /// It has no characters.
    #[error("the user name is empty")]
    Empty,
    /// It does not fit a CONNECT packet.
    #[error("the user name is {len} bytes long, the limit is {max}", max = MAX_NAME_BYTES)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// It has a character that has a meaning in the file.
    #[error(
        "the user name has a {character:?}: it may have no `:`, no control character and no `#` in front"
    )]
    Character {
        /// The character.
        character: char,
    },
}

/// Why a text is no password file. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseUsersError {
    /// A line has no `:`.
    #[error("line {line} has no `:`: write name:hash")]
    NoColon {
        /// Which line.
        line: usize,
    },
    /// A name is none.
    #[error("line {line}: {error}")]
    Name {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        error: UserNameError,
    },
    /// A hash is none.
    #[error("line {line}, user `{user}`: {error}")]
    Hash {
        /// Which line.
        line: usize,
        /// The user of that line.
        user: String,
        /// What is wrong with it.
        error: ParseHashError,
    },
    /// The secret for users that are not there is none.
    #[error("line {line}: the secret behind {DECOYS} is damaged: remove the line")]
    Decoys {
        /// Which line.
        line: usize,
    },
    /// There are two lines for one user.
    #[error("line {line}: there is a line for user `{user}` already: remove one")]
    Twice {
        /// Which line.
        line: usize,
        /// The user.
        user: String,
    },
}

/// Why a password file was not read or not written.
#[derive(Debug, Error)]
pub enum UsersFileError {
    /// It cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no password file.
    #[error("{}: {error}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: ParseUsersError,
    },
}

/// Writes beside the file and takes its place when all of it is on disk.
fn replace_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let path = real(path)?;
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let result = write_new(&beside, &path, contents).and_then(|()| fs::rename(&beside, &path));
    if result.is_err() {
        // What was not begun cannot be removed; nobody would learn more from that.
        let _ = fs::remove_file(&beside);
        return result;
    }
    File::open(directory_of(&path))?.sync_all()
}

/// Returns what a link points to: it stays one, and the file is replaced.
fn real(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        Err(error) => Err(error),
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn write_new(new: &Path, old: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(new)?;
    if let Ok(old) = fs::metadata(old) {
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        // Only now that the group is the right one.
        file.set_permissions(Permissions::from_mode(old.mode() & PERMISSIONS))?;
    }
    file.write_all(contents)?;
    file.sync_all()
}

/// What stands before the secret. For other programs the line is a comment.
const DECOYS: &str = "#flux-decoys:";

/// Read and write for the owner, nothing for others.
const OWNER_ONLY: u32 = 0o600;

/// What of a mode says who may do what.
const PERMISSIONS: u32 = 0o777;

/// The length field of a CONNECT packet says no more (MQTT 5.0 section 1.5.4).
const MAX_NAME_BYTES: usize = 65_535;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

    #[test]
    fn a_text_is_read_and_written_in_order() {
        let text = format!("# comment\n\nbob:{HASH}\r\nalice:{HASH}\n");
        let users = Users::parse(&text).unwrap();
        assert_eq!(users.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["alice", "bob"]);
        let written = users.text();
        let (secret, rest) = written.split_once('\n').unwrap();
        assert_eq!(rest, format!("alice:{HASH}\nbob:{HASH}\n"));
        assert!(secret.starts_with("#flux-decoys:") && secret.len() == 13 + 44, "{secret}");
        assert_eq!(Users::parse(&written).unwrap(), users);
        assert!(users.hash("bob").is_some() && users.hash("Bob").is_none());
    }

    /// As mosquitto 2.1 writes it, with a salt and a hash of 64 bytes. It was made with another library, argon2-cffi 25.1.0, over the
    /// reference implementation: `hash_secret(b"secret", bytes(range(64)), time_cost=2, memory_cost=256, parallelism=1,
    /// hash_len=64, type=Type.ID)`.
    #[test]
    fn a_line_of_mosquitto_with_an_argon2_hash_is_read() {
        let line = "alice:$argon2id$v=19$m=256,t=2,p=1$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1\
                    Njc4OTo7PD0+Pw$4XVQqPr6EPcfxV+qXT/u0U1HZ3QUxftkM9u+kZsl/yDsizGrMXIsAnjsUqWPZaw8P640G0rRf4FzZaVf4ReEZw";
        let users = Users::parse(&format!("{line}\n")).unwrap();
        let hash = users.hash("alice").unwrap();
        assert!(hash.verify(b"secret") && !hash.verify(b"Secret") && !hash.verify(b""));
        assert!(users.text().ends_with(&format!("{line}\n")), "it is written as it was");
    }

    /// Of what others wrote, too: lines that somebody put out of use, and why.
    #[test]
    fn a_change_leaves_comments_and_other_lines_where_they_are() {
        let before = format!("# ours\r\n\nbob:{HASH}\r\n# carol:{HASH}\ndave:{HASH}\nalice:{HASH}");
        let mut users = Users::parse(&before).unwrap();
        let secret = format!("#flux-decoys:{}\n", users.decoy_secret().text());
        let other = HASH.replace("Gi/4", "Gi/8");
        users.set("erna", HASH.parse().unwrap()).unwrap();
        users.set("alice", other.parse().unwrap()).unwrap();
        users.remove("dave");
        let after =
            format!("# ours\r\n\nbob:{HASH}\r\n# carol:{HASH}\nalice:{other}\nerna:{HASH}\n");
        let written = users.in_place_of(&before);
        assert_eq!(written, secret + &after);
        assert_eq!(Users::parse(&written).unwrap(), users);
        assert_eq!(users.in_place_of(&written), written);
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(Users::parse(text).unwrap_err().to_string(), expected);
        }
        check("\nalice", "line 2 has no `:`: write name:hash");
        check(&format!(":{HASH}"), "line 1: the user name is empty");
        check(
            &format!("a\tb:{HASH}"),
            "line 1: the user name has a '\\t': it may have no `:`, no control character and no `#` in front",
        );
        check(
            &format!("a:{HASH}\na:{HASH}"),
            "line 2: there is a line for user `a` already: remove one",
        );
        check(
            "\n#flux-decoys:AAAA",
            "line 2: the secret behind #flux-decoys: is damaged: remove the line",
        );
        check(
            "a:secret",
            "line 1, user `a`: the hash is of an unknown kind: $argon2id$, $6$, $7$ and SCRAM-SHA-256$ are known; a plain \
             password is not",
        );
        let long = "x".repeat(65_536);
        let mut users = Users::default();
        let hash: PasswordHash = HASH.parse().unwrap();
        assert_eq!(users.set(&long, hash.clone()), Err(UserNameError::TooLong { len: 65_536 }));
        assert_eq!(users.set("#a", hash), Err(UserNameError::Character { character: '#' }));
    }

    #[test]
    fn the_secret_for_users_that_are_not_there_stays_with_the_file() {
        let text = format!("alice:{HASH}\n");
        let mut users = Users::parse(&text).unwrap();
        let secret = users.decoy_secret();
        assert_eq!(Users::parse(&text).unwrap().decoy_secret(), secret, "the same text");
        let other = Users::parse(&format!("{text}bob:{HASH}\n")).unwrap();
        assert_ne!(other.decoy_secret(), secret, "another text without one");
        users.set("bob", HASH.parse().unwrap()).unwrap();
        assert!(users.remove("alice"));
        assert_eq!(Users::parse(&users.text()).unwrap().decoy_secret(), secret);
        let (new, another) = (Users::new().unwrap(), Users::new().unwrap());
        assert_ne!(new.decoy_secret(), another.decoy_secret());
        assert_eq!(Users::parse(&new.text()).unwrap(), new);
        assert!(!format!("{new:?}").contains(&new.decoy_secret().text()));
    }

    #[test]
    fn a_file_is_replaced_whole_for_whom_it_was_and_a_new_one_is_for_its_owner_alone() {
        let directory =
            std::env::temp_dir().join(format!("flux-auth-users-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (file, link) = (directory.join("users"), directory.join("link"));
        let mut users = Users::new().unwrap();
        users.set("alice", HASH.parse().unwrap()).unwrap();
        users.save(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Users::load(&file).unwrap(), users);

        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        assert!(users.remove("alice") && !users.remove("alice"));
        users.save(&link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(Users::load(&file).unwrap(), users);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);

        let nowhere = directory.join("none").join("users");
        assert!(matches!(users.save(&nowhere), Err(UsersFileError::Write { .. })));
        assert!(matches!(Users::load(&nowhere), Err(UsersFileError::Read { .. })));
        fs::remove_dir_all(&directory).unwrap();
    }
}
