//! A server of HTTP on loopback, that answers as its test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What is answered: the status and the body; `None` for never.
type Answer = Option<(u16, String)>;

/// A server on a port that the system chose. It goes with the test.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answer: Mutex<Answer>,
    heard: Mutex<Vec<String>>,
}

impl HttpServer {
    /// Answers this until told otherwise.
    pub(crate) fn start(status: u16, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, state: Arc::default() };
        server.answer(status, body);
        let state = server.state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), state.clone());
                thread::spawn(move || serve(&stream, &state));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mqtt", self.address)
    }

    pub(crate) fn answer(&self, status: u16, body: &str) {
        self.set(Some((status, body.to_owned())));
    }

    /// Hears what is asked, and keeps silent.
    pub(crate) fn keep_silent(&self) {
        self.set(None);
    }

    fn set(&self, answer: Answer) {
        *self.state.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// Returns what was asked since the last time: heads and bodies.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(stream: &TcpStream, state: &State) {
    let (mut lines, mut stream) = (BufReader::new(stream), stream);
    loop {
        let (mut asked, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            asked.push_str(&line);
        }
        let mut body = vec![0; length];
        lines.read_exact(&mut body).unwrap();
        asked.push_str(&String::from_utf8_lossy(&body));
        state.heard.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        let answer = state.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Whoever is not answered goes away some day.
        let Some((status, body)) = answer else { continue };
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}
