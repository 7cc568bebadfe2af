//! `flux-broker acl`: what roles and rules say, without a broker.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use flux_auth::{Access, Client, Identity, Otherwise, RoleAuthorizer, Rules, Ruleset, Verdict};

use crate::cli::AclDefault;

/// What to do with a file of roles and rules.
#[derive(Debug, Subcommand)]
pub(crate) enum Acl {
    /// Read it, and tell all that is wrong
    Check {
        /// The file, in TOML
        file: PathBuf,
    },
    /// Tell what is decided about a client, by which rule and why
    Explain(Box<Explain>),
}

/// A client, and what it wants.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The file, in TOML
    file: PathBuf,
    /// The user name; without it the client is anonymous
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The client identifier
    #[arg(long, value_name = "ID", default_value = "")]
    client: String,
    /// The address it comes from
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// The listener it comes in by
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// A role that the authenticator vouches for; may be repeated
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
    /// A claim of its token; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    claim: Vec<(String, String)>,
    /// A field of its certificate; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    certificate: Vec<(String, String)>,
    /// What `acl.default` of the broker is; the file may have a `default` of its own
    #[arg(long, value_name = "VERDICT", value_enum, default_value_t = AclDefault::Deny)]
    default: AclDefault,
    #[command(flatten)]
    wish: Wish,
    /// At which quality of service
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    qos: u8,
    /// With the retain flag
    #[arg(long, conflicts_with = "subscribe")]
    retain: bool,
}

/// What the client wants: to connect, if nothing else.
#[derive(Args, Debug)]
#[group(multiple = false)]
struct Wish {
    /// To publish to this topic
    #[arg(long, value_name = "TOPIC")]
    publish: Option<String>,
    /// To subscribe to this filter
    #[arg(long, value_name = "FILTER")]
    subscribe: Option<String>,
}

impl Acl {
    /// Does it, and returns whether the answer is yes: what is asked for is allowed.
    pub(crate) fn run(&self, out: &mut impl Write) -> Result<bool> {
        match self {
            Self::Check { file } => {
                let ruleset = load(file, Otherwise::Deny)?;
                let roles = ruleset.role_names().count();
                writeln!(out, "{roles} roles, {} rules", ruleset.rule_count())?;
                Ok(true)
            }
            Self::Explain(explain) => {
                let otherwise = match explain.default {
                    AclDefault::Allow => Otherwise::Allow,
                    AclDefault::Deny => Otherwise::Deny,
                };
                let authorizer = RoleAuthorizer::new(load(&explain.file, otherwise)?);
                let explanation = authorizer.explain(&explain.client(), explain.access());
                writeln!(out, "{explanation}")?;
                Ok(explanation.verdict == Verdict::Allow)
            }
        }
    }
}

impl Explain {
    fn client(&self) -> Client {
        let mut identity = match &self.user {
            Some(user) => Identity::user(user.as_str()),
            None => Identity::anonymous(),
        };
        identity.roles = self.role.iter().map(|role| role.as_str().into()).collect();
        for (kind, pairs) in [("claim", &self.claim), ("cert", &self.certificate)] {
            for (name, value) in pairs {
                identity.attributes.insert(&format!("{kind}.{name}"), value);
            }
        }
        let mut client = Client::new(self.client.as_str(), identity);
        client.peer = self.address.map(|ip| SocketAddr::new(ip, 0));
        client.listener = self.listener.as_deref().map(Into::into);
        client
    }

    fn access(&self) -> Access<'_> {
        let Self { qos, retain, .. } = *self;
        match (&self.wish.publish, &self.wish.subscribe) {
            (Some(topic), _) => Access::Publish { topic, qos, retain },
            (None, Some(filter)) => Access::Subscribe { filter, qos },
            (None, None) => Access::Connect,
        }
    }
}

