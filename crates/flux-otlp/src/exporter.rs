//! [`Otlp`]: sends what there is to send, again and again.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, SystemTime};

use flux_admin::Snapshot;
use flux_http::{HttpClient, HttpClientSettings, StartHttpClientError};
use flux_mqtt::BrokerHandle;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::runtime;
use tokio::time;

use crate::metrics::{self, Interval, nanos};
use crate::outage::{ExportError, Outage};
use crate::resource::resource;

/// Sends the numbers of a broker to a collector.
#[derive(Debug)]
pub struct Otlp {
    metrics: HttpClient,
    resource: Resource,
    interval: Duration,
    /// When counters were zero.
    start: u64,
    outage: Outage,
}

/// Where to send, what, and how often.
#[derive(Clone)]
pub struct OtlpSettings {
    /// The address of the collector, without `/v1/metrics`, which is added.
    pub endpoint: String,
    /// What is sent with each request, names and values.
    pub headers: Vec<(String, String)>,
    /// The authorities, in PEM, that its certificate is held against; without them those of the system.
    pub authorities: Option<Vec<u8>>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How often metrics are sent; zero is never.
    pub interval: Duration,
    /// What the broker is called among other services.
    pub service_name: String,
    /// Further attributes of the broker, names and values.
    pub attributes: Vec<(String, String)>,
}

impl Otlp {
    /// Prepares to send, and sends nothing yet. To be called before the broker starts, for from now on is counted.
    ///
    /// # Errors
    ///
    /// When the address is none, a header is none, there are no authorities, or the system has no thread left.
    pub fn open(settings: OtlpSettings) -> Result<Self, StartHttpClientError> {
        let client = HttpClient::start(&HttpClientSettings {
            url: settings.endpoint,
            headers: settings.headers,
            authorities: settings.authorities,
            timeout: settings.timeout,
            concurrency: 1,
        })?;
        Ok(Self {
            metrics: client.below("v1/metrics")?,
            resource: resource(&settings.service_name, &settings.attributes),
            interval: settings.interval,
            start: now(),
            outage: Outage::none_of("metrics"),
        })
    }

    /// Sends until the sender of `over` is gone, and then once more. Blocks this thread.
    pub fn run(mut self, broker: &BrokerHandle, over: &Receiver<()>) {
        let runtime = match runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                return tracing::error!(
                    %error,
                    help = "let the process have more open files",
                    "metrics are not sent"
                );
            }
        };
        if self.interval.is_zero() {
            return;
        }
        loop {
            let is_over = over.recv_timeout(self.interval) != Err(RecvTimeoutError::Timeout);
            let sent = runtime.block_on(self.send_metrics(broker, over));
            self.outage.note(&sent, 0);
            if is_over || matches!(sent, Err(ExportError::Over)) {
                return;
            }
        }
    }

    async fn send_metrics(
        &self,
        broker: &BrokerHandle,
        over: &Receiver<()>,
    ) -> Result<(), ExportError> {
        let interval = Interval { start: self.start, end: now() };
        let request = metrics::request(&Snapshot::of(broker), self.resource.clone(), interval);
        let answer = post(&self.metrics, request.encode_to_vec(), over).await;
        let response = ExportMetricsServiceResponse::decode(answer?.as_slice());
        match response.unwrap_or_default().partial_success {
            Some(part) if part.rejected_data_points > 0 => Err(ExportError::Rejected {
                rejected: part.rejected_data_points,
                message: part.error_message,
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// Sends this, and returns what is answered. When the end is wanted it does not wait for long.
async fn post(
    client: &HttpClient,
    body: Vec<u8>,
    over: &Receiver<()>,
) -> Result<Vec<u8>, ExportError> {
    let answer = tokio::select! {
        answer = client.post("application/x-protobuf", body) => answer?,
        () = end_of_patience(over) => return Err(ExportError::Over),
    };
    match answer {
        (200..=299, body) => Ok(body.into()),
        (status, _) => Err(ExportError::Status { status }),
    }
}

/// Returns a while after the end is wanted.
async fn end_of_patience(over: &Receiver<()>) {
    while over.try_recv() == Err(TryRecvError::Empty) {
        time::sleep(LOOK_EVERY).await;
    }
    time::sleep(PATIENCE).await;
}

#[expect(clippy::disallowed_methods, reason = "metrics and spans are told by the time of day")]
pub(crate) fn now() -> u64 {
    nanos(SystemTime::now())
}

/// How often it is looked whether the end is wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a request may take when the end is wanted.
const PATIENCE: Duration = Duration::from_secs(3);
