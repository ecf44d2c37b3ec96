//! Somebody in front of a witness who lets requests through or answers them himself, badly.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tlog::{AddCheckpoint, CosignatureSigner, UnixSeconds, encode_cosignatures};

/// What an impostor does with the requests that come.
#[derive(Clone, Debug)]
pub enum Manner {
    /// Hands them to the witness, and its answer back.
    Honest,
    /// Reads them and never answers.
    Silent,
    /// Answers with these bytes.
    Answers(Vec<u8>),
    /// Answers with this status, content type and body.
    Says(u16, &'static str, Vec<u8>),
    /// Begins to answer and never ends.
    Endless,
    /// Cosigns whatever it is shown with this key, at this time.
    Cosigns(Arc<CosignatureSigner>, UnixSeconds),
}

/// A listener in front of a witness.
#[derive(Clone, Debug)]
pub struct Impostor {
    address: String,
    manner: Arc<Mutex<Manner>>,
    /// How many requests came so far.
    asked: Arc<Mutex<usize>>,
}

impl Impostor {
    /// Listens on a free port of loopback; `witness` is the URL of the one it stands for.
    ///
    /// # Panics
    /// When there is no port.
    pub fn before(witness: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let witness = witness.trim_start_matches("http://").to_owned();
        let manner = Arc::new(Mutex::new(Manner::Honest));
        let impostor = Self { address, manner, asked: Arc::new(Mutex::new(0)) };
        let serving = impostor.clone();
        // Ends with the process of the test: it holds nothing but a port.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serving, witness) = (serving.clone(), witness.clone());
                std::thread::spawn(move || serving.serve(stream, &witness));
            }
        });
        impostor
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes its manner from the next request on.
    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// How many requests came so far.
    pub fn asked(&self) -> usize {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request on a connection; the client makes another connection for the next.
    fn serve(&self, mut client: TcpStream, witness: &str) {
        let Some(request) = read_request(&mut client) else {
            return;
        };
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let manner = self.manner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Whoever hangs up in the middle is the log, and that is its right.
        let _ = match manner {
            Manner::Honest => forward(&mut client, witness, &request),
            Manner::Silent => wait_for_the_end(&mut client),
            Manner::Answers(bytes) => client.write_all(&bytes),
            Manner::Says(status, content_type, body) => {
                client.write_all(&answer(status, content_type, &body))
            }
            Manner::Endless => endless(&mut client),
            Manner::Cosigns(signer, at) => {
                let body = cosign(&request, &signer, at);
                client.write_all(&answer(200, "text/plain; charset=utf-8", body.as_bytes()))
            }
        };
    }
}

/// Head and body of a request; `None` when it does not come whole.
fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    client.set_read_timeout(Some(Duration::from_millis(crate::wait::DEADLINE_MS))).ok()?;
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = client.read(&mut buffer).ok().filter(|it| *it > 0)?;
        request.extend_from_slice(&buffer[..read]);
        let Some(end) = request.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length = head.lines().find_map(|it| it.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |it| it.trim().parse().expect("a length"));
        if request.len() >= end + 4 + length {
            return Some(request);
        }
    }
}

fn forward(client: &mut TcpStream, witness: &str, request: &[u8]) -> std::io::Result<()> {
    let mut server = TcpStream::connect(witness)?;
    let text = String::from_utf8_lossy(request);
    let (line, rest) = text.split_once("\r\n").expect("a request line");
    // One request a connection, so that its end is the end of the answer.
    server.write_all(format!("{line}\r\nconnection: close\r\n{rest}").as_bytes())?;
    std::io::copy(&mut server, client).map(|_| ())
}

fn wait_for_the_end(client: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).map(|_| ())
}

fn endless(client: &mut TcpStream) -> std::io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")?;
    loop {
        client.write_all(&[b'x'; 8192])?;
    }
}

fn answer(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Any\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

fn cosign(request: &[u8], signer: &CosignatureSigner, at: UnixSeconds) -> String {
    let start = request.windows(4).position(|it| it == b"\r\n\r\n").expect("a whole request") + 4;
    let asked = AddCheckpoint::parse(&request[start..]).expect("what a log sends");
    encode_cosignatures(&[signer.sign(asked.checkpoint.text(), at)])
}
