//! `avatar-sync sandbox`: serves a practice tenant and a practice instance until it is told to stop.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::sandbox::world::generate::Drawn;
use crate::sandbox::{self, Latency, SandboxOptions};

/// What `avatar-sync sandbox` takes.
#[derive(Clone, Debug, Args)]
pub struct SandboxArguments {
    /// Where log-in and Graph listen: a loopback address; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = parse_address)]
    entra: SocketAddr,
    /// Where the ServiceNow instance listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = parse_address)]
    servicenow: SocketAddr,
    /// Where the control interface listens: faults, clock, what was asked and written
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = parse_address)]
    control: SocketAddr,
    /// How many people to invent
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    users: u32,
    /// Invent from this number: the same number, the same tenant, byte for byte
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Take the people from DIR/world.json and the files it names instead of inventing them
    #[arg(long, value_name = "DIR", conflicts_with = "users")]
    world: Option<PathBuf>,
    /// How long every call takes, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=600_000))]
    latency_ms: u64,
    /// Let calls differ: half take up to --latency-ms, 99 % up to this, in milliseconds
    #[arg(long, value_name = "N", requires = "latency_ms", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    latency_p99_ms: Option<u64>,
    /// Enforce the documented limits of both services (this is the default)
    #[arg(long, conflicts_with = "no_throttle")]
    throttle: bool,
    /// Enforce no limits: for benchmarks
    #[arg(long)]
    no_throttle: bool,
}

impl SandboxArguments {
    fn options(self) -> SandboxOptions {
        SandboxOptions {
            entra: self.entra,
            servicenow: self.servicenow,
            control: self.control,
            users: self.users as usize,
            drawn: Drawn::default(),
            seed: self.seed,
            world: self.world,
            latency: Latency::from_millis(self.latency_ms, self.latency_p99_ms),
            is_throttled: !self.no_throttle,
        }
    }
}

/// Serves until SIGINT or SIGTERM, or until the pipe on standard input closes. The first line on standard output is
/// the sandbox's ready line, and the only one; talk goes to standard error.
pub async fn run(arguments: SandboxArguments) -> anyhow::Result<u8> {
    let options = arguments.options();
    // Watched from the start: whoever started this may be gone before the people are invented.
    let stop = StopSignals::new()?;
    let started = std::time::Instant::now();
    let sandbox = sandbox::start(&options)?;
    let ready = sandbox.ready_line();
    let mut out = io::stdout().lock();
    writeln!(out, "{ready}")?;
    out.flush()?;
    drop(out);
    talk(&format!(
        "sandbox: ready after {:.1} s; {}. Entra ID {}, ServiceNow {}, control {}",
        started.elapsed().as_secs_f64(),
        if options.is_throttled {
            "limits as documented"
        } else {
            "no limits"
        },
        sandbox.entra_url(),
        sandbox.servicenow_url(),
        sandbox.control_url(),
    ));

    let reason = stop.wait().await;
    talk(&format!("sandbox: {reason}; stopping"));
    sandbox.shutdown().await;
    Ok(0)
}

/// A line on standard error. Nobody may be reading it, which is no reason to stop serving.
fn talk(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A loopback address: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or only `8080`.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    let address = match port.parse::<u16>() {
        Ok(port) => SocketAddr::from(([127, 0, 0, 1], port)),
        Err(_) => text.parse().map_err(|_| {
            "an address looks like 127.0.0.1:8080, localhost:8080 or [::1]:8080; port 0 takes a free one"
                .to_owned()
        })?,
    };
    if sandbox::is_loopback(address) {
        Ok(address)
    } else {
        Err(
            "the sandbox serves this machine only; use a loopback address such as 127.0.0.1:0 or [::1]:0"
                .to_owned(),
        )
    }
}

/// Everything that ends the sandbox.
struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    ctrl_break: tokio::signal::windows::CtrlBreak,
    input_closed: tokio::sync::oneshot::Receiver<()>,
}

