//! A pretend terminal: starts a program in a pseudo-terminal, answers its questions as a terminal of some kind would,
//! and knows what is on the screen, pictures included, down to their pixels.
//!
//! ```ignore
//! let terminal = Setup::new(Kind::Kitty).size(120, 40).start(program, &["demo"]);
//! terminal.wait_for_text("People");
//! terminal.type_keys("j<c-c>");
//! assert_eq!(terminal.pictures().len(), 2);
//! ```
//!
//! One thread reads and notes when; another one understands. What is waited for is always a condition with a limit,
//! never a time.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary and benchmark uses its own part"
)]

mod answers;
mod keys;
mod kitty;
mod picture;
pub mod pixels;
mod screen;
pub mod stream;

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, kill_process};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

pub use answers::{Geometry, Kind, Manner};
pub use keys::Mouse;
pub use picture::{Area, CellSize, How, Picture};
pub use rustix::process::Signal;
pub use screen::Screen;

/// How long something may take before a test fails.
pub const LIMIT: Duration = Duration::from_secs(60);
/// No output for so long means that the program has nothing more to say.
pub const QUIET: Duration = Duration::from_millis(200);

/// The terminal before a program is in it.
#[derive(Clone)]
pub struct Setup {
    manner: Manner,
    window: Geometry,
    environment: Vec<(String, OsString)>,
    folder: Option<PathBuf>,
    in_tmux: bool,
    is_measuring: bool,
    watched: Option<Area>,
}

impl Setup {
    /// A dark terminal of 120 x 40 cells of 10 x 20 pixels; nothing in the environment but what this kind sets.
    pub fn new(kind: Kind) -> Self {
        let variables = kind.environment().into_iter();
        Self {
            manner: Manner {
                kind,
                name: None,
                is_light: false,
            },
            window: Geometry {
                columns: 120,
                rows: 40,
                cell: CellSize::default(),
            },
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
            folder: None,
            in_tmux: false,
            is_measuring: false,
            watched: None,
        }
    }

    /// Columns and rows.
    pub fn size(mut self, columns: u16, rows: u16) -> Self {
        (self.window.columns, self.window.rows) = (columns, rows);
        self
    }

    /// Pixels of a cell.
    pub fn cell(mut self, width: u16, height: u16) -> Self {
        self.window.cell = CellSize { width, height };
        self
    }

    /// What the terminal calls itself.
    pub fn named(mut self, name: &str) -> Self {
        self.manner.name = Some(name.to_owned());
        self
    }

    /// Dark text on a light ground.
    pub fn light(mut self) -> Self {
        self.manner.is_light = true;
        self
    }

    /// A variable for the program; an earlier one of the same name goes.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Several variables.
    pub fn envs(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        variables
            .into_iter()
            .fold(self, |setup, (name, value)| setup.env(&name, value))
    }

    /// The folder the program starts in.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// A tmux stands between that passes everything through.
    pub fn in_tmux(mut self) -> Self {
        self.in_tmux = true;
        self.env("TMUX", "/nowhere/tmux,1,0").env("TERM", "tmux-256color")
    }

    /// For benchmarks: pictures are counted and not decoded, the output is not kept.
    pub fn measuring(mut self) -> Self {
        self.is_measuring = true;
        self
    }

    /// For benchmarks: changes of this part of the screen are noted with their time.
    pub fn watching(mut self, area: Area) -> Self {
        self.watched = Some(area);
        self
    }

    /// Starts a program.
    pub fn start(self, program: impl AsRef<Path>, arguments: &[&str]) -> Terminal {
        let mut command = CommandBuilder::new(program.as_ref());
        command.args(arguments);
        command.env_clear();
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        if let Some(folder) = &self.folder {
            command.cwd(folder);
        }
        Terminal::start(&self, command)
    }
}

/// One read of the program's output.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When the read returned.
    pub at: Instant,
    pub bytes: usize,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub code: u32,
    /// The name of the signal that ended it.
    pub signal: Option<String>,
    pub at: Instant,
}

/// What came back to something that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reaction {
    /// Until the first byte; `None`: nothing came.
    pub first: Option<Duration>,
    /// Until the last byte before it was quiet.
    pub last: Option<Duration>,
    /// Until what is watched looked as it did in the end; `None`: it did not change, or nothing is watched.
    pub settled: Option<Duration>,
    /// Until the last byte of a picture.
    pub pictured: Option<Duration>,
    pub bytes: usize,
    /// It was never quiet.
    pub is_endless: bool,
}

#[derive(Default)]
struct Log {
    arrivals: Vec<Arrival>,
    bytes: usize,
    kept: Vec<u8>,
    is_paused: bool,
    is_closing: bool,
    has_ended: bool,
}

