//! The broker as a program: read the command line, start, run until a signal, drain.

mod access;
mod acl;
mod admin;
mod admin_client;
mod bans;
mod beside;
mod cli;
mod clients;
mod config;
mod crowd;
mod data;
mod limits;
mod log;
mod log_command;
mod otlp;
mod passwd;
mod reload;
mod renewal;
mod service;
mod settings;
mod store;
mod tls_init;

use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use clap::Parser;
use flux_admin::{Laggards, WATCH_DISK_EVERY, publish_sys_topics, watch_disk, watch_laggards};
use flux_config::{Loaded, Problems, System, load};
use flux_eventbus::EventBus;
use flux_mqtt::{BrokerHandle, start_broker_with, start_broker_with_store};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::access::Access;
use crate::beside::Beside;
use crate::cli::{Cli, Command, TlsCommand};
use crate::data::{Data, Found};
use crate::log::Log;
use crate::otlp::Otlp;
use crate::reload::Reload;
use crate::settings::Known;
use crate::tls_init::TlsInit;

/// The static program brings an allocator along: that of musl takes one lock for all threads.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(command) = &cli.command {
        return do_once(command);
    }
    let loaded = match load(cli.config.as_deref(), cli.flags(), &System) {
        Ok(loaded) => loaded,
        Err(problems) => {
            config::tell(&problems);
            return ExitCode::FAILURE;
        }
    };
    // What is said from here on is said by the log: nobody else may wait for whoever reads it.
    let (log, _flushed) = match Log::begin(&loaded) {
        Ok(begun) => begun,
        Err(problems) => {
            config::tell(&problems);
            return ExitCode::FAILURE;
        }
    };
    log::warn(&loaded.warnings);
    match run(&loaded, &cli, &log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.say(&match error.downcast::<Problems>() {
                Ok(problems) => problems.to_string(),
                Err(error) => complaint(&*error),
            });
            ExitCode::FAILURE
        }
    }
}

/// Does what a command says: the exit code is 0 for yes, 1 for no, 2 if it could not be done.
fn do_once(command: &Command) -> ExitCode {
    let out = &mut std::io::stdout();
    let done = match command {
        Command::Config(config) => config.run(out),
        Command::Store { command } => return command.run(),
        Command::Clients(clients) => clients.run(out),
        Command::Bans(bans) => bans.run(out),
        Command::Log(log) => log.run(out),
        Command::Health(broker) => broker.is_ready(out),
        Command::Passwd(passwd) => passwd.run(out, &mut passwd::ask_for_password),
        Command::Acl(acl) => acl.run(out),
        Command::Tls(TlsCommand::Init(init)) => tls_init(init),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&*error);
            ExitCode::from(2)
        }
    }
}

fn run(loaded: &Loaded, cli: &Cli, log: &Arc<Log>) -> Result<(), Box<dyn std::error::Error>> {
    let inherited = service::sockets()?;
    let connections = limits::raise_open_files();
    // Before the broker listens: a signal that comes early must not be lost.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let events = Arc::new(EventBus::new());
    let event_log = log.follow(events.clone());
    let (mut settings, known) = settings::settings(loaded, &Known::default())?;
    settings.inherited = inherited.clone();
    let access = Access::open(&loaded.config, &events)?;
    log::warn(&access.warnings(loaded));
    let otlp = otlp::open(loaded)?;
    settings.tracer = otlp.as_ref().and_then(Otlp::tracer);
    let (gate, authorizer) = (access.gate.clone(), access.authorizer.clone());
    let (broker, found) = match data::open(&loaded.config.storage)? {
        None => (start_broker_with(settings, events, gate, authorizer)?, None),
        Some(Data { log, found }) => {
            let started = start_broker_with_store(settings, events, gate, authorizer, log);
            (started?, Some(found))
        }
    };
    let exported = otlp.as_ref().map(Otlp::exported);
    let (bouncer, told) = (access.bouncer.clone(), log.clone());
    let admin = admin::start(loaded, cli, &known, &broker, bouncer, told, exported)?;
    let also = admin
        .as_ref()
        .map_or_else(String::new, |admin| format!(", metrics at {}", admin.url("/metrics")));
    announce(
        log,
        &broker,
        &format!("{}{also}", access.words(&loaded.config)),
        connections,
        found.as_ref(),
    );
    service::is_ready(SERVING);
    service::warn_of_unused(&inherited, &broker);
    renewal::warn(broker.certificates());
    // Ends the loop below when the broker has ended, by itself or because it was stopped.
    let (watched, handle) = (broker.clone(), signals.handle());
    thread::spawn(move || {
        watched.wait();
        handle.close();
    });
    let beside = begin_beside(loaded, &broker, otlp);
    let started = loaded.config.clone();
    let current = started.clone();
    let mut reload = Reload { cli, started, current, known, access, broker: &broker, log };
    let mut is_stopping = false;
    for signal in signals.forever() {
        if signal == SIGHUP {
            service::is_reloading();
            let has_worked = reload.run();
            service::is_ready(if has_worked { SERVING } else { SERVING_AS_BEFORE });
            continue;
        }
        if is_stopping {
            return Err("stopped at once by a second signal".into());
        }
        tracing::info!(signal, "stopping");
        is_stopping = true;
        service::is_stopping();
        broker.stop();
    }
    beside.end();
    event_log.end();
    if is_stopping { Ok(()) } else { Err("the broker ended by itself, see the log".into()) }
}

