//! Receivers of notifications on this machine: a mail server and an HTTP server, as plain as they can be.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;

use crate::PATIENCE;

/// A certificate authority, and a certificate of its for this machine.
pub struct Authority {
    /// Its certificate as PEM, for `notify.ca_file`.
    pub pem: String,
    server: Arc<rustls::ServerConfig>,
}

impl Authority {
    pub fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::<String>::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.distinguished_name
            .push(rcgen::DnType::CommonName, "Test authority");
        let ca_certificate = ca.self_signed(&ca_key).expect("signs itself");
        let issuer = Issuer::new(ca, ca_key);
        let key = KeyPair::generate().expect("a key");
        let leaf = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("names")
            .signed_by(&key, &issuer)
            .expect("signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key)
            .expect("a pair");
        Self {
            pem: ca_certificate.pem(),
            server: Arc::new(server),
        }
    }

    /// Writes its certificate into a folder.
    pub fn file(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, &self.pem).expect("writable");
        path
    }
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn encrypted(config: &Arc<rustls::ServerConfig>, socket: TcpStream) -> Box<dyn Stream> {
    let connection = rustls::ServerConnection::new(Arc::clone(config)).expect("a connection");
    Box::new(rustls::StreamOwned::new(connection, socket))
}

/// A line without its end; `None` at the end of the stream. Byte by byte, so that nothing of what follows is taken.
fn line(stream: &mut dyn Stream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => break,
            Ok(1) => bytes.push(byte[0]),
            _ => return None,
        }
    }
    let text = String::from_utf8(bytes).expect("text");
    Some(text.trim_end_matches('\r').to_owned())
}

/// How a mail server encrypts.
#[derive(Clone)]
pub enum Encryption {
    None,
    StartTls(Arc<Authority>),
    Implicit(Arc<Authority>),
}

/// One e-mail.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
    pub was_encrypted: bool,
    /// User and password, if it signed in.
    pub account: Option<(String, String)>,
}

impl Mail {
    /// A header, unfolded; fails if it is not there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> String {
        let head = self.text.split("\r\n\r\n").next().expect("a head");
        let unfolded = head.replace("\r\n ", " ");
        let found: Vec<&str> = unfolded
            .split("\r\n")
            .filter_map(|line| line.strip_prefix(&format!("{name}: ")))
            .collect();
        assert_eq!(found.len(), 1, "{name} in {head}");
        found[0].to_owned()
    }
}

/// A mail server for the length of a test.
pub struct MailServer {
    pub port: u16,
    mails: Arc<Mutex<Vec<Mail>>>,
    spoken: Arc<Mutex<Vec<String>>>,
}

impl MailServer {
    /// Takes mail; wants this user and password if there is one; turns the first `busy` mails away for the moment.
    pub fn start(encryption: Encryption, account: Option<(&str, &str)>, busy: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let spoken = Arc::new(Mutex::new(Vec::new()));
        let account = account.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let server = Self {
            port,
            mails: Arc::clone(&mails),
            spoken: Arc::clone(&spoken),
        };
        std::thread::spawn(move || {
            let mut busy = busy;
            for socket in listener.incoming().flatten() {
                socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
                let mut dialogue = Dialogue {
                    encryption: encryption.clone(),
                    wanted: account.clone(),
                    spoken: Arc::clone(&spoken),
                    account: None,
                    was_encrypted: false,
                };
                if let Some(mail) = dialogue.speak(socket, &mut busy) {
                    mails.lock().expect("no panic").push(mail);
                }
            }
        });
        server
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("no panic").clone()
    }

    /// Every line that clients have sent, before encryption and after.
    pub fn spoken(&self) -> Vec<String> {
        self.spoken.lock().expect("no panic").clone()
    }

