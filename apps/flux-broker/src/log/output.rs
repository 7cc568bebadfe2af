//! [`Output`]: lines go to standard error by a thread of its own, so that who logs waits for nobody who reads.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Where lines are written to. What is written while too much waits is lost, and counted.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    queue: NonBlocking,
    room: Arc<Room>,
}

/// When it is dropped, what waits is written: if somebody reads, for a second at most.
#[must_use = "what waits is lost with the process"]
pub(crate) struct Flushed(#[expect(dead_code, reason = "held to be dropped")] WorkerGuard);

/// How much waits to be written, and what was lost.
#[derive(Debug, Default)]
struct Room {
    taken: AtomicUsize,
    lost: AtomicUsize,
}

/// What writes, on the thread behind the queue.
struct Writer<W, T> {
    inner: W,
    /// Writes that lines were lost.
    tell: T,
    room: Arc<Room>,
    /// How many lost lines were told of.
    told: usize,
    /// How much was written since then.
    written: usize,
}

impl Output {
    /// Returns what writes to standard error. How many lines were lost is written by `tell`, on the thread that writes, as
    /// soon as there is room again.
    pub(crate) fn to_stderr(
        tell: impl FnMut(&Arc<File>, usize) + Send + 'static,
    ) -> io::Result<(Self, Flushed)> {
        // Not by its lock, which whoever writes holds for as long as nobody reads.
        let file = Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?));
        Ok(Self::to(file, tell))
    }

    fn to<W: Write + Send + 'static>(
        inner: W,
        tell: impl FnMut(&W, usize) + Send + 'static,
    ) -> (Self, Flushed) {
        let room = Arc::new(Room::default());
        let writer = Writer { inner, tell, room: room.clone(), told: 0, written: 0 };
        // Its queue is never full: there is a place for whatever has room, and for its end.
        let queue = NonBlockingBuilder::default()
            .buffered_lines_limit(ROOM / LEAST + 2)
            .thread_name("log")
            .finish(writer);
        (Self { queue: queue.0, room }, Flushed(queue.1))
    }

    /// Writes a text as it is, whatever is logged. A line feed is put behind it.
    pub(crate) fn say(&self, text: &str) {
        self.put(format!("{text}\n").as_bytes());
    }

    fn put(&self, line: &[u8]) {
        let Room { taken, lost } = &*self.room;
        let size = size(line);
        let before = taken.fetch_add(size, Ordering::Relaxed);
        if before > 0 && before.saturating_add(size) > ROOM {
            taken.fetch_sub(size, Ordering::Relaxed);
            lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let _never_fails = self.queue.clone().write_all(line);
    }
}

/// Returns how much of the room a line takes.
fn size(line: &[u8]) -> usize {
    line.len().max(LEAST)
}

impl<W: Write, T: FnMut(&W, usize)> Writer<W, T> {
    fn tell_of_lost(&mut self) {
        let lost = self.room.lost.load(Ordering::Relaxed);
        if lost > self.told {
            (self.tell)(&self.inner, lost - self.told);
            self.told = lost;
            self.written = 0;
        }
    }
}

impl<W: Write, T: FnMut(&W, usize)> Write for Writer<W, T> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.inner.write_all(line);
        let size = size(line);
        self.room.taken.fetch_sub(size, Ordering::Relaxed);
        if written.is_err() {
            self.room.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.written = self.written.saturating_add(size);
        // Who reads slowly is told now and then, too.
        if self.written >= ROOM {
            self.tell_of_lost();
        }
        Ok(line.len())
    }

    /// Nothing waits any more.
    fn flush(&mut self) -> io::Result<()> {
        self.tell_of_lost();
        self.inner.flush()
    }
}

/// One line of the log, whose text cannot look like another.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) output: Output,
    pub(crate) form: Form,
}

/// What a line is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For people at a terminal: with colours.
    Colours,
    /// One object.
    Json,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.output.put(&one_line(line, self.form));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns a line without what would begin another, or move the cursor of a terminal: some of it is of clients.
fn one_line(line: &[u8], form: Form) -> Cow<'_, [u8]> {
    let is_kept = |char: char| match form {
        // What the fields hold is escaped already, what is left are the colours.
        Form::Colours => !char.is_control() || char == '\u{1B}',
        Form::Text => !char.is_control(),
        Form::Json => true,
    };
    let Ok(text) = str::from_utf8(line) else { return line.into() };
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.chars().all(is_kept) {
        return line.into();
    }
    let mut escaped = String::with_capacity(line.len() + 16);
    for char in text.chars() {
        let _never_fails = if is_kept(char) {
            escaped.write_char(char)
        } else {
            write!(escaped, "{}", char.escape_debug())
        };
    }
    escaped.push('\n');
    escaped.into_bytes().into()
}

/// So many bytes wait to be written.
const ROOM: usize = 4 << 20;

/// A line takes as much of them at least.
const LEAST: usize = 512;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// Takes a line as soon as it may, and keeps all.
    #[derive(Clone)]
    struct Gate {
        leave: Arc<Mutex<Receiver<()>>>,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Write for Gate {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            // Once the sender is gone, everything may go.
            let _leave = self.leave.lock().unwrap().recv();
            self.lines.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_writes_waits_for_nobody_and_is_told_what_was_lost() {
        let (sender, leave) = sync_channel(0);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let gate = Gate { leave: Arc::new(Mutex::new(leave)), lines: lines.clone() };
        let (tell, told) = sync_channel(1);
        let (output, _flushed) = Output::to(gate, move |_, lost| tell.send(lost).unwrap());
        for number in 0..ROOM / LEAST + 100 {
            output.say(&number.to_string());
        }
        drop(sender);
        assert_eq!(told.recv(), Ok(100));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), ROOM / LEAST);
        assert!(lines.iter().enumerate().all(|(number, line)| *line == format!("{number}\n")));
        assert_eq!(output.room.taken.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn long_lines_take_more_of_the_room_and_one_always_has_some() {
        let (sender, leave) = sync_channel::<()>(0);
        let lines = Arc::new(Mutex::new(Vec::new()));
        let gate = Gate { leave: Arc::new(Mutex::new(leave)), lines: lines.clone() };
        let (tell, told) = sync_channel(1);
        let (output, _flushed) = Output::to(gate, move |_, lost| tell.send(lost).unwrap());
        output.say(&"x".repeat(ROOM));
        output.say("no room");
        drop(sender);
        assert_eq!(told.recv(), Ok(1));
        assert_eq!(lines.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_line_is_one_line_whatever_its_names_are() {
        let check = |line: &str, form, expected: &str| {
            let line = one_line(line.as_bytes(), form);
            assert_eq!(str::from_utf8(&line).unwrap(), expected, "{form:?}");
        };
        for form in [Form::Text, Form::Colours, Form::Json] {
            check("a \"b\" ü\n", form, "a \"b\" ü\n");
        }
        check("a\nb\r\tc\u{85}\n", Form::Text, "a\\nb\\r\\tc\\u{85}\n");
        check("\u{1B}[2mINFO\u{1B}[0m a\nb\n", Form::Colours, "\u{1B}[2mINFO\u{1B}[0m a\\nb\n");
        check("INFO \u{1B}[2J\n", Form::Text, "INFO \\u{1b}[2J\n");
    }
}
