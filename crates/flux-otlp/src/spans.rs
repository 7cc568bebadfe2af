//! [`Spans`]: spans on their way from the workers to the collector. There is room for so many, and workers never wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use flux_admin::Exported;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

use crate::resource::scope;

/// Where workers put spans. A clone is a reference to the same.
#[derive(Clone, Debug)]
pub(crate) struct SpanSink {
    spans: SyncSender<Span>,
    /// How many have begun and not come.
    begun: Arc<AtomicUsize>,
    exported: Arc<Exported>,
}

/// Where they come out.
#[derive(Debug)]
pub(crate) struct Spans {
    waiting: Receiver<Span>,
    /// What is sent next, or was sent and not taken.
    batch: Vec<Span>,
    /// How often it may have reached the collector, and was not taken.
    failures: u32,
    exported: Arc<Exported>,
}

/// Returns both ends; what is dropped is counted there.
pub(crate) fn spans(exported: &Arc<Exported>) -> (SpanSink, Spans) {
    let (spans, waiting) = sync_channel(ROOM);
    let sink = SpanSink { spans, begun: Arc::default(), exported: exported.clone() };
    (sink, Spans { waiting, batch: Vec::new(), failures: 0, exported: exported.clone() })
}

impl SpanSink {
    /// Returns whether one more may begin, else counts it as dropped. One that may has to be [put](Self::put).
    pub(crate) fn may_begin(&self) -> bool {
        if self.begun.fetch_add(1, Ordering::Relaxed) < ROOM {
            return true;
        }
        self.begun.fetch_sub(1, Ordering::Relaxed);
        self.exported.drop_spans(1);
        false
    }

    /// Adds one that has begun, or drops and counts it where there is no room.
    pub(crate) fn put(&self, span: Span) {
        self.begun.fetch_sub(1, Ordering::Relaxed);
        if self.spans.try_send(span).is_err() {
            self.exported.drop_spans(1);
        }
    }
}

impl Spans {
    /// Returns the next of them, or those that were not taken; `None` if there are none.
    pub(crate) fn next(&mut self, resource: &Resource) -> Option<ExportTraceServiceRequest> {
        let room = BATCH.saturating_sub(self.batch.len());
        self.batch.extend(self.waiting.try_iter().take(room));
        if self.batch.is_empty() {
            return None;
        }
        let spans = self.batch.clone();
        let spans = ScopeSpans { scope: Some(scope()), spans, ..ScopeSpans::default() };
        let resource = Some(resource.clone());
        let all = ResourceSpans { resource, scope_spans: vec![spans], ..ResourceSpans::default() };
        Some(ExportTraceServiceRequest { resource_spans: vec![all] })
    }

    /// They were taken.
    pub(crate) fn taken(&mut self) {
        self.batch.clear();
        self.failures = 0;
    }

    /// They may have reached the collector, which has not said that it took them. After so many times they are given up: it may
    /// be they that it cannot take, and others wait behind them.
    pub(crate) fn failed(&mut self) {
        self.failures += 1;
        if self.failures >= MOST_FAILURES {
            self.refused(i64::MAX);
        }
    }

    /// Gives up all that wait, for nothing is sent any more. Returns how many there were.
    pub(crate) fn give_up(&mut self) -> u64 {
        self.batch.extend(self.waiting.try_iter());
        let left = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        self.refused(i64::MAX);
        left
    }

    /// Some of them, or all, are refused, and will be.
    pub(crate) fn refused(&mut self, some: i64) {
        let all = u64::try_from(self.batch.len()).unwrap_or(u64::MAX);
        let some = u64::try_from(some).unwrap_or_default();
        self.exported.drop_spans(some.min(all));
        self.taken();
    }
}

/// How many wait, and how many have begun: twice as many as OpenTelemetry's own exporters keep. What a client chooses of a span
/// is bounded, so that they are some megabytes.
const ROOM: usize = 4_096;
/// How many are sent at once: as OpenTelemetry's own exporters do.
const BATCH: usize = 512;
/// So often the same are sent to a collector that is there: for a minute, if it answers at once.
pub(crate) const MOST_FAILURES: u32 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(spans: &mut Spans) -> usize {
        let request = spans.next(&Resource::default());
        request.map_or(0, |request| request.resource_spans[0].scope_spans[0].spans.len())
    }

    #[test]
    fn there_is_room_for_so_many_and_what_is_not_taken_comes_again() {
        let exported = Arc::default();
        let (sink, mut spans) = spans(&exported);
        let put = || {
            assert!(sink.may_begin());
            sink.put(Span::default());
        };
        for _ in 0..ROOM + 3 {
            put();
        }
        assert_eq!(exported.spans_dropped(), 3);
        assert_eq!(sent(&mut spans), BATCH);
        // As many as were taken out have room again.
        for _ in 0..BATCH + 1 {
            put();
        }
        assert_eq!(exported.spans_dropped(), 4);
        assert_eq!(sent(&mut spans), BATCH, "the same");
        spans.refused(7);
        assert_eq!(exported.spans_dropped(), 4 + 7);
        let mut all = 0;
        loop {
            let count = sent(&mut spans);
            if count == 0 {
                break;
            }
            all += count;
            spans.taken();
        }
        assert_eq!(all, ROOM);
    }
    /// A store that hangs holds answers back, and spans with them.
    #[test]
    fn so_many_may_have_begun() {
        let exported = Arc::default();
        let (sink, _spans) = spans(&exported);
        assert!((0..ROOM).all(|_| sink.may_begin()));
        assert!(!sink.may_begin());
        assert_eq!(exported.spans_dropped(), 1);
        sink.put(Span::default());
        assert!(sink.may_begin());
        assert!(!sink.may_begin());
    }
}
