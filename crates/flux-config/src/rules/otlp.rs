//! What an OpenTelemetry collector is sent.

use super::Rules;
use crate::config::Otlp;
use crate::problem::Problem;

impl Rules<'_> {
    pub(super) fn otlp(&mut self) {
        let otlp = &self.config.otlp;
        if otlp.endpoint.is_none() && *otlp != Otlp::default() {
            let problem = Problem::error("there is no collector to send to")
                .help("say where it is with endpoint, or leave [otlp] out");
            self.error(&["otlp"], problem, "");
        }
        self.address(&["otlp", "endpoint"], otlp.endpoint.as_deref(), "metrics and traces");
        if otlp.service_name.is_empty() {
            let problem = Problem::error("`otlp.service_name` has no name")
                .help("leave it out for \"flux-broker\"");
            self.error(&["otlp", "service_name"], problem, "");
        }
        let headers: Vec<&str> = otlp.headers.0.iter().map(|it| &**it).collect();
        let attributes = otlp.attributes.0.iter().map(String::as_str).collect();
        for (key, pairs, is_secret) in
            [("headers", headers, true), ("attributes", attributes, false)]
        {
            for (number, pair) in pairs.into_iter().enumerate() {
                if pair.split_once('=').is_some_and(|(name, _)| !name.trim().is_empty()) {
                    continue;
                }
                let shown = if is_secret { String::new() } else { format!(" `{pair}`") };
                let title = format!("one of `otlp.{key}`{shown} has no name and value");
                let problem = Problem::error(title).help("write it as \"name=value\"");
                // One alone may stand there without a list around it.
                self.error(&["otlp", key, &number.to_string()], problem, "");
            }
        }
    }
}
