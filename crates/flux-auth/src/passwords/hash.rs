//! [`PasswordHash`]: what is kept of a password.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};
use ring::digest::{Context, SHA512, SHA512_OUTPUT_LEN};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA512};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::{ScramKeys, ScramKeysError};

/// A salted hash of a password. It prints as the text that stands in a file.
///
/// New ones are argon2id with the costs that OWASP recommends (19 MiB, 2 passes). Those that
/// mosquitto writes are read as well: `$6$` (SHA-512), `$7$` (PBKDF2) and argon2. So are the
/// [keys of SCRAM](ScramKeys), with which a client may also prove the password without sending it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    scheme: Scheme,
    salt: Box<[u8]>,
    output: Box<[u8]>,
}

#[derive(Clone, PartialEq, Eq)]
enum Scheme {
    /// `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`
    Argon2 { algorithm: Algorithm, version: Version, memory_kib: u32, passes: u32, lanes: u32 },
    /// `$6$salt$hash`
    Sha512,
    /// `$7$iterations$salt$hash`
    Pbkdf2 { iterations: NonZeroU32 },
    /// `SCRAM-SHA-256$iterations:salt$stored:server`, which has salt and output of its own.
    Scram(ScramKeys),
}

impl PasswordHash {
    /// Returns the argon2id hash of a password, with a salt of its own. It takes some 20 ms.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or the password is longer than 4 GiB.
    pub fn of(password: &[u8]) -> Result<Self, HashPasswordError> {
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| HashPasswordError::NoRandomness)?;
        let scheme = Scheme::Argon2 {
            algorithm: Algorithm::Argon2id,
            version: Version::V0x13,
            memory_kib: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
            lanes: Params::DEFAULT_P_COST,
        };
        let mut output = vec![0; OUTPUT_BYTES].into_boxed_slice();
        match scheme.derive(password, &salt, &mut output) {
            true => Ok(Self { scheme, salt: salt.into(), output }),
            false => Err(HashPasswordError::NotHashed { len: password.len() }),
        }
    }

    /// Returns the keys for SCRAM of a password, with a salt of their own.
    ///
    /// # Errors
    ///
    /// When the system has no randomness, or the password has characters beyond ASCII.
    pub fn for_scram(password: &str) -> Result<Self, ScramKeysError> {
        let iterations = NonZeroU32::new(SCRAM_ITERATIONS).unwrap_or(NonZeroU32::MIN);
        Ok(Self::of_scram(ScramKeys::of(password, iterations)?))
    }

    fn of_scram(keys: ScramKeys) -> Self {
        Self { scheme: Scheme::Scram(keys), salt: Box::default(), output: Box::default() }
    }

    /// Returns the keys for SCRAM, if it is those.
    #[must_use]
    pub fn scram(&self) -> Option<&ScramKeys> {
        match &self.scheme {
            Scheme::Scram(keys) => Some(keys),
            Scheme::Argon2 { .. } | Scheme::Sha512 | Scheme::Pbkdf2 { .. } => None,
        }
    }

    /// Returns whether this is the hash of `password`. How long it takes depends on the hash, not
    /// on how far it agrees.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        let Self { scheme, salt, output } = self;
        if let Scheme::Pbkdf2 { iterations } = scheme {
            return pbkdf2::verify(PBKDF2_HMAC_SHA512, *iterations, salt, password, output).is_ok();
        }
        if let Scheme::Scram(keys) = scheme {
            return keys.are_of(password);
        }
        let mut derived = vec![0; output.len()];
        scheme.derive(password, salt, &mut derived) && bool::from(derived.ct_eq(output))
    }

    /// Returns how much it costs to verify it, to be compared: hashes of the same kind with the same numbers take the same time.
    pub(super) fn costs(&self) -> (u8, u32, u32, u32) {
        match &self.scheme {
            Scheme::Sha512 => (0, 0, 0, 0),
            Scheme::Pbkdf2 { iterations } => (1, iterations.get(), 0, 0),
            Scheme::Scram(keys) => (2, keys.iterations.get(), 0, 0),
            Scheme::Argon2 { memory_kib, passes, lanes, .. } => (3, *memory_kib, *passes, *lanes),
        }
    }

    /// Returns whether it is one that [`of`](Self::of) would make today: others are weaker, or of another
    /// program.
    #[must_use]
    pub fn is_of_today(&self) -> bool {
        match &self.scheme {
            Scheme::Argon2 { algorithm, version, memory_kib, passes, .. } => {
                *algorithm == Algorithm::Argon2id
                    && *version == Version::V0x13
                    && *memory_kib >= Params::DEFAULT_M_COST
                    && *passes >= Params::DEFAULT_T_COST
            }
            Scheme::Scram(keys) => keys.iterations.get() >= SCRAM_ITERATIONS,
            Scheme::Sha512 | Scheme::Pbkdf2 { .. } => false,
        }
    }
}

