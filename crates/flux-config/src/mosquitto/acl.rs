//! The acl_file of mosquitto becomes a file of roles.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;

use super::NotCarried;
use crate::show::toml;

/// Returns a file of roles in TOML, and what could not be carried over.
pub(super) fn convert(path: &Path, text: &str) -> (String, Vec<NotCarried>) {
    let mut roles = Roles::default();
    let mut not_carried = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if let Err(why) = roles.line(text) {
            let (file, text) = (path.to_owned(), text.to_owned());
            not_carried.push(NotCarried { file, line, text, why: why.to_owned() });
        }
    }
    (roles.text(), not_carried)
}

#[derive(Default)]
struct Roles {
    /// What patterns say, which hold for all clients.
    everybody: Role,
    users: BTreeMap<String, Role>,
    user: Option<String>,
}

#[derive(Default)]
struct Role {
    publish: Vec<String>,
    subscribe: Vec<String>,
    deny: Vec<String>,
}

impl Roles {
    fn line(&mut self, text: &str) -> Result<(), &'static str> {
        let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest = rest.trim();
        match (word, &self.user) {
            ("user", _) => {
                self.users.entry(rest.to_owned()).or_default();
                self.user = Some(rest.to_owned());
                Ok(())
            }
            ("topic", None) => {
                Err("it holds for clients without a user name alone, for whom no role can be meant")
            }
            ("topic", Some(user)) => {
                let (access, topic) = access(rest);
                // In these lines nothing is filled in, so braces are characters.
                let Some(role) = self.users.get_mut(user).filter(|_| !topic.contains(['{', '}']))
                else {
                    return Err("`{` and `}` have a meaning in topics here");
                };
                role.add(access, topic)
            }
            ("pattern", _) => {
                let (access, topic) = access(rest);
                let topic = filled(topic)?;
                self.everybody.add(access, &topic)
            }
            _ => Err("mosquitto knows no such line"),
        }
    }

    fn text(&self) -> String {
        let mut text = String::from(HEAD);
        let mut binds = String::new();
        self.everybody.add_to(&mut text, "everybody");
        for (user, role) in &self.users {
            let name = toml(&Json::from(format!("user {user}")));
            role.add_to(&mut text, &name);
            // Names are patterns here.
            let pattern: String = user.chars().map(escaped).collect();
            let pattern = toml(&Json::from(pattern));
            // Writing to a string does not fail.
            let _ = write!(binds, "\n[[bind]]\nuser = {pattern}\nroles = [{name}]\n");
        }
        text + "\n[[bind]]\neveryone = true\nroles = [\"everybody\"]\n" + &binds
    }
}

impl Role {
    fn add(&mut self, access: &str, topic: &str) -> Result<(), &'static str> {
        let topic = || topic.to_owned();
        match access {
            "read" => self.subscribe.push(topic()),
            "write" => self.publish.push(topic()),
            "readwrite" => {
                self.subscribe.push(topic());
                self.publish.push(topic());
            }
            "deny" => self.deny.push(topic()),
            _ => return Err("mosquitto knows no such access"),
        }
        Ok(())
    }

    fn add_to(&self, text: &mut String, name: &str) {
        // Writing to a string does not fail.
        let _ = write!(text, "\n[roles.{name}]\n");
        let list = |filters: &[String]| toml(&Json::from(filters));
        for (key, filters) in [
            ("publish", &self.publish),
            ("retain", &self.publish),
            ("subscribe", &self.subscribe),
            ("deny.publish", &self.deny),
            ("deny.subscribe", &self.deny),
        ] {
            if !filters.is_empty() {
                let _ = writeln!(text, "{key} = {}", list(filters));
            }
        }
    }
}

/// Separates a word for an access from the topic; without one it is both.
fn access(rest: &str) -> (&str, &str) {
    match rest.split_once([' ', '\t']) {
        Some((word, topic)) if ["read", "write", "readwrite", "deny"].contains(&word) => {
            (word, topic.trim())
        }
        _ => ("readwrite", rest),
    }
}

/// Puts our placeholders in the place of mosquitto's, which may stand inside a level.
fn filled(topic: &str) -> Result<String, &'static str> {
    if topic.contains(['{', '}']) {
        return Err("`{` and `}` have a meaning in topics here");
    }
    let levels = topic.split('/').map(|level| match level {
        "%c" => Ok("{client_id}"),
        "%u" => Ok("{username}"),
        level if level.contains("%c") || level.contains("%u") => {
            Err("a placeholder stands for a whole level here")
        }
        level => Ok(level),
    });
    Ok(levels.collect::<Result<Vec<_>, _>>()?.join("/"))
}

fn escaped(c: char) -> String {
    match c {
        '*' | '?' | '\\' => format!("\\{c}"),
        c => c.to_string(),
    }
}

const HEAD: &str = "\
# Made from an acl_file of mosquitto. What no role allows is denied. mosquitto grants every subscription and holds
# back single messages; here a subscription is refused that asks for more than is allowed.
";
