//! What a thread logs.

use std::io;
use std::sync::{Arc, Condvar, Mutex};

use super::DEADLINE;

/// What was logged. A clone is a reference to the same.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.lock().unwrap().extend(bytes);
        self.0.1.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Does something, and has this what it logs, in JSON.
    pub(crate) fn of<T>(&self, work: impl FnOnce() -> T) -> T {
        let out = self.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || out.clone()).finish();
        tracing::subscriber::with_default(log, work)
    }

    /// Returns all of it.
    pub(crate) fn all(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits for the line that has this in it.
    #[track_caller]
    pub(crate) fn with(&self, what: &str) -> String {
        let found = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).into_owned();
            let mut lines = text.lines().map(str::to_owned);
            lines.find(|line| line.contains(what) && line.ends_with('}'))
        };
        let text = self.0.0.lock().unwrap();
        let is_missing = |text: &mut Vec<u8>| found(text).is_none();
        let (text, _) = self.0.1.wait_timeout_while(text, DEADLINE, is_missing).unwrap();
        found(&text).expect(what)
    }
}
