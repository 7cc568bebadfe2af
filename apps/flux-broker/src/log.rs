//! What the program says on standard error: in which form, and how much of it, which can change while it runs.

mod digest;
mod events;
mod help;
mod line;
mod output;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::IsTerminal as _;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use flux_admin::LogControl;
use flux_config::{Loaded, LogFormat, Problems};
use flux_eventbus::{EventBus, EventKinds};
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use self::events::Follower;
pub(crate) use self::output::Flushed;
use self::output::{Form, Lines, Output};

/// What is logged.
pub(crate) struct Log {
    output: Output,
    filter: reload::Handle<EnvFilter, Registry>,
    /// The filter as it was written.
    written: Mutex<String>,
    /// The events that are logged with it; `None` when the program ends.
    kinds: watch::Sender<Option<EventKinds>>,
}

/// The thread that logs events, which ends with [`EventLog::end`].
pub(crate) struct EventLog {
    log: Arc<Log>,
    thread: thread::JoinHandle<()>,
}

impl Log {
    /// Begins to log as a config says, until what is returned beside it is dropped. Once in a process.
    pub(crate) fn begin(loaded: &Loaded) -> Result<(Arc<Self>, Flushed), Problems> {
        let config = &loaded.config.log;
        let filter = check(loaded)?;
        let form = form(config.format, std::io::stderr().is_terminal());
        let (output, flushed) = Output::to_stderr(move |file, lost| tell_of_lost(file, form, lost))
            .map_err(|error| {
                let title = format!("standard error cannot be used: {error}");
                loaded.error(
                    &["log", "format"],
                    title,
                    "start it with a standard error that is open",
                )
            })?;
        let lines = layer(form, Lines { output: output.clone(), form });
        let (filter, handle) = reload::Layer::new(filter);
        // `with` in this order: the filter is for all that comes behind it.
        tracing_subscriber::registry().with(filter).with(lines).init();
        tell_of_panics(output.clone());
        let log = Arc::new(Self {
            output,
            filter: handle,
            written: Mutex::new(config.filter.clone()),
            kinds: watch::Sender::new(Some(events::wanted())),
        });
        Ok((log, flushed))
    }

    /// Writes a text among the lines, as it is, whatever is logged.
    pub(crate) fn say(&self, text: &str) {
        self.output.say(text);
    }

    /// Logs the events of a bus from now on, on a thread of its own.
    pub(crate) fn follow(self: &Arc<Self>, events: Arc<EventBus>) -> EventLog {
        let follower = Follower::of(events, self.kinds.subscribe());
        EventLog { log: self.clone(), thread: thread::spawn(move || follower.run()) }
    }

    /// Logs what passes this filter from now on.
    pub(crate) fn set(&self, filter: &str) -> anyhow::Result<()> {
        let parsed =
            parse(filter).with_context(|| format!("`{filter}` is no filter for the log"))?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(parsed)?;
        filter.clone_into(&mut written);
        self.kinds.send_if_modified(|kinds| {
            kinds.as_mut().is_some_and(|kinds| {
                *kinds = events::wanted();
                true
            })
        });
        Ok(())
    }
}

/// Returns how lines are written.
fn form(format: LogFormat, is_terminal: bool) -> Form {
    match format {
        LogFormat::Auto if is_terminal => Form::Colours,
        LogFormat::Auto | LogFormat::Json => Form::Json,
        LogFormat::Text if is_terminal => Form::Colours,
        LogFormat::Text => Form::Text,
    }
}

/// Returns what makes lines of what is logged.
fn layer<S, W>(form: Form, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer);
    match form {
        Form::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
        Form::Text => lines.with_ansi(false).boxed(),
        Form::Colours => lines.with_ansi(true).boxed(),
    }
}

/// Logs that lines were lost, past the queue that they had no room in.
fn tell_of_lost(file: &Arc<File>, form: Form, lost: usize) {
    let lines = layer(form, file.clone());
    let past_the_queue = tracing_subscriber::registry().with(LevelFilter::WARN).with(lines);
    tracing::subscriber::with_default(past_the_queue, || {
        tracing::warn!(
            help = "read standard error faster, or log less: flux-broker log set",
            "{lost} lines of the log were lost: nobody read them in time"
        );
    });
}

/// Logs panics: what writes them to standard error by default waits for whoever reads it.
fn tell_of_panics(output: Output) {
    panic::set_hook(Box::new(move |panic| {
        if tracing::enabled!(tracing::Level::ERROR) {
            let thread = thread::current();
            tracing::error!(thread = thread.name(), help = "report this bug", "{panic}");
        } else {
            output.say(&panic.to_string());
        }
        let trace = Backtrace::capture();
        if trace.status() == BacktraceStatus::Captured {
            output.say(&trace.to_string());
        }
    }));
}

/// Logs what somebody should look at in a config: a line each.
pub(crate) fn warn(warnings: &Problems) {
    for told in warnings.told() {
        tracing::warn!(place = told.place, help = told.help, "{}", told.what);
    }
}

/// Returns the filter of a config.
pub(crate) fn check(loaded: &Loaded) -> Result<EnvFilter, Problems> {
    parse(&loaded.config.log.filter).map_err(|error| {
        let title = format!("this is no filter for the log: {error}");
        let help =
            "write a level, and levels of modules, such as \"warn,events=info,flux_mqtt=debug\"";
        loaded.error(&["log", "filter"], title, help)
    })
}

/// What the libraries below tell of their threads and sockets at `info` is for who asks for it by name. What they tell of
/// requests is for nobody: there are tokens and cookies in them.
fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    let parsed = EnvFilter::try_new(filter)?;
    if parsed.max_level_hint() <= Some(LevelFilter::WARN) {
        return Ok(parsed);
    }
    EnvFilter::try_new(format!("ntex=warn,{filter},ntex::http::h1::dispatcher=warn"))
}

impl LogControl for Log {
    fn filter(&self) -> String {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_filter(&self, filter: &str) -> Result<(), String> {
        self.set(filter).map_err(|error| format!("{error:#}"))
    }
}

impl EventLog {
    /// Logs what has happened so far, and ends.
    pub(crate) fn end(self) {
        self.log.kinds.send_replace(None);
        if self.thread.join().is_err() {
            tracing::error!(
                help = "report this bug, with the panic that is told before",
                "the thread that logs events had panicked"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_for_people_at_a_terminal_and_for_programs_elsewhere() {
        assert_eq!(form(LogFormat::Auto, true), Form::Colours);
        assert_eq!(form(LogFormat::Auto, false), Form::Json);
        assert_eq!(form(LogFormat::Json, true), Form::Json);
        assert_eq!(form(LogFormat::Json, false), Form::Json);
        assert_eq!(form(LogFormat::Text, true), Form::Colours);
        assert_eq!(form(LogFormat::Text, false), Form::Text);
    }
}