struct Understood {
    screen: Screen,
    bytes: usize,
    /// When the last part that is understood was read.
    at: Option<Instant>,
    /// What is watched, by its look, whenever that was another one.
    looks: Vec<(Instant, u64)>,
    /// When the last bytes of a picture were read.
    pictured: Option<Instant>,
    ending: Option<Ending>,
}

struct Shared {
    log: Mutex<Log>,
    arrived: Condvar,
    understood: Mutex<Understood>,
    changed: Condvar,
    /// What is to be written to the program; gone once the line is closed.
    outgoing: Mutex<Option<Sender<Outgoing>>>,
}

/// Bytes for the program, and who wants to know when they were written.
struct Outgoing {
    bytes: Vec<u8>,
    written: Option<Sender<Instant>>,
}

/// A program in a pretend terminal.
pub struct Terminal {
    shared: Arc<Shared>,
    master: Option<Box<dyn MasterPty + Send>>,
    /// The program's side: its settings are read here, and the end of the program is marked through it.
    line: File,
    settings_before: Termios,
    pid: Pid,
    started: Instant,
    cell: CellSize,
}

impl Terminal {
    fn start(setup: &Setup, command: CommandBuilder) -> Self {
        let pair = native_pty_system()
            .openpty(pty_size(setup.window))
            .expect("the system has pseudo-terminals");
        let path = pair.master.tty_name().expect("the terminal has a name");
        let line: OwnedFd = rustix::fs::open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())
            .expect("the terminal can be opened");
        let settings_before = tcgetattr(&line).expect("it is a terminal");
        let reader = pair.master.try_clone_reader().expect("a descriptor");
        let writer = pair.master.take_writer().expect("the first writer");
        let (outgoing, to_be_written) = mpsc::channel();
        let shared = Arc::new(Shared {
            log: Mutex::default(),
            arrived: Condvar::new(),
            understood: Mutex::new(Understood {
                screen: Screen::new(setup.manner.clone(), setup.window, !setup.is_measuring),
                bytes: 0,
                at: None,
                looks: Vec::new(),
                pictured: None,
                ending: None,
            }),
            changed: Condvar::new(),
            outgoing: Mutex::new(Some(outgoing)),
        });
        thread::spawn(move || write(writer, &to_be_written));
        let (sender, receiver) = mpsc::channel();
        let is_kept = !setup.is_measuring;
        let reading = Arc::clone(&shared);
        thread::spawn(move || read(&reading, reader, &sender, is_kept));
        let understanding = Arc::clone(&shared);
        let manner = setup.clone();
        thread::spawn(move || understand(&understanding, &receiver, &manner));

