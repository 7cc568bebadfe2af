//! What a mosquitto.conf says of all listeners, and makes sense only when all of it is known.

use std::path::{Path, PathBuf};

use super::draft::Draft;
use super::options::boolean;
use super::{Config, Line};

/// What was said.
#[derive(Debug, Default)]
pub(super) struct Globals {
    allow_anonymous: Option<(Line, bool)>,
    persistence: Option<bool>,
    location: Option<PathBuf>,
    password_file: Option<(Line, PathBuf)>,
    second_password_file: Option<Line>,
    log: Option<&'static str>,
}

impl Globals {
    pub(super) fn allow_anonymous(&mut self, line: &Line) -> Result<(), String> {
        let value = boolean(&line.value)?;
        match &self.allow_anonymous {
            Some((_, other)) if *other != value => {
                Err("this is one setting for all listeners: choose it yourself".to_owned())
            }
            _ => {
                self.allow_anonymous = Some((line.clone(), value));
                Ok(())
            }
        }
    }

    pub(super) fn persistence(&mut self, line: &Line) -> Result<(), String> {
        self.persistence = Some(boolean(&line.value)?);
        Ok(())
    }

    pub(super) fn location(&mut self, line: &Line) -> Result<(), String> {
        self.location = Some(PathBuf::from(&line.value));
        Ok(())
    }

    pub(super) fn password_file(&mut self, line: &Line) -> Result<(), String> {
        let file = PathBuf::from(&line.value);
        match &self.password_file {
            Some((_, other)) if *other != file => self.second_password_file = Some(line.clone()),
            _ => self.password_file = Some((line.clone(), file)),
        }
        Ok(())
    }

    /// The most talkative of all lines holds.
    pub(super) fn log(&mut self, line: &Line) -> Result<(), String> {
        let level = match line.value.as_str() {
            "none" => "off",
            "error" => "error",
            "warning" => "warn",
            "notice" | "information" => "info",
            "all" | "debug" => "debug",
            _ => return Err("there is no such kind of message here".to_owned()),
        };
        let rank =
            |level| ["off", "error", "warn", "info", "debug"].iter().position(|it| *it == level);
        if self.log.is_none_or(|other| rank(other) < rank(level)) {
            self.log = Some(level);
        }
        Ok(())
    }

    /// Puts it into the config and the listeners. Returns what could not be.
    pub(super) fn apply(
        &mut self,
        config: &mut Config,
        drafts: &mut [Draft],
    ) -> Vec<(Line, String)> {
        let mut notes = Vec::new();
        let has_passwords = self.password_file.is_some();
        if let Some((_, file)) = self.password_file.take() {
            config.auth.password_file = Some(file);
        }
        if let Some(line) = self.second_password_file.take() {
            notes.push((line, "there is one password file for all listeners".to_owned()));
        }
        match self.allow_anonymous.take() {
            Some((_, true)) => {
                config.auth.allow_anonymous = has_passwords;
                for draft in drafts.iter_mut() {
                    draft.allow_anonymous = true;
                }
            }
            Some((line, false)) if !has_passwords => {
                let why = "there is no password file, so nobody could connect: on loopback anybody may here, \
                           elsewhere the broker refuses to start";
                notes.push((line, why.to_owned()));
            }
            // Nobody could connect from elsewhere; a config that says nothing refuses to start there.
            Some((_, false)) | None => {}
        }
        if self.persistence == Some(true) {
            let location = self.location.take().unwrap_or_default();
            // Beside what mosquitto has there, which is of another form.
            config.storage.data_dir = Some(location.join(Path::new("flux")));
        }
        if let Some(level) = self.log {
            config.log.filter = level.to_owned();
        }
        notes
    }
}
