//! A broker that was built with the feature `otlp`.

use anyhow::Context as _;
use flux_config::{Loaded, Problems};
pub(crate) use flux_otlp::Otlp;
use flux_otlp::OtlpSettings;

use crate::access::http::authorities;

/// Returns what sends, if the config says where to.
///
/// # Errors
///
/// When nothing can be sent there.
pub(crate) fn open(loaded: &Loaded) -> Result<Option<Otlp>, Problems> {
    let config = &loaded.config.otlp;
    let Some(endpoint) = &config.endpoint else { return Ok(None) };
    let error = |key: &str, error: &anyhow::Error, help: &str| {
        loaded.error(&["otlp", key], format!("{error:#}"), help)
    };
    let authorities = authorities("otlp.ca_file", config.ca_file.as_deref());
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let settings = OtlpSettings {
        endpoint: endpoint.clone(),
        headers: config.headers().map(owned).collect(),
        authorities: authorities
            .map_err(|it| error("ca_file", &it, "name a file in PEM, or leave it out"))?,
        timeout: config.timeout.0,
        interval: config.interval.0,
        sample_ratio: config.sample_ratio.map(|ratio| ratio.0),
        service_name: config.service_name.clone(),
        attributes: config.attributes().map(owned).collect(),
    };
    let otlp = Otlp::open(settings).context("cannot send to a collector");
    let help = "write it as \"http://host:4318\"; authorities of its certificate are in ca_file";
    otlp.map(Some).map_err(|it| error("endpoint", &it, help))
}
