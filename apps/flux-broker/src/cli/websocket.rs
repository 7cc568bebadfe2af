//! What the command line says about WebSocket and Unix sockets.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use flux_config::AddressRange;
use flux_mqtt::{Listen, Listener, Settings, Transport, UnixSocket, WebSocketSettings};

use super::Arguments;

/// With a port there is a listener for WebSocket, and one for each path of a Unix socket.
#[derive(Debug, Args)]
#[command(next_help_heading = "WebSocket")]
pub(crate) struct DoorArguments {
    /// Listen for MQTT over WebSocket (ws), on the same addresses; on port 8083 if none is given
    #[arg(
        long,
        env = "FLUX_WS",
        value_name = "PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "8083"
    )]
    ws: Option<u16>,

    /// Listen for MQTT over WebSocket over TLS (wss), with the certificates of TLS; on port 8084 if none is given
    #[arg(
        long,
        env = "FLUX_WSS",
        value_name = "PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "8084",
        requires = "tls_cert"
    )]
    wss: Option<u16>,

    /// Path that clients ask for
    #[arg(long, env = "FLUX_WS_PATH", value_name = "PATH", default_value = "/mqtt")]
    ws_path: String,

    /// Origin whose pages may connect, such as `https://example.org`; may be repeated. Default: all may
    #[arg(long, env = "FLUX_WS_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    ws_origin: Vec<String>,

    /// Address or range of HTTP proxies whose X-Forwarded-For is believed; may be repeated. Default: none
    #[arg(long, env = "FLUX_WS_FORWARDED_BY", value_delimiter = ',', value_name = "RANGE")]
    ws_forwarded_by: Vec<AddressRange>,

    /// Unix socket to listen on as well; may be repeated. A file that nobody listens at any more is replaced
    #[arg(long, env = "FLUX_UNIX", value_delimiter = ',', value_name = "PATH")]
    unix: Vec<PathBuf>,

    /// Permissions of Unix sockets, in octal: who may write may connect
    #[arg(long, env = "FLUX_UNIX_MODE", value_name = "MODE", default_value = "660", value_parser = mode)]
    unix_mode: u32,
}

impl DoorArguments {
    /// Adds the listeners, on the addresses that flags name; `wss` has the certificates of the first listener with TLS.
    pub(super) fn open(&self, arguments: &Arguments, settings: &mut Settings) {
        let listen = |port| match arguments.addresses() {
            [] => Listen::Loopback(port),
            ips => Listen::Addresses(ips.iter().map(|ip| SocketAddr::new(*ip, port)).collect()),
        };
        let mut doors = Vec::new();
        if let Some(port) = self.ws {
            doors.push(Listener::ws(listen(port), self.settings()));
        }
        let certificates = settings.listeners.iter().find_map(|it| match &it.transport {
            Transport::Tls(tls) => Some(tls.clone()),
            _ => None,
        });
        if let (Some(port), Some(tls)) = (self.wss, certificates) {
            doors.push(Listener::wss(listen(port), tls, self.settings()));
        }
        for path in &self.unix {
            let socket = UnixSocket { path: path.clone(), mode: self.unix_mode };
            doors.push(Listener::tcp(Listen::Unix(socket)));
        }
        for door in &mut doors {
            door.proxies = arguments.proxies().iter().map(|range| range.0).collect();
        }
        settings.listeners.append(&mut doors);
    }

    fn settings(&self) -> WebSocketSettings {
        let mut settings = WebSocketSettings::default();
        settings.path.clone_from(&self.ws_path);
        settings.origins.clone_from(&self.ws_origin);
        settings.forwarded_by = self.ws_forwarded_by.iter().map(|range| range.0).collect();
        settings
    }
}

/// Reads permissions.
fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "no permissions in octal, as 660 are".to_owned())
}
