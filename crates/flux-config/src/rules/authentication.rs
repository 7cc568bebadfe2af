//! What proves who somebody is.

use super::Rules;
use crate::config::Jwt;
use crate::problem::Problem;

impl Rules<'_> {
    pub(super) fn authentication(&mut self) {
        let jwt = &self.config.auth.jwt;
        let sources: Vec<_> = jwt.sources().collect();
        match sources.as_slice() {
            [] if *jwt != Jwt::default() => {
                let problem = Problem::error("there is no key for tokens").help(
                    "say where keys are with key_file, secret_file or jwks_file, or leave [auth.jwt] out",
                );
                self.error(&["auth", "jwt"], problem, "");
            }
            [first, second, ..] => {
                let title = format!("keys for tokens are in `{first}` and in `{second}`");
                let problem =
                    Problem::error(title).help("one place: a key set may have keys of every kind");
                self.error(&["auth", "jwt", second], problem, "");
            }
            [] | [_] => {}
        }
        if jwt.username_claim.is_empty() {
            let problem = Problem::error("`auth.jwt.username_claim` has no name");
            self.error(&["auth", "jwt", "username_claim"], problem, "");
        }
    }
}
