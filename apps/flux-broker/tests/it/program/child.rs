//! The program as a child process, which ends with the test.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::thread;

use crate::admin::get;

/// A running broker program.
pub(crate) struct Program {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub(crate) addresses: Vec<SocketAddr>,
    /// What it logged before it listened.
    pub(crate) before: String,
    /// The line that says where it listens.
    pub(crate) announced: String,
    /// Those with TLS.
    pub(crate) tls: Vec<SocketAddr>,
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command(env!("CARGO_BIN_EXE_flux-broker")).args(arguments).output().unwrap()
}

/// A command whose settings come from its arguments alone.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    let of_manager = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"];
    for (name, _) in std::env::vars() {
        if name.starts_with("FLUX_") || of_manager.contains(&&*name) {
            command.env_remove(name);
        }
    }
    command
}

/// Lets whoever gets in do everything, unless the config says what they may do.
pub(super) fn with_rights(config: String) -> String {
    if config.contains("[acl]") { config } else { config + "[acl]\ndefault = \"allow\"\n" }
}

impl Program {
    /// Starts the program and reads where it listens.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_flux-broker"));
        command.args(arguments);
        Self::spawn(command)
    }

    /// The same with these in its environment.
    pub(crate) fn start_in(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut command = command(env!("CARGO_BIN_EXE_flux-broker"));
        command.envs(environment.iter().copied()).args(arguments);
        Self::spawn(command)
    }

    /// The same as a service manager does that listens with these sockets.
    pub(crate) fn start_with(socket: TcpListener, arguments: &[&str]) -> Self {
        let mut command = command("sh");
        // It has the place where such sockets begin.
        command.args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null"]);
        command.arg(env!("CARGO_BIN_EXE_flux-broker")).args(arguments);
        command.stdin(OwnedFd::from(socket));
        Self::spawn(command)
    }

    /// The same in a shell that first runs `preparation`, such as `ulimit`.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_after(preparation: &str, arguments: &[&str]) -> Self {
        let mut command = command("sh");
        command.arg("-c").arg(format!("{preparation}; exec \"$0\" \"$@\""));
        command.arg(env!("CARGO_BIN_EXE_flux-broker")).args(arguments);
        Self::spawn(command)
    }

    /// Runs this command, and reads where it listens.
    pub(super) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (addresses, tls) = (Vec::new(), Vec::new());
        let (before, announced) = (String::new(), String::new());
        let mut program = Self { child, stderr, addresses, before, announced, tls };
        let mut line = program.line();
        while !line.is_empty() && !line.starts_with("flux-broker ") {
            program.before += &line;
            line = program.line();
        }
        let (_, addresses) = line.split_once(" listening on ").expect(&line);
        let (addresses, _) = addresses.split_once("; ").expect(&line);
        for address in addresses.split(" and ") {
            let (scheme, address) = address.split_once("://").expect(&line);
            match scheme {
                "mqtt" => program.addresses.push(address.parse().unwrap()),
                "mqtts" => program.tls.push(address.parse().unwrap()),
                // Whoever wants to know reads the line.
                _ => {}
            }
        }
        program.announced = line;
        program
    }

    /// Kills it the hard way, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it ends, and reads nothing meanwhile.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns a number of its metrics; 0 where there is none yet. It is to have an admin port.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let (_, admin) = self.announced.split_once("metrics at http://").unwrap();
        let (admin, _) = admin.split_once("/metrics").unwrap();
        let (status, _, page) = get(admin.parse().unwrap(), "/metrics", "");
        assert_eq!(status, 200);
        let number = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        number.map_or(0, |number| number.parse().unwrap())
    }

    /// Waits for one more line on stderr.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        send_signal(self.id(), signal);
    }

    /// Reads stderr while something is done, then sends a signal and waits for the end; returns what came.
    pub(crate) fn terminate_after(
        mut self,
        signal: &str,
        work: impl FnOnce(&[SocketAddr]),
    ) -> String {
        let id = self.id();
        let Self { stderr, addresses, .. } = &mut self;
        thread::scope(|scope| {
            let reading = scope.spawn(|| {
                let mut text = String::new();
                stderr.read_to_string(&mut text).unwrap();
                text
            });
            work(addresses);
            send_signal(id, signal);
            reading.join().unwrap()
        })
    }

    /// Sends a signal and waits for the end; returns also what else came on stderr.
    pub(crate) fn terminate(mut self, signal: &str) -> (ExitStatus, String) {
        self.signal(signal);
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

fn send_signal(id: u32, signal: &str) {
    let kill = format!("kill -{signal} {id}");
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _has_ended = self.child.kill();
        let _status = self.child.wait();
    }
}
