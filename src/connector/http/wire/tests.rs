//! The real network stack over loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::super::origin::Origin;
use super::super::testing::{Reply, Service, network};
use super::*;

fn get(origin: &Origin, path: &str) -> Outgoing {
    Outgoing {
        method: Method::GET,
        address: origin.address(&[path], &[]),
        headers: HeaderMap::new(),
        body: Bytes::new(),
        body_cap: 64 * 1024,
        no_progress: Duration::from_millis(150),
        total: Duration::from_millis(600),
    }
}

/// A server that sends `start` at once, then `drip` again and again, and never closes by itself.
async fn raw(start: Vec<u8>, drip: Option<(Vec<u8>, Duration)>, close: bool) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (start, drip) = (start.clone(), drip.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // Errors here mean that the client has gone, as it should.
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(&start).await;
                if close {
                    return;
                }
                match drip {
                    Some((bytes, pause)) => {
                        while socket.write_all(&bytes).await.is_ok() {
                            tokio::time::sleep(pause).await;
                        }
                    }
                    None => std::future::pending().await,
                }
            });
        }
    });
    Origin::parse(&origin).expect("a loopback origin")
}

async fn fault(request: Outgoing) -> Fault {
    network().wire.exchange(request).await.expect_err("a fault")
}

#[tokio::test]
async fn an_answer_arrives_whole() {
    let service = Service::in_order([Reply::status(200).header("etag", "W/\"x\"").body("bytes")]);
    let origin = service.listen().await;
    let answer = network()
        .wire
        .exchange(get(&origin, "a b"))
        .await
        .expect("an answer");
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"bytes"[..]));
    assert_eq!(answer.header("etag"), Some("W/\"x\""));
    let seen = service.seen();
    assert_eq!(seen[0].target, "/a%20b");
    assert!(
        seen[0]
            .header("user-agent")
            .is_some_and(|name| name.starts_with("avatar-sync/"))
    );
    assert_eq!(seen[0].header("accept-encoding"), Some("gzip"));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let service = Service::in_order([Reply::status(302).header("location", "/elsewhere")]);
    let origin = service.listen().await;
    let answer = network()
        .wire
        .exchange(get(&origin, "x"))
        .await
        .expect("an answer");
    assert_eq!(answer.status.as_u16(), 302);
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn a_refused_connection_was_surely_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let fault = fault(get(&Origin::parse(&origin).expect("an origin"), "x")).await;
    assert_eq!(fault.kind, FaultKind::NotSent);
    assert!(fault.to_string().to_lowercase().contains("refused"), "{fault}");
    crate::tried("C1", 1);
}

#[tokio::test]
async fn silence_and_dripping_are_abandoned() {
    let silent = raw(Vec::new(), None, false).await;
    assert_eq!(fault(get(&silent, "x")).await.kind, FaultKind::TimedOut);

    let header = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n".to_vec();
    let stuck = raw(header.clone(), None, false).await;
    let stuck = fault(get(&stuck, "x")).await;
    assert_eq!(stuck.kind, FaultKind::TimedOut);

    let dripping = raw(header, Some((b"x".to_vec(), Duration::from_millis(50))), false).await;
    let dripping = fault(get(&dripping, "x")).await;
    assert_eq!(dripping.kind, FaultKind::TimedOut);
    assert!(dripping.to_string().contains("not finished"), "{dripping}");
    crate::tried("C4", 3);
    crate::tried("C5", 3);
}

#[tokio::test]
async fn a_body_cut_short_is_never_an_answer() {
    let cut = raw(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nonly this".to_vec(),
        None,
        true,
    )
    .await;
    assert_eq!(fault(get(&cut, "x")).await.kind, FaultKind::Broken);
    let chunked = raw(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec(),
        None,
        true,
    )
    .await;
    assert_eq!(fault(get(&chunked, "x")).await.kind, FaultKind::Broken);
    crate::tried("C2", 2);
    crate::tried("C3", 2);
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_cap() {
    let chunk = [b"2000\r\n".to_vec(), vec![b'x'; 0x2000], b"\r\n".to_vec()].concat();
    let endless = raw(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        Some((chunk, Duration::ZERO)),
        false,
    )
    .await;
    assert_eq!(
        fault(get(&endless, "x")).await.kind,
        FaultKind::TooLarge(64 * 1024)
    );
    let announced = raw(
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec(),
        None,
        false,
    )
    .await;
    assert_eq!(
        fault(get(&announced, "x")).await.kind,
        FaultKind::TooLarge(64 * 1024)
    );
    crate::tried("C3", 2);
}

#[tokio::test]
async fn the_cap_counts_expanded_bytes() {
    let bomb = gzip_of_zeros();
    let service = Service::in_order([Reply::status(200)
        .header("content-encoding", "gzip")
        .body(bomb.clone())]);
    let origin = service.listen().await;
    assert!(bomb.len() < 2048);
    assert_eq!(
        fault(get(&origin, "x")).await.kind,
        FaultKind::TooLarge(64 * 1024)
    );
    let mut generous = get(&origin, "x");
    generous.body_cap = 1024 * 1024;
    let answer = network().wire.exchange(generous).await.expect("fits");
    assert_eq!(answer.body.len(), 256 * 1024);
    crate::tried("C6", 2);
}

/// 256 KiB of zeros in gzip, made by hand: one deflate block of fixed codes, a literal zero and then copies of it.
fn gzip_of_zeros() -> Vec<u8> {
    const LENGTH: usize = 256 * 1024;
    let mut bits = Bits::default();
    bits.push(0b1, 1); // the last block
    bits.push(0b01, 2); // with fixed codes
    bits.push_code(0x30, 8); // a literal 0
    let mut left = LENGTH - 1;
    while left > 0 {
        // A copy of 258 (code 285) or, at the end, of 3 (code 257), from one byte back (distance code 0).
        if left >= 258 {
            bits.push_code(0b1100_0101, 8);
            left -= 258;
        } else if left >= 3 {
            bits.push_code(0b000_0001, 7);
            left -= 3;
        } else {
            bits.push_code(0x30, 8);
            left -= 1;
            continue;
        }
        bits.push_code(0, 5);
    }
    bits.push_code(0, 7); // the end
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend_from_slice(&bits.finish());
    gzip.extend_from_slice(&crc32_of_zeros(LENGTH).to_le_bytes());
    gzip.extend_from_slice(&(LENGTH as u32).to_le_bytes());
    gzip
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    /// Numbers go in with the lowest bit first.
    fn push(&mut self, value: u32, count: u32) {
        for position in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> position & 1) as u8;
            *self.bytes.last_mut().expect("just pushed") |= bit << (self.used % 8);
            self.used += 1;
        }
    }

    /// Codes go in with the highest bit first.
    fn push_code(&mut self, code: u32, count: u32) {
        for position in (0..count).rev() {
            self.push(code >> position & 1, 1);
        }
    }

    fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

