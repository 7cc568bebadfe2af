//! A server of HTTP on loopback, that answers as its test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What is answered.
#[derive(Clone, Default)]
enum Answer {
    /// The status and the body.
    This(u16, String),
    /// Whoever asks waits until it is known.
    Later,
    #[default]
    Never,
}

/// A server on a port that the system chose. It goes with the test.
pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inside: Mutex<Inside>,
    /// Told when it has.
    changed: Condvar,
}

#[derive(Default)]
struct Inside {
    answer: Answer,
    /// How many have asked.
    asked: usize,
    /// How many of them, in the order in which they asked, are answered yet; `None` for all.
    answered: Option<usize>,
    heard: Vec<String>,
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, is_so: impl Fn(&Inside) -> bool) -> MutexGuard<'_, Inside> {
        let waited = self.changed.wait_while(self.lock(), |inside| is_so(inside));
        waited.unwrap_or_else(PoisonError::into_inner)
    }
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
        self.set(Answer::This(status, body.to_owned()));
    }

    /// Hears what is asked, and keeps silent.
    pub(crate) fn keep_silent(&self) {
        self.set(Answer::Never);
    }

    /// Hears what is asked, and answers when it is told what.
    pub(crate) fn hold_back(&self) {
        self.set(Answer::Later);
    }

    /// Hears what is asked, and answers as before, one for each time that it is [released](Self::release), in
    /// the order in which they ask.
    pub(crate) fn answer_one_by_one(&self) {
        let mut inside = self.state.lock();
        inside.answered = Some(inside.asked);
    }

    /// Answers the next one.
    pub(crate) fn release(&self) {
        let mut inside = self.state.lock();
        inside.answered = inside.answered.map(|answered| answered + 1);
        self.state.changed.notify_all();
    }

    fn set(&self, answer: Answer) {
        self.state.lock().answer = answer;
        self.state.changed.notify_all();
    }

    /// Waits until something was asked since the last time.
    pub(crate) fn wait_until_asked(&self) {
        drop(self.state.wait_while(|inside| inside.heard.is_empty()));
    }

    /// Waits until so many were asked since the last time, and returns what.
    pub(crate) fn wait_for_questions(&self, count: usize) -> Vec<String> {
        std::mem::take(&mut self.state.wait_while(|inside| inside.heard.len() < count).heard)
    }

    /// Returns what was asked since the last time: heads and bodies.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().heard)
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
        let number = {
            let mut inside = state.lock();
            inside.heard.push(asked);
            inside.asked += 1;
            inside.asked
        };
        state.changed.notify_all();
        let is_held_back = |inside: &Inside| {
            let is_behind = inside.answered.is_some_and(|answered| answered < number);
            matches!(inside.answer, Answer::Later) || is_behind
        };
        let answer = state.wait_while(is_held_back).answer.clone();
        // Whoever is not answered goes away some day.
        let Answer::This(status, body) = answer else { continue };
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}