impl StopSignals {
    fn new() -> io::Result<Self> {
        #[cfg(unix)]
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate())?,
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt())?,
            #[cfg(windows)]
            ctrl_c: tokio::signal::windows::ctrl_c()?,
            #[cfg(windows)]
            ctrl_break: tokio::signal::windows::ctrl_break()?,
            input_closed: watch_input()?,
        })
    }

    /// Waits, and says what happened.
    async fn wait(mut self) -> &'static str {
        let input_closed = async {
            if self.input_closed.await.is_err() {
                // Standard input is not watched.
                std::future::pending::<()>().await;
            }
        };
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => "asked to stop",
            _ = self.interrupt.recv() => "interrupted",
            () = input_closed => "standard input was closed",
        }
        #[cfg(windows)]
        tokio::select! {
            _ = self.ctrl_c.recv() => "interrupted",
            _ = self.ctrl_break.recv() => "asked to stop",
            () = input_closed => "standard input was closed",
        }
    }
}

/// Resolves when the pipe on standard input closes: whoever started this program has ended. If standard input is a
/// terminal, a file or the null device it is not watched, so that a detached process goes on.
fn watch_input() -> io::Result<tokio::sync::oneshot::Receiver<()>> {
    let (closed, receiver) = tokio::sync::oneshot::channel();
    if !input_is_pipe() {
        return Ok(receiver);
    }
    // A thread of its own, because a read from a pipe cannot be given up on every platform. It ends with the program.
    std::thread::Builder::new()
        .name("standard input".to_owned())
        .spawn(move || {
            // An error means the same as the end: nobody can write here any more.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            // If nobody waits any more, the program is ending already.
            let _ = closed.send(());
        })?;
    Ok(receiver)
}

#[cfg(unix)]
fn input_is_pipe() -> bool {
    use rustix::fs::FileType;
    // Tools that start programs use pipes or pairs of sockets.
    rustix::fs::fstat(io::stdin()).is_ok_and(|state| {
        matches!(
            FileType::from_raw_mode(state.st_mode),
            FileType::Fifo | FileType::Socket
        )
    })
}

#[cfg(windows)]
fn input_is_pipe() -> bool {
    winapi_util::file::typ(winapi_util::HandleRef::stdin()).is_ok_and(|kind| kind.is_pipe())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        arguments: SandboxArguments,
    }

    fn options(arguments: &[&str]) -> SandboxOptions {
        parse(arguments).expect("accepted")
    }

    fn parse(arguments: &[&str]) -> Result<SandboxOptions, String> {
        let all = std::iter::once("sandbox").chain(arguments.iter().copied());
        let command = Command::try_parse_from(all).map_err(|error| error.to_string())?;
        Ok(command.arguments.options())
    }

    #[test]
    fn without_arguments_it_serves_200_people_on_free_ports_with_limits() {
        let options = options(&[]);
        assert_eq!(
            (options.users, options.seed, options.is_throttled),
            (200, 1, true)
        );
        assert_eq!(options.latency, Latency::None);
        for address in [options.entra, options.servicenow, options.control] {
            assert_eq!(address.to_string(), "127.0.0.1:0");
        }
    }

    #[test]
    fn addresses_can_be_short_but_never_reach_other_machines() {
        let accepted = [
            ("8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("127.0.0.2:1", "127.0.0.2:1"),
            ("[::1]:9", "[::1]:9"),
        ];
        for (text, address) in accepted {
            assert_eq!(options(&["--entra", text]).entra.to_string(), address);
        }
        for text in ["0.0.0.0:80", "10.0.0.1:80", "[::]:80"] {
            let complaint = parse(&["--control", text]).expect_err("refused");
            assert!(
                complaint.contains("the sandbox serves this machine only"),
                "{complaint}"
            );
        }
        let complaint = parse(&["--control", "example.com:80"]).expect_err("refused");
        assert!(
            complaint.contains("an address looks like 127.0.0.1:8080"),
            "{complaint}"
        );
    }

    #[test]
    fn latency_is_fixed_or_spread() {
        let ms = Duration::from_millis;
        assert_eq!(options(&["--latency-ms", "30"]).latency, Latency::Fixed(ms(30)));
        let spread = Latency::LogNormal {
            median: ms(90),
            p99: ms(400),
        };
        assert_eq!(
            options(&["--latency-ms", "90", "--latency-p99-ms", "400"]).latency,
            spread
        );
    }

    #[test]
    fn limits_can_be_turned_off_and_contradictions_are_refused() {
        assert!(!options(&["--no-throttle"]).is_throttled);
        assert!(options(&["--throttle"]).is_throttled);
        assert!(parse(&["--throttle", "--no-throttle"]).is_err());
        assert!(parse(&["--world", "w", "--users", "5"]).is_err());
    }
}
