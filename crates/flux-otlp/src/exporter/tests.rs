//! Collectors that take nothing, over sockets.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::*;
use crate::spans::{MOST_FAILURES, SpanSink};

/// What sends to an address, with one span that waits.
fn open(address: SocketAddr) -> (Otlp, SpanSink) {
    let mut otlp = Otlp::open(OtlpSettings {
        endpoint: format!("http://{address}"),
        headers: Vec::new(),
        authorities: None,
        timeout: Duration::from_secs(30),
        interval: Duration::ZERO,
        sample_ratio: Some(1.0),
        service_name: "flux".to_owned(),
        attributes: Vec::new(),
    })
    .unwrap();
    let (sink, spans) = spans(&otlp.exported);
    otlp.spans = spans;
    put(&sink);
    (otlp, sink)
}

fn put(sink: &SpanSink) {
    assert!(sink.may_begin());
    sink.put(Span::default());
}

/// Sends what is due as often as this, and returns how often that failed and how many spans were dropped, in all.
fn send(otlp: &mut Otlp, times: u32) -> (u64, u64) {
    let (_goes_on, over) = sync_channel(0);
    let patience = Patience::until_gone(&over);
    let runtime = runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for _ in 0..times {
        otlp.traces.next = Instant::now();
        assert!(runtime.block_on(otlp.send_spans(false, &patience)));
    }
    (otlp.exported.failures(ExportSignal::Traces), otlp.exported.spans_dropped())
}

/// Reads a request, if there is to be an answer, gives it, and closes.
fn serve(stream: &TcpStream, answer: &str) {
    let (mut lines, mut line) = (BufReader::new(stream), String::new());
    while !answer.is_empty() && lines.read_line(&mut line).is_ok_and(|len| len > 2) {
        line.clear();
    }
    let mut stream = stream;
    // It may have heard enough.
    let _sent = stream.write_all(answer.as_bytes());
}

#[test]
fn what_ends_each_connection_is_sent_so_often_and_no_more() {
    for answer in [
        "",
        "this is no HTTP\r\n\r\n",
        "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    ] {
        let collector = TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut otlp, sink) = open(collector.local_addr().unwrap());
        let (asked, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
        let (sent, asked) = thread::scope(|scope| {
            scope.spawn(|| {
                for stream in collector.incoming() {
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    asked.fetch_add(1, Ordering::SeqCst);
                    serve(&stream.unwrap(), answer);
                }
            });
            let first = [send(&mut otlp, MOST_FAILURES - 1), send(&mut otlp, 1)];
            let before = asked.load(Ordering::SeqCst);
            let idle = send(&mut otlp, 5);
            let after = asked.load(Ordering::SeqCst);
            put(&sink);
            let second = send(&mut otlp, MOST_FAILURES - 1);
            is_over.store(true, Ordering::SeqCst);
            TcpStream::connect(collector.local_addr().unwrap()).unwrap();
            ([first[0], first[1], idle, second], [before, after])
        });
        let most = u64::from(MOST_FAILURES);
        // Then nothing waits any more and nobody is asked, and what comes next has as many chances.
        assert_eq!(sent, [(most - 1, 0), (most, 1), (most, 1), (2 * most - 1, 1)], "{answer}");
        assert!(asked[0] >= MOST_FAILURES && asked[0] == asked[1], "{asked:?}, {answer}");
    }
}

#[test]
fn what_reaches_nobody_waits_until_the_end_and_is_counted_then() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (mut otlp, sink) = open(gone);
    let times = 3 * MOST_FAILURES;
    assert_eq!(send(&mut otlp, times), (u64::from(times), 0));
    put(&sink);
    otlp.leave_spans();
    assert_eq!(otlp.exported.spans_dropped(), 2);
    otlp.leave_spans();
    assert_eq!(otlp.exported.spans_dropped(), 2, "each once");
}