impl Scheme {
    /// Fills `output`; says whether it could.
    fn derive(&self, password: &[u8], salt: &[u8], output: &mut [u8]) -> bool {
        match self {
            &Self::Argon2 { algorithm, version, memory_kib, passes, lanes } => {
                let params = Params::new(memory_kib, passes, lanes, Some(output.len()));
                let derived = params.and_then(|params| {
                    let mut blocks = blocks(params.block_count())?;
                    let argon2 = Argon2::new(algorithm, version, params);
                    argon2.hash_password_into_with_memory(password, salt, output, &mut blocks)
                });
                derived.is_ok()
            }
            Self::Sha512 => {
                let mut context = Context::new(&SHA512);
                context.update(password);
                context.update(salt);
                let digest = context.finish();
                let fits = digest.as_ref().len() == output.len();
                if fits {
                    output.copy_from_slice(digest.as_ref());
                }
                fits
            }
            Self::Pbkdf2 { iterations } => {
                pbkdf2::derive(PBKDF2_HMAC_SHA512, *iterations, salt, password, output);
                true
            }
            // Its keys are looked at by themselves.
            Self::Scram(_) => false,
        }
    }
}

/// Returns so many blocks to compute in, which go back to the system as soon as they are dropped.
///
/// glibc keeps what a thread has freed for the threads to come, up to 32 MiB in a piece, once such a piece was freed; so each thread
/// that ever hashed cost 19 MiB for good. Of a larger piece only the pages that are touched are there at all.
fn blocks(count: usize) -> Result<Vec<Block>, argon2::Error> {
    let mut blocks = Vec::new();
    let room = count.max(PIECE_BYTES / Block::SIZE);
    blocks.try_reserve_exact(room).map_err(|_| argon2::Error::OutOfMemory)?;
    blocks.resize(count, Block::new());
    Ok(blocks)
}

impl FromStr for PasswordHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        if text.starts_with("SCRAM-SHA-256$") {
            let keys: ScramKeys = text.parse().map_err(|_| ParseHashError::Incomplete)?;
            if keys.iterations.get() > MOST_ITERATIONS {
                return Err(ParseHashError::Cost { max: "10,000,000 iterations" });
            }
            return Ok(Self::of_scram(keys));
        }
        let fields: Vec<&str> = text.split('$').collect();
        let (scheme, salt, output) = match fields.as_slice() {
            ["", "6", salt, output] => (Scheme::Sha512, salt, output),
            ["", "7", iterations, salt, output] => (pbkdf2(iterations)?, salt, output),
            ["", name @ ("argon2id" | "argon2i" | "argon2d"), version, params, salt, output] => {
                (argon2(name, version, params)?, salt, output)
            }
            ["", "argon2id" | "argon2i" | "argon2d" | "6" | "7", ..] => {
                return Err(ParseHashError::Incomplete);
            }
            _ => return Err(ParseHashError::UnknownScheme),
        };
        let decode = |field: &str| BASE64.decode(field).map_err(|_| ParseHashError::NotBase64);
        let hash = Self { scheme, salt: decode(salt)?.into(), output: decode(output)?.into() };
        hash.check()?;
        Ok(hash)
    }
}

impl PasswordHash {
    fn check(&self) -> Result<(), ParseHashError> {
        let (expected, least_salt) = match self.scheme {
            Scheme::Argon2 { .. } => (LEAST_OUTPUT_BYTES..=MOST_OUTPUT_BYTES, argon2::MIN_SALT_LEN),
            Scheme::Sha512 | Scheme::Pbkdf2 { .. } => (SHA512_OUTPUT_LEN..=SHA512_OUTPUT_LEN, 1),
            Scheme::Scram(_) => (0..=0, 0),
        };
        let (output, salt) = (self.output.len(), self.salt.len());
        if !expected.contains(&output) || !(least_salt..=MOST_SALT_BYTES).contains(&salt) {
            return Err(ParseHashError::Length { salt, output });
        }
        Ok(())
    }
}

fn pbkdf2(iterations: &str) -> Result<Scheme, ParseHashError> {
    let iterations = iterations.parse::<NonZeroU32>().ok();
    match iterations.filter(|iterations| iterations.get() <= MOST_ITERATIONS) {
        Some(iterations) => Ok(Scheme::Pbkdf2 { iterations }),
        None => Err(ParseHashError::Cost { max: "10,000,000 iterations" }),
    }
}

