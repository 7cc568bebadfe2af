//! [`import_mosquitto`]: a mosquitto.conf becomes a file of ours, and what does not is listed.

mod acl;
mod draft;
mod global;
mod options;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use self::draft::Draft;
use self::options::{Fate, fate};
use crate::config::{AclDefault, Config};
use crate::show;
use crate::surroundings::Surroundings;

/// What became of a mosquitto.conf.
#[derive(Clone, Debug)]
pub struct Imported {
    /// A file in TOML. What it does not mention is as it is by itself.
    pub config: String,
    /// The roles that its `acl_file` became, also in TOML, if a place for them was named.
    pub roles: Option<String>,
    /// The lines that mean something else here, or nothing.
    pub not_carried: Vec<NotCarried>,
}

/// A line that could not be carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCarried {
    /// The file it stands in.
    pub file: PathBuf,
    /// Its number, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// Why, and what to do about it.
    pub why: String,
}

impl fmt::Display for NotCarried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file.display(), self.line, self.text, self.why)
    }
}

/// Reads a mosquitto.conf and the files of its `include_dir`. The roles of its `acl_file` are meant for the file `roles`.
///
/// # Errors
///
/// When a file cannot be read.
pub fn import_mosquitto(
    file: &Path,
    roles: Option<&Path>,
    surroundings: &dyn Surroundings,
) -> io::Result<Imported> {
    let mut lines = Vec::new();
    read(file, surroundings, &mut lines)?;
    let mut import = Import::new(roles.map(Path::to_owned));
    for line in lines {
        import.line(&line, surroundings)?;
    }
    Ok(import.finish())
}

/// A line with an option.
#[derive(Clone, Debug)]
struct Line {
    file: PathBuf,
    number: usize,
    text: String,
    key: String,
    value: String,
}

impl Line {
    fn not_carried(&self, why: impl Into<String>) -> NotCarried {
        let (file, text) = (self.file.clone(), self.text.clone());
        NotCarried { file, line: self.number, text, why: why.into() }
    }
}

/// Reads the lines of a file, and in the place of `include_dir` those of the files there.
fn read(file: &Path, surroundings: &dyn Surroundings, lines: &mut Vec<Line>) -> io::Result<()> {
    for (number, text) in (1..).zip(surroundings.read(file)?.lines()) {
        let text = text.trim_start_matches('\u{feff}');
        let (key, value) = text.trim().split_once([' ', '\t']).unwrap_or((text.trim(), ""));
        if key.is_empty() || key.starts_with('#') {
            continue;
        }
        if key == "include_dir" {
            for inner in surroundings.list(Path::new(value.trim()), "conf")? {
                read(&inner, surroundings, lines)?;
            }
            continue;
        }
        lines.push(Line {
            file: file.to_owned(),
            number,
            text: text.trim().to_owned(),
            key: key.to_owned(),
            value: value.trim().to_owned(),
        });
    }
    Ok(())
}

/// An import under way.
struct Import {
    config: Config,
    drafts: Vec<Draft>,
    globals: global::Globals,
    is_in_bridge: bool,
    roles_file: Option<PathBuf>,
    /// Also where it could not be carried over: what it denied must not become allowed.
    has_acl: bool,
    roles: Option<String>,
    not_carried: Vec<NotCarried>,
}

impl Import {
    fn new(roles_file: Option<PathBuf>) -> Self {
        Self {
            config: Config::default(),
            drafts: vec![Draft::default()],
            globals: global::Globals::default(),
            is_in_bridge: false,
            roles_file,
            has_acl: false,
            roles: None,
            not_carried: Vec::new(),
        }
    }

    fn line(&mut self, line: &Line, surroundings: &dyn Surroundings) -> io::Result<()> {
        let value = line.value.as_str();
        let done = match fate(&line.key) {
            Fate::Listener => {
                self.is_in_bridge = false;
                let draft = Draft::listening(line);
                let why = draft.as_ref().err().cloned();
                self.drafts.push(draft.unwrap_or_else(|_| Draft::left_out()));
                why.map_or(Ok(()), Err)
            }
            Fate::Bridge => {
                self.is_in_bridge = true;
                Err("bridges are not supported".to_owned())
            }
            Fate::OfBridge => Err("bridges are not supported".to_owned()),
            Fate::OfListener(set) => match self.drafts.last_mut() {
                Some(draft) if !self.is_in_bridge => {
                    // The listener that is there by itself has this protocol, said or not.
                    draft.is_used |= (line.key.as_str(), value) != ("protocol", "mqtt");
                    // A setting that cannot be kept may have been a restriction.
                    set(draft, value).map_err(|why| {
                        draft.is_left_out = true;
                        format!("{why}: this listener is left out")
                    })
                }
                _ => Err("bridges are not supported".to_owned()),
            },
            Fate::LeavesOut(same, _) if value == same => Ok(()),
            Fate::LeavesOut(_, why) => {
                if let Some(draft) = self.drafts.last_mut() {
                    draft.is_left_out = true;
                }
                Err(format!("{why}: this listener is left out"))
            }
            Fate::Global(set) => set(&mut self.config, value),
            Fate::Kept(set) => set(&mut self.globals, line),
            Fate::Acl => self.acl(line, surroundings)?,
            Fate::Same(same, why) if value != same => Err(why.to_owned()),
            Fate::Same(..) => Ok(()),
            Fate::Not(why) => Err(why.to_owned()),
        };
        if let Err(why) = done {
            self.note(line, why);
        }
        Ok(())
    }

    fn acl(
        &mut self,
        line: &Line,
        surroundings: &dyn Surroundings,
    ) -> io::Result<Result<(), String>> {
        self.has_acl = true;
        let Some(file) = &self.roles_file else {
            return Ok(Err("name a file for the roles that it becomes: --roles FILE".to_owned()));
        };
        if self.config.acl.file.is_some() {
            return Ok(Err("there is one file of roles for all listeners".to_owned()));
        }
        self.config.acl.file = Some(file.clone());
        let path = Path::new(&line.value);
        let (roles, not_carried) = acl::convert(path, &surroundings.read(path)?);
        self.roles = Some(roles);
        self.not_carried.extend(not_carried);
        Ok(Ok(()))
    }

    fn note(&mut self, line: &Line, why: impl Into<String>) {
        self.not_carried.push(line.not_carried(why));
    }

    fn leave_out(&mut self) {
        let mut left_out = std::mem::take(&mut self.not_carried);
        self.drafts.retain(|draft| {
            if let (Some(why), Some(line)) = (draft.problem(), &draft.line) {
                left_out.push(line.not_carried(format!("{why}: this listener is left out")));
            }
            !draft.is_left_out && draft.problem().is_none()
        });
        self.not_carried = left_out;
    }

    fn finish(mut self) -> Imported {
        // The one before the first `listener` is there if something was said about it, or if there is no other.
        if self.drafts.len() > 1 && self.drafts.first().is_some_and(|draft| !draft.is_used) {
            self.drafts.remove(0);
        }
        self.leave_out();
        self.config.listeners.clear();
        let notes = self.globals.apply(&mut self.config, &mut self.drafts);
        for (line, why) in notes {
            self.note(&line, why);
        }
        for (number, draft) in (1..).zip(&self.drafts) {
            draft.add_to(&mut self.config, number);
        }
        // Without an acl_file mosquitto lets whoever gets in do everything.
        if self.config.has_users() && !self.has_acl {
            self.config.acl.default = Some(AclDefault::Allow);
        }
        self.not_carried.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let config = show::changed(&self.config);
        Imported { config, roles: self.roles, not_carried: self.not_carried }
    }
}
