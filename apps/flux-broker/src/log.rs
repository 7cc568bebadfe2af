//! What the program says on standard error: in which form, and how much of it, which can change while it runs.

mod digest;
mod events;
mod help;
mod line;

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context as _;
use flux_admin::LogControl;
use flux_config::{Loaded, LogFormat, Problems};
use flux_eventbus::{EventBus, EventKinds};
use tokio::sync::watch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

/// What is logged.
pub(crate) struct Log {
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
    /// Begins to log as a config says. Once in a process.
    pub(crate) fn begin(loaded: &Loaded) -> Result<Arc<Self>, Problems> {
        let config = &loaded.config.log;
        let filter = check(loaded)?;
        let is_terminal = std::io::stderr().is_terminal();
        let is_json = match config.format {
            LogFormat::Auto => !is_terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = if is_json {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        } else {
            lines.with_ansi(is_terminal).boxed()
        };
        let (filter, handle) = reload::Layer::new(filter);
        // `with` in this order: the filter is for all that comes behind it.
        tracing_subscriber::registry().with(filter).with(lines).init();
        Ok(Arc::new(Self {
            filter: handle,
            written: Mutex::new(config.filter.clone()),
            kinds: watch::Sender::new(Some(events::wanted())),
        }))
    }

    /// Logs the events of a bus, on a thread of its own.
    pub(crate) fn follow(self: &Arc<Self>, events: Arc<EventBus>) -> EventLog {
        let kinds = self.kinds.subscribe();
        EventLog {
            log: self.clone(),
            thread: thread::spawn(move || events::follow(&events, kinds)),
        }
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

/// Returns the filter of a config.
pub(crate) fn check(loaded: &Loaded) -> Result<EnvFilter, Problems> {
    parse(&loaded.config.log.filter).map_err(|error| {
        let title = format!("this is no filter for the log: {error}");
        let help =
            "write a level, and levels of modules, such as \"warn,events=info,flux_mqtt=debug\"";
        loaded.error(&["log", "filter"], title, help)
    })
}

/// What the libraries below tell of their threads and sockets at `info` is for who asks for it by name.
fn parse(filter: &str) -> Result<EnvFilter, ParseError> {
    let parsed = EnvFilter::try_new(filter)?;
    if parsed.max_level_hint() <= Some(LevelFilter::WARN) {
        return Ok(parsed);
    }
    EnvFilter::try_new(format!("ntex=warn,{filter}"))
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