fn argon2(name: &str, version: &str, params: &str) -> Result<Scheme, ParseHashError> {
    let algorithm = Algorithm::new(name).map_err(|_| ParseHashError::UnknownScheme)?;
    let version = match version {
        "v=19" => Version::V0x13,
        "v=16" => Version::V0x10,
        _ => return Err(ParseHashError::UnknownScheme),
    };
    let mut costs = params.split(',');
    let mut cost = |key: &str| {
        let value = costs.next().and_then(|cost| cost.strip_prefix(key));
        value.and_then(|value| value.parse::<u32>().ok()).ok_or(ParseHashError::Incomplete)
    };
    let (memory_kib, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
    let is_bounded = memory_kib <= MOST_MEMORY_KIB && passes <= MOST_PASSES && lanes <= MOST_LANES;
    if !is_bounded || Params::new(memory_kib, passes, lanes, None).is_err() {
        return Err(ParseHashError::Cost { max: "1 GiB, 100 passes, 16 lanes" });
    }
    Ok(Scheme::Argon2 { algorithm, version, memory_kib, passes, lanes })
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match &self.scheme {
            Scheme::Scram(keys) => return keys.fmt(f),
            Scheme::Argon2 { algorithm, version, memory_kib, passes, lanes } => {
                let version = u32::from(*version);
                let costs = format_args!("m={memory_kib},t={passes},p={lanes}");
                write!(f, "${algorithm}$v={version}${costs}")?;
                BASE64
            }
            Scheme::Sha512 => {
                f.write_str("$6")?;
                PADDED
            }
            Scheme::Pbkdf2 { iterations } => {
                write!(f, "$7${iterations}")?;
                PADDED
            }
        };
        write!(f, "${}${}", engine.encode(&self.salt), engine.encode(&self.output))
    }
}

/// Does not print the hash, so that users may be logged.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").finish_non_exhaustive()
    }
}

/// Why a password has no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HashPasswordError {
    /// The system gives no random bytes.
    #[error("the system has no random bytes for a salt")]
    NoRandomness,
    /// The algorithm does not take it.
    #[error("a password of {len} bytes cannot be hashed")]
    NotHashed {
        /// Its length in bytes.
        len: usize,
    },
}

/// Why a text is no hash of a password. The text is not repeated: it is a secret of sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ParseHashError {
    /// It begins as none of those that are known.
    #[error(
        "the hash is of an unknown kind: $argon2id$, $6$, $7$ and SCRAM-SHA-256$ are known; a plain password is not"
    )]
    UnknownScheme,
    /// Some part is missing, or there are too many.
    #[error("the hash is incomplete: write the whole line again")]
    Incomplete,
    /// Salt or hash are not base64.
    #[error("salt or hash are not base64: write the whole line again")]
    NotBase64,
    /// Salt or hash have a length that the scheme does not have.
    #[error("the salt is {salt} bytes long and the hash {output}: write the whole line again")]
    Length {
        /// The length of the salt in bytes.
        salt: usize,
        /// The length of the hash in bytes.
        output: usize,
    },
    /// It costs more to verify than anybody should pay.
    #[error("the costs are not valid, the limit is {max}")]
    Cost {
        /// The limit.
        max: &'static str,
    },
}

/// PHC strings have no padding, mosquitto's have: both are read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const PADDED: GeneralPurpose = base64::engine::general_purpose::STANDARD;

