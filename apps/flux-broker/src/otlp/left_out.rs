//! A broker that was built without the feature `otlp`.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use flux_admin::Exported;
use flux_config::{Loaded, Problems};
use flux_mqtt::{BrokerHandle, Tracer};

/// There is none.
pub(crate) enum Otlp {}

impl Otlp {
    pub(crate) fn tracer(&self) -> Option<Arc<dyn Tracer>> {
        match *self {}
    }

    pub(crate) fn exported(&self) -> Arc<Exported> {
        match *self {}
    }

    pub(crate) fn run(self, _broker: &BrokerHandle, _over: &Receiver<()>) {
        match self {}
    }
}

/// Refuses a config that says where to send.
///
/// # Errors
///
/// When it does.
pub(crate) fn open(loaded: &Loaded) -> Result<Option<Otlp>, Problems> {
    if loaded.config.otlp.endpoint.is_none() {
        return Ok(None);
    }
    let title = "this flux-broker was built without OpenTelemetry";
    let help =
        "build it with `cargo build --release -p flux-broker --features otlp`, or leave [otlp] out";
    Err(loaded.error(&["otlp", "endpoint"], title, help))
}
