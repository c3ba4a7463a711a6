//! A provider on loopback that says what it is told to, byte for byte: for tests.

use super::{Fixed, HeaderName, Keys, Rest, Secret};
use crate::Pace;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is answered to one request.
#[derive(Clone)]
pub(crate) enum Say {
    /// These bytes; then the connection is closed.
    Bytes(Vec<u8>),
    /// These bytes, and nothing more.
    Silence(Vec<u8>),
    /// The first ones, then the second ones again and again for as long as somebody reads.
    Endless(Vec<u8>, Vec<u8>),
    /// The first ones, then the second ones every so often.
    Drip(Vec<u8>, Vec<u8>, Duration),
}

/// JSON with a status.
pub(crate) fn json(status: u16, body: &str) -> Say {
    with(status, "", body)
}

/// The same with headers, each ending in `\r\n`.
pub(crate) fn with(status: u16, headers: &str, body: &str) -> Say {
    Say::Bytes(format!("{}{headers}\r\n{body}", head(status, body.len())).into_bytes())
}

/// A status line and the headers of JSON of that length, without the empty line.
pub(crate) fn head(status: u16, length: usize) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {length}\r\n"
    )
}

/// Answers the first request with the first of its sayings and so on; the last one is said again.
pub(crate) struct Stand {
    /// Its origin, `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    accepted: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Stand {
    pub(crate) async fn up(says: Vec<Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let noted = seen.clone();
        let accepted = Arc::new(AtomicUsize::new(0));
        let counted = accepted.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (noted, says) = (noted.clone(), says.clone());
                tokio::spawn(async move {
                    serve(stream, &noted, &says).await;
                });
            }
        });
        Self {
            base,
            accepted,
            seen,
            serving,
        }
    }

    /// The requests that came, head and body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// How many connections were made, whatever came over them.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// The API of this stand, asked with [`TOKEN`] and without a pause.
    pub(crate) fn rest(&self) -> Rest {
        self.rest_with(token())
    }

    /// The same, asked with other keys.
    pub(crate) fn rest_with(&self, keys: Arc<dyn Keys>) -> Rest {
        Rest::new(&self.base, keys, unhurried()).unwrap()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A token that must turn up nowhere but in a request.
pub(crate) const TOKEN: &str = "marked-token";

pub(crate) fn token() -> Arc<dyn Keys> {
    let name = HeaderName::from_static("authorization");
    Arc::new(Fixed::new(vec![(name, Secret::bearer(TOKEN).unwrap())]))
}

/// No pause between requests, a minute where an answer says to wait and not how long.
pub(crate) fn unhurried() -> Arc<Pace> {
    Arc::new(Pace::of(Duration::ZERO, Duration::from_secs(60)))
}

async fn serve(mut stream: TcpStream, seen: &Mutex<Vec<String>>, says: &[Say]) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    let say = {
        let mut seen = seen.lock().unwrap();
        seen.push(request);
        says[(seen.len() - 1).min(says.len() - 1)].clone()
    };
    match say {
        Say::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Say::Silence(bytes) => {
            let _ = stream.write_all(&bytes).await;
            std::future::pending::<()>().await;
        }
        Say::Endless(first, again) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&again).await.is_ok() {}
        }
        Say::Drip(first, again, every) => {
            let _ = stream.write_all(&first).await;
            while stream.write_all(&again).await.is_ok() {
                tokio::time::sleep(every).await;
            }
        }
    }
}

/// One request to the end of its body.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let count = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            (name.eq_ignore_ascii_case("content-length")).then(|| value.parse().ok())?
        });
        if body.len() >= length.unwrap_or(0_usize) {
            return Some(text);
        }
    }
}