        let started = Instant::now();
        let mut child = pair.slave.spawn_command(command).expect("the program starts");
        let pid = child.process_id().and_then(|pid| Pid::from_raw(pid as i32));
        let waiting = Arc::clone(&shared);
        thread::spawn(move || {
            let status = child.wait().expect("a child can be waited for");
            waiting.understood.lock().ending = Some(Ending {
                code: status.exit_code(),
                signal: status.signal().map(str::to_owned),
                at: Instant::now(),
            });
            waiting.changed.notify_all();
        });
        Self {
            shared,
            master: Some(pair.master),
            line: line.into(),
            settings_before,
            pid: pid.expect("a program that runs has a number"),
            started,
            cell: setup.window.cell,
        }
    }

    // Looking.

    /// Looks at the screen as it is now.
    pub fn look<T>(&self, at: impl FnOnce(&Screen) -> T) -> T {
        at(&self.shared.understood.lock().screen)
    }

    /// The screen as text.
    pub fn contents(&self) -> String {
        self.look(Screen::contents)
    }

    /// The pictures that are on the screen now.
    pub fn pictures(&self) -> Vec<Picture> {
        self.look(Screen::pictures)
    }

    /// Everything the program has written.
    pub fn output(&self) -> Vec<u8> {
        self.shared.log.lock().kept.clone()
    }

    /// How many bytes the program has written.
    pub fn written(&self) -> usize {
        self.shared.log.lock().bytes
    }

    /// Every read so far.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.shared.log.lock().arrivals.clone()
    }

    /// When the program was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    // Waiting.

    /// Waits until the screen is so, at most for this time; says whether it is.
    pub fn is_soon(&self, limit: Duration, mut so: impl FnMut(&Screen) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut understood = self.shared.understood.lock();
        loop {
            if so(&understood.screen) {
                return true;
            }
            if self.shared.changed.wait_until(&mut understood, until).timed_out() {
                return so(&understood.screen);
            }
        }
    }

    /// Waits until the screen is so, or the program has ended; says when the bytes that made it so were read.
    pub fn when(&self, limit: Duration, mut so: impl FnMut(&Screen) -> bool) -> Option<Instant> {
        let until = Instant::now() + limit;
        let mut understood = self.shared.understood.lock();
        loop {
            if so(&understood.screen) {
                return understood.at;
            }
            if understood.ending.is_some() {
                drop(understood);
                self.end_within(limit);
                let understood = self.shared.understood.lock();
                return understood.at.filter(|_| so(&understood.screen));
            }
            if self.shared.changed.wait_until(&mut understood, until).timed_out() {
                return understood.at.filter(|_| so(&understood.screen));
            }
        }
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub fn wait_for(&self, what: &str, so: impl FnMut(&Screen) -> bool) {
        assert!(self.is_soon(LIMIT, so), "no {what} within {LIMIT:?}: {self:?}");
    }

    /// Waits until this text is on the screen.
    #[track_caller]
    pub fn wait_for_text(&self, text: &str) {
        self.wait_for(&format!("{text:?}"), |screen| screen.shows(text));
    }

    /// Waits until this text is not on the screen any more.
    #[track_caller]
    pub fn wait_for_no_text(&self, text: &str) {
        self.wait_for(&format!("screen without {text:?}"), |screen| !screen.shows(text));
    }

    /// Waits until the program has not written anything for [`QUIET`] and all it wrote is understood.
    #[track_caller]
    pub fn wait_quiet(&self) {
        self.wait_quiet_for(QUIET);
    }

    /// The same with another time.
    #[track_caller]
    pub fn wait_quiet_for(&self, quiet: Duration) {
        let begin = Instant::now();
        let mut log = self.shared.log.lock();
        loop {
            let last = log.arrivals.last().map_or(begin, |arrival| arrival.at);
            let since = last.max(begin) + quiet;
            if Instant::now() >= since {
                break;
            }
            assert!(
                begin.elapsed() < LIMIT,
                "the program writes without end: {self:?}"
            );
            self.shared.arrived.wait_until(&mut log, since);
        }
        drop(log);
        self.understand_all();
    }

    /// Waits for the end of the program, and until its last byte is understood.
    #[track_caller]
    pub fn wait_for_end(&self) -> Ending {
        self.end_within(LIMIT)
            .unwrap_or_else(|| panic!("the program goes on after {LIMIT:?}: {self:?}"))
    }

    /// The same with another limit; `None`: it goes on.
    pub fn end_within(&self, limit: Duration) -> Option<Ending> {
        let until = Instant::now() + limit;
        let mut understood = self.shared.understood.lock();
        while understood.ending.is_none() {
            if self.shared.changed.wait_until(&mut understood, until).timed_out() {
                break;
            }
        }
        let ending = understood.ending.clone()?;
        drop(understood);
        self.read_on();
        // What the program wrote last comes before the mark; a line that is closed takes no mark.
        let mark = format!("\x1b_{}\x1b\\", screen::END_MARK);
        if (&self.line).write_all(mark.as_bytes()).is_ok() {
            let is_over = self.is_soon(LIMIT, |screen| screen.is_over) || self.shared.log.lock().has_ended;
            assert!(is_over, "the end does not arrive");
        }
        Some(ending)
    }

    /// Whether the program still runs.
    pub fn runs(&self) -> bool {
        self.shared.understood.lock().ending.is_none()
    }

    // Doing.

    /// Types keys: `jj<down>q`, `<c-c>`, `<esc>`. All in one write, but for a pause after each Escape: an Escape with a
    /// letter right behind it is the letter with Alt, to every program there is. Says when the last write was.
    pub fn type_keys(&self, keys: &str) -> Instant {
        const AFTER_ESCAPE: Duration = Duration::from_millis(60);
        let application = self.look(|screen| screen.is_set(1));
        let mut at = Instant::now();
        for (number, part) in keys.split_inclusive("<esc>").enumerate() {
            if number > 0 {
                thread::sleep(AFTER_ESCAPE);
            }
            at = self.send(&keys::bytes(part, application));
        }
        at
    }

    /// Pastes text, in brackets if the program has asked for them.
    pub fn paste(&self, text: &str) {
        let is_bracketed = self.look(|screen| screen.is_set(2004));
        let (before, after) = if is_bracketed {
            ("\x1b[200~", "\x1b[201~")
        } else {
            ("", "")
        };
        self.send(format!("{before}{text}{after}").as_bytes());
    }

    /// Uses the mouse on a cell, as a terminal does: not at all if the program has not asked for it.
    pub fn mouse(&self, mouse: Mouse, column: u16, row: u16) {
        if self.look(Screen::wants_mouse) {
            self.send(&mouse.bytes(column, row));
        }
    }

    /// Sends bytes as they are. Says when. A line that is closed takes nothing.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> Instant {
        let (written, when) = mpsc::channel();
        send(&self.shared, bytes, Some(written));
        match when.recv_timeout(LIMIT) {
            Ok(at) => at,
            Err(mpsc::RecvTimeoutError::Disconnected) => Instant::now(),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                panic!("the program has not read its input for {LIMIT:?}: {self:?}")
            }
        }
    }

    /// Changes the size of the window.
    pub fn resize(&self, columns: u16, rows: u16) -> Instant {
        let window = Geometry {
            columns,
            rows,
            cell: self.cell,
        };
        self.shared.understood.lock().screen.resize(window);
        let at = Instant::now();
        if let Some(master) = &self.master {
            master.resize(pty_size(window)).expect("a terminal has a size");
        }
        at
    }

    /// Sends a signal to the program, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        let understood = self.shared.understood.lock();
        if understood.ending.is_none() {
            kill_process(self.pid, signal).expect("it is our own child");
        }
    }

    /// Stops reading: sooner or later the program's writes block.
    pub fn stop_reading(&self) {
        self.shared.log.lock().is_paused = true;
    }

    /// Goes on reading.
    pub fn read_on(&self) {
        self.shared.log.lock().is_paused = false;
        self.shared.arrived.notify_all();
    }

    /// Closes the terminal under the program, as closing its window does.
    pub fn hang_up(&mut self) {
        // Closing the writer would send an end of file, which whoever reads keys takes for one.
        if let Ok(mut settings) = tcgetattr(&self.line) {
            settings.special_codes[SpecialCodeIndex::VEOF] = 0;
            // A line that is gone already needs no settings.
            let _ = tcsetattr(&self.line, OptionalActions::Now, &settings);
        }
        self.shared.log.lock().is_closing = true;
        self.shared.arrived.notify_all();
        self.shared.outgoing.lock().take();
        self.master = None;
        // Wakes the thread that reads, so that it closes its side as well.
        let _ = (&self.line).write(b" ");
    }

    /// Waits for what comes back to something sent at this time: until it has been quiet for so long.
    ///
    /// `patience`: how long the first byte may take; `most`: how long it may go on.
    pub fn reaction(&self, sent: Instant, quiet: Duration, patience: Duration, most: Duration) -> Reaction {
        let mut reaction = self.bytes_after(sent, quiet, patience, most);
        self.understand_all();
        let understood = self.shared.understood.lock();
        let last = understood.looks.last().filter(|(at, _)| *at >= sent);
        reaction.settled = last.map(|(at, _)| *at - sent);
        reaction.pictured = understood.pictured.filter(|at| *at >= sent).map(|at| at - sent);
        reaction
    }

    fn bytes_after(&self, sent: Instant, quiet: Duration, patience: Duration, most: Duration) -> Reaction {
        let mut log = self.shared.log.lock();
        let mut seen = log.arrivals.partition_point(|arrival| arrival.at < sent);
        let mut reaction = Reaction::default();
        loop {
            for arrival in &log.arrivals[seen..] {
                let after = arrival.at - sent;
                reaction.first.get_or_insert(after);
                reaction.last = Some(after);
                reaction.bytes += arrival.bytes;
            }
            seen = log.arrivals.len();
            let until = reaction.last.map_or(patience, |last| last + quiet);
            if sent.elapsed() >= until || log.has_ended {
                return reaction;
            }
            if sent.elapsed() >= most {
                reaction.is_endless = true;
                return reaction;
            }
            self.shared.arrived.wait_until(&mut log, sent + until.min(most));
        }
    }

    /// Waits until everything that has been read is understood.
    fn understand_all(&self) {
        let bytes = self.shared.log.lock().bytes;
        let mut understood = self.shared.understood.lock();
        while understood.bytes < bytes {
            self.shared.changed.wait(&mut understood);
        }
    }

    // The end.

    /// What the program has left behind: modes, settings of the line, pictures. Nothing is as it should be.
    pub fn left_behind(&self) -> Vec<String> {
        let mut left = self.look(Screen::left_behind);
        if let Ok(after) = tcgetattr(&self.line) {
            let before = &self.settings_before;
            let same = after.input_modes == before.input_modes
                && after.output_modes == before.output_modes
                && after.local_modes == before.local_modes
                && after.control_modes == before.control_modes;
            if !same {
                left.push("the settings of the line".into());
            }
        }
        left
    }

    /// Fails unless the terminal is as the program found it.
    #[track_caller]
    pub fn assert_restored(&self) {
        let left = self.left_behind();
        assert!(left.is_empty(), "left behind: {left:?}\n{self:?}");
    }

    /// Whether the line is in raw mode.
    pub fn is_raw(&self) -> bool {
        use rustix::termios::LocalModes;
        tcgetattr(&self.line).is_ok_and(|settings| !settings.local_modes.contains(LocalModes::ICANON))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.runs() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
        self.hang_up();
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Whoever fails holds no lock; whoever does is not waited for.
        let Some(understood) = self.shared.understood.try_lock_for(Duration::from_secs(1)) else {
            return f.write_str("a terminal that is busy");
        };
        let screen = &understood.screen;
        let Geometry { columns, rows, .. } = screen.window();
        writeln!(
            f,
            "a terminal of {columns}x{rows}, ending {:?}",
            understood.ending
        )?;
        for row in screen.rows() {
            writeln!(f, "|{row}")?;
        }
        for picture in screen.pictures() {
            writeln!(f, "{picture:?}")?;
        }
        write!(f, "complaints: {:?}", screen.complaints)
    }
}