/// Begins what runs beside the broker.
fn begin_beside(loaded: &Loaded, broker: &BrokerHandle, otlp: Option<Otlp>) -> Beside {
    let mut beside = Beside::default();
    if let Some(limit) = sd_notify::watchdog_enabled() {
        let broker = broker.clone();
        beside.run("keeps the watchdog", move |over| service::keep_alive(&broker, limit, over));
    }
    let watched = broker.clone();
    beside.run("watches the crowd", move |over| crowd::watch(&watched, over));
    let watched = broker.clone();
    beside.run("watches slow clients", move |over| {
        watch_laggards(&watched, Laggards::EVERY, over);
    });
    let watched = broker.clone();
    beside.run("watches the disk", move |over| watch_disk(&watched, WATCH_DISK_EVERY, over));
    let certificates = broker.certificates().clone();
    beside.run("watches certificates", move |over| renewal::watch(&certificates, over));
    let interval = loaded.config.sys.interval.0;
    if !interval.is_zero() {
        let told = broker.clone();
        beside.run("publishes numbers", move |over| publish_sys_topics(&told, interval, over));
    }
    if let Some(otlp) = otlp {
        let told = broker.clone();
        beside.run("sends numbers to a collector", move |over| otlp.run(&told, over));
    }
    beside
}

#[expect(clippy::print_stdout, reason = "what the command is for")]
fn tls_init(init: &TlsInit) -> anyhow::Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "certificates are valid from the time of day on")]
    let now = SystemTime::now();
    println!("{}", init.run(now)?);
    Ok(true)
}

/// Writes the one line that every start writes, whatever is logged.
fn announce(
    log: &Log,
    broker: &BrokerHandle,
    words: &str,
    connections: u64,
    found: Option<&Found>,
) {
    let addresses: Vec<String> = broker.listening().iter().map(ToString::to_string).collect();
    let stored = found.map_or_else(|| "everything in memory".to_owned(), Found::words);
    log.say(&format!(
        "flux-broker {} listening on {}; {words}, {stored}, up to {connections} connections; \
         flux-broker --help shows how to configure it",
        env!("CARGO_PKG_VERSION"),
        addresses.join(" and "),
    ));
    if let Some(cut) = found.and_then(Found::cut) {
        log.say(&format!("flux-broker: {cut}"));
    }
}

#[expect(clippy::print_stderr, reason = "the reason why the program ends")]
fn complain(error: &dyn std::error::Error) {
    eprintln!("{}", complaint(error));
}

/// Returns why the program ends.
fn complaint(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    let lines: Vec<_> = text.lines().map(|line| format!("flux-broker: {line}")).collect();
    lines.join("\n")
}

/// What a service manager shows.
const SERVING: &str = "serving";
const SERVING_AS_BEFORE: &str =
    "serving as before: the config could not be read again, see the log";