    /// Waits for so many mails.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Mail> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mails = self.mails();
            if mails.len() >= count {
                return mails;
            }
            assert!(Instant::now() < until, "{count} mails: {mails:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Dialogue {
    encryption: Encryption,
    wanted: Option<(String, String)>,
    spoken: Arc<Mutex<Vec<String>>>,
    account: Option<(String, String)>,
    was_encrypted: bool,
}

impl Dialogue {
    /// One connection: at most one mail.
    fn speak(&mut self, socket: TcpStream, busy: &mut usize) -> Option<Mail> {
        let spare = socket.try_clone().expect("a socket");
        let mut stream: Box<dyn Stream> = match &self.encryption {
            Encryption::Implicit(authority) => {
                self.was_encrypted = true;
                encrypted(&authority.server, socket)
            }
            _ => Box::new(socket),
        };
        let mut say = Some("220 localhost ESMTP".to_owned());
        let (mut from, mut to, mut mail) = (String::new(), Vec::new(), None);
        loop {
            if let Some(words) = say.take() {
                stream.write_all(format!("{words}\r\n").as_bytes()).ok()?;
                stream.flush().ok()?;
            }
            let Some(command) = line(&mut *stream) else {
                return mail;
            };
            self.spoken.lock().expect("no panic").push(command.clone());
            let upper = command.to_uppercase();
            say = Some(if upper.starts_with("EHLO") {
                let mut offers = vec!["localhost".to_owned()];
                if matches!(self.encryption, Encryption::StartTls(_)) && !self.was_encrypted {
                    offers.push("STARTTLS".into());
                }
                if self.wanted.is_some() {
                    offers.push("AUTH PLAIN LOGIN".into());
                }
                offers.push("8BITMIME".into());
                let last = offers.pop().expect("one");
                let mut text: String = offers.iter().map(|offer| format!("250-{offer}\r\n")).collect();
                text.push_str("250 ");
                text.push_str(&last);
                text
            } else if upper == "STARTTLS" {
                let Encryption::StartTls(authority) = &self.encryption else {
                    return mail;
                };
                stream.write_all(b"220 go ahead\r\n").ok()?;
                stream = encrypted(&authority.server, spare.try_clone().ok()?);
                self.was_encrypted = true;
                continue;
            } else if let Some(initial) = command.strip_prefix("AUTH PLAIN ") {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(initial)
                    .expect("base64");
                let text = String::from_utf8(bytes).expect("text");
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                self.account = parts.next().zip(parts.next());
                if self.account == self.wanted {
                    "235 welcome".into()
                } else {
                    "535 5.7.8 the password is wrong".into()
                }
            } else if upper.starts_with("MAIL FROM:") {
                if *busy > 0 {
                    *busy -= 1;
                    "451 4.7.1 try again in a moment".into()
                } else if self.wanted.is_some() && self.account.is_none() {
                    "530 5.7.0 sign in first".into()
                } else {
                    command[10..].trim().clone_into(&mut from);
                    "250 ok".into()
                }
            } else if upper.starts_with("RCPT TO:") {
                to.push(command[8..].trim().to_owned());
                "250 ok".into()
            } else if upper == "DATA" {
                stream.write_all(b"354 end with a dot\r\n").ok()?;
                let mut text = String::new();
                loop {
                    let part = line(&mut *stream)?;
                    if part == "." {
                        break;
                    }
                    text.push_str(part.strip_prefix('.').unwrap_or(&part));
                    text.push_str("\r\n");
                }
                mail = Some(Mail {
                    from: from.clone(),
                    to: to.clone(),
                    text,
                    was_encrypted: self.was_encrypted,
                    account: self.account.clone(),
                });
                "250 2.0.0 queued as 42".into()
            } else if upper == "QUIT" {
                // A client may be gone before it has read this.
                let _ = stream.write_all(b"221 bye\r\n");
                return mail;
            } else {
                "250 ok".into()
            });
        }
    }
}

/// One message to an HTTP receiver.
#[derive(Clone, Debug)]
pub struct Posted {
    pub target: String,
    pub head: String,
    pub body: Value,
}

/// An HTTP receiver for the length of a test.
pub struct HookServer {
    pub port: u16,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl HookServer {
    /// Answers with these whole answers in turn, the last one again and again.
    pub fn start(answers: &[&str], authority: Option<Arc<Authority>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let posted = Arc::new(Mutex::new(Vec::new()));
        let server = Self {
            port,
            posted: Arc::clone(&posted),
        };
        let mut answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
                let mut stream: Box<dyn Stream> = match &authority {
                    Some(authority) => encrypted(&authority.server, socket),
                    None => Box::new(socket),
                };
                let Some(message) = read_message(&mut *stream) else {
                    continue;
                };
                posted.lock().expect("no panic").push(message);
                let answer = if answers.len() > 1 {
                    answers.remove(0)
                } else {
                    answers[0].clone()
                };
                // A client that reads no further than its limit closes early.
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.flush();
            }
        });
        server
    }

    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().expect("no panic").clone()
    }
}

fn read_message(stream: &mut dyn Stream) -> Option<Posted> {
    let first = line(stream)?;
    let mut head = String::new();
    let mut length = 0;
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        if let Some(number) = header.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().expect("a number");
        }
        head.push_str(&header);
        head.push('\n');
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let mut parts = first.split(' ');
    assert_eq!(parts.next(), Some("POST"), "{first}");
    Some(Posted {
        target: parts.next().expect("a target").to_owned(),
        head,
        body: serde_json::from_slice(&body).expect("JSON"),
    })
}

/// A whole answer.
pub fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
