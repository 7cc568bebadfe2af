//! [`Otlp`]: sends what there is to send, again and again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use flux_admin::{ExportSignal, Exported, Snapshot};
use flux_http::{HttpClient, HttpClientSettings, StartHttpClientError};
use flux_mqtt::{BrokerHandle, Tracer};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tokio::runtime;
use tokio::time::Instant;

use crate::metrics::{self, Interval, nanos};
use crate::outage::{ExportError, Outage};
use crate::patience::Patience;
use crate::resource::resource;
use crate::spans::{Spans, spans};
use crate::tracer::SpanTracer;

/// Sends the numbers of a broker to a collector, and spans of its messages.
#[derive(Debug)]
pub struct Otlp {
    metrics: Signal,
    traces: Signal,
    resource: Resource,
    /// When counters were zero.
    start: u64,
    exported: Arc<Exported>,
    spans: Spans,
    tracer: Option<Arc<SpanTracer>>,
}

/// Where to send, what, and how often.
#[derive(Clone)]
pub struct OtlpSettings {
    /// The address of the collector, without `/v1/metrics` and `/v1/traces`, which are added.
    pub endpoint: String,
    /// What is sent with each request, names and values.
    pub headers: Vec<(String, String)>,
    /// The authorities, in PEM, that its certificate is held against; without them those of the system.
    pub authorities: Option<Vec<u8>>,
    /// How long a request may take.
    pub timeout: Duration,
    /// How often metrics are sent; zero is never.
    pub interval: Duration,
    /// Of PUBLISH packets without a trace this part, from 0 to 1, begins one; those with a trace continue it if it is followed.
    /// Without it there are no traces.
    pub sample_ratio: Option<f64>,
    /// What the broker is called among other services.
    pub service_name: String,
    /// Further attributes of the broker, names and values.
    pub attributes: Vec<(String, String)>,
}

/// One of the two things that are sent.
#[derive(Debug)]
struct Signal {
    what: ExportSignal,
    client: HttpClient,
    every: Duration,
    /// When the next is sent.
    next: Instant,
    outage: Outage,
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
        let exported = Arc::default();
        let (sink, spans) = spans(&exported);
        let tracer = settings.sample_ratio.map(|ratio| Arc::new(SpanTracer::new(ratio, sink)));
        let spans_every = if tracer.is_some() { SPANS_EVERY } else { Duration::ZERO };
        Ok(Self {
            metrics: Signal::new(
                client.below("v1/metrics")?,
                ExportSignal::Metrics,
                settings.interval,
            ),
            traces: Signal::new(client.below("v1/traces")?, ExportSignal::Traces, spans_every),
            resource: resource(&settings.service_name, &settings.attributes),
            start: now(),
            exported,
            spans,
            tracer,
        })
    }

    /// Returns what has to stand in the [settings](flux_mqtt::Settings::tracer) of the broker for spans to be made.
    #[must_use]
    pub fn tracer(&self) -> Option<Arc<dyn Tracer>> {
        let tracer = self.tracer.clone()?;
        Some(tracer)
    }

    /// Returns what it counts of what the collector does not get, for whoever shows it: the collector itself may be away.
    #[must_use]
    pub fn exported(&self) -> Arc<Exported> {
        self.exported.clone()
    }

    /// Sends until the sender of `over` is gone, and then once more. Blocks this thread.
    pub fn run(mut self, broker: &BrokerHandle, over: &Receiver<()>) {
        let runtime = match runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                return tracing::error!(
                    %error,
                    help = "let the process have more open files",
                    "neither metrics nor traces are sent"
                );
            }
        };
        let patience = Patience::until_gone(over);
        loop {
            let is_over = over.recv_timeout(self.pause()) != Err(RecvTimeoutError::Timeout);
            let is_answered = runtime.block_on(async {
                let spans = self.send_spans(is_over, &patience).await;
                if is_over {
                    self.leave_spans();
                }
                spans && self.send_metrics(is_over, broker, &patience).await
            });
            if is_over || !is_answered {
                return self.leave_spans();
            }
        }
    }

    /// Counts and tells what the collector has not got when nothing is sent any more.
    fn leave_spans(&mut self) {
        let spans = self.spans.give_up();
        if spans > 0 {
            tracing::warn!(
                spans,
                help = "see that the collector at `otlp.endpoint` runs until the broker has ended",
                "the broker ends with spans that the collector has not got"
            );
        }
    }

    /// Returns how long there is nothing to do.
    fn pause(&self) -> Duration {
        let signals = [&self.metrics, &self.traces].into_iter();
        let next = signals.filter(|it| !it.every.is_zero()).map(|signal| signal.next).min();
        next.map_or(LONG, |next| next.saturating_duration_since(Instant::now()))
    }

    /// Returns `false` when the end is wanted and nobody answers.
    async fn send_metrics(
        &mut self,
        is_over: bool,
        broker: &BrokerHandle,
        patience: &Patience<'_>,
    ) -> bool {
        if !self.metrics.is_due(is_over) {
            return true;
        }
        let interval = Interval { start: self.start, end: now() };
        let mut snapshot = Snapshot::of(broker);
        snapshot.exported = Some(self.exported.clone());
        let request = metrics::request(&snapshot, self.resource.clone(), interval);
        let sent = self.metrics.send(&request, patience).await;
        let sent = sent.and_then(|body| {
            let response = ExportMetricsServiceResponse::decode(body.as_slice());
            let part = response.unwrap_or_default().partial_success.unwrap_or_default();
            taken(part.rejected_data_points, part.error_message)
        });
        self.metrics.note(&sent, &self.exported)
    }

    /// The same for spans that wait: all, but metrics do not wait for those that come meanwhile.
    async fn send_spans(&mut self, is_over: bool, patience: &Patience<'_>) -> bool {
        if !self.traces.is_due(is_over) {
            return true;
        }
        while let Some(request) = self.spans.next(&self.resource) {
            let sent = self.traces.send(&request, patience).await;
            let sent = sent.and_then(|body| {
                let response = ExportTraceServiceResponse::decode(body.as_slice());
                let part = response.unwrap_or_default().partial_success.unwrap_or_default();
                taken(part.rejected_spans, part.error_message)
            });
            match &sent {
                Ok(()) => self.spans.taken(),
                Err(ExportError::Rejected { rejected, .. }) => self.spans.refused(*rejected),
                Err(error) if !error.may_pass() => self.spans.refused(i64::MAX),
                Err(error) if error.may_have_arrived() => self.spans.failed(),
                Err(_) => {}
            }
            let is_answered = self.traces.note(&sent, &self.exported);
            let now = Instant::now();
            match sent {
                // A collector that leaves out some takes the others.
                Ok(()) | Err(ExportError::Rejected { .. }) => {}
                Err(_) => {
                    self.traces.next = now + RETRY;
                    return is_answered;
                }
            }
            let is_turn_of_metrics = !self.metrics.every.is_zero() && self.metrics.next <= now;
            if is_turn_of_metrics && !is_over {
                self.traces.next = now;
                return is_answered;
            }
        }
        true
    }
}