/// Reads a file of roles and rules. Where it does not say what the default is, it is `otherwise`.
pub(crate) fn load(file: &Path, otherwise: Otherwise) -> Result<Ruleset> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let rules: Rules = toml::from_str(&text).with_context(|| file.display().to_string())?;
    Ruleset::compile(&rules, otherwise).with_context(|| file.display().to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    const RULES: &str = r#"
        [roles.device]
        publish = ["dev/{client_id}/#"]
        subscribe = ["dev/{client_id}/cmd/+"]
        max_qos = 1
        [roles.vendor]
        subscribe = ["{claim.site}/#"]
        [[bind]]
        user = "meter-*"
        roles = ["device"]
        [[bind]]
        claim = { group = "vendor" }
        address = "10.0.0.0/8"
        roles = ["vendor"]
    "#;

    /// Runs `flux-broker acl` with these arguments, `FILE` being a file with `rules`.
    fn run(rules: &str, arguments: &[&str]) -> Result<(bool, String)> {
        let thread = std::thread::current();
        let name = format!("flux-broker-acl-{}-{:?}", std::process::id(), thread.id());
        let file = std::env::temp_dir().join(name);
        fs::write(&file, rules)?;
        let arguments = arguments.iter().map(|argument| match *argument {
            "FILE" => file.clone().into_os_string(),
            other => other.into(),
        });
        let program = ["flux-broker", "acl"].map(Into::into).into_iter();
        let cli = Cli::try_parse_from(program.chain(arguments))?;
        let Some(Command::Acl(acl)) = cli.command else { panic!("{cli:?}") };
        let mut out = Vec::new();
        let done = acl.run(&mut out);
        fs::remove_file(&file)?;
        Ok((done?, String::from_utf8(out)?))
    }

    #[test]
    fn a_file_is_checked() {
        assert_eq!(run(RULES, &["check", "FILE"]).unwrap(), (true, "2 roles, 3 rules\n".into()));
        let wrong =
            RULES.replace("{client_id}/#", "{clientid}/#").replace("roles = [\"vendor\"]", "");
        let error = format!("{:#}", run(&wrong, &["check", "FILE"]).unwrap_err());
        assert!(error.contains("there is no `{clientid}`"), "{error}");
        assert!(error.contains("binding 2 gives no roles"), "{error}");
        let error = format!("{:#}", run("rolse.a = {}", &["check", "FILE"]).unwrap_err());
        assert!(error.contains("rolse") && error.contains("roles"), "{error}");
    }

    #[test]
    fn a_decision_is_explained() {
        #[track_caller]
        fn check(arguments: &[&str], is_allowed: bool, expected: &str) {
            let (allowed, out) = run(RULES, &[&["explain", "FILE"], arguments].concat()).unwrap();
            assert_eq!(allowed, is_allowed, "{out}");
            assert!(out.contains(expected), "{out}");
        }
        let meter = ["--user", "meter-7", "--client", "7"];
        let and = |more: &[&'static str]| [&meter, more].concat();
        check(
            &and(&["--publish", "dev/7/x"]),
            true,
            "allowed\n  publish: role `device` allows it: publish = `dev/{client_id}/#`\n  roles: device\n",
        );
        check(&and(&["--publish", "dev/7/x", "--retain"]), false, "retain: no rule says anything");
        check(&and(&["--publish", "dev/7/x", "--qos", "2"]), false, "up to QoS 1");
        let by_default = "no rule says anything, and the default of the broker, `acl.default`, ";
        let wish = ["--subscribe", "dev/+/cmd/x"];
        check(&and(&wish), false, &format!("{by_default}denies it"));
        let allow = and(&["--default", "allow"]);
        check(&[&allow[..], &wish].concat(), true, &format!("{by_default}allows it"));
        let rules = format!("default = \"deny\"\n{RULES}");
        let (allowed, out) =
            run(&rules, &[&["explain", "FILE"], &allow[..], &wish].concat()).unwrap();
        assert!(!allowed && out.contains("the default of the rules denies it"), "{out}");
        check(&and(&[]), true, "connect: it has a role");
        let vendor = ["--claim", "group=vendor", "--claim", "site=a", "--subscribe", "a/+"];
        check(&vendor, false, "roles: none, no binding fits this client");
        check(&[&vendor, &["--address", "10.9.9.9"][..]].concat(), true, "role `vendor` allows it");
        check(
            &["--role", "device", "--subscribe", "dev//cmd/a"],
            false,
            "{client_id} matches nothing",
        );
    }

    #[test]
    fn only_one_thing_is_asked_at_once() {
        let both = ["explain", "FILE", "--publish", "a", "--subscribe", "b"];
        assert!(run(RULES, &both).is_err());
        let retained = ["explain", "FILE", "--retain", "--subscribe", "b"];
        assert!(run(RULES, &retained).is_err());
    }
}