fn crc32_of_zeros(length: usize) -> u32 {
    let mut crc = u32::MAX;
    for _ in 0..length {
        crc = (0..8).fold(crc, |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        });
    }
    !crc
}

#[tokio::test]
async fn a_certificate_file_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, "no certificate").expect("written");
    for path in [path, directory.path().join("missing.pem")] {
        let transport = Transport::new(TransportSettings {
            ca_file: Some(path),
            ..TransportSettings::default()
        });
        let origin = Origin::parse("https://127.0.0.1:1").expect("an origin");
        let fault = transport
            .wire
            .exchange(get(&origin, "x"))
            .await
            .expect_err("a fault");
        assert_eq!(fault.kind, FaultKind::Settings);
        assert!(fault.to_string().contains(".pem"), "{fault}");
    }
}

#[tokio::test]
async fn a_fault_shows_no_query() {
    let silent = raw(Vec::new(), None, true).await;
    let mut request = get(&silent, "x");
    request.address = silent.address(&["x"], &[("q", "ada@x.org")]);
    let fault = fault(request).await;
    assert_eq!(fault.kind, FaultKind::Broken);
    assert!(!format!("{fault} {fault:?}").contains("ada"), "{fault:?}");
}

/// Encrypted connections, with certificates made for these tests: an authority (whose key is gone), a server for
/// 127.0.0.1 in good standing and an expired one.
#[cfg(not(target_vendor = "apple"))] // Apple's verifier refuses certificates that live this long.
mod encrypted {
    use std::path::Path;

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    use super::*;

    const AUTHORITY: &str = include_str!("certificates/authority.pem");
    const OTHER_AUTHORITY: &str = include_str!("certificates/other-authority.pem");
    const SERVER: &str = include_str!("certificates/server.pem");
    const EXPIRED: &str = include_str!("certificates/expired.pem");
    const KEY: &str = include_str!("certificates/server-key.pem");

    /// A server on its own thread that shows `certificate` and answers everything with 204. Its port.
    fn server(certificate: &str) -> u16 {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a pair");
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        std::thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                use std::io::{Read, Write};
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a connection");
                let mut stream = rustls::StreamOwned::new(connection, socket);
                let mut request = [0; 4096];
                // A client that does not trust us breaks off here.
                if stream.read(&mut request).is_ok() {
                    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
                    stream.conn.send_close_notify();
                    let _ = stream.flush();
                }
            }
        });
        port
    }

    async fn ask(host: &str, port: u16, authority: &str) -> Result<Answer, Fault> {
        let directory = tempfile::tempdir().expect("a directory");
        let path: &Path = &directory.path().join("authority.pem");
        std::fs::write(path, authority).expect("written");
        let transport = Transport::new(TransportSettings {
            ca_file: Some(path.to_owned()),
            ..TransportSettings::default()
        });
        let origin = Origin::parse(&format!("https://{host}:{port}")).expect("an origin");
        let mut request = get(&origin, "x");
        request.no_progress = Duration::from_secs(5);
        request.total = Duration::from_secs(5);
        transport.wire.exchange(request).await
    }

    #[tokio::test]
    async fn a_certificate_of_the_configured_authority_is_trusted() {
        let answer = ask("127.0.0.1", server(SERVER), AUTHORITY).await;
        assert_eq!(answer.expect("trusted").status.as_u16(), 204);
        crate::tried("C7", 1);
    }

    #[tokio::test]
    async fn a_certificate_of_nobody_for_another_host_or_expired_is_refused_with_words() {
        let cases = [
            ("127.0.0.1", SERVER, OTHER_AUTHORITY, "UnknownIssuer"),
            ("127.0.0.1", EXPIRED, AUTHORITY, "expired"),
            ("localhost", SERVER, AUTHORITY, "not valid for name"),
        ];
        let count = cases.len();
        for (host, certificate, authority, words) in cases {
            let fault = ask(host, server(certificate), authority)
                .await
                .expect_err("refused");
            assert_eq!(fault.kind, FaultKind::Untrusted, "{fault}");
            assert!(fault.to_string().contains(words), "{fault}");
            assert!(fault.kind.hint().is_some_and(|hint| hint.contains("certificate")));
            assert!(!fault.kind.may_pass(), "it is not tried again");
        }
        crate::tried("C7", count);
    }
}
