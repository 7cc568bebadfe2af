//! What the command line says about WebSocket and Unix sockets.

use clap::Args;
use flux_config::{AddressRange, Flags, Permissions};

/// With a port there is a listener for WebSocket, and one for the paths of Unix sockets.
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

    /// Origin whose pages may connect, such as `https://example.org`; may be repeated; `*` is any. Default: all may, or, where
    /// anybody is let in, those from this machine and from the host that they connect to
    #[arg(long, env = "FLUX_WS_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    ws_origin: Vec<String>,

    /// Address or range of HTTP proxies whose X-Forwarded-For is believed; may be repeated. Default: none
    #[arg(long, env = "FLUX_WS_FORWARDED_BY", value_delimiter = ',', value_name = "RANGE")]
    ws_forwarded_by: Vec<AddressRange>,

    /// Unix socket to listen on as well; may be repeated. A file that nobody listens at any more is replaced
    #[arg(long, env = "FLUX_UNIX", value_delimiter = ',', value_name = "PATH")]
    unix: Vec<String>,

    /// Permissions of Unix sockets, in octal: who may write may connect
    #[arg(long, env = "FLUX_UNIX_MODE", value_name = "MODE", default_value = "660")]
    unix_mode: Permissions,
}

impl DoorArguments {
    /// Adds the listeners beside all others. `bind` says where a port is listened at.
    pub(super) fn put(&self, flags: &mut Flags, bind: impl Fn(u16) -> Vec<String>) {
        for (name, port, flag) in [("ws", self.ws, "--ws"), ("wss", self.wss, "--wss")] {
            let Some(port) = port else { continue };
            flags.further_listener(name, "transport", name, flag);
            flags.further_listener_list(name, "bind", bind(port), flag);
            flags.further_listener(name, "path", &self.ws_path, "--ws-path");
            flags.further_listener_list(name, "origins", self.ws_origin.clone(), "--ws-origin");
            let ranges = self.ws_forwarded_by.iter().map(ToString::to_string).collect();
            flags.further_listener_list(name, "forwarded_by", ranges, "--ws-forwarded-by");
        }
        if self.wss.is_some() {
            flags.further_listener("wss", "tls", "flags", "--tls-cert");
        }
        if !self.unix.is_empty() {
            let paths = self.unix.iter().map(|path| format!("unix:{path}")).collect();
            flags.further_listener_list("unix", "bind", paths, "--unix");
            flags.further_listener("unix", "unix_mode", &self.unix_mode.to_string(), "--unix-mode");
        }
    }
}