const PIECE_BYTES: usize = 33 * 1024 * 1024;
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;
/// mosquitto's argon2 hashes have salts of 64 bytes.
const MOST_SALT_BYTES: usize = 128;
const LEAST_OUTPUT_BYTES: usize = 10;
const MOST_OUTPUT_BYTES: usize = 128;
/// Several times what RFC 7677 demands, and what a small device can do: it has to do as much for each login.
const SCRAM_ITERATIONS: u32 = 15_000;
const MOST_ITERATIONS: u32 = 10_000_000;
const MOST_MEMORY_KIB: u32 = 1 << 20;
const MOST_PASSES: u32 = 100;
const MOST_LANES: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<PasswordHash, ParseHashError> {
        text.parse()
    }

    #[test]
    fn a_new_hash_is_argon2id_with_a_salt_of_its_own() {
        let (hash, other) =
            (PasswordHash::of(b"secret").unwrap(), PasswordHash::of(b"secret").unwrap());
        assert!(hash.to_string().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, other);
        assert!(hash.is_of_today());
        let read = parse(&hash.to_string()).unwrap();
        assert_eq!(read, hash);
        assert!(read.verify(b"secret"));
        assert!(!read.verify(b"Secret") && !read.verify(b"") && !read.verify(b"secret\0"));
        assert_eq!(format!("{hash:?}"), "PasswordHash { .. }");
    }

    /// Written by mosquitto_passwd 2.0.11, and by the reference implementation of argon2 (its test
    /// vectors, and one with a salt of 64 bytes as mosquitto 2.1 has).
    #[test]
    fn hashes_of_other_programs_are_read_and_written_alike() {
        #[track_caller]
        fn check(text: &str, password: &str) {
            let hash = parse(text).unwrap();
            assert!(hash.verify(password.as_bytes()), "{text}");
            assert!(!hash.verify(b"wrong"), "{text}");
            assert_eq!(hash.to_string(), text);
            assert!(!hash.is_of_today(), "{text}");
        }
        check(
            "$7$101$F5HRt/W7rEWUkWjh$wYSJnBJrTFSKLZe4Rug9uSJiXjoeB4/4eDfAf/RaQGXfNXNjmFr0iRQRya0Pi/F3W9r9g3H1\
             02hQbD80WMcZWQ==",
            "secret",
        );
        check(
            "$6$MX6dYcVLwYBOIMBN$or/zwQc2d71Hh6DqPK1xUDkfZVG5zP2CHQtFYfoWQbwm25ay88XGXpoeKycL+5/qBdAbrtkvtROH\
             O6bIGMvxpg==",
            "secret",
        );
        check(
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
            "password",
        );
        check(
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
            "password",
        );
    }

    #[test]
    fn a_salt_may_be_as_long_as_mosquitto_makes_it() {
        let salt = BASE64.encode([7; 64]);
        let scheme = argon2("argon2id", "v=19", "m=8,t=1,p=1").unwrap();
        let mut output = [0; 64];
        assert!(scheme.derive(b"secret", &[7; 64], &mut output));
        let text = format!("$argon2id$v=19$m=8,t=1,p=1${salt}${}", BASE64.encode(output));
        assert!(parse(&text).unwrap().verify(b"secret"));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        #[track_caller]
        fn check(text: &str, expected: ParseHashError) {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        check("secret", ParseHashError::UnknownScheme);
        check("", ParseHashError::UnknownScheme);
        check("$2b$10$abc", ParseHashError::UnknownScheme);
        check("$6$c29tZXNhbHQ", ParseHashError::Incomplete);
        check("$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$AAAA", ParseHashError::Incomplete);
        check("$argon2id$v=20$m=256,t=2,p=1$c29tZXNhbHQ$AAAA", ParseHashError::UnknownScheme);
        check("$argon2id$v=19$m=256,p=1,t=2$c29tZXNhbHQ$AAAA", ParseHashError::Incomplete);
        check("$6$c29tZXNhbHQ$!", ParseHashError::NotBase64);
        check("$6$c29tZXNhbHQ$AAAA", ParseHashError::Length { salt: 8, output: 3 });
        check("$6$$AAAA", ParseHashError::Length { salt: 0, output: 3 });
        let too_many = ParseHashError::Cost { max: "10,000,000 iterations" };
        check("$7$4000000000$c29tZXNhbHQ$AAAA", too_many);
        check("$7$0$c29tZXNhbHQ$AAAA", too_many);
        let too_much = ParseHashError::Cost { max: "1 GiB, 100 passes, 16 lanes" };
        check("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$AAAA", too_much);
    }

    #[test]
    fn keys_for_scram_are_a_hash_like_others() {
        let hash = PasswordHash::for_scram("pencil").unwrap();
        assert!(hash.is_of_today() && hash.verify(b"pencil") && !hash.verify(b"pencil "));
        let text = hash.to_string();
        assert!(text.starts_with("SCRAM-SHA-256$15000:"), "{text}");
        let read: PasswordHash = text.parse().unwrap();
        assert!(read == hash && read.scram().is_some());
        assert!(PasswordHash::for_scram("p\u{e4}").is_err());
        assert!(PasswordHash::of(b"pencil").unwrap().scram().is_none());
        let dear = text.replace("$15000:", "$10000001:").parse::<PasswordHash>();
        assert_eq!(dear.unwrap_err(), ParseHashError::Cost { max: "10,000,000 iterations" });
        let short = text.replace("$15000:", "$0:").parse::<PasswordHash>();
        assert_eq!(short.unwrap_err(), ParseHashError::Incomplete);
    }
}