impl Signal {
    fn new(client: HttpClient, what: ExportSignal, every: Duration) -> Self {
        let outage = Outage::none_of(what.name());
        Self { what, client, every, next: Instant::now() + every, outage }
    }

    /// Returns whether it is sent now; then it is not for a while.
    fn is_due(&mut self, is_over: bool) -> bool {
        let now = Instant::now();
        let is_due = !self.every.is_zero() && (is_over || self.next <= now);
        if is_due {
            self.next = now + self.every;
        }
        is_due
    }

    /// Sends this, and returns what is answered.
    async fn send(
        &self,
        request: &impl Message,
        patience: &Patience<'_>,
    ) -> Result<Vec<u8>, ExportError> {
        let answer = tokio::select! {
            answer = self.client.post("application/x-protobuf", request.encode_to_vec()) => answer?,
            () = patience.ends() => return Err(ExportError::Over),
        };
        match answer {
            (200..=299, body) => Ok(body.into()),
            (status, _) => Err(ExportError::Status { status }),
        }
    }

    /// Notes what came of it, and returns whether it is worth while to go on.
    fn note(&mut self, sent: &Result<(), ExportError>, exported: &Exported) -> bool {
        if sent.is_err() {
            exported.fail(self.what);
        }
        let dropped = match self.what {
            ExportSignal::Metrics => 0,
            ExportSignal::Traces => exported.spans_dropped(),
        };
        self.outage.note(sent, dropped);
        !matches!(sent, Err(ExportError::Over))
    }
}

fn taken(rejected: i64, message: String) -> Result<(), ExportError> {
    if rejected > 0 { Err(ExportError::Rejected { rejected, message }) } else { Ok(()) }
}

#[expect(clippy::disallowed_methods, reason = "metrics and spans are told by the time of day")]
pub(crate) fn now() -> u64 {
    nanos(SystemTime::now())
}

/// How often spans are sent.
const SPANS_EVERY: Duration = Duration::from_millis(250);
/// When spans are sent again after a failure.
const RETRY: Duration = Duration::from_secs(2);
/// The pause of who has nothing to send.
const LONG: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests;
