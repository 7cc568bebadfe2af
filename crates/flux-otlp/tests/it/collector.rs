//! A collector on loopback: HTTP by hand, the rest by the messages of OTLP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;

/// Listens on a port that the system chose, and ends with the test.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    requests: Mutex<Receiver<Request>>,
    status: Arc<AtomicU16>,
}

/// One request as it came.
pub(crate) struct Request {
    /// The first line and the headers, in small letters.
    pub(crate) head: String,
    body: Vec<u8>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// The same at an address that is known already.
    pub(crate) fn start_at(address: SocketAddr) -> Self {
        Self::listen(TcpListener::bind(address).unwrap())
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, requests) = sync_channel(10_000);
        let status = Arc::new(AtomicU16::new(200));
        let answer = status.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (sender, answer) = (sender.clone(), answer.clone());
                thread::spawn(move || serve(&stream.unwrap(), &sender, &answer));
            }
        });
        Self { address, requests: Mutex::new(requests), status }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with this status from now on; 0 is silence.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Waits for the next request to this path, whatever comes to others.
    pub(crate) fn next(&self, path: &str) -> Request {
        loop {
            let request = self.requests.lock().unwrap().recv_timeout(DEADLINE);
            let request = request.expect("the collector is sent something");
            if request.is_to(path) {
                return request;
            }
        }
    }

    /// Returns the next request to this path that has come already.
    pub(crate) fn last(&self, path: &str) -> Option<Request> {
        let requests = self.requests.lock().unwrap();
        requests.try_iter().find(|request| request.is_to(path))
    }

    pub(crate) fn metrics(&self) -> ExportMetricsServiceRequest {
        self.next("/v1/metrics").decode()
    }
}

impl Request {
    fn is_to(&self, path: &str) -> bool {
        self.head.starts_with(&format!("post {path} http/1.1\r\n"))
    }

    pub(crate) fn decode<M: Message + Default>(&self) -> M {
        M::decode(self.body.as_slice()).unwrap()
    }
}

fn serve(stream: &TcpStream, requests: &SyncSender<Request>, status: &AtomicU16) {
    let (mut lines, mut stream) = (BufReader::new(stream), stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if lines.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let head = head.to_lowercase();
        let (_, length) = head.split_once("content-length: ").unwrap();
        let mut body = vec![0; length.split_once('\r').unwrap().0.parse().unwrap()];
        lines.read_exact(&mut body).unwrap();
        let status = status.load(Ordering::Relaxed);
        let _nobody_looks = requests.send(Request { head, body });
        if status == 0 {
            continue;
        }
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Far longer than anything takes.
const DEADLINE: Duration = Duration::from_secs(60);