fn pty_size(window: Geometry) -> PtySize {
    PtySize {
        rows: window.rows,
        cols: window.columns,
        pixel_width: window.columns.saturating_mul(window.cell.width),
        pixel_height: window.rows.saturating_mul(window.cell.height),
    }
}

/// Reads until the program's side is closed or ours is to be.
fn read(
    shared: &Shared,
    mut reader: Box<dyn Read + Send>,
    parts: &Sender<(Instant, Vec<u8>)>,
    is_kept: bool,
) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = reader.read(&mut buffer).unwrap_or(0);
        let at = Instant::now();
        let mut log = shared.log.lock();
        while log.is_paused && !log.is_closing {
            shared.arrived.wait(&mut log);
        }
        if read == 0 || log.is_closing {
            log.has_ended = true;
            shared.arrived.notify_all();
            return;
        }
        log.arrivals.push(Arrival { at, bytes: read });
        log.bytes += read;
        if is_kept {
            log.kept.extend_from_slice(&buffer[..read]);
        }
        drop(log);
        shared.arrived.notify_all();
        if parts.send((at, buffer[..read].to_vec())).is_err() {
            return;
        }
    }
}

/// Takes what was read to the screen, and answers.
fn understand(shared: &Arc<Shared>, parts: &Receiver<(Instant, Vec<u8>)>, setup: &Setup) {
    let delay = setup.manner.delay();
    let mut splitter = if setup.in_tmux {
        stream::Splitter::in_tmux()
    } else {
        stream::Splitter::default()
    };
    let (late, to_be_sent) = mpsc::channel::<(Instant, Vec<u8>)>();
    if !delay.is_zero() {
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            for (due, answer) in to_be_sent {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                send(&shared, &answer, None);
            }
        });
    }
    for (at, part) in parts {
        let mut understood = shared.understood.lock();
        let before = understood.screen.picture_bytes;
        let answers = understood.screen.feed(&mut splitter, &part);
        if understood.screen.picture_bytes > before {
            understood.pictured = Some(at);
        }
        understood.bytes += part.len();
        understood.at = Some(at);
        if let Some(area) = setup.watched {
            let look = understood.screen.look_of(area);
            if understood.looks.last().is_none_or(|(_, last)| *last != look) {
                understood.looks.push((at, look));
            }
        }
        drop(understood);
        shared.changed.notify_all();
        for answer in answers {
            if delay.is_zero() {
                send(shared, &answer, None);
            } else if late.send((Instant::now() + delay, answer)).is_err() {
                return;
            }
        }
    }
}

/// Has bytes written to the program. A terminal does not mind that nobody is there any more.
fn send(shared: &Shared, bytes: &[u8], written: Option<Sender<Instant>>) {
    if let Some(outgoing) = shared.outgoing.lock().as_ref() {
        let bytes = bytes.to_vec();
        // The thread that writes ends with the line.
        let _ = outgoing.send(Outgoing { bytes, written });
    }
}

/// Writes what is to be written, until the line is closed. A write blocks while the program does not read.
fn write(mut writer: Box<dyn Write + Send>, outgoing: &Receiver<Outgoing>) {
    for Outgoing { bytes, written } in outgoing {
        let at = Instant::now();
        if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() {
            return;
        }
        if let Some(written) = written {
            // Whoever asked may have given up.
            let _ = written.send(at);
        }
    }
}
